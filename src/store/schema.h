/* Does the schema hold what the migrations make, and nothing beside?  A trigger, rule or view that somebody added changes what
 * Kith reads and writes without a row that differs from its entry; an index that is gone lets in what it kept out. */
#ifndef KITH_STORE_SCHEMA_H
#define KITH_STORE_SCHEMA_H

#include "store/db.h"

/* table: the one that it stands on, or its own name. */
typedef void schema_found_fn(void *ctx, const char *table, const char *name, const char *text);

/* Reports each difference.  Kinds and names are compared, and what an index stands on, not the words of each definition; parts
 * of PostgreSQL's extensions are left out.  Errors: store (the schema could not be read). */
MUST_USE bool schema_check(struct db *db, schema_found_fn *found, void *ctx, struct err *e);

/* The first difference as an error.  Errors: store-schema; those of schema_check(). */
MUST_USE bool schema_sound(struct db *db, struct err *e);

#endif
