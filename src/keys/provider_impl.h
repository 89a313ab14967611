/* What the provider's files share: the key that OpenSSL holds, and the functions that it calls. */
#ifndef KITH_KEYS_PROVIDER_IMPL_H
#define KITH_KEYS_PROVIDER_IMPL_H

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "keys/provider.h"
#include "keys/spki.h"

#define KEY_PARAM "kith-key" /* octet string: a pointer to a struct key */

/* What OpenSSL holds: a key of ours, or only a public key to compare with. */
struct pkey {
    struct key *key; /* NULL: public only */
    uint8_t spki[SPKI_MAX];
    size_t spki_n;
};
struct spki provider_key_view(const struct pkey *k);
int provider_key_sig_max(const struct spki *s);

#define FN(id, f)                                                                                                      \
    {                                                                                                                  \
        id, (void (*)(void))(f)                                                                                        \
    }

/* provider_key.c: importing and exporting */
extern const OSSL_DISPATCH provider_key_ec[], provider_key_ed[], provider_key_rsa[];
/* provider_sign.c */
extern const OSSL_DISPATCH provider_sign[];

#endif
