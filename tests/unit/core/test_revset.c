#include <stdlib.h>

#include "../mutate.h"
#include "../test.h"
#include "core/oid.h"
#include "core/revset.h"

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 16) % n);
}

struct made {
    uint32_t *member;
    size_t n;
    uint8_t *bytes;
    size_t size;
};

static void build(struct made *m, uint32_t universe)
{
    struct err e = {0};
    struct writer count = writer_counting();
    assert_ok(revset_build(m->member, m->n, universe, &count, &e), e);
    m->bytes = malloc(count.n);
    struct writer w = writer_of(m->bytes, count.n);
    assert_ok(revset_build(m->member, m->n, universe, &w, &e), e);
    assert_int_equal(w.n, count.n);
    m->size = w.n;
}

/* About one in `one_in` of the universe. */
static struct made strewn(uint32_t universe, uint32_t one_in)
{
    struct made m = {.member = malloc(universe * sizeof(uint32_t) + 1)};
    for (uint32_t i = 0; i < universe; i++)
        if (random_below(one_in) == 0)
            m.member[m.n++] = i;
    build(&m, universe);
    return m;
}

static void made_free(struct made *m)
{
    free(m->member);
    free(m->bytes);
}

static void knows_exactly_its_members(void **state)
{
    (void)state;
    static const struct {
        uint32_t universe, one_in;
    } rows[] = {{0, 1},    {1, 1},   {1, 1000},   {64, 1},    {65, 1},       {255, 2},      {256, 3},
                {257, 10}, {300, 1}, {5000, 700}, {70000, 9}, {100000, 100}, {40000, 40000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct made m = strewn(rows[i].universe, rows[i].one_in);
        struct revset s;
        struct err e = {0};
        assert_ok(revset_open(slice_of(m.bytes, m.size), &s, &e), e);
        size_t k = 0;
        for (uint32_t v = 0; v < rows[i].universe; v++) {
            bool member = k < m.n && m.member[k] == v;
            assert_int_equal(revset_has(&s, v), member);
            k += member;
        }
        assert_false(revset_has(&s, rows[i].universe));
        assert_false(revset_has(&s, UINT32_MAX));
        struct revset_iter it = revset_iter(&s);
        uint32_t v;
        for (k = 0; revset_next(&it, &v); k++)
            assert_int_equal(v, m.member[k]);
        assert_int_equal(k, m.n);
        made_free(&m);
    }
}

static void holds_members_at_the_ends_of_the_largest_universe(void **state)
{
    (void)state;
    uint32_t members[] = {0, 1, UINT32_MAX - 2, UINT32_MAX - 1};
    uint8_t buf[64];
    struct writer w = WRITER_ARRAY(buf);
    struct revset s;
    struct err e = {0};
    assert_ok(revset_build(members, 4, UINT32_MAX, &w, &e), e);
    assert_ok(revset_open(writer_slice(&w), &s, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        assert_true(revset_has(&s, members[i]));
    assert_false(revset_has(&s, 2));
    assert_false(revset_has(&s, UINT32_MAX - 3));
}

/* All members at one end: gaps far from what the Rice parameter expects. */
static void holds_members_that_stand_together(void **state)
{
    (void)state;
    for (uint32_t from = 0; from <= 990000; from += 495000) {
        struct made m = {.member = malloc(10000 * sizeof(uint32_t))};
        for (; m.n < 9999; m.n++)
            m.member[m.n] = from + (uint32_t)m.n;
        m.member[m.n++] = 999999;
        build(&m, 1000000);
        struct revset s;
        struct err e = {0};
        assert_ok(revset_open(slice_of(m.bytes, m.size), &s, &e), e);
        for (uint32_t v = 0; v < 1000000; v += v % 10000 < 9 ? 1 : 9)
            assert_int_equal(revset_has(&s, v), (v >= from && v < from + 9999) || v == 999999);
        made_free(&m);
    }
}

/* Quotients that end before, at and after a load of 64 bits, from every position in a byte (the Rice parameter is 1). */
static void holds_gaps_of_every_length(void **state)
{
    (void)state;
    struct made m = {.member = malloc(23000 * sizeof(uint32_t))};
    uint32_t last = 0;
    for (; m.n < 20000; m.n++)
        m.member[m.n] = last = (uint32_t)m.n;
    for (uint32_t turn = 0; turn < 16; turn++)
        for (uint32_t gap = 100; gap < 140; gap++) {
            m.member[m.n++] = last += 1 + 2 * turn;
            m.member[m.n++] = last += 1 + gap;
        }
    build(&m, last + 1);
    struct revset s;
    struct err e = {0};
    assert_ok(revset_open(slice_of(m.bytes, m.size), &s, &e), e);
    assert_int_equal(s.k, 1);
    size_t k = 0;
    for (uint32_t v = 0; v <= last; v++) {
        bool member = k < m.n && m.member[k] == v;
        assert_int_equal(revset_has(&s, v), member);
        k += member;
    }
    made_free(&m);
}

/* The bar is 1.15 bytes a member at 1 % of a million; it is a matter of the format, not of the machine. */
static void is_as_small_as_it_has_to_be(void **state)
{
    (void)state;
    struct made m = strewn(1000000, 100);
    assert_true((double)m.size <= 1.15 * (double)m.n);
    print_message("%zu bytes for %zu members: %.4f\n", m.size, m.n, (double)m.size / (double)m.n);
    made_free(&m);
}

/* The bytes of doc/spec/revset.md's example: {3, 10, 11} below 40. */
static void is_encoded_as_the_specification_shows(void **state)
{
    (void)state;
    static const uint32_t members[] = {3, 10, 11};
    struct slice want = SLICE_LIT("KRS\x01\x00\x00\x00\x28\x00\x00\x00\x03\x00\x00\x00\x08\x03\x00\xe8");
    uint8_t buf[64];
    struct writer w = WRITER_ARRAY(buf);
    struct err e = {0};
    assert_ok(revset_build(members, 3, 40, &w, &e), e);
    assert_slice(writer_slice(&w), want);
}

static void refuses_members_out_of_order_or_range(void **state)
{
    (void)state;
    static const uint32_t rows[][2] = {{5, 5}, {6, 5}, {5, 10}};
    uint8_t buf[64];
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct writer w = WRITER_ARRAY(buf);
        assert_err(revset_build(rows[i], 2, 10, &w, &e), e, ERR_USAGE);
    }
    static const uint32_t good[] = {1, 2};
    for (size_t cap = 0; cap < 18; cap++) {
        struct writer w = writer_of(buf, cap);
        assert_err(revset_build(good, 2, 10, &w, &e), e, ERR_LIMIT);
    }
}

/* Whatever opens is the one encoding of its members. */
static void check_variant(struct slice bytes, void *ctx)
{
    size_t *opened = ctx;
    struct revset s;
    struct err e = {0};
    if (!revset_open(bytes, &s, &e)) {
        assert_int_equal(e.code, ERR_SYNTAX);
        return;
    }
    ++*opened;
    struct made m = {.member = malloc(s.count * sizeof(uint32_t) + 1)};
    struct revset_iter it = revset_iter(&s);
    for (uint32_t v; revset_next(&it, &v);) {
        assert_true(revset_has(&s, v));
        m.member[m.n++] = v;
    }
    assert_int_equal(m.n, s.count);
    build(&m, s.universe);
    assert_slice(slice_of(m.bytes, m.size), bytes);
    made_free(&m);
}

static void opens_only_the_one_encoding_of_a_set(void **state)
{
    (void)state;
    static const uint32_t rows[][2] = {{0, 1}, {1, 1}, {200, 2}, {5000, 30}, {3000, 300}};
    size_t opened = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct made m = strewn(rows[i][0], rows[i][1]);
        check_variant(slice_of(m.bytes, m.size), &opened);
        assert_int_equal(opened, i + 1);
        made_free(&m);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct made m = strewn(rows[i][0], rows[i][1]);
        mutate_each(slice_of(m.bytes, m.size), check_variant, &opened);
        made_free(&m);
    }
}

static void refuses_a_header_that_promises_too_much(void **state)
{
    (void)state;
    static const struct slice rows[] = {
        OID_SLICE("KRS\x02\0\0\0\0\0\0\0\0\0\0\0\0"),
        OID_SLICE("KRS\x01\0\0\0\0\0\0\0\0\0\0\0\1\0"),
        OID_SLICE("KRS\x01\0\0\0\0\0\0\0\1\0\0\0\0\0\0"),
        OID_SLICE("KRS\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        OID_SLICE("KRS\x01\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        OID_SLICE("KRS\x01\0\0\0\0\0\0\0\0\0\0\0"),
    };
    struct revset s;
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(revset_open(rows[i], &s, &e), e, ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_exactly_its_members),
        cmocka_unit_test(holds_members_at_the_ends_of_the_largest_universe),
        cmocka_unit_test(holds_members_that_stand_together),
        cmocka_unit_test(holds_gaps_of_every_length),
        cmocka_unit_test(is_as_small_as_it_has_to_be),
        cmocka_unit_test(is_encoded_as_the_specification_shows),
        cmocka_unit_test(refuses_members_out_of_order_or_range),
        cmocka_unit_test(opens_only_the_one_encoding_of_a_set),
        cmocka_unit_test(refuses_a_header_that_promises_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
