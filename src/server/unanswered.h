/* Certificates that were signed and whose answer was lost, found in the issuing signer's journal (server/recover.h).  Such a
 * certificate is on hold: it counts nowhere.  The same request (same credential, key and profile, within a day) gets it and
 * takes the hold off; it is revoked when the day is over, when the device is given another one, or when its state changes.
 *
 * Functions with a tx belong into a job; marks are for marks_tell() after the commit. */
#ifndef KITH_SERVER_UNANSWERED_H
#define KITH_SERVER_UNANSWERED_H

#include "server/cert_acts.h"
#include "server/issuer.h"

/* May this one be given to who asks again?  `credential`: SHA-256 of the claim's nonce or of the certificate shown. */
struct unanswered {
    int64_t cert_id, at;
    enum authority_kind authority;
    const char *subject;
    struct slice credential;
};
MUST_USE bool unanswered_is_wanted(struct tx *tx, const struct unanswered *u, bool *wanted, struct err *e);
MUST_USE bool unanswered_keep(struct tx *tx, const struct unanswered *u, struct err *e);

/* The certificate that waits for this request; 0: none.  is->nonce or is->old_der, spki_hash, subject and profile are set. */
MUST_USE bool unanswered_find(struct tx *tx, const struct issuance *is, int64_t *cert_id, struct err *e);
MUST_USE bool unanswered_forget(struct tx *tx, int64_t cert_id, struct err *e);
/* Revokes those of a subject. */
MUST_USE bool unanswered_revoke(struct tx *tx, const char *subject, const char *why, struct marks *m, struct err *e);

/* Now and then: revokes what nobody may ask for any more.  Does not wait. */
void unanswered_sweep(struct app *app);

#endif
