#include <ftw.h>
#include <sys/stat.h>

#include "store_test.h"

#ifdef STORE_TEST_PG

struct pg_cluster test_pg;
static unsigned databases;

static void cluster_end(void)
{
    pg_remove(&test_pg);
}

static bool database_new(struct env_test *t)
{
    char name[32];
    if (!test_pg.bin[0]) {
        if (!pg_init(&test_pg))
            return false;
        atexit(cluster_end);
    }
    if (!test_pg.pid && !pg_start(&test_pg))
        return false;
    snprintf(name, sizeof name, "k%u", databases++);
    return pg_new_database(&test_pg, name, t->where, sizeof t->where);
}

#else

static bool database_new(struct env_test *t)
{
    snprintf(t->where, sizeof t->where, "sqlite:%s/kith.db", t->dir);
    return true;
}

#endif

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int env_setup(void **state)
{
    struct env_test *t = calloc(1, sizeof *t);
    *state = t;
    if (!t || !crypto_init(NULL))
        return -1;
    snprintf(t->dir, sizeof t->dir, "/tmp/kith-store-XXXXXX");
    t->now_ms = INT64_C(1790000000000);
    return mkdtemp(t->dir) && database_new(t) ? 0 : -1;
}

int env_teardown(void **state)
{
    struct env_test *t = *state;
    nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(t);
    return 0;
}
