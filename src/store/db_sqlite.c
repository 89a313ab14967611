/* SQLite: WAL with synchronous=FULL, so that a commit is on the disk when it returns.  Memory is bounded by the page cache
 * (the writer's and each reader's); files are not mapped, since an I/O error under a mapping is a signal, not an error. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/db_ops.h"
#include "store/sqlite_checkpoint.h"
#include "store/sqlite_pages.h"
#include "store/sqlite_wal.h"

#define BUSY_TIMEOUT_MS 10000
/* A long log: pages that many batches change are written to the file once for some 60 batches. */
#define LOG_PAGES 16000

struct sqlite {
    struct db db;
    sqlite3 *s;
    struct checkpointer *checkpointer; /* of the writer */
    int lock_fd;
    struct sql begin, begin_read, commit;
};

static const struct db_ops sqlite_ops;

static struct sqlite *of(struct db *db)
{
    return (struct sqlite *)db;
}

/* ---- errors ---- */

/* The system's reason for an I/O error: the connection forgets it, the file (the WAL, else the database) does not. */
static int errno_of(sqlite3 *s)
{
    sqlite3_file *wal = NULL;
    int os = s ? sqlite3_system_errno(s) : 0;
    if (!os && s && sqlite3_file_control(s, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK && wal &&
        wal->pMethods)
        wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &os);
    if (!os && s)
        sqlite3_file_control(s, "main", SQLITE_FCNTL_LAST_ERRNO, &os);
    return os;
}

static enum err_code code_of(sqlite3 *s, int rc)
{
    int os = (rc & 0xff) == SQLITE_IOERR ? errno_of(s) : 0;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ERR_STORE_FULL;
    case SQLITE_IOERR:
        return os == ENOSPC || os == EDQUOT || os == EFBIG ? ERR_STORE_FULL : ERR_STORE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_STORE_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_STORE_CORRUPT;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_CANTOPEN:
        return ERR_IO;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_ROWID
                   ? ERR_STORE_EXISTS
                   : ERR_STORE_VALUE;
    default:
        return ERR_STORE;
    }
}

static bool fail(struct sqlite *d, int rc, const char *doing, struct err *e)
{
    int os = errno_of(d->s);
    enum err_code code = code_of(d->s, rc);
    err_set(e, code, "sqlite: %s: %s", doing, sqlite3_errmsg(d->s));
    if (code == ERR_STORE_FULL)
        return err_try(e, "make room on the disk of the database");
    if ((rc & 0xff) == SQLITE_IOERR && os)
        return err_why(e, "%s (SQLite result %d)", strerror(os), rc);
    return err_why(e, "SQLite result %d", rc);
}

/* ---- opening ---- */

static bool pragmas(struct sqlite *d, struct err *e)
{
    /* secure_delete: what is erased from an entry shall not stay in a free page.  synchronous=FULL: durable at COMMIT.
     * cache_spill=OFF: see sqlite_wal.h. */
    const char *writer =
        "PRAGMA cache_size=-32768; PRAGMA cache_spill=OFF; PRAGMA synchronous=FULL; PRAGMA journal_mode=WAL;"
        "PRAGMA journal_size_limit=134217728; PRAGMA secure_delete=ON;"
        "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";
    const char *reader = "PRAGMA cache_size=-4096; PRAGMA query_only=ON; PRAGMA mmap_size=0;"
                         "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;";
    sqlite3_busy_timeout(d->s, BUSY_TIMEOUT_MS);
    int rc = sqlite3_exec(d->s, d->db.writable ? writer : reader, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(d, rc, "open", e);
}

/* One writing process: a lock on a file beside the database, gone with the process.  (The database file itself must not be
 * opened and closed here: that would drop SQLite's own POSIX locks.) */
static bool lock_writer(struct sqlite *d, const char *path, struct err *e)
{
    char name[4096];
    if ((size_t)snprintf(name, sizeof name, "%s-writer", path) >= sizeof name)
        return err_set(e, ERR_USAGE, "path of %zu bytes is too long", strlen(path));
    d->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (d->lock_fd < 0)
        return err_set(e, ERR_IO, "%s: %s", name, strerror(errno));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(d->lock_fd, F_OFD_SETLK, &lock) == 0)
        return true;
    err_set(e, ERR_STORE_WRITER, "%s is being written by another process", path);
    return err_try(e, "stop the other server, or name another database");
}

static bool file_create(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return true;
}

