/* kith-server --check: would it start?  Tries what a start needs, short of changing anything. */
#ifndef KITH_SERVER_CHECK_H
#define KITH_SERVER_CHECK_H

#include "server/app.h"

/* Prints each problem to stderr; returns the exit code of the first, or 0. */
int server_check(struct app *app);

#endif
