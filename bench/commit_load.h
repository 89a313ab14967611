/* Keeps the commit thread busy: `inflight` jobs are always queued, until `n` are done.  For the measuring programs only: what
 * fails ends the program. */
#ifndef KITH_BENCH_COMMIT_LOAD_H
#define KITH_BENCH_COMMIT_LOAD_H

#include "store/commit.h"

struct commit_load {
    const char *where, *origin; /* as struct commit_config */
    uint8_t node;
    size_t batch;
    struct commit_hooks hooks;
    uint64_t n;
    size_t inflight;
    /* Records the i-th thing; in the commit thread. */
    bool (*record)(void *arg, struct tx *tx, uint64_t i, struct err *e);
    void *arg;
};

/* Seconds from the first job to the last commit. */
double commit_load_run(const struct commit_load *load);

#endif
