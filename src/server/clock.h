/* Watches the wall clock beside the monotonic one; a jump is logged and entered (clock.jumped).  What the platform does then is
 * the signers' to say (signer/domain.h): they count time themselves. */
#ifndef KITH_SERVER_CLOCK_H
#define KITH_SERVER_CLOCK_H

#include "server/app.h"

/* From the main thread, once a second; the first call compares with the ledger's last entry. */
void clock_watch(struct app *app);

#endif
