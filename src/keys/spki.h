/* SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of the key kinds that Kith knows, read and written by hand: OpenSSL 3.0's
 * decoder needs 165 us for one.  Only the canonical form is taken: named curve, uncompressed point, minimal DER. */
#ifndef KITH_KEYS_SPKI_H
#define KITH_KEYS_SPKI_H

#include "keys/key.h"

enum spki_family { SPKI_P256 = 1, SPKI_P384, SPKI_ED25519, SPKI_RSA };

struct spki {
    enum spki_family family;
    struct slice bits;         /* content of the BIT STRING: what a key identifier hashes */
    struct slice point;        /* EC: 04 || x || y; Ed25519: 32 bytes */
    struct slice modulus, exp; /* RSA, big-endian without leading zeros */
    unsigned rsa_bits;
};

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096

/* Borrows der.  Whether an EC point is on its curve shows when the key is used.
 * Errors: syntax (ERR_SPKI), policy (ERR_KEY_TYPE: algorithm, size or exponent not taken). */
MUST_USE bool spki_read(struct slice der, struct spki *out, struct err *e);
/* From family and point, or modulus and exp. */
MUST_USE bool spki_write(const struct spki *s, uint8_t out[SPKI_MAX], size_t *n, struct err *e);
enum key_type spki_key_type(const struct spki *s); /* KEY_NONE for an RSA size that Kith verifies but does not make */

#endif
