/* core/crypto.h on OpenSSL, plus what hosted code needs beside it.  Algorithms are fetched once; call crypto_init() first
 * in each process.  Thread-safe after that. */
#ifndef KITH_KEYS_CRYPTO_H
#define KITH_KEYS_CRYPTO_H

#include "core/crypto.h"

MUST_USE bool crypto_init(struct err *e);
extern const struct crypto crypto_openssl;

void sha256(struct slice s, uint8_t out[SHA256_SIZE]);
void sha256_parts(const struct slice *parts, size_t n, uint8_t out[SHA256_SIZE]);
void sha1_key_id(struct slice bit_string,
                 uint8_t out[20]); /* RFC 5280 section 4.2.1.2 (1): an identifier, not security */
void hmac_sha256(struct slice key, struct slice msg, uint8_t out[SHA256_SIZE]);
MUST_USE bool random_bytes(void *p, size_t n, struct err *e);

#endif
