/* Revocation from the database to the gateways.  A thread takes marks (revoked, held, released: recorded in the database
 * already), has them signed into the next head, records the head, and sends head and delta to every gateway that listens.
 *
 * The hub keeps the sets as a gateway would, by applying the signer's deltas; whatever the database has revoked and the sets
 * lack is found again at each start. */
#ifndef KITH_SERVER_FEED_HUB_H
#define KITH_SERVER_FEED_HUB_H

#include "server/app.h"
#include "server/marks.h"

/* Starts the threads. */
MUST_USE bool feed_hub_new(struct app *app, struct feed_hub **out, struct err *e);
/* Ends threads and streams.  Free after the server's workers. */
void feed_hub_stop(struct feed_hub *h);
void feed_hub_free(struct feed_hub *h);

/* From any thread, after the commit.  Returns a ticket for feed_hub_wait(). */
uint64_t feed_hub_mark(struct feed_hub *h, const struct feed_mark *m, size_t n);
/* Waits until the marks up to the ticket stand in a head that was sent; *seq is a head that has them. */
MUST_USE bool feed_hub_wait(struct feed_hub *h, uint64_t ticket, int timeout_ms, uint64_t *seq, struct err *e);
/* A device is in another state or has other tags: its record goes to the gateways of its site.  cert_id: its new
 * certificate, or 0. */
void feed_hub_device(struct feed_hub *h, int64_t cert_id);
/* The topics that devices may use changed. */
void feed_hub_policy(struct feed_hub *h);

/* GET /gate/v1/feed?since=SEQ&prev=HASH&dir=CURSOR: takes the request over. */
void feed_hub_serve(struct feed_hub *h, struct http_request *req);
/* A certificate was withdrawn: the feed of the gateway that holds it ends now. */
void feed_hub_cut(struct feed_hub *h, int64_t cert_id);

struct feed_hub_status {
    uint64_t seq;
    int64_t head_at;
    int64_t head_age_s; /* by the monotonic clock */
    size_t listening;   /* streams */
    uint64_t refused;   /* marks that the signer did not take */
    int64_t pending_ms; /* how long the oldest waits */
    size_t pending;     /* marks that no head has yet */
};
void feed_hub_status(struct feed_hub *h, struct feed_hub_status *out);

#endif
