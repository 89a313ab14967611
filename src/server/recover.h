/* What a signer's journal holds and the ledger lacks, after a crash between the two: entered as what it is.  A certificate
 * that was signed but never answered waits on hold for the same request (server/unanswered.h), or is revoked. */
#ifndef KITH_SERVER_RECOVER_H
#define KITH_SERVER_RECOVER_H

#include "server/app.h"

/* Before anything else is signed.  *found: how many things were entered. */
MUST_USE bool recover_journal(struct app *app, size_t *found, struct err *e);

/* Before anything is entered at all: whether the journal holds what entries name that are not among the `vouched` first.
 * Errors: ERR_JOURNAL_BEHIND. */
MUST_USE bool recover_check(struct app *app, uint64_t vouched, struct err *e);

#endif
