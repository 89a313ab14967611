/* Each log in a database has one name (its origin) and one node that writes it, both for good. */
#ifndef KITH_STORE_LOG_NAME_H
#define KITH_STORE_LOG_NAME_H

#include "store/db.h"

/* Is the log of `node` in this database named `origin`, and of no other node?  *there: it has a row already.
 * Errors: ERR_STORE_ORIGIN. */
MUST_USE bool log_name_check(struct db *db, unsigned node, const char *origin, bool *there, struct err *e);
/* The same, and makes the row of a new one.  `origin` NULL: the log has to be there, whatever its name. */
MUST_USE bool log_name_open(struct db *db, unsigned node, const char *origin, int64_t now_ms, struct err *e);

#endif
