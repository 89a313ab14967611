#include "../test.h"

#include "../../gate/kit.h"
#include "keys/crypto.h"
#include "model/serial.h"

#include <string.h>

#define NOW 1795000000

static struct kit kit;

static int setup(void **state)
{
    (void)state;
    kit_init(&kit, NOW, NOW + 90 * 86400);
    kit.universe = 1000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_clear(&kit);
    return 0;
}

static bool read_head(struct slice message, struct feed_head *h, struct err *e)
{
    return feed_head_read(message, &crypto_openssl, slice_of(kit.spki, kit.spki_n), SIG_ES256, h, NULL, e);
}

static void head_says_what_was_written(void **state)
{
    (void)state;
    struct err e = {0};
    struct feed_head h;
    struct feed_row row;
    kit_step(&kit, (struct kit_change){7, 9, -1}, NULL);
    assert_ok(read_head(buf_slice(&kit.head), &h, &e), e);
    assert_int_equal(h.seq, 1);
    assert_int_equal(h.time_at, NOW);
    assert_int_equal(h.row_n, 1);
    assert_true(feed_row_find(&h, kit.shard, &row));
    assert_int_equal(row.universe, 1000);
    assert_int_equal(row.revoked_n, 1);
    assert_int_equal(row.held_n, 1);
}

static void head_chains_to_the_one_before(void **state)
{
    (void)state;
    struct err e = {0};
    struct feed_head h;
    uint8_t first[SHA256_SIZE];
    kit_step(&kit, KIT_NOTHING, NULL);
    memcpy(first, kit.hash, sizeof first);
    kit_step(&kit, KIT_NOTHING, NULL);
    assert_ok(read_head(buf_slice(&kit.head), &h, &e), e);
    assert_memory_equal(h.prev, first, SHA256_SIZE);
}

static void refuses_head_by_another_key(void **state)
{
    (void)state;
    struct err e = {0};
    struct feed_head h;
    struct kit other;
    kit_init(&other, NOW, NOW + 90 * 86400);
    kit_step(&other, KIT_NOTHING, NULL);
    assert_err(read_head(buf_slice(&other.head), &h, &e), e, ERR_SIGNATURE);
    kit_clear(&other);
}

/* Not one changed, cut or added byte gets past the signature; nothing crashes. */
static void refuses_any_changed_byte_of_a_head(void **state)
{
    (void)state;
    uint8_t copy[2048];
    struct feed_head h;
    kit_step(&kit, (struct kit_change){3, -1, -1}, NULL);
    struct slice m = buf_slice(&kit.head);
    for (size_t i = 0; i < m.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct err e = {0};
            memcpy(copy, m.p, m.n);
            copy[i] ^= (uint8_t)(1 << bit);
            assert_false(read_head(slice_of(copy, m.n), &h, &e));
        }
    for (size_t n = 0; n < m.n; n++) {
        struct err e = {0};
        assert_false(read_head(slice_of(m.p, n), &h, &e));
    }
}

static void delta_leads_to_the_heads_set(void **state)
{
    (void)state;
    struct err e = {0};
    struct feed_head h;
    struct feed_row row;
    struct feed_set was, now;
    struct feed_frame f;
    struct feed_delta d;
    struct feed_delta_row change;
    struct buf out;
    buf_init(&out, 1 << 16);
    for (int i = 0; i < 200; i++)
        kit_step(&kit, (struct kit_change){i * 5, i * 5 + 1, -1}, NULL);
    assert_ok(feed_set_build(kit.shard, kit.universe, (struct feed_indexes){kit.revoked.v, kit.revoked.n},
                             (struct feed_indexes){kit.held.v, kit.held.n}, &was, &e),
              e);
    kit.universe = 1010;
    kit_step(&kit, (struct kit_change){1003, 1004, 501}, &out);
    assert_ok(feed_frame_read(slice_of(out.p + 4, out.n - 4), &f, &e), e);
    assert_int_equal(f.kind, FEED_DELTA);
    assert_ok(feed_delta_read(f.delta, &d, &e), e);
    struct reader r = feed_delta_rows(&d);
    assert_true(feed_delta_row_next(&r, &change));
    assert_ok(feed_set_apply(&was, &change, &now, &e), e);
    assert_ok(read_head(f.head, &h, &e), e);
    assert_true(feed_row_find(&h, kit.shard, &row));
    assert_ok(feed_set_check(&now, &row, &crypto_openssl, &e), e);
    assert_ok(feed_set_follows(&was, &now, &e), e);
    assert_err(feed_set_follows(&now, &was, &e), e, ERR_FEED_FORK);
    assert_err(feed_set_check(&was, &row, &crypto_openssl, &e), e, ERR_FEED_HASH);
    feed_set_clear(&was);
    feed_set_clear(&now);
    buf_clear(&out);
}

