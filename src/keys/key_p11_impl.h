/* Inside src/keys/key_p11*.c only: one key on a token. */
#ifndef KITH_KEYS_KEY_P11_IMPL_H
#define KITH_KEYS_KEY_P11_IMPL_H

#include <pthread.h>

#include "keys/crypto_impl.h"
#include "keys/key_impl.h"
#include "keys/p11_impl.h"
#include "keys/p11_uri.h"

#define NO_HANDLE CK_INVALID_HANDLE

struct p11_key {
    struct p11 *p11;
    struct p11_uri uri;
    enum spki_family family;
    pthread_mutex_t lock;
    CK_OBJECT_HANDLE handle;
    uint64_t gen;  /* of the handle */
    bool always;   /* CKA_ALWAYS_AUTHENTICATE: the PIN at each signature */
    bool known;    /* was seen once: if it is not there now, the token is not whole */
    bool unproved; /* no signature was checked since the handle was looked up */
};

/* How tokens write a curve in CKA_EC_PARAMS. */
struct p11_curve {
    enum key_type type;
    enum spki_family family;
    CK_MECHANISM_TYPE keygen; /* 0: read, but not asked for */
    struct slice params;
};
#define P11_CURVES 5
extern const struct p11_curve p11_curves[P11_CURVES];

CK_ATTRIBUTE p11_attr(CK_ATTRIBUTE_TYPE t, const void *p, size_t n);

/* The objects that fit, two at most. */
CK_RV p11_find(struct p11_call *c, CK_OBJECT_CLASS class, const struct p11_uri_value *id,
               const struct p11_uri_value *label, CK_OBJECT_HANDLE out[2], CK_ULONG *n);
/* The private key's handle.  anew: another thread may have stored one that it found before all were lost. */
CK_RV p11_resolve(struct p11_call *c, struct p11_key *k, bool anew, CK_OBJECT_HANDLE *out);
/* Up to cap bytes of one attribute; *n = 0 if the object does not have it. */
CK_RV p11_get(struct p11_call *c, CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type, void *buf, size_t cap, size_t *n);

struct opening {
    struct p11_key *key;
    uint8_t spki[SPKI_MAX];
    size_t spki_n;
};

/* Reads the public key that belongs to ctx, a struct opening. */
CK_RV p11_read_public(struct p11_call *c, void *ctx);

/* The reference's parts; the configured token is the one it means. */
bool key_p11_parse(const struct key_env *env, const char *ref, struct p11_uri *uri, struct err *e);
bool key_p11_open_uri(struct p11 *p11, const struct p11_uri *uri, const char *ref, struct key **out, struct err *e);

#endif
