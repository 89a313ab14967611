#include "store_test.h"

#include "store/schema.h"

#ifdef STORE_TEST_PG
static const char *const type_names[] = {"", "bigint", "text", "bytea"};
static const struct sql q_columns = {
    "SELECT CAST(c.column_name AS TEXT), CAST(c.data_type AS TEXT), CASE WHEN c.is_nullable = 'NO' THEN 1 ELSE 0 END,"
    " COALESCE(k.ordinal_position, 0) FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k"
    " ON k.table_name = c.table_name AND k.column_name = c.column_name WHERE c.table_name = $1"
    " ORDER BY c.ordinal_position"};
#else
static const char *const type_names[] = {"", "BIGINT", "TEXT", "BLOB"};
static const struct sql q_columns = {
    "SELECT name, CASE type WHEN 'INTEGER' THEN 'BIGINT' ELSE type END, \"notnull\", pk FROM pragma_table_info($1)"
    " ORDER BY cid"};
#endif

static void descriptors_and_schema_agree(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    for (size_t i = 0; i < tables_n; i++) {
        const struct table *tab = tables_all[i];
        struct value name = value_text(tab->name);
        AUTO(rows_close) struct rows r = {0}, all = {0};
        assert_ok(db_query(db, &q_columns, &name, 1, &r, &e), e);
        for (size_t c = 0; c < tab->ncols; c++) {
            assert_true(rows_next(&r, &e));
            assert_string_equal(rows_text(&r, 0), tab->cols[c].name);
            assert_string_equal(rows_text(&r, 1), type_names[tab->cols[c].type]);
            assert_int_equal(rows_int(&r, 2), !tab->cols[c].null_ok);
            assert_int_equal(rows_int(&r, 3), c < tab->nkeys ? c + 1 : 0);
        }
        assert_false(rows_next(&r, &e));
        assert_ok(db_query(db, row_select_all(tab), NULL, 0, &all, &e), e);
    }
}

