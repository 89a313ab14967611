/* CRLs: one for each issuer, node and expiry shard, made when asked for and kept until something in the shard changes or it
 * is time to refresh. */
#ifndef KITH_SERVER_CRLS_H
#define KITH_SERVER_CRLS_H

#include "server/app.h"

/* `name`: "issuing-NN-SSSS.crl" (node and shard in hex) or "root.crl". */
void crls_serve(struct app *app, struct http_request *req, const char *name);

#endif
