/* A signer's view of the ledger.  It keeps the frontier of the tree, is told of every new leaf, and knows which of the
 * things that it signed no leaf has named yet.  It vouches for a checkpoint only if the tree is the one that it saw grow and
 * nothing of its own is missing: so a server that was taken over can have nothing signed unseen. */
#ifndef KITH_SIGNER_COVER_H
#define KITH_SIGNER_COVER_H

#include "core/crypto.h"
#include "core/merkle.h"

struct cover {
    const struct crypto *crypto;
    struct merkle_frontier tree;
    /* What was vouched for last; while the tree is read again after a start it has to pass through this point. */
    uint64_t vouched_size;
    struct merkle_hash vouched_root;
    bool forked; /* the tree did not pass through it: nothing is vouched for any more */
    /* Digests of signed things without an entry: open addressing, a zero digest is an empty place. */
    uint8_t (*open)[SHA256_SIZE];
    size_t open_n, open_cap;
};

void cover_init(struct cover *c, const struct crypto *crypto);
void cover_clear(struct cover *c);

/* Something was signed; `ref` is its digest. */
MUST_USE bool cover_add(struct cover *c, const uint8_t ref[SHA256_SIZE], struct err *e);
/* It never left the signer after all. */
void cover_remove(struct cover *c, const uint8_t ref[SHA256_SIZE]);
bool cover_has(const struct cover *c, const uint8_t ref[SHA256_SIZE]);

/* Appends one leaf (ledger/entry.h).  Errors: ledger-entry. */
MUST_USE bool cover_leaf(struct cover *c, struct slice leaf_data, struct err *e);

/* May a checkpoint of this size and root be vouched for?  Errors: ERR_UNCOVERED, proof. */
MUST_USE bool cover_check(const struct cover *c, uint64_t size, const struct merkle_hash *root, struct err *e);
void cover_vouched(struct cover *c, uint64_t size, const struct merkle_hash *root);

void cover_put(struct writer *w, const struct cover *c);                   /* for the snapshot */
MUST_USE bool cover_get(struct reader *r, struct cover *c, struct err *e); /* into an initialised one */

#endif
