/* Merkle trees as RFC 9162 section 2.1 has them: leaf and node hashes, a frontier that appends, proofs made and checked.
 * No storage: who makes proofs yields the hashes of complete subtrees through a callback.
 *
 * Sizes of zero: an inclusion in, or a consistency proof from, an empty tree says nothing and is refused.  (Who starts
 * from nothing compares with merkle_empty() himself.) */
#ifndef KITH_CORE_MERKLE_H
#define KITH_CORE_MERKLE_H

#include "core/crypto.h"
#include "core/reader.h"
#include "core/writer.h"

#define MERKLE_LEVELS 64
/* Hashes in a proof at most: inclusion 64, consistency 65. */
#define MERKLE_PROOF_MAX 65

struct merkle_hash {
    uint8_t b[SHA256_SIZE];
};

void merkle_empty(const struct crypto *c, struct merkle_hash *out);
void merkle_leaf(const struct crypto *c, struct slice data, struct merkle_hash *out);
/* out may be one of the two. */
void merkle_node(const struct crypto *c, const struct merkle_hash *left, const struct merkle_hash *right,
                 struct merkle_hash *out);

/* The hashes of the complete subtrees that a tree of `size` leaves is made of: at[i] counts where bit i of size is 1. */
struct merkle_frontier {
    uint64_t size;
    struct merkle_hash at[MERKLE_LEVELS];
};

/* Is told of each complete subtree that an append finishes, the leaf (level 0) first: hash of the leaves
 * [index << level, (index + 1) << level). */
typedef void merkle_put_fn(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h);

void merkle_frontier_init(struct merkle_frontier *f);
/* Appends one leaf by its hash; put may be NULL. */
void merkle_append(const struct crypto *c, struct merkle_frontier *f, const struct merkle_hash *leaf,
                   merkle_put_fn *put, void *ctx);
void merkle_root(const struct crypto *c, const struct merkle_frontier *f, struct merkle_hash *out);
/* Serialised: u64 size, then the hashes that count, from the lowest level. */
void merkle_frontier_write(const struct merkle_frontier *f, struct writer *w);
void merkle_frontier_read(struct reader *r, struct merkle_frontier *f);

/* RFC 9162 section 2.1.3.2: the leaf stands at `index` of the tree with this size and root. `path` is the hashes end to
 * end, 32 bytes each.  Errors: proof. */
MUST_USE bool merkle_verify_inclusion(const struct crypto *c, const struct merkle_hash *leaf, uint64_t index,
                                      uint64_t size, struct slice path, const struct merkle_hash *root, struct err *e);
/* RFC 9162 section 2.1.4.2: the tree of old_size is the beginning of the tree of new_size.  Equal sizes want an empty path
 * and equal roots.  Errors: proof. */
MUST_USE bool merkle_verify_consistency(const struct crypto *c, uint64_t old_size, const struct merkle_hash *old_root,
                                        uint64_t new_size, const struct merkle_hash *new_root, struct slice path,
                                        struct err *e);

/* Yields the hash of the complete subtree over leaves [index << level, (index + 1) << level). */
typedef bool merkle_get_fn(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out, struct err *e);

struct merkle_proof {
    size_t n;
    struct merkle_hash path[MERKLE_PROOF_MAX];
};
struct slice merkle_proof_bytes(const struct merkle_proof *p);

/* Errors: proof (index or size out of range), whatever get says. */
MUST_USE bool merkle_prove_inclusion(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t index,
                                     uint64_t size, struct merkle_proof *out, struct err *e);
MUST_USE bool merkle_prove_consistency(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t old_size,
                                       uint64_t new_size, struct merkle_proof *out, struct err *e);
/* The root of the first `size` leaves. */
MUST_USE bool merkle_root_of(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t size,
                             struct merkle_hash *out, struct err *e);

#endif
