/* The state of a domain as one file, so that a start need not read the whole journal; and the journal's records applied to
 * that state.  Both are of this process alone. */
#ifndef KITH_SIGNER_SNAPSHOT_H
#define KITH_SIGNER_SNAPSHOT_H

#include "signer/domain.h"

/* Writes it to path, all or nothing. */
MUST_USE bool snapshot_write(const struct domain *d, const char *path, struct err *e);
/* Fills d; *found is false if there is no file.  Errors: ERR_JOURNAL (malformed), ERR_ROSTER (another roster than now). */
MUST_USE bool snapshot_read(struct domain *d, const char *path, bool *found, struct err *e);
/* One record of the journal behind the snapshot (journal_each; ctx is the domain). */
bool snapshot_replay(void *ctx, struct slice record, const struct journal_mark *next, struct err *e);

#endif
