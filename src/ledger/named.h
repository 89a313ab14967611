/* What entries say that a signer signed: the digests that they name (struct entry's ref), to be looked up. */
#ifndef KITH_LEDGER_NAMED_H
#define KITH_LEDGER_NAMED_H

#include "core/crypto.h"
#include "store/db.h"

struct named_ref {
    uint8_t digest[SHA256_SIZE];
    uint64_t seq; /* the entry */
    bool met;     /* whoever looks it up keeps account here */
};

struct named {
    struct named_ref *v; /* ascending by digest */
    size_t n, cap;
};

/* Those of a node's entries from one on. */
MUST_USE bool named_read(struct named *out, struct db *db, uint8_t node, uint64_t from, struct err *e);
/* NULL: no entry names it. */
struct named_ref *named_find(const struct named *n, const uint8_t digest[SHA256_SIZE]);
void named_clear(struct named *n);

#endif
