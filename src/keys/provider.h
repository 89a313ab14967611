/* Shows any struct key to OpenSSL as an EVP_PKEY, so that TLS, CMS and libcurl sign with a key on a token as with one in a
 * file.  The provider is built in and lives in a library context of its own; the EVP_PKEY works with SSL_CTX objects of any
 * context.  It signs messages (EVP_DigestSign), never bare digests, with the algorithms of key_sign(): ECDSA with the digest
 * that fits the curve (OpenSSL asks, so TLS 1.2 settles on it with a peer that takes it), Ed25519, RSA PKCS #1 and PSS with
 * SHA-256 and SHA-384. */
#ifndef KITH_KEYS_PROVIDER_H
#define KITH_KEYS_PROVIDER_H

#include <openssl/types.h>

#include "keys/key.h"

/* The EVP_PKEY holds a reference to k (key_dup) and is freed by EVP_PKEY_free(). */
MUST_USE bool key_to_evp(struct key *k, EVP_PKEY **out, struct err *e);

#endif
