/* Comma-separated values (RFC 4180), a record at a time. */
#ifndef KITH_BASE_CSV_H
#define KITH_BASE_CSV_H

#include "base/arena.h"

/* One record: up to `cap` fields into the arena; *rest moves behind it; to the end, where a quoted field has none.
 * Errors: syntax, limit. */
MUST_USE bool csv_record(struct slice *rest, struct arena *a, const char **fields, size_t cap, size_t *n,
                         struct err *e);

#endif
