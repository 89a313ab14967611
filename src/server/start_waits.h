/* What a start may have to wait for: the certificates of root and issuing CA, the signers and their token, room on the disks,
 * the database.  Who asks meanwhile is told which, and why (server/anteroom.h); it goes on by itself once that is mended.  A
 * signal ends the process. */
#ifndef KITH_SERVER_START_WAITS_H
#define KITH_SERVER_START_WAITS_H

#include "server/app.h"

/* Until all of it is there; sets the certificates of *app, whose clients have to be open.  `local`: the listening socket of
 * operators.  Errors: http-listen. */
MUST_USE bool start_await(struct app *app, int local, struct err *e);
/* A start that failed says why to who asks for a while, before the next one: only people can put it right.  Always false. */
bool start_hold(struct app *app, int local, const char *part, const struct err *why);

#endif
