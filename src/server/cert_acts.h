/* What is done to certificates that are stored: revoked, held, released; each with its entry in the ledger and the mark that
 * tells the gateways.
 *
 * Functions with a tx belong into a job.  The marks are the job's: it empties them when it begins (a job may run twice), its
 * owner hands them to marks_tell() after the commit and frees them. */
#ifndef KITH_SERVER_CERT_ACTS_H
#define KITH_SERVER_CERT_ACTS_H

#include "server/feed_hub.h"
#include "store/tables.h"

/* After the commit: tells the gateways, and ends the feed of a gateway whose own certificate was revoked.  Returns a ticket
 * for feed_hub_wait(). */
uint64_t marks_tell(struct app *app, const struct marks *m);

struct cert_act {
    enum mark_kind kind;
    int reason; /* CRLReason of a revocation */
    const char *who, *why;
};

/* One.  Errors: ERR_NOTFOUND, ERR_CONFLICT (it is revoked already). */
MUST_USE bool cert_act(struct tx *tx, const struct cert_act *a, int64_t id, struct marks *m, struct err *e);
/* Every one of a subject that counts and that the act changes, however many there are. */
MUST_USE bool cert_act_all(struct tx *tx, const struct cert_act *a, const char *subject, enum cert_subject kind,
                           struct marks *m, struct err *e);

/* One certificate is revoked for good; then the gateways are told. */
MUST_USE bool cert_revoke(struct app *app, int64_t id, int reason, const char *who, uint64_t *ticket, struct err *e);

#endif
