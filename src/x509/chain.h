/* Path validation (RFC 5280 section 6, a strict subset): is a certificate good under a set of trust anchors?
 *
 * Checked: signatures, validity at the given time, names that chain, basicConstraints, pathLenConstraint, keyCertSign,
 * key identifiers where both are there, critical extensions.  Not done, and refused where it would matter: policy
 * constraints (critical), and names of kinds other than DNS, rfc822 and URI in name constraints.  Revocation is the
 * caller's. */
#ifndef KITH_X509_CHAIN_H
#define KITH_X509_CHAIN_H

#include "x509/cert.h"

#define CHAIN_DEPTH_MAX 8  /* certificates, leaf and anchor included */
#define CHAIN_TRIES_MAX 32 /* signatures that one validation may cost */

struct chain_rules {
    int64_t at;
    uint32_t key_usage, eku;  /* what the leaf must allow (each bit); 0: anything */
    bool leaf_may_be_expired; /* renewal after expiry: the caller judges how long ago */
};

struct chain {
    const struct cert *path[CHAIN_DEPTH_MAX]; /* leaf first, anchor last; borrowed from the caller */
    size_t n;
};

/* `pool`: intermediates that came along, not trusted.  An anchor that is the leaf itself is a path of one.
 * Errors: ERR_CHAIN_UNTRUSTED, ERR_CHAIN_TIME, ERR_CHAIN_RULE; of several failed paths, what failed furthest. */
MUST_USE bool chain_verify(const struct crypto *c, const struct cert *leaf, const struct cert *pool, size_t pool_n,
                           const struct cert *anchors, size_t anchors_n, const struct chain_rules *rules,
                           struct chain *out, struct err *e);

#endif
