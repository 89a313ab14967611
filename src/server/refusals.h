/* Refusals belong in the ledger: those of a known party one by one, the first REFUSALS_EACH of a minute; what it is refused
 * beyond that, and all refusals of unknown parties, as counts by minute and address prefix.  So neither a flood nor a
 * device that asks in a loop can fill it. */
#ifndef KITH_SERVER_REFUSALS_H
#define KITH_SERVER_REFUSALS_H

#include "server/app.h"

#define REFUSALS_EACH 10 /* entries of one known party in a minute */

/* `via`: the door; `who`: what the door found out by itself about who asks, "device:dev_..."; NULL: what the connection
 * shows.  The answer itself is the caller's. */
void refusal_note(struct app *app, const struct http_request *req, const char *who, const char *via,
                  const struct err *e);
/* Somebody has what is the device's, and another key: its claim, or an IDevID beside its own. */
bool refusal_alarms(enum err_code code);
/* A claim that was shown rightly but cannot serve, or a second IDevID: at most once a minute for each device. */
void refusal_note_claim(struct app *app, const char *device, const char *via, const char *peer, const struct err *e,
                        const uint8_t spki_hash[SHA256_SIZE]);
/* Writes the counts of past minutes; called every few seconds, and at the end with `all`. */
void refusals_flush(struct app *app, bool all);

#endif
