/* One database connection: SQLite or PostgreSQL behind one interface, with one dialect of SQL (DESIGN section 7).
 *
 * Parameters are written $1, $2, ... in both.  A statement is a static `struct sql`; it is prepared once for each connection
 * and cached by its address.  A connection belongs to one thread.  Reading is free; changing anything goes through
 * store/commit.h, whose thread alone holds a writable connection, and db_query() takes nothing but SELECT and WITH.
 *
 * Cast what SQL makes of integers (CAST(SUM(x) AS BIGINT)): PostgreSQL would answer with another type.  A result is held
 * whole with PostgreSQL, so long ones are read in pages: WHERE key > $1 ORDER BY key LIMIT 1000. */
#ifndef KITH_STORE_DB_H
#define KITH_STORE_DB_H

#include "core/err.h"
#include "core/slice.h"

struct db;

enum value_type { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_BLOB };

struct value {
    enum value_type type;
    int64_t i;
    struct slice s; /* text without NUL, or blob; borrowed */
};

static inline struct value value_null(void)
{
    return (struct value){0};
}
static inline struct value value_int(int64_t i)
{
    return (struct value){.type = VALUE_INT, .i = i};
}
static inline struct value value_text(const char *s) /* NULL: SQL NULL */
{
    return s ? (struct value){.type = VALUE_TEXT, .s = slice_str(s)} : value_null();
}
static inline struct value value_blob(struct slice s)
{
    return (struct value){.type = VALUE_BLOB, .s = s};
}

struct sql {
    const char *text;
};

#define DB_ARGS_MAX 24

/* where: "sqlite:PATH" or a libpq connection string "postgresql://...".  Opening for reading does not create.
 * Errors: io, unavailable, policy (schema version newer than this program), usage (where), store-schema (no Kith database). */
MUST_USE bool db_open(const char *where, bool writable, struct db **out, struct err *e);
void db_free(struct db *db);
AUTO_FREE_FN(struct db *, db_free);
bool db_is_postgres(const struct db *db);

/* Between these two, all queries see one state of the database.  Not on a transaction's connection (tx_db). */
MUST_USE bool db_snapshot_begin(struct db *db, struct err *e);
void db_snapshot_end(struct db *db);

/* A running query.  Zero it, db_query() it, step it with rows_next(), and rows_close() it (AUTO(rows_close)).
 * A connection that is NULL could not be opened: ERR_STORE_UNAVAILABLE.
 * Text and blobs are borrowed until the next step; rows_text() is NUL-terminated ("" for NULL), for
 * columns that hold text.  Queries may nest. */
struct rows {
    struct db *db;
    void *stmt;
    int row, n;
    bool started;
};
MUST_USE bool db_query(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                       struct err *e);
/* True: a row is there.  False: the end, or an error (then e->code is set; it is cleared first). */
MUST_USE bool rows_next(struct rows *r, struct err *e);
int64_t rows_int(const struct rows *r, int col);
const char *rows_text(const struct rows *r, int col);
struct slice rows_blob(const struct rows *r, int col);
bool rows_is_null(const struct rows *r, int col);
void rows_close(struct rows *r);

/* One row or none.  True if a row was there; false with e->code == 0 if none. */
MUST_USE bool db_query_row(struct db *db, const struct sql *q, const struct value *args, size_t n, struct rows *out,
                           struct err *e);
/* The numbers in the first column, of `cap` rows at the most. */
MUST_USE bool db_query_ints(struct db *db, const struct sql *q, const struct value *args, size_t args_n, int64_t *out,
                            size_t cap, size_t *n, struct err *e);

/* For tests: something happens at the after-th statement from now on (1: the next; BEGIN and COMMIT count, ROLLBACK does
 * not).  0 takes it back. */
enum db_fault {
    DB_FAULT_FAIL,     /* it fails */
    DB_FAULT_CONFLICT, /* it fails as if another node had changed the same rows */
    DB_FAULT_LOSE,     /* the connection is lost; a COMMIT goes through and its answer is lost */
    DB_FAULT_KILL,     /* the process is killed before it is sent */
};
void db_test_fault(struct db *db, unsigned after, enum db_fault fault);

#endif