static void refuses_deltas_that_do_not_fit(void **state)
{
    (void)state;
    static const uint32_t five[] = {5}, nine[] = {9}, big[] = {100}, unsorted[] = {4, 4};
    static const struct {
        const char *name;
        struct feed_indexes revoked, held, released;
        uint32_t universe;
        bool readable;
    } rows[] = {
        {"revoked twice", {five, 1}, {0}, {0}, 100, true},
        {"held twice", {0}, {nine, 1}, {0}, 100, true},
        {"released without being held", {0}, {0}, {five, 1}, 100, true},
        {"universe shrinks", {0}, {0}, {0}, 99, true},
        {"beyond the universe", {big, 1}, {0}, {0}, 100, false},
        {"not ascending", {unsorted, 2}, {0}, {0}, 100, false},
    };
    struct err e = {0};
    struct feed_set was, now;
    const struct feed_key key = {2, 1, 9};
    assert_ok(feed_set_build(key, 100, (struct feed_indexes){five, 1}, (struct feed_indexes){nine, 1}, &was, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bytes[128];
        struct writer w = WRITER_ARRAY(bytes);
        struct feed_delta d;
        struct feed_delta_row change;
        feed_delta_begin(&w, 2, 1);
        feed_delta_row_put(&w, key, rows[i].universe, rows[i].revoked, rows[i].held, rows[i].released);
        bool readable = feed_delta_read(writer_slice(&w), &d, &e);
        if (readable != rows[i].readable)
            fail_msg("%s: readable %d", rows[i].name, readable);
        if (!readable)
            continue;
        struct reader r = feed_delta_rows(&d);
        assert_true(feed_delta_row_next(&r, &change));
        if (feed_set_apply(&was, &change, &now, &e))
            fail_msg("%s: accepted", rows[i].name);
        assert_int_equal(e.code, ERR_FEED);
    }
    feed_set_clear(&was);
}

/* ---- frames ---- */

static void frames_of_all_kinds(struct buf *out)
{
    buf_init(out, 1 << 20);
    kit_step(&kit, (struct kit_change){1, 2, -1}, out);
    kit_snapshot(&kit, out);
    kit_device_record(out, "dev_00000000000000000000000001", "m1", "line", "a", false);
    kit_frame(out, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    kit_frame(out, &(struct feed_frame){.kind = FEED_POLICY, .policy = SLICE_LIT("both t/%i\n")});
}

static void frames_come_back_as_they_were_written(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf all, again;
    frames_of_all_kinds(&all);
    buf_init(&again, 1 << 20);
    for (struct slice s = buf_slice(&all); s.n;) {
        struct slice body;
        size_t taken;
        struct feed_frame f;
        assert_ok(feed_frame_split(s, &body, &taken, &e), e);
        assert_true(taken > 0);
        assert_ok(feed_frame_read(body, &f, &e), e);
        kit_frame(&again, &f);
        s = slice_of(s.p + taken, s.n - taken);
    }
    assert_slice(buf_slice(&again), buf_slice(&all));
    buf_clear(&all);
    buf_clear(&again);
}

static void read_all(struct slice s)
{
    struct slice body;
    size_t taken;
    struct err e = {0};
    while (s.n && feed_frame_split(s, &body, &taken, &e) && taken) {
        struct feed_frame f;
        struct feed_delta d;
        if (feed_frame_read(body, &f, &e) && f.kind == FEED_DELTA && feed_delta_read(f.delta, &d, &e)) {
            struct feed_delta_row row;
            struct feed_set set;
            for (struct reader r = feed_delta_rows(&d); feed_delta_row_next(&r, &row);)
                if (feed_set_apply(NULL, &row, &set, &e))
                    feed_set_clear(&set);
        }
        s = slice_of(s.p + taken, s.n - taken);
    }
}

static void survives_changed_frames(void **state)
{
    (void)state;
    struct buf all;
    frames_of_all_kinds(&all);
    uint8_t *copy = test_malloc(all.n);
    for (size_t i = 0; i < all.n; i++) {
        static const uint8_t masks[] = {1, 0x20, 0x80, 0xff};
        for (size_t m = 0; m < ARRAY_LEN(masks); m++) {
            memcpy(copy, all.p, all.n);
            copy[i] ^= masks[m];
            read_all(slice_of(copy, all.n));
        }
        read_all(slice_of(all.p, i));
    }
    test_free(copy);
    buf_clear(&all);
}

static void passes_over_kinds_of_later_versions(void **state)
{
    (void)state;
    static const uint8_t body[] = {0x82, 0x18, 0x63, 0x01};
    struct err e = {0};
    struct feed_frame f;
    assert_ok(feed_frame_read(SLICE_ARRAY(body), &f, &e), e);
    assert_int_equal(f.kind, 0);
}

static void refuses_frames_too_long(void **state)
{
    (void)state;
    static const uint8_t huge[] = {0xff, 0, 0, 0, 0}, none[] = {0, 0, 0, 0};
    struct err e = {0};
    struct slice body;
    size_t taken;
    assert_err(feed_frame_split(SLICE_ARRAY(huge), &body, &taken, &e), e, ERR_FEED);
    assert_err(feed_frame_split(SLICE_ARRAY(none), &body, &taken, &e), e, ERR_FEED);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(head_says_what_was_written),
        T(head_chains_to_the_one_before),
        T(refuses_head_by_another_key),
        T(refuses_any_changed_byte_of_a_head),
        T(delta_leads_to_the_heads_set),
        T(refuses_deltas_that_do_not_fit),
        T(frames_come_back_as_they_were_written),
        T(survives_changed_frames),
        T(passes_over_kinds_of_later_versions),
        T(refuses_frames_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
