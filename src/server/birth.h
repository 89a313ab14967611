/* The first entries of a platform's ledger: who it is, with which keys and profiles it begins, and its CAs. */
#ifndef KITH_SERVER_BIRTH_H
#define KITH_SERVER_BIRTH_H

#include "server/app.h"

/* Does nothing if the ledger has entries. */
MUST_USE bool birth_record(struct app *app, struct err *e);
/* At each start: enters the CA certificates in use that the ledger does not know of yet (kith ca install). */
MUST_USE bool birth_record_ca(struct app *app, struct err *e);

#endif
