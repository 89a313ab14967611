/* The server's own TLS identity: a key that is made in memory at each start and certified for a day by the issuing CA, and again
 * before the day is over.  It is never written anywhere. */
#ifndef KITH_SERVER_IDENTITY_H
#define KITH_SERVER_IDENTITY_H

#include "server/app.h"

/* Makes key and certificate and hands them to app->tls (made at the first time).  Waits for the signer. */
MUST_USE bool identity_renew(struct app *app, struct err *e);

#endif
