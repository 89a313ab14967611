/* Gateways' acknowledgements of the feed. */
#ifndef KITH_SERVER_GATEWAYS_H
#define KITH_SERVER_GATEWAYS_H

#include "server/api/api.h"

/* Waits until every gateway acts on what the ticket stands for, and says so in the answer: feed_seq, gateways: {acknowledged,
 * silent: [names]}. */
MUST_USE bool gateways_wait(struct call *c, uint64_t ticket, int timeout_ms, struct err *e);

/* The newest acknowledged number of a gateway; kept in memory and, for doctor, in the database. */
void gateway_acked(struct app *app, const char *name, uint64_t seq);

extern const struct http_route gateway_routes[]; /* what gateways themselves ask */
extern const size_t gateway_routes_n;

#endif
