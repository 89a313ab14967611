/* struct crypto and a signer from OpenSSL, for tests of core only: SHA-256, ES256 and EdDSA. */
#ifndef KITH_TESTS_UNIT_CORE_EVP_H
#define KITH_TESTS_UNIT_CORE_EVP_H

#include <openssl/evp.h>

#include "core/crypto.h"

extern const struct crypto evp_crypto;

struct evp_key {
    EVP_PKEY *pkey;
    uint8_t *spki;
    size_t spki_n;
};
void evp_key_make(struct evp_key *k, enum sig_alg alg);
void evp_key_clear(struct evp_key *k);
struct signer evp_signer(struct evp_key *k, enum sig_alg alg);

#endif
