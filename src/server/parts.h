/* The parts of the server, opened and closed in their order. */
#ifndef KITH_SERVER_PARTS_H
#define KITH_SERVER_PARTS_H

#include "server/app.h"

/* Nothing is signed before what was lost is entered, nothing answered before there is a feed.  `local`: the listening socket
 * of operators.  After a failure the process ends: threads may be running. */
MUST_USE bool parts_start(struct app *app, int local, struct err *e);
/* What is under way gets its answer, and the end is signed. */
void parts_stop(struct app *app);

#endif
