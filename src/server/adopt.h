/* Entries that no signer has vouched for when the server starts.  Whoever can write the database may have made them while the
 * server rested, so they are never taken over silently.
 *
 * A clean end enters platform.stopped last and has the tree with it signed (server/notary.h).  A tail is left by an end that was
 * not, and also by a start after a clean end that is cut before its first checkpoint.  Nothing can tell such entries from
 * forged ones, and refusing them would lock an honest platform out for good: they are adopted with an entry that counts and
 * hashes them, and raise the alarm "adopted" (server/alarms.h) if some of them change who may do what. */
#ifndef KITH_SERVER_ADOPT_H
#define KITH_SERVER_ADOPT_H

#include "server/app.h"

/* Before this start enters anything.  Errors: proof (the database is not the one that was vouched for), journal-behind (an entry
 * names what the issuing signer does not know). */
MUST_USE bool adopt_tail(struct app *app, struct err *e);

#endif
