/* The command that agent.conf names, run after a new certificate is in place: reload the broker's client, say. */
#ifndef KITH_AGENT_HOOK_H
#define KITH_AGENT_HOOK_H

#include "agent/conf.h"
#include "agent/state.h"

/* True if there is a command that has not run for the current credential. */
bool hook_is_due(const struct state *s, const struct conf *c);
/* Runs it without a shell and with nothing of our environment but PATH: KITH_DEVICE, KITH_STATE, KITH_CERT, KITH_KEY,
 * KITH_ROOT say what is where.  Its output goes to our stderr; it and what it started are killed when its time is over.
 * Errors: ERR_AGENT_HOOK. */
MUST_USE bool hook_run(const struct state *s, const struct conf *c, struct err *e);

#endif
