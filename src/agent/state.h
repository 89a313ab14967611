/* The state directory of a device: everything that the agent knows lies here, and every change is one rename, link or
 * unlink, so that a kill -9 or a power cut at any moment leaves a state that the next start carries on from.
 *
 *   agent.conf           what the agent is set to (agent/conf.h)
 *   root.cer root.pem    the platform's root certificate, checked against the fingerprint in agent.conf
 *   claim                the one-time claim; there only until the certificate that it paid for has proven itself
 *   claim-used           the SHA-256 of the last one that did, in hex
 *   credentials/N/       one key and its certificate; N counts up
 *     key.ref            the key's reference, and on a second line "ours" or "found" (then it is never destroyed)
 *     key.pem            the private key, if it is in a file
 *     cert.pem           "Received: TIME", the certificate, then its issuers up to the root without it
 *   current -> credentials/N   the working credential: clients use STATE/current/cert.pem and STATE/current/key.pem
 *   next -> credentials/M      one that has not proven itself yet
 *   hooked               the N for which the hook has run
 *   status.json          last error, last success: for people; may be lost
 *   retired              the device is gone for good; whatever else is here is to be wiped
 *   pin-refused          which PIN file a token refused (keys/pin_mark.h)
 *   lock                 held by the process that may change all this
 *
 * Rules.  A key is on the disk before anybody is asked to certify it, and `next` points to its directory before it is made:
 * so no key is ever lost or left over.  `current` moves to M only after M was used once with success; then `next` and the
 * old directory go.  A directory that neither link points to is rubbish of a crash and goes at the next start.  There is no
 * moment without a credential that works, once there was one.
 *
 * Only `status` reads without the lock: it sees the old or the new. */
#ifndef KITH_AGENT_STATE_H
#define KITH_AGENT_STATE_H

#include "base/buf.h"
#include "base/file.h"

#define STATE_PATH_MAX 1024
#define STATE_CERT_MAX (64 << 10) /* a certificate and its issuers, in PEM */

struct state {
    char dir[STATE_PATH_MAX - 128];
    int lock;
};

/* Locks the directory, which must be private, and removes what crashes left.  `create` makes it if it is missing.
 * Errors: not-found, file-mode, locked. */
MUST_USE bool state_open(const char *dir, bool create, struct state *out, struct err *e);
/* That nobody else may look into it.  Errors: file-mode; chmod is advised of an agent's directory alone. */
MUST_USE bool state_check_private(const struct state *s, struct err *e);
/* Without lock and cleaning: for reading only. */
MUST_USE bool state_peek(const char *dir, struct state *out, struct err *e);
void state_close(struct state *s);

/* DIR/name in out. */
const char *state_path(const struct state *s, const char *name, char out[STATE_PATH_MAX]);
/* DIR/credentials/N/name. */
const char *state_slot_path(const struct state *s, unsigned slot, const char *name, char out[STATE_PATH_MAX]);

#define STATE_CURRENT "current"
#define STATE_NEXT    "next"

/* The number that a link points to; 0 if there is no such link. */
unsigned state_slot(const struct state *s, const char *link);
/* A number above all that are there. */
unsigned state_slot_fresh(const struct state *s);
/* Makes the directory with its key.ref (nothing points to it yet). */
MUST_USE bool state_slot_make(const struct state *s, unsigned slot, const char *ref, bool found, struct err *e);
MUST_USE bool state_slot_ref(const struct state *s, unsigned slot, struct buf *ref, bool *found, struct err *e);
/* Points a link to the slot, replacing what it pointed to. */
MUST_USE bool state_link(const struct state *s, const char *link, unsigned slot, struct err *e);
MUST_USE bool state_unlink(const struct state *s, const char *link, struct err *e);
/* The steps of the agent never leave a credential without a link: if `current` is gone and a slot has a certificate, somebody
 * removed the link.  That slot; 0 if there is none.  A slot without certificate is only an enrolment that was killed. */
unsigned state_slot_lost(const struct state *s);
/* Puts the link back; *slot: 0 if there was nothing to do. */
MUST_USE bool state_mend_links(const struct state *s, unsigned *slot, struct err *e);
/* Removes the directory and what is in it.  The key must be gone already if it is not a file. */
MUST_USE bool state_slot_remove(const struct state *s, unsigned slot, struct err *e);
/* Calls fn for each slot that no link points to. */
MUST_USE bool state_each_unused(const struct state *s, bool (*fn)(void *ctx, unsigned slot, struct err *e), void *ctx,
                                struct err *e);

#endif
