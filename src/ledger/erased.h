/* The entries of one log that are erased, held against those that say so.  Internal to src/ledger. */
#ifndef KITH_LEDGER_ERASED_H
#define KITH_LEDGER_ERASED_H

#include "ledger/finding.h"
#include "store/entry.h"

/* 8 bytes for each erased entry.  `where` stands before what is found: "log 01". */
struct erased {
    struct verify_run *run;
    char where[16];
    uint64_t *seqs; /* ascending; with SAID */
    size_t n, cap;
};

void erased_clear(struct erased *x);
/* Each entry of the log in its order; `p` NULL: it is erased.  Errors: out-of-memory. */
MUST_USE bool erased_take(struct erased *x, uint64_t seq, const struct entry *en, const struct entry_payload *p,
                          struct err *e);
/* Behind the last: names each that nothing spoke of. */
void erased_report(const struct erased *x);

#endif
