/* What an engine does for store/db.c, and what only the commit thread may ask for.  Internal to src/store. */
#ifndef KITH_STORE_DB_OPS_H
#define KITH_STORE_DB_OPS_H

#include "store/db.h"

struct db_ops {
    /* Prepares if need be, runs, and has the first row ready: rows->row is 1 if there is one. */
    bool (*query)(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                  struct err *e);
    bool (*next)(struct rows *r, struct err *e);
    int64_t (*get_int)(const struct rows *r, int col);
    struct slice (*get_bytes)(const struct rows *r, int col); /* followed by a NUL, p never NULL; "" for NULL */
    bool (*is_null)(const struct rows *r, int col);
    void (*close)(struct rows *r);
    /* May be queued: then its error comes with a later statement, the commit at the latest. */
    bool (*exec)(struct db *db, const struct sql *q, const struct value *args, size_t n, struct err *e);
    bool (*script)(struct db *db, const char *text, struct err *e);
    bool (*begin)(struct db *db, bool snapshot, struct err *e);
    bool (*commit)(struct db *db, struct err *e);
    void (*rollback)(struct db *db);
    bool (*in_tx)(struct db *db); /* a transaction is open and not spoilt by an error */
    bool (*reopen)(struct db *db, struct err *e);
    void (*stmt_free)(void *stmt);
    void (*free)(struct db *db);
};

struct stmt_slot {
    const struct sql *key;
    void *stmt;
};

/* The engines embed this as their first member. */
struct db {
    const struct db_ops *ops;
    bool writable;
    bool lost; /* the connection is gone: db_reopen() */
    unsigned fault_in;
    enum db_fault fault;
    struct stmt_slot *slots; /* open addressing, a power of two */
    size_t slots_cap, slots_n;
};

/* The cached statement's place; *slot is NULL if it is to be prepared.  NULL if memory ran out. */
void **db_stmt_slot(struct db *db, const struct sql *q);
void db_stmt_forget_all(struct db *db);

bool db_sqlite_open(const char *path, bool writable, struct db **out, struct err *e);
bool db_pg_open(const char *conninfo, bool writable, struct db **out, struct err *e);

/* As db_open(), without the check of the schema. */
MUST_USE bool db_open_raw(const char *where, bool writable, struct db **out, struct err *e);
MUST_USE bool db_exec(struct db *db, const struct sql *q, const struct value *args, size_t n, struct err *e);
/* Statements without parameters, ended by semicolons; the word BLOB is written as the engine has it, and so on. */
MUST_USE bool db_script(struct db *db, const char *text, struct err *e);
MUST_USE bool db_begin(struct db *db, struct err *e);
MUST_USE bool db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);
bool db_in_tx(struct db *db);
bool db_is_lost(const struct db *db);
MUST_USE bool db_reopen(struct db *db, struct err *e);

#endif
