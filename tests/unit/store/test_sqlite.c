/* What stands between SQLite and its pages and files: SQLite itself is the judge, by integrity_check and by a connection that
 * sees the files as they are. */
#include <sqlite3.h>
#include <sys/stat.h>

#include "store/sqlite_checkpoint.h"
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

static void copy_file(const char *from, const char *to)
{
    static char buf[1 << 16];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_size : -1;
}

/* The files as a crash would leave them at this moment, while the thread writes: everything committed is there. */
static void survives_a_crash_now(const char *path, const char *copy, int64_t rows)
{
    char from[310], to[310];
    sqlite3 *s = NULL;
    copy_file(path, copy);
    snprintf(from, sizeof from, "%s-wal", path);
    snprintf(to, sizeof to, "%s-wal", copy);
    copy_file(from, to);
    assert_int_equal(sqlite3_open_v2(copy, &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), SQLITE_OK);
    is_whole(s);
    assert_int_equal(number(s, "SELECT count(*) FROM t"), rows);
    sqlite3_close(s);
}

#define LONG_PAGES 320
#define PAGE_BYTES 4120 /* in the log */

static void the_log_is_carried_over_and_starts_anew(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    char path[300], log[310], copy[300], sql[200];
    uint32_t seed = 11;
    int64_t rows = 0, most = 0, carried = 0;
    sqlite3 *s = NULL, *reader = NULL;
    struct checkpointer *c;
    snprintf(path, sizeof path, "%s/carried.db", t->dir);
    snprintf(log, sizeof log, "%s-wal", path);
    snprintf(copy, sizeof copy, "%s/copy.db", t->dir);
    assert_int_equal(
        sqlite3_open_v2(path, &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, sqlite_wal_vfs()),
        SQLITE_OK);
    run(s, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
           "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB);");
    assert_ok(checkpointer_new(s, path, LONG_PAGES, &c, &e), e);
    assert_int_equal(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), SQLITE_OK);
    for (int i = 0; i < 900; i++, rows += 5) {
        if (i == 600) /* holds on to the log for a while */
            run(reader, "BEGIN; SELECT count(*) FROM t;");
        if (i == 700) {
            assert_int_equal(number(reader, "SELECT count(*) FROM t"), 600 * 5);
            run(reader, "COMMIT");
        }
        run(s, "BEGIN IMMEDIATE");
        for (int k = 0; k < 5; k++) {
            snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%u, randomblob(3000))",
                     dice(&seed) << 16 | (uint32_t)(i * 5 + k));
            run(s, sql);
        }
        run(s, "COMMIT");
        if (i < 600 && size_of(log) > most)
            most = size_of(log);
        if (i % 60 == 59)
            survives_a_crash_now(path, copy, rows + 5);
    }
    /* Eight pages a transaction: a log that is never started anew has 5,000. */
    assert_in_range(most, LONG_PAGES * PAGE_BYTES, 9 * LONG_PAGES * PAGE_BYTES);
    for (int i = 0; i < 500 && carried < LONG_PAGES; i++, usleep(10000))
        carried = size_of(path) / 4096;
    assert_true(carried >= LONG_PAGES); /* though nobody but the thread has written to the file */
    assert_int_equal(number(reader, "SELECT count(*) FROM t"), rows);
    checkpointer_free(c);
    sqlite3_close(reader);
    sqlite3_close(s);
}

static void a_file_without_its_name_is_not_written(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    char away[300];
    const char *path = t->where + sizeof "sqlite:" - 1;
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    snprintf(away, sizeof away, "%s.away", path);
    assert_ok(db_begin(db, &e), e);
    db_rollback(db);
    assert_int_equal(rename(path, away), 0);
    assert_err(db_begin(db, &e), e, ERR_STORE_UNAVAILABLE);
    assert_non_null(strstr(e.what, "moved or removed"));
    assert_int_equal(rename(away, path), 0);
    assert_ok(db_begin(db, &e), e);
    db_rollback(db);
    db_free(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages_behind_the_end_are_dropped, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(what_was_taken_back_is_not_written_over_others, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(the_log_is_carried_over_and_starts_anew, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(a_file_without_its_name_is_not_written, env_setup, env_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
