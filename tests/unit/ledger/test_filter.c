/* An index of the entries that was altered hides some of them, and is named; on SQLite and, with STORE_TEST_PG, on PostgreSQL. */
#include "either.h"
#include "found.h"

#include "ledger/erase.h"
#include "ledger/filter.h"

#define FULL 2 /* blocks; and a few entries of a third */

static struct filter_block blocks[FULL];

static void make(struct lab *t, size_t i)
{
    static const struct sql of_block = {
        "SELECT time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};
    const struct value range[] = {value_int(entry_pos(1, i * FILTER_BLOCK)),
                                  value_int(entry_pos(1, (i + 1) * FILTER_BLOCK))};
    AUTO(rows_close) struct rows r = {0};
    struct err e = {0};
    filter_begin(&blocks[i]);
    assert_ok(db_query(t->db, &of_block, range, 2, &r, &e), e);
    while (rows_next(&r, &e))
        filter_add(&blocks[i], rows_int(&r, 0), (unsigned)rows_int(&r, 1), rows_blob(&r, 2));
    filter_finish(&blocks[i]);
}

static bool put_run(struct tx *tx, struct job *job, struct err *e)
{
    (void)job;
    for (size_t i = 0; i < FULL; i++) {
        const struct value cols[ENTRY_FILTER_COLS] = {value_int(entry_pos(1, i * FILTER_BLOCK)),
                                                      value_blob(filter_bytes(&blocks[i]))};
        if (!tx_scratch(tx, &(struct change){.table = &table_entry_filter, .cols = cols}, e))
            return false;
    }
    return true;
}

static void put(struct lab *t)
{
    struct err e = {0};
    struct job j = {.run = put_run};
    assert_ok(commit_run(t->commit, &j, &e), e);
}

static int setup(void **state)
{
    struct lab *t = lab_new_either();
    for (unsigned i = 0; i < FULL; i++) /* each at a time of its own */
        assert_true(lab_models(t, i * FILTER_BLOCK, FILTER_BLOCK, "{}", false));
    assert_true(lab_models(t, FULL * FILTER_BLOCK, 9, "{}", false));
    for (size_t i = 0; i < FULL; i++)
        make(t, i);
    put(t);
    *state = t;
    return 0;
}

static void verify(struct lab *t, struct found *f)
{
    struct verify_report report;
    struct err e = {0};
    struct verify_opts o = found_opts(t, f);
    o.keys_n = 0; /* no checkpoints here */
    assert_ok(verify_database(t->db, 1, &o, &report, &e), e);
}

static void must_be_sound(struct lab *t)
{
    struct found f;
    verify(t, &f);
    if (f.n)
        fail_msg("%s: %s", f.key, f.text);
}

static void must_name(struct lab *t, const char *sql, enum finding_kind kind, int64_t pos)
{
    struct found f;
    char key[24];
    snprintf(key, sizeof(key), "%lld", (long long)pos);
    by_hand(t, sql);
    verify(t, &f);
    if (f.n != 1 || f.first != kind || strcmp(f.table, "entry_filter") != 0 || strcmp(f.key, key) != 0)
        fail_msg("%s: %zu findings, %s of %s: %s", sql, f.n, f.n ? finding_name(f.first) : "none", f.key, f.text);
    by_hand(t, "DELETE FROM entry_filter");
    must_be_sound(t); /* without filters every entry is read */
    put(t);
    must_be_sound(t);
}

#define FIRST "72057594037927936" /* entry_pos(1, 0) */
static const char of_the_next[] =
    "UPDATE entry_filter SET data = (SELECT data FROM entry_filter WHERE pos = " FIRST " + 256)"
    " WHERE pos = " FIRST;

static void an_edited_filter_is_named(void **state)
{
    static const char other[] =
        "UPDATE entry_filter SET data = (SELECT salt FROM entry WHERE pos = " FIRST ") WHERE pos = " FIRST;
    must_be_sound(*state);
    must_name(*state, of_the_next, FINDING_ROW_EDITED, entry_pos(1, 0));
    must_name(*state, other, FINDING_ROW_EDITED, entry_pos(1, 0));
}

static void one_bit_is_enough(void **state)
{
    struct found f;
    for (size_t bit = 0; bit < 8 * blocks[1].n; bit++) {
        blocks[1].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        put(*state);
        blocks[1].bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        verify(*state, &f);
        if (f.n != 1 || f.first != FINDING_ROW_EDITED || f.seq != FILTER_BLOCK)
            fail_msg("bit %zu: %zu findings", bit, f.n);
    }
}

/* One of a block that is not full yet would hide what is entered next. */
static void a_filter_of_no_block_is_named(void **state)
{
#define MOVED(pos) "UPDATE entry_filter SET pos = " pos " WHERE pos = " FIRST
    must_name(*state, MOVED(FIRST " + 512"), FINDING_ROW_UNKNOWN, entry_pos(1, 512));
    must_name(*state, MOVED(FIRST " + 1"), FINDING_ROW_UNKNOWN, entry_pos(1, 1));
    must_name(*state, MOVED("2 * " FIRST), FINDING_ROW_UNKNOWN, entry_pos(2, 0));
    must_name(*state, MOVED("9223372036854775807"), FINDING_ROW_UNKNOWN, INT64_MAX);
    must_name(*state, MOVED("9223372036854775552"), FINDING_ROW_UNKNOWN, INT64_MAX - 255);
    must_name(*state, MOVED("-5"), FINDING_ROW_UNKNOWN, -5);
}

static bool erase_run(struct tx *tx, struct job *job, struct err *e)
{
    (void)job;
    return erase_entry(tx, 4, "operator:alice", "asked for", e);
}

/* The filter that was made before has more words than what is left, and is no finding. */
static void an_erased_entry_leaves_its_filter_sound(void **state)
{
    struct err e = {0};
    struct job j = {.run = erase_run};
    assert_true(lab_models(*state, 4, 1, "{\"a\":1}", false)); /* a newer entry for the row */
    assert_ok(commit_run(((struct lab *)*state)->commit, &j, &e), e);
    must_be_sound(*state);
    must_name(*state, of_the_next, FINDING_ROW_EDITED, entry_pos(1, 0));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_edited_filter_is_named),
        T(one_bit_is_enough),
        T(a_filter_of_no_block_is_named),
        T(an_erased_entry_leaves_its_filter_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
