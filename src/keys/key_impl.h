/* Inside src/keys only: what a kind of key is made of. */
#ifndef KITH_KEYS_KEY_IMPL_H
#define KITH_KEYS_KEY_IMPL_H

#include <stdatomic.h>

#include "keys/key.h"

struct key_ops {
    /* alg is known to fit the key. */
    bool (*sign)(struct key *k, enum sig_alg alg, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n,
                 struct err *e);
    void (*free)(struct key *k); /* what `impl` holds */
};

struct key {
    const struct key_ops *ops;
    void *impl;
    atomic_uint refs;
    enum key_type type;
    uint8_t spki[SPKI_MAX];
    size_t spki_n;
    char *ref;
};

/* A key with these parts and one reference; takes impl on success only.  The key signs once and the signature is checked
 * against spki, so that a public key that was exchanged is found at once. */
MUST_USE bool key_new(const struct key_ops *ops, void *impl, struct slice spki, const char *ref, struct key **out,
                      struct err *e);

MUST_USE bool key_file_open(const struct key_env *env, const char *ref, struct key **out, struct err *e);
MUST_USE bool key_file_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out,
                                struct err *e);
MUST_USE bool key_file_destroy(const struct key_env *env, const char *ref, struct err *e);

MUST_USE bool key_p11_open(const struct key_env *env, const char *ref, struct key **out, struct err *e);
MUST_USE bool key_p11_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out,
                               struct err *e);
MUST_USE bool key_p11_destroy(const struct key_env *env, const char *ref, struct err *e);

#endif
