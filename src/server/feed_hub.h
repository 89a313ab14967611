/* Revocation from the database to the gateways.  A thread takes certificates whose revocation or hold the signer does not know
 * yet, has them signed into the next head, records the head, and sends head and delta to every gateway that listens.
 *
 * The database is the queue: what is revoked there and not yet in a head is found again after any crash. */
#ifndef KITH_SERVER_FEED_HUB_H
#define KITH_SERVER_FEED_HUB_H

#include "server/app.h"

/* Starts the thread. */
MUST_USE bool feed_hub_new(struct app *app, struct feed_hub **out, struct err *e);
void feed_hub_free(struct feed_hub *h);

/* Something was revoked, held or released in the database: look now. */
void feed_revoke_pending(struct feed_hub *h);
/* The number of the head after the one that is being made: whoever has it knows all that is in the database now. */
MUST_USE bool feed_wait_current(struct feed_hub *h, int timeout_ms, uint64_t *seq, struct err *e);

/* A gateway's stream: GET /gate/v1/feed?since=SEQ&prev=HASH.  Takes over the request. */
void feed_hub_serve(struct feed_hub *h, struct http_request *req);
/* What gateways acknowledged: the smallest number among those registered, and the names of those below `seq`. */
uint64_t feed_hub_seq(struct feed_hub *h);

#endif
