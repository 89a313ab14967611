/* The fold: what the entries say about each row in the end, compared with the rows.  Internal to src/ledger.
 *
 * Rows are found by the first 16 bytes of SHA-256(table || keys).  If the map outgrows its memory, only the rows of one
 * residue of that hash are looked at, and the log is folded again for each of the others. */
#ifndef KITH_LEDGER_FOLD_H
#define KITH_LEDGER_FOLD_H

#include "ledger/finding.h"
#include "store/commit.h"
#include "store/entry.h"

struct fold_slot {
    uint8_t key[16];
    uint8_t salt[ENTRY_SALT_SIZE];
    uint8_t rowhash[SHA256_SIZE];
    int64_t pos, time_ms;
    uint8_t table;
    bool used, removed, seen;
};

struct fold {
    struct verify_run *run;
    struct fold_slot *slots;
    size_t cap, n, memory_max;
    uint32_t pass, passes;
    uint8_t *row; /* ROW_MAX */
};

MUST_USE bool fold_init(struct fold *f, struct verify_run *run, struct err *e);
void fold_clear(struct fold *f);
/* The next residue; false if all were looked at. */
MUST_USE bool fold_next_pass(struct fold *f);
/* Errors: out-of-memory. */
MUST_USE bool fold_entry(struct fold *f, int64_t pos, const struct entry *en, struct slice salt, struct slice payload,
                         struct err *e);
/* All tables that are not exempt against the fold, then the fold against them. */
MUST_USE bool fold_compare(struct fold *f, struct db *db, struct err *e);

#endif
