#include "found.h"

#include <sqlite3.h>

static struct verify_report report;

static bool store_checkpoint(struct tx *tx, struct job *job, struct err *e)
{
    struct lab *t = *(struct lab **)(job + 1);
    uint8_t buf[2048];
    struct slice note = lab_checkpoint(t, buf, sizeof(buf));
    struct value cols[CHECKPOINT_COLS] = {
        value_int(1), value_int((int64_t)tree_size(t->tree)), {.type = VALUE_TEXT, .s = note}, value_int(1700000123)};
    return tx_scratch(tx, &(struct change){.table = &table_checkpoint, .cols = cols}, e);
}

static void checkpoint(struct lab *t)
{
    struct err e = {0};
    struct {
        struct job job;
        struct lab *lab;
    } j = {{.run = store_checkpoint}, t};
    assert_ok(commit_run(t->commit, &j.job, &e), e);
}

static int setup(void **state)
{
    struct lab *t = lab_new();
    assert_true(lab_models(t, 0, 200, "{}", false));
    checkpoint(t);
    assert_true(lab_models(t, 200, 100, "{}", false));
    assert_true(lab_models(t, 10, 5, "{\"a\":1}", false));
    assert_true(lab_models(t, 20, 5, NULL, false));
    checkpoint(t);
    assert_true(lab_models(t, 400, 2, "{}", false)); /* 312 entries, 310 of them signed */
    *state = t;
    return 0;
}

/* What somebody does who has the file and no key.  `aside` is another file, to keep something in. */
static void by_hand(struct lab *t, const char *sql)
{
    sqlite3 *db;
    char *msg = NULL, attach[128];
    snprintf(attach, sizeof(attach), "ATTACH '%s/aside.db' AS aside", t->dir);
    assert_int_equal(sqlite3_open(t->where + strlen("sqlite:"), &db), SQLITE_OK);
    if (sqlite3_exec(db, attach, NULL, NULL, &msg) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
        fail_msg("%s: %s", sql, msg);
    sqlite3_close(db);
}

static void verify(struct lab *t, struct found *f, size_t memory_max)
{
    struct err e = {0};
    struct verify_opts o = found_opts(t, f);
    o.memory_max = memory_max;
    assert_ok(verify_database(t->db, 1, &o, &report, &e), e);
    assert_int_equal(report.findings, f->n);
}

static void a_sound_database_has_no_findings(void **state)
{
    struct found f;
    verify(*state, &f, 0);
    if (f.n)
        fail_msg("%s", f.text);
    assert_int_equal(report.entries, 312);
    assert_int_equal(report.checkpoints, 2);
    assert_int_equal(report.signed_size, 310);
    assert_int_equal(report.rows, 297);
    assert_int_equal(report.erased, 0);
}

/* While a server runs the newest entries wait for their signature; without one nobody is about to give it. */
static void names_the_entries_that_nobody_signed(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    struct verify_opts o = found_opts(t, &f);
    o.running = false;
    assert_ok(verify_database(t->db, 1, &o, &report, &e), e);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_UNSIGNED);
    assert_int_equal(f.seq, 310);
    assert_int_equal(report.unsigned_n, 2);
    assert_non_null(strstr(f.text, "entries 310 to 311"));
}