static void numbers_and_names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < tables_n; i++) {
        assert_ptr_equal(table_by_number(tables_all[i]->number), tables_all[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(tables_all[i]->name, tables_all[j]->name);
    }
    assert_null(table_by_number(255));
}

static void each_node_has_a_range_of_its_own(void **state)
{
    struct value range[2];
    int64_t before = -1;
    (void)state;
    for (int node = 0; node <= 127; node++) {
        entry_range((uint8_t)node, 0, range);
        assert_true(range[0].i == entry_pos((uint8_t)node, 0) && range[0].i == before + 1 && range[1].i > range[0].i);
        before = range[1].i;
        entry_range((uint8_t)node, 7, range);
        assert_true(entry_seq(range[0].i) == 7 && range[1].i == before);
    }
    assert_true(before == INT64_MAX);
}

static const struct sql set_version = {"UPDATE schema_version SET version = $1 WHERE id = 1"};

static const struct sql make_foreign = {"CREATE TABLE theirs (id BIGINT NOT NULL, PRIMARY KEY (id))"};

/* Nothing in it is another thing than somebody else's in it. */
static void an_empty_database_and_a_foreign_one_are_told_apart(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_err(tables_check(db, &e), e, ERR_STORE_EMPTY);
    assert_ok(db_exec(db, &make_foreign, NULL, 0, &e), e);
    assert_err(tables_check(db, &e), e, ERR_STORE_SCHEMA);
    db_free(db);
}

static void a_newer_or_older_schema_is_refused(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    struct commit *c;
    struct commit_config cfg = test_config(t);
    struct value v = value_int(SCHEMA_VERSION + 1);
    commit_stop(test_start(t));
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_ok(db_exec(db, &set_version, &v, 1, &e), e);
    db_free(db);
    assert_err(commit_start(&cfg, &c, &e), e, ERR_STORE_SCHEMA);
    assert_err(db_open(t->where, false, &db, &e), e, ERR_STORE_SCHEMA);
    v = value_int(SCHEMA_VERSION - 1);
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_ok(db_exec(db, &set_version, &v, 1, &e), e);
    db_free(db);
    assert_err(db_open(t->where, false, &db, &e), e, ERR_STORE_SCHEMA);
}

static const struct sql drop_newest = {"DROP TABLE idevid"};

static const struct sql old_filter = {"INSERT INTO entry_filter (pos, data) VALUES (1, 'x')"};

static void a_database_of_the_version_before_is_brought_up_to_date(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    struct value v = value_int(1);
    AUTO(rows_close) struct rows r = {0};
    commit_stop(test_start(t));
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_ok(db_exec(db, &drop_newest, NULL, 0, &e), e);
    assert_ok(db_exec(db, &set_version, &v, 1, &e), e);
    assert_ok(db_exec(db, &old_filter, NULL, 0, &e), e);
    db_free(db);
    assert_err(db_open(t->where, false, &db, &e), e, ERR_STORE_SCHEMA);
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(db_query(db, row_select_all(&table_entry_filter), NULL, 0, &r, &e), e);
    assert_false(rows_next(&r, &e)); /* of another form: made anew */
    rows_close(&r);
    assert_ok(db_query(db, row_select_all(&table_idevid), NULL, 0, &r, &e), e);
    rows_close(&r);
    db_free(db);
}

/* What somebody may do to a schema, what is said of it, and how it is undone. */
static const struct {
    const char *act, *said, *undo;
} foreign[] = {
    {"CREATE VIEW seen AS SELECT name FROM operator", "view \"seen\" is in the database, but none of Kith's",
     "DROP VIEW seen"},
    {"CREATE TABLE kept (a BIGINT PRIMARY KEY)", "table \"kept\" is in the database, but none of Kith's",
     "DROP TABLE kept"},
    {"CREATE INDEX fast ON model (created_at)", "index \"fast\" on \"model\" is in the database, but none of Kith's",
     "DROP INDEX fast"},
    {"DROP INDEX device_serial", "unique index \"device_serial\" on \"device\" is gone",
     "CREATE UNIQUE INDEX device_serial ON device (serial, model)"},
    {"ALTER TABLE unanswered RENAME TO other", "table \"other\" is in the database, but none of Kith's",
     "ALTER TABLE other RENAME TO unanswered"},
#ifdef STORE_TEST_PG
    {"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
     "CREATE TRIGGER quiet BEFORE DELETE ON device FOR EACH ROW EXECUTE FUNCTION f()",
     "trigger \"quiet\" on \"device\" is in the database, but none of Kith's",
     "DROP TRIGGER quiet ON device; DROP FUNCTION f()"},
    {"CREATE FUNCTION length(name) RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "function \"length\" is in the database, but none of Kith's", "DROP FUNCTION length(name)"},
    {"CREATE RULE quiet AS ON DELETE TO device DO INSTEAD NOTHING",
     "rule \"quiet\" on \"device\" is in the database, but none of Kith's", "DROP RULE quiet ON device"},
    {"CREATE POLICY hidden ON device USING (false)",
     "policy \"hidden\" on \"device\" is in the database, but none of Kith's", "DROP POLICY hidden ON device"},
    {"CREATE MATERIALIZED VIEW seen AS SELECT name FROM operator",
     "materialized view \"seen\" is in the database, but none of Kith's", "DROP MATERIALIZED VIEW seen"},
#else
    {"CREATE TRIGGER quiet BEFORE DELETE ON device BEGIN SELECT RAISE(IGNORE); END",
     "trigger \"quiet\" on \"device\" is in the database, but none of Kith's", "DROP TRIGGER quiet"},
    {"CREATE TRIGGER device AFTER INSERT ON model BEGIN DELETE FROM entry; END",
     "trigger \"device\" on \"model\" is in the database, but none of Kith's", "DROP TRIGGER device"},
#endif
};

struct said {
    size_t n;
    const char *want;
    bool there;
};

static void hear(void *ctx, const char *table, const char *name, const char *text)
{
    struct said *s = ctx;
    s->n++;
    s->there = s->there || strcmp(text, s->want) == 0;
    assert_true(strstr(text, table) && strstr(text, name));
}

static void what_was_added_to_the_schema_or_taken_from_it_is_named(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    commit_stop(test_start(t));
    assert_ok(db_open_raw(t->where, true, &db, &e), e);
    assert_ok(schema_sound(db, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        struct said s = {.want = foreign[i].said};
        assert_ok(db_script(db, foreign[i].act, &e), e);
        assert_ok(schema_check(db, hear, &s, &e), e);
        if (!s.there)
            fail_msg("not said after %s", foreign[i].act);
        assert_err(schema_sound(db, &e), e, ERR_STORE_SCHEMA);
        e = (struct err){0};
        assert_ok(db_script(db, foreign[i].undo, &e), e);
        assert_ok(schema_sound(db, &e), e);
    }
}

#ifndef STORE_TEST_PG
static void what_is_no_database_of_kith_is_refused(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct db *db;
    assert_err(db_open(t->where, false, &db, &e), e, ERR_IO); /* not created */
    assert_err(db_open("mysql://x", false, &db, &e), e, ERR_USAGE);
    FILE *f = fopen(t->where + strlen("sqlite:"), "w");
    assert_non_null(f);
    assert_err(db_open(t->where, false, &db, &e), e, ERR_STORE_EMPTY);
    for (int i = 0; i < 2000; i++)
        fputs("garbage", f);
    fclose(f);
    assert_err(db_open(t->where, false, &db, &e), e, ERR_STORE_CORRUPT);
}
#endif

static void statements_that_write_are_no_queries(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    struct rows r = {0};
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    static const struct sql bad[] = {
        {"DELETE FROM device"},
        {"INSERT INTO setting (key, value) VALUES ('a', 'b') RETURNING key"},
        {"WITH x AS (SELECT 1) DELETE FROM device"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(db_query(db, &bad[i], NULL, 0, &r, &e), e, ERR_STORE_RULE);
}

static void every_type_of_value_comes_back(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    static const struct sql q = {"SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT), '$9' || CAST($2 AS "
                                 "TEXT), CAST($4 AS TEXT)"};
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    int64_t ints[] = {0, -1, INT64_MIN, INT64_MAX, 1000000};
    for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
        AUTO(rows_close) struct rows r = {0};
        struct value v[] = {value_int(ints[i]), value_text("größe"), value_null(), value_text("")};
        assert_ok(db_query_row(db, &q, v, 4, &r, &e), e);
        assert_true(rows_int(&r, 0) == ints[i]);
        assert_string_equal(rows_text(&r, 1), "größe");
        assert_true(rows_is_null(&r, 2));
        assert_string_equal(rows_text(&r, 2), "");
        assert_string_equal(rows_text(&r, 3), "$9größe");
        assert_false(rows_is_null(&r, 4));
    }
}

static void queries_nest(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    static const struct sql q = {"SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a"};
    int sum = 0;
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    AUTO(rows_close) struct rows outer = {0};
    assert_ok(db_query(db, &q, NULL, 0, &outer, &e), e);
    while (rows_next(&outer, &e)) {
        AUTO(rows_close) struct rows inner = {0};
        assert_ok(db_query(db, &q, NULL, 0, &inner, &e), e);
        while (rows_next(&inner, &e))
            sum += (int)(10 * rows_int(&outer, 0) + rows_int(&inner, 0));
    }
    assert_int_equal(sum, 11 + 12 + 21 + 22);
}

/* ---- one key, one device ---- */

struct key_row {
    int64_t id, spki64;
    bool first;
};

static bool record_key(struct tx *tx, void *arg, struct err *e)
{
    const struct key_row *k = arg;
    const struct value cols[CERTIFICATE_COLS] = {
        [CERTIFICATE_ID] = value_int(k->id),
        [CERTIFICATE_TAIL] = value_blob(SLICE_LIT("12345678")),
        [CERTIFICATE_SUBJECT] = value_text("dev_1"),
        [CERTIFICATE_SUBJECT_KIND] = value_int(CERT_DEVICE),
        [CERTIFICATE_PROFILE] = value_text("ldevid"),
        [CERTIFICATE_SPKI] = value_blob(SLICE_LIT("key")),
        [CERTIFICATE_SPKI64] = k->first ? value_int(k->spki64) : value_null(),
        [CERTIFICATE_NOT_BEFORE] = value_int(1),
        [CERTIFICATE_NOT_AFTER] = value_int(2),
        [CERTIFICATE_HOLD] = value_int(0),
        [CERTIFICATE_DER] = value_blob(SLICE_LIT("der")),
        [CERTIFICATE_ISSUED_AT] = value_int(1),
    };
    const struct change change = {.table = &table_certificate, .cols = cols};
    return tx_record(tx, &(struct event){.type = 80}, &change, 1, NULL, e);
}

/* Whatever two writers have read before: the database itself refuses the second first certificate of a key. */
static void a_key_has_one_first_certificate(void **state)
{
    struct env_test *t = *state;
    static const struct {
        struct key_row row;
        bool ok;
    } steps[] = {
        {{1, 77, true}, true},  {{2, 77, true}, false}, {{3, 78, true}, true},
        {{4, 77, false}, true}, {{5, 77, false}, true}, {{1, 77, true}, true}, /* the same row again */
        {{4, 77, true}, false}, {{4, 79, true}, true},
    };
    struct commit *c = test_start(t);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err e = {0};
        struct key_row row = steps[i].row;
        bool ok = test_do(c, record_key, &row, &e);
        if (ok != steps[i].ok || (!ok && e.code != ERR_STORE_EXISTS))
            fail_msg("step %zu: %d %s", i, ok, e.what);
    }
    commit_stop(c);
    assert_int_equal(test_count(t->where, "certificate"), 4);
}

#ifndef STORE_TEST_PG
/* ---- doc/spec/tables.md ---- */

static char manual_text[8192];

static struct slice manual(void)
{
    static const char *const types[] = {[VALUE_INT] = "int", [VALUE_TEXT] = "text", [VALUE_BLOB] = "bytes"};
    FILE *out = fmemopen(manual_text, sizeof manual_text, "w");
    assert_non_null(out);
    fputs("# Tables of the ledger\n\nMade from `src/store/tables.c`; a test holds this file against it. These tables "
          "change only with an entry\n"
          "([ledger.md](ledger.md)). The columns stand in the order in which a row's hash has them; the bold ones are "
          "the key. Those in\n"
          "brackets may be null. Types: int (signed, 64 bits), text, bytes. Those in `_at`, not_before and not_after "
          "are Unix seconds. What "
          "the columns mean stands\n"
          "in `src/store/tables.h`.\n\n| no. | table | columns |\n|---|---|---|\n",
          out);
    for (size_t i = 0; i < tables_n; i++) {
        const struct table *t = tables_all[i];
        if (t->exempt)
            continue;
        fprintf(out, "| %u | `%s` |", t->number, t->name);
        for (size_t c = 0; c < t->ncols; c++) {
            const struct column *col = &t->cols[c];
            const char *bold = c < t->nkeys ? "**" : "";
            fprintf(out, "%s %s%s%s %s%s%s", c ? "," : "", col->null_ok ? "[" : "", bold, col->name, types[col->type],
                    bold, col->null_ok ? "]" : "");
        }
        fputs(" |\n", out);
    }
    fclose(out);
    return slice_str(manual_text);
}

static void the_manual_is_up_to_date(void **state)
{
    (void)state;
    static char file[sizeof manual_text];
    FILE *f = fopen(SOURCE_ROOT "/doc/spec/tables.md", "rb");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    if (!slice_eq(slice_of(file, n), manual()))
        fail_msg("doc/spec/tables.md is behind: run this program with the argument `print` and put its output there");
}
#endif

int main(int argc, char **argv)
{
#ifdef STORE_TEST_PG
    (void)argc, (void)argv;
    if (!pg_installed())
        return 1;
#else
    if (argc == 2 && strcmp(argv[1], "print") == 0)
        return fputs((const char *)manual().p, stdout) < 0;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_names_are_unique),
        cmocka_unit_test(each_node_has_a_range_of_its_own),
        cmocka_unit_test_setup_teardown(descriptors_and_schema_agree, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(what_was_added_to_the_schema_or_taken_from_it_is_named, env_setup,
                                        env_teardown),
#ifndef STORE_TEST_PG
        cmocka_unit_test(the_manual_is_up_to_date),
        cmocka_unit_test_setup_teardown(what_is_no_database_of_kith_is_refused, env_setup, env_teardown),
#endif
        cmocka_unit_test_setup_teardown(an_empty_database_and_a_foreign_one_are_told_apart, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(a_newer_or_older_schema_is_refused, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(a_database_of_the_version_before_is_brought_up_to_date, env_setup,
                                        env_teardown),
        cmocka_unit_test_setup_teardown(statements_that_write_are_no_queries, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(every_type_of_value_comes_back, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(queries_nest, env_setup, env_teardown),
        cmocka_unit_test_setup_teardown(a_key_has_one_first_certificate, env_setup, env_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