static bool sqlite_connect(struct sqlite *d, const char *path, struct err *e)
{
    if (d->db.writable && (!lock_writer(d, path, e) || !file_create(path, e)))
        return false;
    int rc = sqlite3_open_v2(path, &d->s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             d->db.writable ? sqlite_wal_vfs() : NULL);
    if (rc == SQLITE_OK)
        return pragmas(d, e) && (!d->db.writable || checkpointer_new(d->s, path, LOG_PAGES, &d->checkpointer, e));
    err_set(e, code_of(d->s, rc), "%s: %s", path, d->s ? sqlite3_errmsg(d->s) : sqlite3_errstr(rc));
    return (rc & 0xff) == SQLITE_CANTOPEN ? err_try(e, "put the database back to its place, or restore its last copy; "
                                                       "kithd makes one only at its first start")
                                          : false;
}

bool db_sqlite_open(const char *path, bool writable, struct db **out, struct err *e)
{
    *out = NULL;
    sqlite_pages_install();
    struct sqlite *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(e, ERR_NOMEM, "database connection");
    *d = (struct sqlite){.db = {.ops = &sqlite_ops, .writable = writable},
                         .lock_fd = -1,
                         .begin = {"BEGIN IMMEDIATE"},
                         .begin_read = {"BEGIN"},
                         .commit = {"COMMIT"}};
    if (!sqlite_connect(d, path, e)) {
        db_free(&d->db);
        return false;
    }
    *out = &d->db;
    return true;
}

static void sqlite_free(struct db *db)
{
    struct sqlite *d = of(db);
    checkpointer_free(d->checkpointer);
    sqlite3_close(d->s);
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    free(d);
}

/* ---- statements ---- */

/* $1 is a *named* parameter to SQLite; ?1 is number one.  Same length, so the text is changed in place. */
static sqlite3_stmt *prepare(struct sqlite *d, const struct sql *q, unsigned flags, struct err *e)
{
    char text[8192];
    size_t n = strlen(q->text);
    if (n >= sizeof text) {
        err_set(e, ERR_INTERNAL, "statement of %zu bytes", n);
        return NULL;
    }
    memcpy(text, q->text, n + 1);
    bool quoted = false;
    for (char *p = text; *p; p++) {
        quoted ^= *p == '\'';
        if (!quoted && *p == '$' && p[1] >= '1' && p[1] <= '9')
            *p = '?';
    }
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(d->s, text, (int)n + 1, flags, &st, NULL);
    if (rc != SQLITE_OK)
        fail(d, rc, ERR_QUOTE(slice_str(q->text)), e);
    return st;
}

static bool bind(struct sqlite *d, sqlite3_stmt *st, const struct value *args, size_t n, sqlite3_destructor_type keep,
                 struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        int rc = SQLITE_OK, at = (int)i + 1;
        /* An empty value has to have an address, else it would be NULL. */
        const void *p = args[i].s.n ? (const void *)args[i].s.p : "";
        switch (args[i].type) {
        case VALUE_NULL:
            rc = sqlite3_bind_null(st, at);
            break;
        case VALUE_INT:
            rc = sqlite3_bind_int64(st, at, args[i].i);
            break;
        case VALUE_TEXT:
            rc = sqlite3_bind_text64(st, at, p, args[i].s.n, keep, SQLITE_UTF8);
            break;
        case VALUE_BLOB:
            rc = sqlite3_bind_blob64(st, at, p, args[i].s.n, keep);
            break;
        }
        if (rc != SQLITE_OK)
            return fail(d, rc, "bind", e);
    }
    return true;
}

/* The cached statement, or a second one (*own) if the first is in use further up. */
static sqlite3_stmt *stmt_get(struct sqlite *d, const struct sql *q, bool *own, struct err *e)
{
    void **slot = db_stmt_slot(&d->db, q);
    *own = false;
    if (!slot) {
        err_set(e, ERR_NOMEM, "prepared statement");
        return NULL;
    }
    if (!*slot)
        return *slot = prepare(d, q, SQLITE_PREPARE_PERSISTENT, e);
    *own = sqlite3_stmt_busy(*slot);
    return *own ? prepare(d, q, 0, e) : *slot;
}

static bool sqlite_query(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                         struct err *e)
{
    bool own;
    sqlite3_stmt *st = stmt_get(of(db), q, &own, e);
    if (!st)
        return false;
    struct rows r = {.db = db, .stmt = st, .n = own};
    int rc = SQLITE_OK;
    bool ok =
        sqlite3_stmt_readonly(st) || err_set(e, ERR_STORE_RULE, "it writes: \"%s\"", ERR_QUOTE(slice_str(q->text)));
    ok = ok && bind(of(db), st, args, n, SQLITE_TRANSIENT, e);
    if (ok && (rc = sqlite3_step(st)) != SQLITE_ROW && rc != SQLITE_DONE)
        ok = fail(of(db), rc, ERR_QUOTE(slice_str(q->text)), e);
    if (!ok) {
        rows_close(&r);
        return false;
    }
    r.row = rc == SQLITE_ROW;
    if (!r.row)
        sqlite3_reset(st);
    *out = r;
    return true;
}

