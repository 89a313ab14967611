/* What is read of the end of a log before anything is entered: its newest checkpoint, and what its last entries name. */
#include "ledger/last_checkpoint.h"
#include "ledger/named.h"
#include "ledger_test.h"

static int setup(void **state)
{
    *state = lab_new();
    return 0;
}

static int teardown(void **state)
{
    lab_free(*state);
    return 0;
}

struct note_job {
    struct job job;
    uint64_t size;
    struct slice note;
};

static bool store_note(struct tx *tx, struct job *job, struct err *e)
{
    struct note_job *j = (struct note_job *)job;
    struct value cols[CHECKPOINT_COLS] = {
        value_int(1), value_int((int64_t)j->size), {.type = VALUE_TEXT, .s = j->note}, value_int(1700000123)};
    return tx_scratch(tx, &(struct change){.table = &table_checkpoint, .cols = cols}, e);
}

static void store(struct lab *t, uint64_t size, struct slice note)
{
    struct err e = {0};
    struct note_job j = {{.run = store_note}, size, note};
    assert_ok(commit_run(t->commit, &j.job, &e), e);
}

static uint64_t last(struct lab *t, const char *origin)
{
    struct err e = {0};
    AUTO(buf_clear) struct buf note = {0};
    struct last_checkpoint out = {.note = &note};
    const struct log_of_keys log = {.node = 1, .origin = origin, .keys = t->note_key, .keys_n = 2};
    buf_init(&note, 4096);
    assert_ok(last_checkpoint_read(t->db, &crypto_openssl, &log, &out, &e), e);
    assert_int_equal(note.n > 0, out.size > 0);
    assert_int_equal(out.made_at, out.size ? 1700000123 : 0);
    return out.size;
}

/* Without a key anybody can only put there what was signed, somewhere else, or what was not. */
static void is_the_newest_that_all_signed(void **state)
{
    struct lab *t = *state;
    uint8_t buf[2048];
    assert_int_equal(last(t, TEST_ORIGIN), 0);
    assert_true(lab_models(t, 0, 20, "{}", false));
    struct slice first = lab_checkpoint(t, buf, sizeof buf);
    store(t, 20, first);
    assert_int_equal(last(t, TEST_ORIGIN), 20);
    store(t, 5000, first);
    store(t, 6000, SLICE_LIT("garbage"));
    assert_int_equal(last(t, TEST_ORIGIN), 20);
    assert_true(lab_models(t, 20, 10, "{}", false));
    struct slice second = lab_checkpoint(t, buf, sizeof buf);
    size_t issuing = second.n - 1;
    while (second.p[issuing - 1] != '\n')
        issuing--;
    store(t, 30, slice_of(second.p, issuing)); /* one of the two signatures */
    assert_int_equal(last(t, TEST_ORIGIN), 20);
    store(t, 30, second);
    assert_int_equal(last(t, TEST_ORIGIN), 30);
    assert_int_equal(last(t, "other.example"), 0);
}

#define NAMED 700

static void digest_of(unsigned i, uint8_t out[SHA256_SIZE])
{
    struct slice s = slice_of(&i, sizeof i);
    crypto_openssl.sha256(&s, 1, out);
}

static bool name_all(struct tx *tx, struct job *job, struct err *e)
{
    (void)job;
    for (unsigned i = 0; i < NAMED; i++) {
        uint8_t fields[128], ref[SHA256_SIZE];
        struct slice s;
        struct writer w = WRITER_ARRAY(fields);
        struct event_draft d = event_draft_of(EVENT_PLATFORM_STOPPED);
        event_set_text(&d, "who", "system:server");
        digest_of(i, ref);
        if (!event_write(&d, &w, e) || !writer_done(&w, &s) ||
            !tx_record(tx, &(struct event){(uint16_t)d.kind->type, s, i % 2 ? ref : NULL}, NULL, 0, NULL, e))
            return false;
    }
    return true;
}

static void finds_what_entries_name_from_one_on(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    struct job j = {.run = name_all};
    uint64_t first = tree_size(t->tree);
    assert_ok(commit_run(t->commit, &j, &e), e);
    for (unsigned from = 0; from <= NAMED; from += NAMED / 2) {
        struct named n;
        assert_ok(named_read(&n, t->db, 1, first + from, &e), e);
        assert_int_equal(n.n, (NAMED - from) / 2);
        for (unsigned i = 0; i < NAMED; i++) {
            uint8_t ref[SHA256_SIZE];
            digest_of(i, ref);
            const struct named_ref *r = named_find(&n, ref);
            assert_int_equal(r != NULL, i >= from && i % 2);
            if (r)
                assert_int_equal(r->seq, first + i);
        }
        named_clear(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_newest_that_all_signed),
        cmocka_unit_test(finds_what_entries_name_from_one_on),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
