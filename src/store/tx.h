/* A transaction of the commit thread, as tx.c and commit.c share it.  Internal to src/store. */
#ifndef KITH_STORE_TX_H
#define KITH_STORE_TX_H

#include "store/commit.h"
#include "store/db_ops.h"
#include "store/row.h"

#define SALTS_AHEAD 64

struct tx {
    struct db *db;
    const struct commit_config *cfg;
    int64_t now_ms;
    uint64_t size; /* of the log, this transaction's entries included */
    bool wrote;    /* since the job began */
    bool broken;   /* a write failed in this job, whatever it then returned; `why` says how */
    struct err why;
    uint8_t *buf; /* room for canonical forms, reused */
    size_t cap;
    uint8_t salts[SALTS_AHEAD][ENTRY_SALT_SIZE];
    size_t salts_left;
};

void tx_clear(struct tx *tx);

#endif
