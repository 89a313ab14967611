#include "store/db.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/db_ops.h"
#include "store/tables.h"

/* ---- opening ---- */

bool db_open_raw(const char *where, bool writable, struct db **out, struct err *e)
{
    *out = NULL;
    if (strncmp(where, "sqlite:", 7) == 0 && where[7])
        return db_sqlite_open(where + 7, writable, out, e);
    if (strncmp(where, "postgresql://", 13) == 0 || strncmp(where, "postgres://", 11) == 0)
        return db_pg_open(where, writable, out, e);
    err_set(e, ERR_USAGE, "\"%s\" names no database", ERR_QUOTE(slice_str(where)));
    return err_try(e, "write sqlite:PATH or postgresql://...");
}

bool db_open(const char *where, bool writable, struct db **out, struct err *e)
{
    struct db *db;
    *out = NULL;
    if (!db_open_raw(where, writable, &db, e))
        return false;
    if (!tables_check(db, e)) {
        db_free(db);
        return false;
    }
    *out = db;
    return true;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_stmt_forget_all(db);
    free(db->slots);
    db->slots = NULL;
    db->ops->free(db);
}

/* ---- prepared statements ---- */

static struct stmt_slot *slot_find(struct stmt_slot *slots, size_t cap, const struct sql *q)
{
    size_t i = ((uintptr_t)q >> 3) * (size_t)0x9E3779B97F4A7C15u >> 32;
    for (;; i++) {
        struct stmt_slot *s = &slots[i & (cap - 1)];
        if (!s->key || s->key == q)
            return s;
    }
}

static bool slots_grow(struct db *db)
{
    size_t cap = db->slots_cap ? 2 * db->slots_cap : 64;
    struct stmt_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < db->slots_cap; i++)
        if (db->slots[i].key)
            *slot_find(slots, cap, db->slots[i].key) = db->slots[i];
    free(db->slots);
    db->slots = slots;
    db->slots_cap = cap;
    return true;
}

void **db_stmt_slot(struct db *db, const struct sql *q)
{
    if (2 * (db->slots_n + 1) > db->slots_cap && !slots_grow(db))
        return NULL;
    struct stmt_slot *s = slot_find(db->slots, db->slots_cap, q);
    if (!s->key) {
        s->key = q;
        db->slots_n++;
    }
    return &s->stmt;
}

void db_stmt_forget_all(struct db *db)
{
    for (size_t i = 0; i < db->slots_cap; i++)
        if (db->slots[i].stmt) {
            db->ops->stmt_free(db->slots[i].stmt);
            db->slots[i].stmt = NULL;
        }
}

/* ---- statements ---- */

void db_test_fault(struct db *db, unsigned after, enum db_fault fault)
{
    db->fault_in = after;
    db->fault = fault;
}

/* There is a connection, and no test wants this to fail. */
static bool may_go_on(struct db *db, struct err *e)
{
    if (!db)
        return err_set(e, ERR_STORE_UNAVAILABLE, "the database cannot be opened");
    if (db->fault_in == 0 || --db->fault_in > 0)
        return true;
    switch (db->fault) {
    case DB_FAULT_KILL:
        kill(getpid(), SIGKILL);
        break;
    case DB_FAULT_LOSE:
        db->lost = true;
        return err_set(e, ERR_STORE_UNAVAILABLE, "the connection was lost because a test asked for it");
    case DB_FAULT_CONFLICT:
        return err_set(e, ERR_STORE_CONFLICT, "a conflict that a test asked for");
    case DB_FAULT_FAIL:
        break;
    }
    return err_set(e, ERR_STORE, "the statement failed because a test asked for it");
}

static bool args_fit(const struct sql *q, size_t n, struct err *e)
{
    if (n <= DB_ARGS_MAX)
        return true;
    return err_set(e, ERR_INTERNAL, "%zu parameters, at most %d, for \"%s\"", n, DB_ARGS_MAX,
                   ERR_QUOTE(slice_str(q->text)));
}

static bool may_read_only(const struct sql *q, struct err *e)
{
    if (strncmp(q->text, "SELECT", 6) == 0 || strncmp(q->text, "WITH", 4) == 0)
        return true;
    err_set(e, ERR_STORE_RULE, "not a query: \"%s\"", ERR_QUOTE(slice_str(q->text)));
    return err_why(e, "changes go through tx_record() and tx_scratch()");
}

bool db_query(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out, struct err *e)
{
    *out = (struct rows){0};
    if (!args_fit(q, n, e) || !may_read_only(q, e) || !may_go_on(db, e))
        return false;
    return db->ops->query(db, q, args, n, out, e);
}

bool rows_next(struct rows *r, struct err *e)
{
    err_clear(e);
    if (!r->stmt)
        return false;
    if (!r->started) {
        r->started = true;
        return r->row == 1;
    }
    return r->db->ops->next(r, e);
}

int64_t rows_int(const struct rows *r, int col)
{
    return r->db->ops->get_int(r, col);
}

const char *rows_text(const struct rows *r, int col)
{
    return (const char *)r->db->ops->get_bytes(r, col).p;
}

struct slice rows_blob(const struct rows *r, int col)
{
    return r->db->ops->get_bytes(r, col);
}

bool rows_is_null(const struct rows *r, int col)
{
    return r->db->ops->is_null(r, col);
}

void rows_close(struct rows *r)
{
    if (r->stmt)
        r->db->ops->close(r);
    *r = (struct rows){0};
}

bool db_query_row(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                  struct err *e)
{
    err_clear(e);
    if (!db_query(db, q, args, n, out, e))
        return false;
    if (rows_next(out, e))
        return true;
    rows_close(out);
    return false;
}

bool db_query_ints(struct db *db, const struct sql *q, const struct value *args, size_t args_n, int64_t *out,
                   size_t cap, size_t *n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    *n = 0;
    err_clear(e);
    if (!db_query(db, q, args, args_n, &r, e))
        return false;
    while (*n < cap && rows_next(&r, e))
        out[(*n)++] = rows_int(&r, 0);
    return e->code == ERR_NONE;
}

bool db_exec(struct db *db, const struct sql *q, const struct value *args, size_t n, struct err *e)
{
    return args_fit(q, n, e) && may_go_on(db, e) && db->ops->exec(db, q, args, n, e);
}

bool db_script(struct db *db, const char *text, struct err *e)
{
    return may_go_on(db, e) && db->ops->script(db, text, e);
}

/* ---- transactions ---- */

bool db_begin(struct db *db, struct err *e)
{
    return may_go_on(db, e) && db->ops->begin(db, false, e);
}

bool db_commit(struct db *db, struct err *e)
{
    bool losing = db->fault_in == 1 && db->fault == DB_FAULT_LOSE;
    if (losing && !db->ops->commit(db, e))
        return false;
    return may_go_on(db, e) && db->ops->commit(db, e);
}

void db_rollback(struct db *db)
{
    db->ops->rollback(db);
}

bool db_in_tx(struct db *db)
{
    return db->ops->in_tx(db);
}

bool db_snapshot_begin(struct db *db, struct err *e)
{
    return may_go_on(db, e) && db->ops->begin(db, true, e);
}

void db_snapshot_end(struct db *db)
{
    db->ops->rollback(db);
}

bool db_is_lost(const struct db *db)
{
    return db->lost;
}

bool db_reopen(struct db *db, struct err *e)
{
    db_stmt_forget_all(db);
    return db->ops->reopen(db, e);
}
