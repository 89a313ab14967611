/* PostgreSQL through libpq.  Statements are prepared; results come in binary.  Writes inside a transaction are sent in
 * pipeline mode and their results taken together: before the next query, at the commit, and at the latest after QUEUE_MAX.
 * Transactions are SERIALIZABLE: a job decides on what it read, whatever other nodes write. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/db_ops.h"

#define QUEUE_MAX 128 /* statements without an answer taken: their answers fit the socket's buffers */

struct pg {
    struct db db;
    PGconn *conn;
    char *where;
    bool in_tx, failed; /* failed: an error spoilt the transaction */
    unsigned queued;
    unsigned next_name;
};

struct pg_stmt {
    char name[16];
};

static const struct db_ops pg_ops;

static struct pg *of(struct db *db)
{
    return (struct pg *)db;
}

/* ---- errors ---- */

static enum err_code code_of(const char *state)
{
    static const struct {
        const char *state; /* a whole SQLSTATE, or its class */
        enum err_code code;
    } codes[] = {
        {"40001", ERR_STORE_CONFLICT},    {"40P01", ERR_STORE_CONFLICT}, {"23505", ERR_STORE_EXISTS},
        {"23", ERR_STORE_VALUE},          {"22", ERR_STORE_VALUE},       {"53100", ERR_STORE_FULL},
        {"53", ERR_STORE_UNAVAILABLE},    {"08", ERR_STORE_UNAVAILABLE}, {"57", ERR_STORE_UNAVAILABLE},
        {"XX001", ERR_STORE_CORRUPT},     {"XX002", ERR_STORE_CORRUPT},  {"25006", ERR_STORE_RULE},
        {"55P03", ERR_STORE_UNAVAILABLE}, {"28", ERR_STORE_UNAVAILABLE}, {"3D", ERR_STORE_UNAVAILABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0)
            return codes[i].code;
    return ERR_STORE;
}

/* PostgreSQL sets names in double quotes, which would be escaped. */
static const char *first_line(const char *text, char *buf, size_t cap)
{
    char line[256];
    size_t n = 0;
    for (; n < sizeof line && text[n] && text[n] != '\n'; n++)
        line[n] = text[n] == '"' ? '\'' : text[n];
    return err_quote(slice_of(line, n), buf, cap);
}

/* libpq's own trouble.  Its idea of the connection's state lags behind (PQstatus() may still say OK after an end of file), so
 * whatever does not come from the server counts as lost: a new connection is always right. */
static bool fail_conn(struct pg *d, struct err *e)
{
    char line[200];
    d->failed = d->db.lost = true;
    err_set(e, ERR_STORE_UNAVAILABLE, "postgresql: %s", first_line(PQerrorMessage(d->conn), line, sizeof line));
    return err_try(e, "see that the database server runs, has that database and role, and lets this host in");
}

static bool fail_result(struct pg *d, const PGresult *res, const char *doing, struct err *e)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    char line[160];
    if (!res || !state || PQstatus(d->conn) == CONNECTION_BAD)
        return fail_conn(d, e);
    d->failed = true;
    /* The server ends the connection (admin_shutdown and the like). */
    d->db.lost = strncmp(state, "57P0", 4) == 0 || strncmp(state, "08", 2) == 0;
    err_set(e, code_of(state), "postgresql: %s: %s", doing, first_line(text ? text : "", line, sizeof line));
    return err_why(e, "SQLSTATE %s", state);
}

