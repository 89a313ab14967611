/* What the server takes for the next head: its own signer's, and only after the one that it has. */
#include "../test.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "../../gate/kit.h"
#include "base/codec.h"
#include "keys/crypto.h"
#include "server/feed_state.h"

#define NOW 1700000000

struct lab {
    struct kit kit;
    struct app *app;
    struct feed_state *s;
    uint8_t *der;
};

static int setup(void **state)
{
    struct lab *t = calloc(1, sizeof *t);
    struct err e = {0};
    size_t n;
    assert_non_null(t);
    t->app = calloc(1, sizeof *t->app);
    t->s = calloc(1, sizeof *t->s);
    assert_true(t->app && t->s);
    kit_init(&t->kit, NOW, NOW + 90 * 86400);
    t->kit.universe = 100;
    kit_der(t->kit.cert, &t->der, &n);
    assert_ok(cert_read(slice_of(t->der, n), &t->app->ca, &e), e);
    t->app->crypto = &crypto_openssl;
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct lab *t = *state;
    feed_state_clear(t->s);
    kit_clear(&t->kit);
    OPENSSL_free(t->der);
    free(t->app);
    free(t->s);
    free(t);
    return 0;
}

/* The next head of k, given to the server. */
static bool next(struct lab *t, struct kit *k, struct kit_change c, struct err *e)
{
    AUTO(buf_clear) struct buf stream = {0};
    struct slice body;
    struct feed_frame f;
    size_t taken;
    buf_init(&stream, 1u << 20);
    kit_step(k, c, &stream);
    assert_true(feed_frame_split(buf_slice(&stream), &body, &taken, e) && feed_frame_read(body, &f, e));
    return feed_state_step(t->s, t->app, f.head, f.delta, e);
}

static void takes_heads_that_follow_one_another(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    assert_ok(next(t, &t->kit, (struct kit_change){7, -1, -1}, &e), e);
    assert_ok(next(t, &t->kit, (struct kit_change){-1, 8, -1}, &e), e);
    assert_int_equal(t->s->seq, 2);
    assert_memory_equal(t->s->hash, t->kit.hash, SHA256_SIZE);
}

static void refuses_a_head_of_another_chain(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    assert_ok(next(t, &t->kit, (struct kit_change){7, -1, -1}, &e), e);
    struct kit other = t->kit;
    other.hash[0] ^= 1; /* signed as well, with the right number, the same sets: but after another head */
    buf_init(&other.head, FEED_HEAD_MAX);
    assert_err(next(t, &other, KIT_NOTHING, &e), e, ERR_SIGNER_PROTOCOL);
    assert_non_null(strstr(e.what, "does not follow"));
    buf_clear(&other.head);
    assert_ok(next(t, &t->kit, KIT_NOTHING, &e), e);
}

static void refuses_a_head_that_skips_or_repeats(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    for (int by = -1; by <= 1; by += 2) {
        struct kit other = t->kit;
        buf_init(&other.head, FEED_HEAD_MAX);
        if (by < 0)
            assert_ok(next(t, &t->kit, KIT_NOTHING, &e), e);
        memcpy(other.hash, t->s->hash, SHA256_SIZE);
        other.seq = t->s->seq + (uint64_t)by;
        assert_err(next(t, &other, KIT_NOTHING, &e), e, ERR_SIGNER_PROTOCOL);
        buf_clear(&other.head);
    }
}

static void refuses_a_delta_with_a_shard_that_the_head_has_not(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    uint8_t message[1024], scratch[512], delta[128], hash[SHA256_SIZE];
    struct writer w = WRITER_ARRAY(message), d = WRITER_ARRAY(delta);
    const uint32_t index = 7;
    const struct feed_head h = {.origin = SLICE_LIT(KIT_ORIGIN), .seq = 1, .time_at = NOW, .next_at = NOW + 60};
    assert_ok(feed_head_write(&w, &t->kit.signer, &crypto_openssl, &h, NULL, 0, scratch, sizeof scratch, hash, &e), e);
    feed_delta_begin(&d, 1, 1);
    feed_delta_row_put(&d, t->kit.shard, 100, (struct feed_indexes){&index, 1}, (struct feed_indexes){0},
                       (struct feed_indexes){0});
    assert_err(feed_state_step(t->s, t->app, writer_slice(&w), writer_slice(&d), &e), e, ERR_SIGNER_PROTOCOL);
    assert_int_equal(t->s->seq, 0);
}

static void refuses_a_head_that_another_key_signed(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    struct kit forger;
    kit_init(&forger, NOW, NOW + 90 * 86400);
    forger.universe = 100;
    assert_false(next(t, &forger, KIT_NOTHING, &e));
    assert_int_equal(t->s->seq, 0);
    kit_clear(&forger);
}

static void count(void *ctx, const struct feed_frame *f)
{
    int *deltas = ctx; /* -1: a snapshot */
    *deltas = f->kind == FEED_DELTA && *deltas >= 0 ? *deltas + 1 : -1;
}

static void sends_what_a_gateway_lacks_or_all(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    char hash[4][2 * SHA256_SIZE + 1] = {{0}};
    for (int i = 1; i <= 3; i++) {
        assert_ok(next(t, &t->kit, (struct kit_change){6 + i, -1, -1}, &e), e);
        assert_true(codec_encode(CODEC_HEX, SLICE_ARRAY(t->s->hash), hash[i], sizeof hash[i]));
    }
    const struct {
        const char *since, *prev;
        int deltas;
    } rows[] = {
        {"1", hash[1], 2},
        {"3", hash[3], 0},
        {"1", hash[2], -1},
        {"0", hash[0], -1},
        {"4", hash[3], -1},
        {"01", hash[1], -1},
        {"", hash[1], -1},
        {"1 ", hash[1], -1},
        {"1", "", -1},
        {NULL, hash[1], -1},
        {"1", NULL, -1},
        {"-1", hash[1], -1},
        {"18446744073709551617", hash[1], -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int deltas = 0;
        feed_state_send(t->s, rows[i].since, rows[i].prev, count, &deltas);
        if (deltas != rows[i].deltas)
            fail_msg("row %zu: %d", i, deltas);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_heads_that_follow_one_another, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_head_of_another_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_head_that_skips_or_repeats, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_delta_with_a_shard_that_the_head_has_not, setup, teardown),
        cmocka_unit_test_setup_teardown(sends_what_a_gateway_lacks_or_all, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_head_that_another_key_signed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