static void every_edit_is_found_and_named(void **state)
{
    struct lab *t = *state;
    static const struct {
        const char *sql, *undo;
        enum finding_kind kind;
        uint64_t seq;
        const char *key;
    } rows[] = {
        {"UPDATE model SET settings = '{ }' WHERE name = 'model-000007'",
         "UPDATE model SET settings = '{}' WHERE name = 'model-000007'", FINDING_ROW_EDITED, 7, "model-000007"},
        {"UPDATE model SET settings = '{}' WHERE name = 'model-000012'",
         "UPDATE model SET settings = '{\"a\":1}' WHERE name = 'model-000012'", FINDING_ROW_EDITED, 302,
         "model-000012"},
        {"INSERT INTO model VALUES ('zz', '{}', 1)", "DELETE FROM model WHERE name = 'zz'", FINDING_ROW_UNKNOWN,
         ENTRY_SEQ_NONE, "zz"},
        {"INSERT INTO model VALUES ('model-000021', '{}', 1700000000)", "DELETE FROM model WHERE name = 'model-000021'",
         FINDING_ROW_EDITED, 306, "model-000021"},
        {"DELETE FROM model WHERE name = 'model-000100'", "INSERT INTO model VALUES ('model-000100', '{}', 1700000000)",
         FINDING_ROW_MISSING, 100, "model-000100"},
        {"UPDATE entry SET payload = zeroblob(9) WHERE pos & 0xffffff = 5", NULL, FINDING_ENTRY, 5, ""},
        {"UPDATE entry SET salt = NULL WHERE pos & 0xffffff = 5", NULL, FINDING_ENTRY, 5, ""},
        {"UPDATE entry SET payload = NULL WHERE pos & 0xffffff = 5", NULL, FINDING_ENTRY, 5, ""},
        /* The hash of a row within its entry, made to fit the row that was changed. */
        {"UPDATE entry SET payload = CAST(substr(payload, 1, length(payload) - 32) || zeroblob(32) AS BLOB) "
         "WHERE pos & 0xffffff = 6",
         NULL, FINDING_ENTRY, 6, ""},
        {"UPDATE entry SET salt = NULL, payload = NULL WHERE pos & 0xffffff = 10", NULL, FINDING_ERASURE, 10, ""},
        {"UPDATE entry SET time_ms = time_ms + 1 WHERE pos & 0xffffff = 9",
         "UPDATE entry SET time_ms = time_ms - 1 WHERE pos & 0xffffff = 9", FINDING_ENTRY, 9, ""},
        {"UPDATE entry SET type = type + 1 WHERE pos & 0xffffff = 9",
         "UPDATE entry SET type = type - 1 WHERE pos & 0xffffff = 9", FINDING_ENTRY, 9, ""},
        /* No row differs by these. */
        {"CREATE VIEW seen AS SELECT name FROM operator", "DROP VIEW seen", FINDING_SCHEMA, ENTRY_SEQ_NONE, "seen"},
        {"CREATE TRIGGER kept BEFORE UPDATE ON operator BEGIN SELECT RAISE(IGNORE); END", "DROP TRIGGER kept",
         FINDING_SCHEMA, ENTRY_SEQ_NONE, "kept"},
        {"UPDATE tile SET data = zeroblob(8192)", NULL, FINDING_TILE, 0, ""},
        {"DELETE FROM tile", NULL, FINDING_TILE, ENTRY_SEQ_NONE, ""},
        {"DELETE FROM checkpoint", NULL, FINDING_CHECKPOINT, ENTRY_SEQ_NONE, ""},
        {"UPDATE checkpoint SET size = 309 WHERE size = 310", "UPDATE checkpoint SET size = 310 WHERE size = 309",
         FINDING_CHECKPOINT, ENTRY_SEQ_NONE, ""},
        {"UPDATE checkpoint SET size = 400 WHERE size = 310", "UPDATE checkpoint SET size = 310 WHERE size = 400",
         FINDING_TRUNCATED, 312, ""},
        {"UPDATE checkpoint SET note = replace(note, 'kith.example', 'kith.exampel')", NULL, FINDING_CHECKPOINT,
         ENTRY_SEQ_NONE, ""},
    };
    by_hand(
        t, "CREATE TABLE aside.kept_tile AS SELECT * FROM tile; CREATE TABLE aside.kept_cp AS SELECT * FROM checkpoint;"
           "CREATE TABLE aside.kept_entry AS SELECT * FROM entry");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct found f;
        by_hand(t, rows[i].sql);
        verify(t, &f, i % 2 ? 1 : 0); /* in many passes, and in one */
        if (f.n == 0)
            fail_msg("%s: not found", rows[i].sql);
        if (f.first != rows[i].kind || f.seq != rows[i].seq || strcmp(f.key, rows[i].key) != 0)
            fail_msg("%s: %s of %lld, key %s: %s", rows[i].sql, finding_name(f.first), (long long)f.seq, f.key, f.text);
        if (rows[i].undo)
            by_hand(t, rows[i].undo);
        else
            by_hand(t, "DELETE FROM tile; INSERT INTO tile SELECT * FROM kept_tile;"
                       "DELETE FROM checkpoint; INSERT INTO checkpoint SELECT * FROM kept_cp;"
                       "DELETE FROM entry; INSERT INTO entry SELECT * FROM kept_entry");
        verify(t, &f, 0);
        if (f.n)
            fail_msg("%s: not undone: %s", rows[i].sql, f.text);
    }
}

/* Somebody who rewrites an entry with everything that belongs to it, and its row, cannot rewrite the tree. */
static void a_replaced_entry_is_named_by_its_tile_or_its_checkpoint(void **state)
{
    struct lab *t = *state;
    struct found f;
    by_hand(t,
            "UPDATE entry SET (time_ms, type, leaf, salt, payload) = (SELECT time_ms, type, leaf, salt, payload FROM "
            "kept_entry k WHERE k.pos & 0xffffff = 31) WHERE pos & 0xffffff = 30");
    verify(t, &f, 0);
    assert_int_equal(f.first, FINDING_ENTRY);
    assert_int_equal(f.seq, 30);
    by_hand(t,
            "DELETE FROM entry; INSERT INTO entry SELECT * FROM kept_entry;"
            "UPDATE entry SET (time_ms, type, leaf, salt, payload) = (SELECT time_ms, type, leaf, salt, payload FROM "
            "kept_entry k WHERE k.pos & 0xffffff = 271) WHERE pos & 0xffffff = 270");
    verify(t, &f, 0);
    assert_int_equal(f.first, FINDING_CHECKPOINT);
    assert_int_equal(f.seq, 200); /* somewhere from the last good checkpoint on */
    by_hand(
        t, "DELETE FROM entry; INSERT INTO entry SELECT * FROM kept_entry; DELETE FROM entry WHERE pos & 0xffffff = 8");
    verify(t, &f, 0);
    assert_int_equal(f.first, FINDING_ENTRY);
    assert_int_equal(f.seq, 8);
    by_hand(
        t,
        "DELETE FROM entry; INSERT INTO entry SELECT * FROM kept_entry; DELETE FROM entry WHERE pos & 0xffffff > 305");
    verify(t, &f, 0);
    assert_true(f.kinds & 1u << FINDING_TRUNCATED);
    by_hand(t, "DELETE FROM entry; INSERT INTO entry SELECT * FROM kept_entry");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_database_has_no_findings),
        cmocka_unit_test(names_the_entries_that_nobody_signed),
        cmocka_unit_test(every_edit_is_found_and_named),
        cmocka_unit_test(a_replaced_entry_is_named_by_its_tile_or_its_checkpoint),
    };
    return cmocka_run_group_tests(tests, setup, lab_teardown);
}