static bool result_ok(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

/* One statement without parameters, answered at once. */
static bool simple(struct pg *d, const char *text, struct err *e)
{
    PGresult *res = PQexec(d->conn, text);
    bool ok = result_ok(res) || fail_result(d, res, ERR_QUOTE(slice_str(text)), e);
    PQclear(res);
    return ok;
}

/* ---- opening ---- */

static void say_nothing(void *arg, const PGresult *res)
{
    (void)arg, (void)res;
}

/* What was promised durable is durable, whatever the server's default; a stronger setting is left as it is. */
static bool session_set(struct pg *d, struct err *e)
{
    PGresult *res = PQexec(d->conn, "SHOW synchronous_commit");
    bool off = result_ok(res) && PQntuples(res) == 1 && strcmp(PQgetvalue(res, 0, 0), "off") == 0;
    PQclear(res);
    if (off && !simple(d, "SET synchronous_commit = on", e))
        return false;
    return d->db.writable || simple(d, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", e);
}

static bool pg_connect(struct pg *d, struct err *e)
{
    /* What stands before dbname are defaults, what stands behind it overrides the connection string. */
    const char *const keys[] = {"connect_timeout",  "tcp_user_timeout", "dbname",
                                "application_name", "client_encoding",  NULL};
    const char *const values[] = {"5", "10000", d->where, "kith", "UTF8", NULL};
    PQfinish(d->conn);
    d->conn = PQconnectdbParams(keys, values, 1);
    d->in_tx = d->failed = false;
    d->queued = d->next_name = 0;
    d->db.lost = PQstatus(d->conn) != CONNECTION_OK;
    if (d->db.lost)
        return fail_conn(d, e);
    PQsetNoticeReceiver(d->conn, say_nothing, NULL);
    return session_set(d, e);
}

bool db_pg_open(const char *conninfo, bool writable, struct db **out, struct err *e)
{
    *out = NULL;
    struct pg *d = calloc(1, sizeof *d);
    char *where = strdup(conninfo);
    if (!d || !where) {
        free(d);
        free(where);
        return err_set(e, ERR_NOMEM, "database connection");
    }
    *d = (struct pg){.db = {.ops = &pg_ops, .writable = writable}, .where = where};
    if (!pg_connect(d, e)) {
        db_free(&d->db);
        return false;
    }
    *out = &d->db;
    return true;
}

static void pg_free(struct db *db)
{
    PQfinish(of(db)->conn);
    free(of(db)->where);
    free(of(db));
}

static bool pg_reopen(struct db *db, struct err *e)
{
    return pg_connect(of(db), e);
}

/* ---- the pipeline ---- */

/* Takes the answers of what was queued; the first error counts, the server skipped what came after it. */
static bool flush(struct pg *d, struct err *e)
{
    bool ok = true, synced = false;
    if (PQpipelineStatus(d->conn) == PQ_PIPELINE_OFF)
        return true;
    if (!PQpipelineSync(d->conn))
        return fail_conn(d, e);
    for (unsigned nulls = 0; !synced && nulls <= d->queued + 1;) {
        PGresult *res = PQgetResult(d->conn);
        ExecStatusType s = PQresultStatus(res);
        synced = s == PGRES_PIPELINE_SYNC;
        nulls += res == NULL; /* one ends each statement's results */
        if (res && !synced && ok && !result_ok(res))
            ok = fail_result(d, res, "write", e);
        PQclear(res);
        if (PQstatus(d->conn) == CONNECTION_BAD)
            return ok ? fail_conn(d, e) : false;
    }
    d->queued = 0;
    if (!synced || !PQexitPipelineMode(d->conn))
        return ok ? fail_conn(d, e) : false;
    return ok;
}

/* ---- statements ---- */

struct params {
    const char *values[DB_ARGS_MAX];
    int lengths[DB_ARGS_MAX], formats[DB_ARGS_MAX];
    char ints[DB_ARGS_MAX][24];
};

/* Integers go as text, so that the server's idea of their width does not matter; text and blobs go as they are. */
static bool params_set(struct params *p, const struct value *args, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        p->values[i] = NULL;
        p->lengths[i] = p->formats[i] = 0;
        if (args[i].s.n > (1u << 30))
            return err_set(e, ERR_LIMIT, "a value of %zu bytes", args[i].s.n);
        if (args[i].type == VALUE_INT) {
            snprintf(p->ints[i], sizeof p->ints[i], "%lld", (long long)args[i].i);
            p->values[i] = p->ints[i];
        } else if (args[i].type != VALUE_NULL) {
            p->values[i] = args[i].s.n ? (const char *)args[i].s.p : "";
            p->lengths[i] = (int)args[i].s.n;
            p->formats[i] = 1;
        }
    }
    return true;
}

static struct pg_stmt *stmt_get(struct pg *d, const struct sql *q, struct err *e)
{
    void **slot = db_stmt_slot(&d->db, q);
    struct pg_stmt *st = slot && !*slot ? calloc(1, sizeof *st) : NULL;
    if (slot && *slot)
        return *slot;
    if (!slot || !st) {
        free(st);
        err_set(e, ERR_NOMEM, "prepared statement");
        return NULL;
    }
    snprintf(st->name, sizeof st->name, "k%u", d->next_name++);
    if (flush(d, e)) {
        PGresult *res = PQprepare(d->conn, st->name, q->text, 0, NULL);
        if (result_ok(res))
            *slot = st;
        else
            fail_result(d, res, ERR_QUOTE(slice_str(q->text)), e);
        PQclear(res);
    }
    if (!*slot) {
        free(st);
        st = NULL;
    }
    return st;
}

static bool query_once(struct pg *d, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                       struct err *e)
{
    struct params p;
    struct pg_stmt *st;
    if (!params_set(&p, args, n, e) || !flush(d, e) || !(st = stmt_get(d, q, e)))
        return false;
    PGresult *res = PQexecPrepared(d->conn, st->name, (int)n, p.values, p.lengths, p.formats, 1);
    if (PQresultStatus(res) != PGRES_TUPLES_OK) {
        fail_result(d, res, ERR_QUOTE(slice_str(q->text)), e);
        PQclear(res);
        return false;
    }
    *out = (struct rows){.db = &d->db, .stmt = res, .row = PQntuples(res) > 0, .n = PQntuples(res)};
    return true;
}

static bool pg_query(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                     struct err *e)
{
    struct pg *d = of(db);
    /* A reader whose connection went away asks again on a new one; within a transaction nobody can. */
    if (db->lost && (d->in_tx || !db_reopen(db, e)))
        return d->in_tx ? fail_conn(d, e) : false;
    if (query_once(d, q, args, n, out, e))
        return true;
    return db->lost && !d->in_tx && db_reopen(db, e) && query_once(d, q, args, n, out, e);
}

static bool pg_next(struct rows *r, struct err *e)
{
    (void)e;
    if (r->row == 0 || r->row >= r->n)
        return false;
    r->row++;
    return true;
}

static int64_t pg_get_int(const struct rows *r, int col)
{
    const PGresult *res = r->stmt;
    const unsigned char *p = (const unsigned char *)PQgetvalue(res, r->row - 1, col);
    int n = PQgetlength(res, r->row - 1, col);
    uint64_t v = n > 0 && p[0] & 0x80 ? UINT64_MAX : 0;
    if (n > 8)
        return 0; /* not an integer; see db.h on CAST */
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return (int64_t)v;
}

static struct slice pg_get_bytes(const struct rows *r, int col)
{
    /* libpq puts a NUL behind every value. */
    return slice_of(PQgetvalue(r->stmt, r->row - 1, col), (size_t)PQgetlength(r->stmt, r->row - 1, col));
}

static bool pg_is_null(const struct rows *r, int col)
{
    return PQgetisnull(r->stmt, r->row - 1, col);
}

static void pg_close(struct rows *r)
{
    PQclear(r->stmt);
}

static bool pg_exec(struct db *db, const struct sql *q, const struct value *args, size_t n, struct err *e)
{
    struct pg *d = of(db);
    struct params p;
    struct pg_stmt *st;
    if (!params_set(&p, args, n, e) || !(st = stmt_get(d, q, e)))
        return false;
    if (!d->in_tx) {
        PGresult *res = PQexecPrepared(d->conn, st->name, (int)n, p.values, p.lengths, p.formats, 1);
        bool ok = result_ok(res) || fail_result(d, res, ERR_QUOTE(slice_str(q->text)), e);
        PQclear(res);
        return ok;
    }
    if (PQpipelineStatus(d->conn) == PQ_PIPELINE_OFF && !PQenterPipelineMode(d->conn))
        return fail_conn(d, e);
    if (!PQsendQueryPrepared(d->conn, st->name, (int)n, p.values, p.lengths, p.formats, 1))
        return fail_conn(d, e);
    return ++d->queued < QUEUE_MAX || flush(d, e);
}

/* ---- scripts ---- */

static const struct {
    const char *ours, *theirs;
} words[] = {
    {"INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY"},
    {" WITHOUT ROWID", ""},
    {"BLOB", "BYTEA"},
    {"TEXT", "TEXT COLLATE \"C\""}, /* bytewise order, as SQLite has it */
};

static char *script_translate(const char *text)
{
    size_t cap = 4 * strlen(text) + 64, n = 0;
    char *out = malloc(cap);
    while (out && *text) {
        size_t i = 0;
        while (i < ARRAY_LEN(words) && strncmp(text, words[i].ours, strlen(words[i].ours)) != 0)
            i++;
        if (i == ARRAY_LEN(words)) {
            out[n++] = *text++;
            continue;
        }
        n += (size_t)snprintf(out + n, cap - n, "%s", words[i].theirs);
        text += strlen(words[i].ours);
    }
    if (out)
        out[n] = 0;
    return out;
}

static bool pg_script(struct db *db, const char *text, struct err *e)
{
    char *theirs = script_translate(text);
    bool ok = theirs ? flush(of(db), e) && simple(of(db), theirs, e) : err_set(e, ERR_NOMEM, "script");
    free(theirs);
    return ok;
}

/* ---- transactions ---- */

static bool pg_begin(struct db *db, bool snapshot, struct err *e)
{
    struct pg *d = of(db);
    if (db->lost && (!snapshot || !db_reopen(db, e)))
        return snapshot ? false : fail_conn(d, e);
    d->failed = false;
    d->in_tx = simple(
        d, snapshot ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL SERIALIZABLE", e);
    return d->in_tx;
}

static bool pg_commit(struct db *db, struct err *e)
{
    struct pg *d = of(db);
    if (!flush(d, e))
        return false;
    if (d->failed)
        return err_set(e, ERR_STORE, "the transaction was spoilt by an earlier error");
    PGresult *res = PQexec(d->conn, "COMMIT");
    bool ok = result_ok(res) || fail_result(d, res, "COMMIT", e);
    if (ok && strcmp(PQcmdStatus(res), "COMMIT") != 0)
        ok = err_set(e, ERR_STORE, "postgresql rolled the transaction back");
    d->in_tx = d->in_tx && !ok && !db->lost;
    PQclear(res);
    return ok;
}

static void pg_rollback(struct db *db)
{
    struct pg *d = of(db);
    if (!db->lost)
        (void)!flush(d, NULL);
    if (!db->lost && d->in_tx)
        (void)!simple(d, "ROLLBACK", NULL);
    d->in_tx = d->failed = false;
}

static bool pg_in_tx(struct db *db)
{
    return of(db)->in_tx && !of(db)->failed;
}

static void pg_stmt_free(void *stmt)
{
    free(stmt);
}

static const struct db_ops pg_ops = {
    .query = pg_query,
    .next = pg_next,
    .get_int = pg_get_int,
    .get_bytes = pg_get_bytes,
    .is_null = pg_is_null,
    .close = pg_close,
    .exec = pg_exec,
    .script = pg_script,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .in_tx = pg_in_tx,
    .reopen = pg_reopen,
    .stmt_free = pg_stmt_free,
    .free = pg_free,
};
