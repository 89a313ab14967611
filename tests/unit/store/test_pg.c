/* What only a server over a connection can do: go away and come back, cut one connection, serve two nodes at once. */
#include <pthread.h>

#include "store_test.h"

static const struct sql q_setting = {"SELECT value FROM setting WHERE key = $1"};

static bool add_one(struct tx *tx, void *arg, struct err *e)
{
    return record_setting(tx, arg, "on", e);
}

static void writer_and_reader_outlive_a_crash_of_the_server(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    struct value key = value_text("a");
    struct rows r = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, add_one, "a", &e), e);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(db_query_row(db, &q_setting, &key, 1, &r, &e), e);
    rows_close(&r);

    pg_crash(&test_pg);
    assert_err(test_do(c, add_one, "b", &e), e, ERR_STORE_UNAVAILABLE);
    assert_true(e.hint[0] != 0);
    assert_err(db_query_row(db, &q_setting, &key, 1, &r, &e), e, ERR_STORE_UNAVAILABLE);

    assert_true(pg_start(&test_pg));
    assert_ok(test_do(c, add_one, "c", &e), e);
    assert_ok(db_query_row(db, &q_setting, &key, 1, &r, &e), e);
    rows_close(&r);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 2);
    assert_int_equal(t->committed, 2);
}

static bool write_and_be_cut(struct tx *tx, void *arg, struct err *e)
{
    bool *cut = arg;
    if (!record_setting(tx, "cut", "v", e))
        return false;
    if (!*cut)
        *cut = pg_admin(&test_pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                  " WHERE application_name = 'kith'");
    return true;
}

static void a_connection_cut_within_a_batch_costs_nobody_anything(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    bool cut = false;
    struct commit *c = test_start(t);
    assert_ok(test_do(c, write_and_be_cut, &cut, &e), e);
    assert_true(cut);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 1);
    assert_int_equal(test_count(t->where, "setting"), 1);
}

/* ---- two nodes ---- */

#define ROUNDS 100

static bool count_up(struct tx *tx, void *arg, struct err *e)
{
    struct value key = value_text("counter");
    AUTO(rows_close) struct rows r = {0};
    char next[24] = "1";
    (void)arg;
    if (row_read(tx_db(tx), &table_setting, &key, &r, e))
        snprintf(next, sizeof next, "%d", atoi(rows_text(&r, SETTING_VALUE)) + 1);
    else if (e->code)
        return false;
    return record_setting(tx, "counter", next, e);
}

static void *count_up_often(void *arg)
{
    int *failed = calloc(1, sizeof *failed);
    for (int i = 0; failed && i < ROUNDS; i++)
        *failed += !test_do(arg, count_up, NULL, NULL);
    return failed;
}

static void two_nodes_lose_no_update(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct commit *nodes[2];
    pthread_t threads[2];
    int failed = 0;
    for (int i = 0; i < 2; i++) {
        struct commit_config cfg = test_config(t);
        cfg.node = (uint8_t)(i + 1);
        cfg.origin = i ? "kith.example/log/02" : "kith.example/log/01";
        cfg.hooks = (struct commit_hooks){0};
        assert_ok(commit_start(&cfg, &nodes[i], &e), e);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up_often, nodes[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *p;
        pthread_join(threads[i], &p);
        failed += *(int *)p;
        free(p);
    }
    for (int i = 0; i < 2; i++)
        commit_stop(nodes[i]);
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct value key = value_text("counter");
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(db_query_row(db, &q_setting, &key, 1, &r, &e), e);
    assert_int_equal(atoi(rows_text(&r, 0)), 2 * ROUNDS - failed);
    assert_int_equal(test_count(t->where, "entry"), 2 * ROUNDS - failed);
    assert_true(failed < ROUNDS / 10);
}

static void *start_node(void *arg)
{
    struct commit_config *cfg = arg;
    struct commit *c;
    struct err e = {0};
    if (!commit_start(cfg, &c, &e))
        fprintf(stderr, "node %u: %s (%s)\n", cfg->node, e.what, e.why);
    return c;
}

static void nodes_may_start_together_on_an_empty_database(void **state)
{
    struct env_test *t = *state;
    static const char *const origins[] = {"kith.example/log/01", "kith.example/log/02", "kith.example/log/03",
                                          "kith.example/log/04"};
    struct commit_config cfg[ARRAY_LEN(origins)];
    pthread_t threads[ARRAY_LEN(origins)];
    for (int i = 0; i < 4; i++) {
        cfg[i] = test_config(t);
        cfg[i].origin = origins[i];
        cfg[i].node = (uint8_t)(i + 1);
        cfg[i].hooks = (struct commit_hooks){0};
        assert_int_equal(pthread_create(&threads[i], NULL, start_node, &cfg[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *c;
        pthread_join(threads[i], &c);
        assert_non_null(c);
        commit_stop(c);
    }
    assert_int_equal(test_count(t->where, "log"), 4);
}

static void a_second_writer_of_the_same_node_is_found_out(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct commit *a = test_start(t), *b;
    struct commit_config cfg = test_config(t);
    cfg.hooks = (struct commit_hooks){0};
    assert_ok(commit_start(&cfg, &b, &e), e);
    assert_ok(test_do(b, add_one, "b", &e), e);
    int64_t age_s;
    assert_false(commit_is_failing(a, &age_s, &e));
    assert_err(test_do(a, add_one, "a", &e), e, ERR_STORE_WRITER);
    assert_true(commit_is_failing(a, &age_s, &e));
    assert_int_equal(e.code, ERR_STORE_WRITER);
    assert_ok(test_do(b, add_one, "c", &e), e);
    assert_false(commit_is_failing(b, &age_s, &e));
    commit_stop(a);
    commit_stop(b);
    assert_int_equal(test_count(t->where, "entry"), 2);
}

static void a_reader_cannot_write(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    struct rows r = {0};
    static const struct sql hidden = {
        "WITH x AS (INSERT INTO setting (key, value) VALUES ('a', 'b') RETURNING key) SELECT key FROM x"};
    commit_stop(test_start(t));
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_err(db_query(db, &hidden, NULL, 0, &r, &e), e, ERR_STORE_RULE);
}

int main(void)
{
    if (!pg_installed())
        return 1;
#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)
    const struct CMUnitTest tests[] = {
        T(writer_and_reader_outlive_a_crash_of_the_server),
        T(a_connection_cut_within_a_batch_costs_nobody_anything),
        T(two_nodes_lose_no_update),
        T(nodes_may_start_together_on_an_empty_database),
        T(a_second_writer_of_the_same_node_is_found_out),
        T(a_reader_cannot_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
