#include <ftw.h>
#include <sys/stat.h>

#include "store_test.h"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int env_setup(void **state)
{
    struct env_test *t = calloc(1, sizeof *t);
    if (!t || !crypto_init(NULL))
        return -1;
    snprintf(t->dir, sizeof t->dir, "/tmp/kith-store-XXXXXX");
    if (!mkdtemp(t->dir))
        return -1;
    snprintf(t->where, sizeof t->where, "sqlite:%s/kith.db", t->dir);
    t->now_ms = INT64_C(1790000000000);
    *state = t;
    return 0;
}

int env_teardown(void **state)
{
    struct env_test *t = *state;
    nftw(t->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(t);
    return 0;
}
