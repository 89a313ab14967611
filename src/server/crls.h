/* CRLs: one for each issuer, node and expiry shard, made when asked for and kept until something in the shard changes or it
 * is time to refresh.  A thread of its own makes and answers them, so that a long list, or a signer that is slow, holds up
 * nobody else. */
#ifndef KITH_SERVER_CRLS_H
#define KITH_SERVER_CRLS_H

#include "server/app.h"

/* *out is for crls_free(), also after a failure. */
MUST_USE bool crls_new(struct crls **out, struct err *e);
void crls_stop(struct crls *l); /* what waits is answered first; then nothing is taken */
void crls_free(struct crls *l);

/* From any thread: takes the request over, for app->crls.  `name`: "issuing-NN-SSSS.crl" (node and shard in hex) or "root.crl". */
void crls_serve(struct app *app, struct http_request *req, const char *name);

#endif
