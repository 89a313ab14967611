/* Rows in their canonical form: the deterministic CBOR array of a table's columns, and the salted hash of it that stands in
 * ledger entries.  Also reading a row by its key, with SQL that comes from the descriptor. */
#ifndef KITH_STORE_ROW_H
#define KITH_STORE_ROW_H

#include "core/crypto.h"
#include "core/writer.h"
#include "store/commit.h"
#include "store/entry.h"

#define ROW_MAX (1 << 20) /* bytes of a row's canonical form */

/* Each value has its column's type, or is null where that is allowed; text is UTF-8 without NUL.  Errors: store-value. */
MUST_USE bool row_check(const struct table *t, const struct value *cols, size_t n, struct err *e);

/* The CBOR array of the first n values: t->nkeys for the key, t->ncols for the row. */
void row_put(struct writer *w, const struct value *cols, size_t n);

/* SHA-256(salt || row_put(cols, n)), n = ncols.
 * buf is room for the canonical form; false if it is too small. */
MUST_USE bool row_hash(const struct crypto *crypto, const uint8_t salt[ENTRY_SALT_SIZE], const struct value *cols,
                       size_t n, uint8_t *buf, size_t cap, uint8_t out[SHA256_SIZE]);

/* One row by its key, all columns in the descriptor's order; true if it is there, false with e->code == 0 if not. */
MUST_USE bool row_read(struct db *db, const struct table *t, const struct value *keys, struct rows *out, struct err *e);
/* The current row's values, as long as it is current: what a caller changes and hands to tx_record(). */
void row_values(const struct rows *r, const struct table *t, struct value *cols);

/* "SELECT all columns FROM table ORDER BY key" as a statement. */
const struct sql *row_select_all(const struct table *t);

#endif
