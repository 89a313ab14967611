/* The stored filters of one log's blocks, held against its entries.  Internal to src/ledger.
 *
 * A filter that is missing is no finding: its entries are read.  One that is not what its entries give may hide them. */
#ifndef KITH_LEDGER_FILTER_CHECK_H
#define KITH_LEDGER_FILTER_CHECK_H

#include "ledger/filter.h"
#include "ledger/finding.h"
#include "store/entry.h"

struct filter_check {
    struct verify_run *run;
    struct db *db;
    struct filter_block block;
    bool erased; /* an entry of the block: its filter may still have whom that named */
    bool unsure; /* an entry of the block is a finding itself */
};

/* Each entry of a log without a gap; an empty payload: erased. */
MUST_USE bool filter_check_take(struct filter_check *c, int64_t pos, const struct entry *en, struct slice payload,
                                struct err *e);
/* Once for a database: filters that are of no full block. */
MUST_USE bool filter_check_strangers(struct verify_run *run, struct db *db, struct err *e);

#endif
