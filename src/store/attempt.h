/* Jobs in one transaction, on the one connection that writes a node's log, and what is true afterwards: all is durable, or
 * nothing happened, or it is in doubt because the answer to a commit was lost, until the connection is back.  Hooks are told in
 * order.  One thread; no queue.  Internal to src/store. */
#ifndef KITH_STORE_ATTEMPT_H
#define KITH_STORE_ATTEMPT_H

#include "store/tx.h"

struct attempts {
    const struct commit_config *cfg;
    struct db *db;
    uint64_t size;       /* of the log, durable */
    uint64_t doubt_size; /* what it is if a commit whose answer was lost went through; == size: no doubt */
    int64_t last_ms;
    bool was_lost; /* the last attempt failed because the connection went away */
    struct tx tx;
};

/* Opens or creates the database and brings it up to date; cfg outlives it. */
MUST_USE bool attempt_open(struct attempts *a, const struct commit_config *cfg, struct err *e);
void attempt_close(struct attempts *a);

/* True: committed, errs[i] has the refusal of job i (code 0: done).  False: nothing of it happened, or it is in doubt;
 * attempt_settle() before the next one. */
MUST_USE bool attempt_run(struct attempts *a, struct job **jobs, size_t n, struct err *errs, struct err *e);
/* It failed by what came from outside (a conflict, a connection that was lost): the same may go well now. */
bool attempt_may_repeat(const struct attempts *a, const struct err *e);
/* Connects again if need be, and finds out whether the last commit went through. */
MUST_USE bool attempt_settle(struct attempts *a, struct err *e);
MUST_USE bool attempt_settle_patiently(struct attempts *a, struct err *e); /* tries for a second */

#endif
