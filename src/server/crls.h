/* CRLs: one for each issuer, node and expiry shard, made when asked for and kept until something in the shard changes or it
 * is time to refresh.  A thread of its own makes and answers them, so that a long list, or a signer that is slow, holds up
 * nobody else. */
#ifndef KITH_SERVER_CRLS_H
#define KITH_SERVER_CRLS_H

#include "server/app.h"

MUST_USE bool crls_start(struct app *app, struct err *e);
void crls_stop(void); /* what waits is answered first */

/* From any thread: takes the request over.  `name`: "issuing-NN-SSSS.crl" (node and shard in hex) or "root.crl". */
void crls_serve(struct app *app, struct http_request *req, const char *name);

#endif
