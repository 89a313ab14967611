/* What the tests of the store share: a directory of their own, a deterministic clock, and SQLite or PostgreSQL under it. */
#ifndef KITH_TESTS_STORE_TEST_H
#define KITH_TESTS_STORE_TEST_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test.h"
#include "keys/crypto.h"
#include "store/commit.h"
#include "store/db_ops.h"
#include "store/row.h"
#include "store/tables.h"

struct env_test {
    char dir[64];
    char where[256]; /* as db_open() */
    int64_t now_ms;
    uint64_t leaves, committed, rolled_back; /* counted by the hooks */
    bool tile_each;                          /* `appended` writes a tile too */
};

static inline int64_t test_now_ms(void *ctx)
{
    return ((struct env_test *)ctx)->now_ms;
}

static inline bool test_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return random_bytes(p, n, NULL);
}

static inline bool test_opened(void *ctx, struct db *db, uint64_t size, struct err *e)
{
    (void)db, (void)e;
    ((struct env_test *)ctx)->leaves = size;
    return true;
}

static inline bool test_appended(void *ctx, struct tx *tx, uint64_t seq, struct slice leaf, struct err *e)
{
    struct env_test *t = ctx;
    if (seq != t->leaves++)
        return err_set(e, ERR_INTERNAL, "entry %llu after %llu", (unsigned long long)seq,
                       (unsigned long long)t->leaves - 1);
    return !t->tile_each || tx_tile_put(tx, 0, seq, leaf, e);
}

static inline void test_rolled_back(void *ctx, uint64_t size)
{
    struct env_test *t = ctx;
    t->leaves = size;
    t->rolled_back++;
}

static inline void test_committed(void *ctx, uint64_t from, uint64_t to)
{
    struct env_test *t = ctx;
    if (from != t->committed)
        abort(); /* a gap: entries nobody was told of */
    t->committed = to;
}

static inline struct commit_config test_config(struct env_test *t)
{
    return (struct commit_config){
        .where = t->where,
        .node = 1,
        .origin = "kith.example/log/01",
        .crypto = &crypto_openssl,
        .now_ms = test_now_ms,
        .random = test_random,
        .ctx = t,
        .hooks = {test_opened, test_appended, test_rolled_back, test_committed, t},
    };
}

static inline struct commit *test_start(struct env_test *t)
{
    struct err e = {0};
    struct commit *c;
    struct commit_config cfg = test_config(t);
    assert_ok(commit_start(&cfg, &c, &e), e);
    t->committed = t->leaves;
    return c;
}

/* A job made of a function, run and waited for. */
struct fn_job {
    struct job job;
    bool (*fn)(struct tx *tx, void *arg, struct err *e);
    void *arg;
    int runs;
};

static inline bool fn_job_run(struct tx *tx, struct job *job, struct err *e)
{
    struct fn_job *f = (struct fn_job *)job;
    f->runs++;
    return f->fn(tx, f->arg, e);
}

static inline bool test_do(struct commit *c, bool (*fn)(struct tx *tx, void *arg, struct err *e), void *arg,
                           struct err *e)
{
    struct fn_job f = {.job = {.run = fn_job_run}, .fn = fn, .arg = arg};
    return commit_run(c, &f.job, e);
}

static inline bool record_setting(struct tx *tx, const char *key, const char *value, struct err *e)
{
    const struct value cols[SETTING_COLS] = {value_text(key), value_text(value)};
    struct change change = {.table = &table_setting, .cols = cols};
    return tx_record(tx, &(struct event){.type = 7}, &change, 1, NULL, e);
}

static inline int64_t test_count(const char *where, const char *table)
{
    struct err e = {0};
    char text[128];
    snprintf(text, sizeof text, "SELECT COUNT(*) FROM %s", table);
    struct sql q = {text};
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    assert_ok(db_open(where, false, &db, &e), e);
    assert_ok(db_query_row(db, &q, NULL, 0, &r, &e), e);
    return rows_int(&r, 0);
}

#ifdef STORE_TEST_PG
#include "../../lib/pg.h"
extern struct pg_cluster test_pg; /* started with the first test that wants it */
#endif

int env_setup(void **state);
int env_teardown(void **state);

#endif
