/* When to try again: doubling from 5 s to an hour, half of it by chance, never before the platform wants it. */
#ifndef KITH_AGENT_RETRY_H
#define KITH_AGENT_RETRY_H

#include "base/env.h"

struct retry {
    unsigned failures;
    int64_t at_ms; /* of the monotonic clock: not before this */
};

void retry_done(struct retry *r);
/* After a failure.  after_s: what the platform said (Retry-After), or 0.  left_s: how long the credential still holds, or 0
 * if it does not matter; the closer the end, the shorter the wait. */
void retry_later(struct retry *r, const struct env *env, int64_t after_s, int64_t left_s);
bool retry_is_due(const struct retry *r, const struct env *env);
/* Worth another try without anybody's doing: the platform is away, busy, or has not decided. */
bool retry_helps(const struct err *e);

#endif
