/* Erasing what an entry says, together with the entry that says that it was done: a ledger in which something is erased and
 * nothing says so does not verify (ledger/verify.h). */
#ifndef KITH_LEDGER_ERASE_H
#define KITH_LEDGER_ERASE_H

#include "store/commit.h"

/* In a job of the commit thread; entry `seq` of its own log.  The leaf and every proof over it stay.  The last entry of a row
 * should not be erased: it is what the row is compared with.
 * Errors: not-found, conflict (it is erased already), policy (it says that another one was erased). */
MUST_USE bool erase_entry(struct tx *tx, uint64_t seq, const char *who, const char *why, struct err *e);

#endif
