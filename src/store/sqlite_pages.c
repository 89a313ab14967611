#include "store/sqlite_pages.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

#define PAGES_AT_ONCE 8192 /* at most, and not more than the cache may have */

static sqlite3_pcache_methods2 theirs;

struct pages {
    sqlite3_pcache *inner;
    unsigned max;      /* no page has a higher number but for the one below */
    unsigned borrowed; /* the number that a page has for a moment; 0: none */
};

static struct pages *of(sqlite3_pcache *c)
{
    return (struct pages *)c;
}

static int pages_init(void *arg)
{
    (void)arg;
    return theirs.xInit ? theirs.xInit(theirs.pArg) : SQLITE_OK;
}

static void pages_shutdown(void *arg)
{
    (void)arg;
    if (theirs.xShutdown)
        theirs.xShutdown(theirs.pArg);
}

static sqlite3_pcache *pages_create(int page, int extra, int purgeable)
{
    struct pages *p = calloc(1, sizeof *p);
    if (p && !(p->inner = theirs.xCreate(page, extra, purgeable))) {
        free(p);
        p = NULL;
    }
    return (sqlite3_pcache *)p;
}

static void pages_cachesize(sqlite3_pcache *c, int n)
{
    theirs.xCachesize(of(c)->inner, n);
}

static int pages_count(sqlite3_pcache *c)
{
    return theirs.xPagecount(of(c)->inner);
}

static sqlite3_pcache_page *pages_fetch(sqlite3_pcache *c, unsigned key, int create)
{
    struct pages *p = of(c);
    sqlite3_pcache_page *page = theirs.xFetch(p->inner, key, create);
    if (page && key > p->max)
        p->max = key;
    return page;
}

static void pages_unpin(sqlite3_pcache *c, sqlite3_pcache_page *page, int discard)
{
    theirs.xUnpin(of(c)->inner, page, discard);
}

static void pages_rekey(sqlite3_pcache *c, sqlite3_pcache_page *page, unsigned from, unsigned to)
{
    struct pages *p = of(c);
    theirs.xRekey(p->inner, page, from, to);
    if (from == p->borrowed)
        p->borrowed = 0;
    if (to <= p->max)
        return;
    if (p->borrowed)
        p->max = to > p->borrowed ? to : p->borrowed;
    else
        p->borrowed = to;
}

static void pages_truncate(sqlite3_pcache *c, unsigned limit)
{
    struct pages *p = of(c);
    if (limit > p->max && limit > p->borrowed)
        return;
    theirs.xTruncate(p->inner, limit);
    if (p->max >= limit)
        p->max = limit ? limit - 1 : 0;
    if (p->borrowed >= limit)
        p->borrowed = 0;
}

static void pages_destroy(sqlite3_pcache *c)
{
    theirs.xDestroy(of(c)->inner);
    free(c);
}

static void pages_shrink(sqlite3_pcache *c)
{
    theirs.xShrink(of(c)->inner);
}

static void install(void)
{
    static const sqlite3_pcache_methods2 ours = {
        .iVersion = 1,
        .xInit = pages_init,
        .xShutdown = pages_shutdown,
        .xCreate = pages_create,
        .xCachesize = pages_cachesize,
        .xPagecount = pages_count,
        .xFetch = pages_fetch,
        .xUnpin = pages_unpin,
        .xRekey = pages_rekey,
        .xTruncate = pages_truncate,
        .xDestroy = pages_destroy,
        .xShrink = pages_shrink,
    };
    /* Nobody asks how much memory it has: counting takes a lock of the whole process at each allocation. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    /* A cache's pages in one piece: page by page they make the heap grow with a system call each. */
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, PAGES_AT_ONCE);
    if (sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &theirs) == SQLITE_OK && theirs.iVersion >= 1)
        (void)sqlite3_config(SQLITE_CONFIG_PCACHE2, &ours);
}

void sqlite_pages_install(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
}
