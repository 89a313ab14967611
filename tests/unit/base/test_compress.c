#include "../test.h"

#include <stdlib.h>

#include "../mutate.h"
#include "base/compress.h"

#define CAP 700

/* Two byte strings that share most of their bytes, as certificates of one profile do. */
static struct slice sample(unsigned seed, uint8_t buf[550])
{
    for (size_t i = 0; i < 550; i++)
        buf[i] = (uint8_t)(i * i * 7 + i / 3);
    for (size_t i = 0; i < 120; i++) {
        seed = seed * 1103515245u + 12345u;
        buf[100 + i * 3] = (uint8_t)(seed >> 16);
    }
    return slice_of(buf, 550);
}

struct lab {
    uint8_t known_buf[550], other_buf[550], frame_buf[CAP];
    struct slice known, other, frame;
    struct decompressor *d;
};

static int setup(void **state)
{
    struct lab *t = calloc(1, sizeof *t);
    struct compressor *c;
    struct err e = {0};
    size_t n;
    t->known = sample(1, t->known_buf);
    t->other = sample(2, t->other_buf);
    assert_ok(compressor_new(t->known, &c, &e), e);
    assert_ok(decompressor_new(&t->d, &e), e);
    for (int i = 0; i < 3; i++) /* a compressor serves again and again */
        assert_true(compressor_put(c, t->other, t->frame_buf, sizeof t->frame_buf, &n));
    t->frame = slice_of(t->frame_buf, n);
    compressor_free(c);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct lab *t = *state;
    decompressor_free(t->d);
    free(t);
    return 0;
}

static void gives_back_what_it_was_given(void **state)
{
    struct lab *t = *state;
    uint8_t out[550];
    size_t n;
    struct err e = {0};
    assert_true(t->frame.n < 500);
    assert_ok(decompressor_get(t->d, t->frame, t->known, out, sizeof out, &n, &e), e);
    assert_slice(slice_of(out, n), t->other);
}

static void says_when_it_does_not_fit(void **state)
{
    struct lab *t = *state;
    struct compressor *c;
    uint8_t out[CAP];
    size_t n;
    struct err e = {0};
    assert_ok(compressor_new(t->known, &c, &e), e);
    assert_false(compressor_put(c, t->other, out, t->frame.n - 1, &n));
    assert_false(compressor_put(c, (struct slice){0}, out, sizeof out, &n));
    assert_true(compressor_put(c, t->other, out, t->frame.n, &n));
    assert_slice(slice_of(out, n), t->frame);
    compressor_free(c);
}

static void is_bounded_and_refuses_what_is_not_one_frame(void **state)
{
    struct lab *t = *state;
    uint8_t out[550], two[2 * CAP];
    size_t n;
    struct err e = {0};
    assert_err(decompressor_get(t->d, t->frame, t->known, out, t->other.n - 1, &n, &e), e, ERR_SYNTAX);
    assert_err(decompressor_get(t->d, (struct slice){0}, t->known, out, sizeof out, &n, &e), e, ERR_SYNTAX);
    memcpy(two, t->frame.p, t->frame.n);
    memcpy(two + t->frame.n, "\x28\xb5\x2f\xfd", 4);
    memcpy(two + t->frame.n + 4, t->frame.p, t->frame.n);
    assert_err(decompressor_get(t->d, slice_of(two, 2 * t->frame.n + 4), t->known, out, sizeof out, &n, &e), e,
               ERR_SYNTAX);
    assert_err(decompressor_get(t->d, slice_of(two, t->frame.n + 1), t->known, out, sizeof out, &n, &e), e, ERR_SYNTAX);
    static uint8_t huge[70000];
    assert_err(decompressor_get(t->d, SLICE_ARRAY(huge), t->known, out, sizeof out, &n, &e), e, ERR_SYNTAX);
}

static void take_variant(struct slice v, void *ctx)
{
    struct lab *t = ctx;
    uint8_t out[600];
    size_t n;
    if (!decompressor_get(t->d, v, t->known, out, sizeof out, &n, NULL))
        assert_int_equal(n, 0);
    else
        assert_true(n <= sizeof out);
}

static void every_variant_is_refused_or_within_bounds(void **state)
{
    struct lab *t = *state;
    mutate_each(t->frame, take_variant, t);
    gives_back_what_it_was_given(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_it_was_given),
        cmocka_unit_test(says_when_it_does_not_fit),
        cmocka_unit_test(is_bounded_and_refuses_what_is_not_one_frame),
        cmocka_unit_test(every_variant_is_refused_or_within_bounds),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
