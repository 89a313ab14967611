#include "store/sqlite_wal.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_MAX (124 << 10) /* the system's VFS writes less than 128 KiB at once */

static sqlite3_vfs *theirs, ours;

/* Their file stands behind it. */
struct wal {
    sqlite3_file base;
    unsigned char *bytes; /* not yet in the file, from `at` on */
    size_t n;
    sqlite3_int64 at;
};

#define WAL_SIZE ((sizeof(struct wal) + 15) / 16 * 16)

static struct wal *of(sqlite3_file *f)
{
    return (struct wal *)f;
}

static sqlite3_file *inner(sqlite3_file *f)
{
    return (void *)((unsigned char *)f + WAL_SIZE);
}

/* What cannot be written is not a commit: SQLite takes it back and writes over it. */
static int flush(sqlite3_file *f)
{
    struct wal *w = of(f);
    size_t n = w->n;
    w->n = 0;
    return n ? inner(f)->pMethods->xWrite(inner(f), w->bytes, (int)n, w->at) : SQLITE_OK;
}

/* What was not synced is nobody's commit. */
static int wal_close(sqlite3_file *f)
{
    free(of(f)->bytes);
    return inner(f)->pMethods->xClose(inner(f));
}

static int wal_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? inner(f)->pMethods->xRead(inner(f), p, n, at) : rc;
}

static int wal_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct wal *w = of(f);
    if (w->n && (at != w->at + (sqlite3_int64)w->n || w->n + (size_t)n > GATHER_MAX)) {
        int rc = flush(f);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (n > GATHER_MAX || (!w->bytes && !(w->bytes = malloc(GATHER_MAX))))
        return inner(f)->pMethods->xWrite(inner(f), p, n, at);
    if (w->n == 0)
        w->at = at;
    memcpy(w->bytes + w->n, p, (size_t)n);
    w->n += (size_t)n;
    return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? inner(f)->pMethods->xTruncate(inner(f), size) : rc;
}

static int wal_sync(sqlite3_file *f, int flags)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? inner(f)->pMethods->xSync(inner(f), flags) : rc;
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *size)
{
    int rc = flush(f);
    return rc == SQLITE_OK ? inner(f)->pMethods->xFileSize(inner(f), size) : rc;
}

static int wal_lock(sqlite3_file *f, int level)
{
    return inner(f)->pMethods->xLock(inner(f), level);
}

static int wal_unlock(sqlite3_file *f, int level)
{
    return inner(f)->pMethods->xUnlock(inner(f), level);
}

static int wal_is_locked(sqlite3_file *f, int *out)
{
    return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
    return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}

static int wal_sector(sqlite3_file *f)
{
    return inner(f)->pMethods->xSectorSize(inner(f));
}

static int wal_device(sqlite3_file *f)
{
    return inner(f)->pMethods->xDeviceCharacteristics(inner(f));
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_is_locked,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_device,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    (void)vfs;
    if (!(flags & SQLITE_OPEN_WAL))
        return theirs->xOpen(theirs, name, f, flags, out_flags);
    *of(f) = (struct wal){0};
    int rc = theirs->xOpen(theirs, name, inner(f), flags, out_flags);
    if (inner(f)->pMethods)
        f->pMethods = &methods;
    return rc;
}

static void install(void)
{
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    if (!system)
        return;
    theirs = system;
    ours = *system;
    ours.zName = "kith";
    ours.pNext = NULL;
    ours.szOsFile += (int)WAL_SIZE;
    ours.xOpen = open_file;
    if (sqlite3_vfs_register(&ours, 0) != SQLITE_OK)
        theirs = NULL;
}

const char *sqlite_wal_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    return theirs ? ours.zName : NULL;
}
