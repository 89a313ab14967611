/* What stands between SQLite and its pages and files: SQLite itself is the judge, by integrity_check and by a connection that
 * sees the files as they are. */
#include <sqlite3.h>

#include "store/sqlite_wal.h"
#include "store_test.h"

#define STEPS 3000

static uint32_t dice(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void run(sqlite3 *s, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(s, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static int64_t number(sqlite3 *s, const char *sql)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(s, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static void is_whole(sqlite3 *s)
{
    sqlite3_stmt *st = NULL;
    assert_int_equal(sqlite3_prepare_v2(s, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
}

/* Rows in random order split and join pages; full vacuum gives the end of the file back at each commit; half of the
 * transactions are taken back, so pages behind the end come and go. */
static void pages_behind_the_end_are_dropped(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    uint32_t seed = 7;
    char path[300], sql[200];
    struct db *first; /* installs both */
    assert_ok(db_open_raw(t->where, true, &first, &e), e);
    snprintf(path, sizeof path, "%s/other.db", t->dir);
    sqlite3 *s = NULL, *plain = NULL;
    assert_non_null(sqlite_wal_vfs());
    assert_int_equal(
        sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, sqlite_wal_vfs()),
        SQLITE_OK);
    run(s, "PRAGMA auto_vacuum=FULL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=20;"
           "PRAGMA cache_spill=OFF;"
           "PRAGMA wal_autocheckpoint=50; CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB);"
           "CREATE TABLE beside (k INTEGER PRIMARY KEY, v BLOB);");
    assert_int_equal(sqlite3_open_v2(path, &plain, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), SQLITE_OK);
    for (int i = 0; i < STEPS; i += 20) {
        int64_t before = number(s, "SELECT count(*) FROM t");
        run(s, "BEGIN IMMEDIATE");
        for (int k = 0; k < 20; k++) {
            bool add = dice(&seed) % 5 < (i % 1000 < 500 ? 4u : 1u);
            snprintf(sql, sizeof sql,
                     add ? "INSERT OR REPLACE INTO t VALUES (%u, randomblob(%u))" : "DELETE FROM t WHERE k %% 97 = %u",
                     dice(&seed) % (add ? 5000 : 97), dice(&seed) % 3000);
            run(s, sql);
        }
        bool keep = dice(&seed) % 2;
        int64_t now = number(s, "SELECT count(*) FROM t");
        run(s, keep ? "COMMIT" : "ROLLBACK");
        assert_int_equal(number(plain, "SELECT count(*) FROM t"), keep ? now : before);
        snprintf(sql, sizeof sql, "INSERT INTO beside VALUES (%d, randomblob(3000))", i);
        run(plain, sql); /* where the other one's log ended */
        if (i % 300 == 0) {
            is_whole(s);
            is_whole(plain);
        }
    }
    is_whole(s);
    assert_int_equal(number(s, "SELECT count(*) FROM beside"), STEPS / 20);
    sqlite3_close(plain);
    sqlite3_close(s);
    db_free(first);
}

/* More than the cache holds, and taken back: nothing of it may reach the log later, where others have written since. */
static void what_was_taken_back_is_not_written_over_others(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    sqlite3 *plain = NULL;
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_ok(
        db_script(db,
                  "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB); PRAGMA wal_checkpoint(TRUNCATE); BEGIN; WITH "
                  "RECURSIVE n(i) AS "
                  "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) INSERT INTO t SELECT i, randomblob(3600) "
                  "FROM n; ROLLBACK;",
                  &e),
        e);
    assert_int_equal(sqlite3_open_v2(t->where + 7, &plain, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL),
                     SQLITE_OK);
    run(plain, "PRAGMA wal_autocheckpoint=0; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
               "12000) INSERT INTO t SELECT -i, zeroblob(3600) FROM n;");
    {
        static const struct sql count = {"SELECT count(*) FROM t"};
        AUTO(rows_close) struct rows r = {0};
        assert_true(db_query_row(db, &count, NULL, 0, &r, &e)); /* reads the log */
        assert_int_equal(rows_int(&r, 0), 12000);
    }
    db_free(db);
    is_whole(plain);
    assert_int_equal(number(plain, "SELECT count(*) FROM t WHERE k < 0 AND v = zeroblob(3600)"), 12000);
    sqlite3_close(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_behind_the_end_are_dropped, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(what_was_taken_back_is_not_written_over_others, env_setup, env_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
