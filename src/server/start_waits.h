/* What a start may have to wait for.  Meanwhile an anteroom tells whoever asks what that is; a signal ends the process. */
#ifndef KITH_SERVER_START_WAITS_H
#define KITH_SERVER_START_WAITS_H

#include "server/app.h"

/* `local`: the listening socket of operators.  With an offline root there is no certificate of the issuing CA at first, and any may be lost. */
MUST_USE bool start_await_ca(struct app *app, int local, struct err *e);
/* Errors: ERR_SIGNER_GONE, after half a minute. */
MUST_USE bool start_await_signer(struct app *app, int local, struct err *e);
/* A start that failed for what only people can put right: says it to who asks for a while.  Else does nothing. */
void start_hold(struct app *app, int local, const struct err *why);

#endif
