#include "store/sqlite_checkpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Of the pages at which the thread begins: the rest that the writer carries over itself, while those who wait for it wait;
 * and how many times more there may be before it has to help. */
#define SHORT_PART 16
#define MOST_TIMES 7
#define ROUNDS     4  /* of the thread, each shorter than the last */
#define SYNC_PAGES 64 /* written between two syncs: what the disk has before it when a commit comes */

#define BUSY_TIMEOUT_MS 10000

struct checkpointer {
    sqlite3 *s; /* the thread's */
    const sqlite3_io_methods *theirs;
    sqlite3_io_methods methods; /* of its file: theirs, but for the writing */
    int unsynced;
    pthread_t thread;
    bool started;
    int long_pages;
    int due; /* pages in the log at which the thread begins; the writer's own */
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    /* under the lock */
    bool wanted, stop;
    int carried; /* pages of the log that are in the file; 0: the thread has not ended since it was wanted */
};

/* Thousands of scattered pages, synced at once at the end, would keep the disk busy for a second, and commits with it. */
static int write_evenly(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct checkpointer *c = (void *)((char *)(uintptr_t)f->pMethods - offsetof(struct checkpointer, methods));
    int rc = c->theirs->xWrite(f, p, n, at);
    if (rc != SQLITE_OK || ++c->unsynced < SYNC_PAGES)
        return rc;
    c->unsynced = 0;
    return c->theirs->xSync(f, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
}

static bool spread_writes(struct checkpointer *c)
{
    sqlite3_file *f = NULL;
    if (sqlite3_file_control(c->s, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK || !f || !f->pMethods)
        return false;
    c->theirs = f->pMethods;
    c->methods = *f->pMethods;
    c->methods.xWrite = write_evenly;
    f->pMethods = &c->methods;
    return true;
}

/* False: not done, for now.  If what is in the way lasts (a full disk), the next commits say so. */
static bool carry(sqlite3 *s, int *all, int *carried)
{
    return sqlite3_wal_checkpoint_v2(s, "main", SQLITE_CHECKPOINT_PASSIVE, all, carried) == SQLITE_OK;
}

static int carry_most(struct checkpointer *c)
{
    int all = 0, carried = 0, before;
    for (int i = 0; i < ROUNDS; i++) {
        before = carried;
        if (!carry(c->s, &all, &carried) || carried - before < c->long_pages / SHORT_PART)
            break;
    }
    return carried;
}

static void *thread_main(void *arg)
{
    struct checkpointer *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        if (!c->wanted) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        int carried = carry_most(c);
        pthread_mutex_lock(&c->lock);
        c->carried = carried;
        c->wanted = false;
        pthread_cond_signal(&c->idle);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

/* The thread has carried over all but a little of what is in the log now. */
static bool only_rest(const struct checkpointer *c, int pages)
{
    return c->carried && c->carried <= pages && pages - c->carried < c->long_pages / SHORT_PART;
}

/* After each commit, in the writer's thread; `pages` are in the log.  When all of them are in the file the next transaction
 * starts the log anew, unless somebody still reads an older state out of it. */
static int committed(void *arg, sqlite3 *writer, const char *name, int pages)
{
    struct checkpointer *c = arg;
    int all, carried;
    (void)name;
    if (pages < c->long_pages)
        c->due = c->long_pages;
    if (pages < c->due)
        return SQLITE_OK;
    pthread_mutex_lock(&c->lock);
    bool too_long = pages > c->due + MOST_TIMES * c->long_pages, mine = too_long || only_rest(c, pages);
    while (too_long && c->wanted)
        pthread_cond_wait(&c->idle, &c->lock);
    if (mine) {
        c->due = pages + c->long_pages;
    } else if (!c->wanted) {
        c->wanted = true;
        pthread_cond_signal(&c->wake);
    }
    if (mine || c->wanted)
        c->carried = 0;
    pthread_mutex_unlock(&c->lock);
    if (mine)
        (void)carry(writer, &all, &carried);
    return SQLITE_OK;
}

/* Signals are for the threads that want them. */
static bool start(struct checkpointer *c, struct err *e)
{
    sigset_t mask, before;
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    int rc = pthread_create(&c->thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->started = rc == 0;
    return c->started || err_set(e, ERR_NOMEM, "checkpoint thread: %s", strerror(rc));
}

bool checkpointer_new(sqlite3 *writer, const char *path, int long_pages, struct checkpointer **out, struct err *e)
{
    struct checkpointer *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return err_set(e, ERR_NOMEM, "checkpoint thread");
    c->long_pages = c->due = long_pages;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    pthread_cond_init(&c->idle, NULL);
    /* It has to read something once, or SQLite would not know that there is a log. */
    int rc = sqlite3_open_v2(path, &c->s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    sqlite3_busy_timeout(c->s, BUSY_TIMEOUT_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(c->s, "PRAGMA synchronous=FULL; PRAGMA mmap_size=0; SELECT count(*) FROM sqlite_schema;",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK && !spread_writes(c))
        rc = SQLITE_IOERR;
    bool ok = rc == SQLITE_OK || err_set(e, ERR_STORE, "%s: %s", path, sqlite3_errstr(rc));
    if (!ok || !start(c, e)) {
        checkpointer_free(c);
        return false;
    }
    sqlite3_wal_hook(writer, committed, c);
    *out = c;
    return true;
}

void checkpointer_free(struct checkpointer *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->started)
        pthread_join(c->thread, NULL);
    sqlite3_close(c->s);
    pthread_cond_destroy(&c->idle);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