static bool sqlite_next(struct rows *r, struct err *e)
{
    if (r->row == 0)
        return false;
    int rc = sqlite3_step(r->stmt);
    if (rc == SQLITE_ROW)
        return true;
    r->row = 0;
    if (rc != SQLITE_DONE)
        fail(of(r->db), rc, "next row", e);
    sqlite3_reset(r->stmt);
    return false;
}

static int64_t sqlite_get_int(const struct rows *r, int col)
{
    return sqlite3_column_int64(r->stmt, col);
}

static struct slice sqlite_get_bytes(const struct rows *r, int col)
{
    /* The text form has a NUL behind it; a blob is taken as it is, with a NUL that SQLite does not promise, so a caller
     * takes text from text columns only. */
    const void *p = sqlite3_column_type(r->stmt, col) == SQLITE_BLOB ? sqlite3_column_blob(r->stmt, col)
                                                                     : sqlite3_column_text(r->stmt, col);
    return p ? slice_of(p, (size_t)sqlite3_column_bytes(r->stmt, col)) : slice_of("", 0);
}

static bool sqlite_is_null(const struct rows *r, int col)
{
    return sqlite3_column_type(r->stmt, col) == SQLITE_NULL;
}

static void sqlite_close(struct rows *r)
{
    if (r->n) {
        sqlite3_finalize(r->stmt);
        return;
    }
    sqlite3_reset(r->stmt);
    sqlite3_clear_bindings(r->stmt);
}

static bool sqlite_exec(struct db *db, const struct sql *q, const struct value *args, size_t n, struct err *e)
{
    bool own;
    sqlite3_stmt *st = stmt_get(of(db), q, &own, e);
    if (!st || !bind(of(db), st, args, n, SQLITE_STATIC, e))
        return false;
    int rc = sqlite3_step(st);
    bool ok = rc == SQLITE_DONE || rc == SQLITE_ROW || fail(of(db), rc, ERR_QUOTE(slice_str(q->text)), e);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    if (own)
        sqlite3_finalize(st);
    return ok;
}

static bool sqlite_script(struct db *db, const char *text, struct err *e)
{
    int rc = sqlite3_exec(of(db)->s, text, NULL, NULL, NULL);
    return rc == SQLITE_OK || fail(of(db), rc, "script", e);
}

/* ---- transactions ---- */

/* The open file outlives its name: what is written to it after that is lost with the process, and whoever comes next begins
 * with what has the name by then.  Only the database's own name is looked at: a FILE-wal that is removed alone is not seen. */
static bool is_in_place(struct db *db, struct err *e)
{
    int moved = 0;
    if (sqlite3_file_control(of(db)->s, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || !moved)
        return true;
    err_set(e, ERR_STORE_UNAVAILABLE, "the file of the database was moved or removed while it was open");
    err_why(e, "what is written to it now would be lost");
    return err_try(e, "put that very file back, with those beside it; or stop kithd and restore the newest copy");
}

static bool sqlite_begin(struct db *db, bool snapshot, struct err *e)
{
    if (!snapshot && !is_in_place(db, e))
        return false;
    return sqlite_exec(db, snapshot ? &of(db)->begin_read : &of(db)->begin, NULL, 0, e);
}

static bool sqlite_commit(struct db *db, struct err *e)
{
    return sqlite_exec(db, &of(db)->commit, NULL, 0, e);
}

static void sqlite_rollback(struct db *db)
{
    /* Some errors (disk full, I/O) roll back by themselves. */
    if (!sqlite3_get_autocommit(of(db)->s))
        sqlite3_exec(of(db)->s, "ROLLBACK", NULL, NULL, NULL);
}

static bool sqlite_reopen(struct db *db, struct err *e)
{
    (void)e;
    sqlite_rollback(db);
    db->lost = false;
    return true;
}

static bool sqlite_in_tx(struct db *db)
{
    return !sqlite3_get_autocommit(of(db)->s);
}

static void sqlite_stmt_free(void *stmt)
{
    sqlite3_finalize(stmt);
}

bool db_is_postgres(const struct db *db)
{
    return db->ops != &sqlite_ops;
}

static const struct db_ops sqlite_ops = {
    .query = sqlite_query,
    .next = sqlite_next,
    .get_int = sqlite_get_int,
    .get_bytes = sqlite_get_bytes,
    .is_null = sqlite_is_null,
    .close = sqlite_close,
    .exec = sqlite_exec,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .in_tx = sqlite_in_tx,
    .reopen = sqlite_reopen,
    .stmt_free = sqlite_stmt_free,
    .free = sqlite_free,
};
