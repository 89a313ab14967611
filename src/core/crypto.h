/* The small table through which core reaches cryptography, so that the same code runs on a server (OpenSSL, keys/crypto.c)
 * and on a microcontroller.  All functions are thread-safe and allocate nothing that outlives the call. */
#ifndef KITH_CORE_CRYPTO_H
#define KITH_CORE_CRYPTO_H

#include "core/err.h"
#include "core/slice.h"

#define SHA256_SIZE 32
#define SIG_MAX     512 /* RSA-4096 */

/* COSE algorithm numbers (IANA COSE registry), used everywhere where a signature algorithm is named. */
enum sig_alg {
    SIG_NONE = 0,
    SIG_ES256 = -7,
    SIG_ES384 = -35,
    SIG_EDDSA = -8,
    SIG_PS256 = -37,
    SIG_PS384 = -38,
    SIG_RS256 = -257,
    SIG_RS384 = -258,
};

struct crypto {
    /* SHA-256 over the parts in order. */
    void (*sha256)(const struct slice *parts, size_t n, uint8_t out[SHA256_SIZE]);
    /* Verifies sig (COSE form: r||s for ECDSA) over the parts, by the key in spki (DER SubjectPublicKeyInfo, RFC 5280
     * section 4.1).  Errors: crypto (does not verify), syntax (bad key), policy (algorithm not known). */
    bool (*verify)(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                   struct err *e);
};

/* Who signs: a key of any kind behind one function.  sig has room for SIG_MAX bytes; COSE form. */
struct signer {
    enum sig_alg alg;
    bool (*sign)(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e);
    void *ctx;
};

#endif
