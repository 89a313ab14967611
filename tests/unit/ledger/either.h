/* A lab on SQLite or, with STORE_TEST_PG, on a PostgreSQL of the test's own, and what is done to its database by hand. */
#ifndef KITH_TESTS_LEDGER_EITHER_H
#define KITH_TESTS_LEDGER_EITHER_H

#include "ledger_test.h"
#include "store/db_ops.h"

#ifdef STORE_TEST_PG
#include "../../lib/pg.h"

static struct pg_cluster cluster;

static inline void cluster_end(void)
{
    pg_remove(&cluster);
}

static inline const char *where_new(char *out, size_t cap)
{
    static unsigned n;
    char name[32];
    if (!cluster.bin[0]) {
        assert_true(pg_init(&cluster) && pg_start(&cluster));
        atexit(cluster_end);
    }
    snprintf(name, sizeof(name), "k%u", n++);
    assert_true(pg_new_database(&cluster, name, out, cap));
    return out;
}
#else
static inline const char *where_new(char *out, size_t cap)
{
    (void)out, (void)cap;
    return NULL;
}
#endif

static inline struct lab *lab_new_either(void)
{
    char where[LAB_WHERE_MAX];
    return lab_new_in(where_new(where, sizeof(where)));
}

/* What somebody does who has the database while the platform is stopped. */
static inline void by_hand(struct lab *t, const char *sql)
{
    struct err e = {0};
    struct db *db;
    lab_stop(t);
    assert_ok(db_open(t->where, true, &db, &e), e);
    assert_ok(db_script(db, sql, &e), e);
    db_free(db);
    lab_start(t);
}

#endif
