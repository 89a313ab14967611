/* Checkpoints: about once a second, when the log grew, the signers are streamed the new leaves, the ledger signer signs the
 * checkpoint, and the others cosign it.  While that happens the issuer is held, so that nothing that was signed lacks its
 * entry (DESIGN section 3). */
#ifndef KITH_SERVER_NOTARY_H
#define KITH_SERVER_NOTARY_H

#include "server/app.h"

#define NOTARY_NOTE_MAX 4096

/* Starts the thread. */
MUST_USE bool notary_new(struct app *app, struct notary **out, struct err *e);
void notary_free(struct notary *n);
/* The clean end, instead of its next checkpoint: ends the thread, enters platform.stopped as the last entry of all (nothing
 * else is committed from then on), and has all sign the tree with it.  Whoever wants a signature waits until the end. */
MUST_USE bool notary_finish(struct notary *n, struct err *e);

/* The newest note with all signatures; *size its tree's.  False: there is none yet. */
bool notary_get_note(struct notary *n, char out[NOTARY_NOTE_MAX], uint64_t *size, int64_t *at);
/* The size of its tree alone; 0: none yet. */
uint64_t notary_size(struct notary *n);
/* Waits until a checkpoint covers `size` entries. */
MUST_USE bool notary_wait(struct notary *n, uint64_t size, int timeout_ms, struct err *e);

#endif
