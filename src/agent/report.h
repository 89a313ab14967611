/* status.json: what happened last, for people and for `kith-agent status`.  Nothing depends on it, so a failure to write it
 * is only logged. */
#ifndef KITH_AGENT_REPORT_H
#define KITH_AGENT_REPORT_H

#include "agent/state.h"
#include "base/env.h"

struct report {
    int64_t ok_at, failed_at; /* 0: never */
    struct err error;         /* of the last attempt, if failed_at > ok_at */
};

void report_read(const struct state *s, struct report *out);
void report_write(const struct state *s, const struct env *env, const struct report *r);

#endif
