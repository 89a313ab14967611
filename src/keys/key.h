/* One private key, wherever it lives: a sealed file or a PKCS#11 token.  A key is opened by its reference and signs
 * messages; nothing above this header knows the kind.
 *
 * References: `file:PATH` (PKCS#8, sealed by scrypt, or `file:PATH?plain` on devices without a passphrase) and `pkcs11:...`
 * (RFC 7512; module, token and PIN file come from struct key_env).  A key may be used by several threads at once.
 * The public part is read when the key is opened and never changes; the key signs once then, so that a private key that
 * does not belong to it is found (ERR_KEY_MISMATCH). */
#ifndef KITH_KEYS_KEY_H
#define KITH_KEYS_KEY_H

#include "core/crypto.h"

enum key_type { KEY_NONE, KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048, KEY_RSA3072, KEY_RSA4096 };

#define SPKI_MAX 600 /* RSA-4096: 550 */

/* How keys are found and opened.  Borrowed by the keys opened with it; must outlive them. */
struct key_env {
    const char *passphrase_file; /* seals `file:` keys; NULL: none; "credential:NAME" for $CREDENTIALS_DIRECTORY */
    struct p11 *p11;             /* the PKCS#11 module in use (keys/p11.h), or NULL */
};

struct key;

/* Errors: notfound, auth (wrong passphrase or PIN), unavailable (token away), syntax, policy (type not supported). */
MUST_USE bool key_open(const struct key_env *env, const char *ref, struct key **out, struct err *e);
/* Makes a new key at ref; a key that is there already is a conflict, never overwritten. */
MUST_USE bool key_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out,
                           struct err *e);
/* Destroys the private key at ref for good. */
MUST_USE bool key_destroy(const struct key_env *env, const char *ref, struct err *e);
struct key *key_dup(struct key *k); /* one more owner of the same key */
void key_free(struct key *k);
AUTO_FREE_FN(struct key *, key_free);

enum key_type key_type_of(const struct key *k);
struct slice key_get0_spki(const struct key *k); /* DER SubjectPublicKeyInfo, canonical */
enum sig_alg key_sig_alg(const struct key *k);   /* the default: ES256, ES384, EdDSA, PS256 for RSA */
const char *key_get0_ref(const struct key *k);

/* Signs the message (not a digest) that the parts form.  sig holds SIG_MAX bytes.  ECDSA comes as r||s of fixed size (COSE);
 * sig_to_der() makes the form that X.509 wants.
 * Errors: unavailable (token lost and not back yet, breaker open), policy (alg does not fit the key), crypto. */
MUST_USE bool key_sign(struct key *k, enum sig_alg alg, const struct slice *parts, size_t n, uint8_t *sig,
                       size_t *sig_n, struct err *e);
/* Signs something of no meaning and checks the signature, as key_open() did: can it still?  Errors: those of key_sign(), ERR_KEY_MISMATCH. */
MUST_USE bool key_prove(struct key *k, struct err *e);
struct signer key_signer(struct key *k); /* with the key's default algorithm; borrows k */

/* ECDSA-Sig-Value (RFC 3279 section 2.2.3) from and to r||s; other algorithms pass unchanged. */
MUST_USE bool sig_to_der(enum sig_alg alg, struct slice raw, uint8_t *der, size_t cap, size_t *n, struct err *e);
MUST_USE bool sig_from_der(enum sig_alg alg, struct slice der, uint8_t *raw, size_t cap, size_t *n, struct err *e);

const char *key_type_name(enum key_type t); /* "p256", "p384", "ed25519", "rsa2048" ... */
enum key_type key_type_from_name(const char *s);
enum key_type key_type_of_spki(struct slice spki); /* KEY_NONE if not one of ours */
enum sig_alg sig_alg_of_spki(struct slice spki); /* the default of such a key; SIG_NONE, which verifies nothing, too */

#endif
