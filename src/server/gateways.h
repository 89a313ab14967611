/* Gateways' acknowledgements of the feed. */
#ifndef KITH_SERVER_GATEWAYS_H
#define KITH_SERVER_GATEWAYS_H

#include "server/api/api.h"

/* Holds the answer until every gateway acts on what the ticket stands for, or the time is over, and says so in it: feed_seq,
 * gateways: {acknowledged, silent: [names]}.  The handler's last act. */
void gateways_wait(struct call *c, uint64_t ticket, int64_t timeout_ms);

/* The newest acknowledged number of a gateway goes into the database. */
void gateway_acked(struct app *app, const char *name, uint64_t seq);

/* Each second, from one thread: enters once who has not acknowledged for as long as SILENT_HEADS heads take. */
void gateways_watch(struct app *app);

extern const struct http_route gateway_routes[]; /* what gateways themselves ask */
extern const size_t gateway_routes_n;

#endif
