/* Inside src/keys only: pieces of crypto.c that the key kinds share. */
#ifndef KITH_KEYS_CRYPTO_IMPL_H
#define KITH_KEYS_CRYPTO_IMPL_H

#include <openssl/evp.h>

#include "keys/crypto.h"
#include "keys/spki.h"

#define DIGEST_MAX 64

/* What an algorithm needs, or NULL if it is not one of ours. */
struct sig_row {
    enum sig_alg alg;
    enum spki_family family; /* ES256 binds the curve as well */
    unsigned digest_bits;    /* 256, 384; 0: signs the message itself */
    bool pss;                /* salt as long as the digest (RFC 8230 section 2) */
    const char *name;
};
const struct sig_row *sig_row_of(enum sig_alg alg);

EVP_MD *crypto_md(unsigned digest_bits); /* fetched; borrowed */
/* The digest that row wants, over the parts. */
MUST_USE bool crypto_digest(const struct sig_row *row, const struct slice *parts, size_t n, uint8_t out[DIGEST_MAX],
                            size_t *out_n, struct err *e);
/* The parts as one run of bytes: borrowed if there is one part, else copied to *heap (free it). */
MUST_USE bool crypto_join(const struct slice *parts, size_t n, struct slice *out, uint8_t **heap, struct err *e);
/* Padding and digest of an RSA operation on an initialised ctx. */
MUST_USE bool crypto_set_rsa(EVP_PKEY_CTX *ctx, const struct sig_row *row);
/* Fails with the reason that OpenSSL left on its queue, and empties the queue. */
bool crypto_fail(struct err *e, enum err_code code, const char *what);

#endif
