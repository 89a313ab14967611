#include "keys/key.h"

#include <stdlib.h>
#include <string.h>

#include "keys/crypto_impl.h"
#include "keys/key_impl.h"

static const struct type_row {
    enum key_type type;
    const char *name;
    enum spki_family family;
    enum sig_alg alg;
} types[] = {
    {KEY_P256, "p256", SPKI_P256, SIG_ES256},          {KEY_P384, "p384", SPKI_P384, SIG_ES384},
    {KEY_ED25519, "ed25519", SPKI_ED25519, SIG_EDDSA}, {KEY_RSA2048, "rsa2048", SPKI_RSA, SIG_PS256},
    {KEY_RSA3072, "rsa3072", SPKI_RSA, SIG_PS256},     {KEY_RSA4096, "rsa4096", SPKI_RSA, SIG_PS256},
};

static const struct type_row *row_of(enum key_type t)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].type == t)
            return &types[i];
    return NULL;
}

const char *key_type_name(enum key_type t)
{
    const struct type_row *r = row_of(t);
    return r ? r->name : "none";
}

enum sig_alg sig_alg_of_spki(struct slice spki)
{
    const struct type_row *r = row_of(key_type_of_spki(spki));
    return r ? r->alg : SIG_NONE;
}

enum key_type key_type_from_name(const char *s)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].name, s) == 0)
            return types[i].type;
    return KEY_NONE;
}

/* --- kinds, by the scheme of the reference --- */

static const struct kind {
    const char *scheme;
    bool (*open)(const struct key_env *env, const char *ref, struct key **out, struct err *e);
    bool (*generate)(const struct key_env *env, const char *ref, enum key_type type, struct key **out, struct err *e);
    bool (*destroy)(const struct key_env *env, const char *ref, struct err *e);
} kinds[] = {
    {"file:", key_file_open, key_file_generate, key_file_destroy},
    {"pkcs11:", key_p11_open, key_p11_generate, key_p11_destroy},
};

static const struct kind *kind_of(const char *ref, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strncmp(ref, kinds[i].scheme, strlen(kinds[i].scheme)) == 0)
            return &kinds[i];
    err_set(e, ERR_KEY_REF, "key \"%s\": unknown kind", ERR_QUOTE(slice_str(ref)));
    err_try(e, "write file:PATH, or pkcs11:token=LABEL;object=NAME (RFC 7512)");
    return NULL;
}

bool key_open(const struct key_env *env, const char *ref, struct key **out, struct err *e)
{
    *out = NULL;
    const struct kind *k = kind_of(ref, e);
    return k && crypto_init(e) && k->open(env, ref, out, e);
}

bool key_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out, struct err *e)
{
    *out = NULL;
    const struct kind *k = kind_of(ref, e);
    if (!k || !crypto_init(e))
        return false;
    if (!row_of(type))
        return err_set(e, ERR_KEY_TYPE, "key type %d is not one of ours", (int)type);
    return k->generate(env, ref, type, out, e);
}

bool key_destroy(const struct key_env *env, const char *ref, struct err *e)
{
    const struct kind *k = kind_of(ref, e);
    return k && k->destroy(env, ref, e);
}

/* --- one key --- */

bool key_prove(struct key *k, struct err *e)
{
    uint8_t sig[SIG_MAX];
    size_t n;
    struct slice msg = SLICE_LIT("kith-key-self-test-v1");
    if (!key_sign(k, key_sig_alg(k), &msg, 1, sig, &n, e))
        return false;
    if (crypto_openssl.verify(key_sig_alg(k), key_get0_spki(k), &msg, 1, slice_of(sig, n), e))
        return true;
    return err_set(e, ERR_KEY_MISMATCH, "private and public key do not belong together");
}

bool key_new(const struct key_ops *ops, void *impl, struct slice spki, const char *ref, struct key **out, struct err *e)
{
    *out = NULL;
    struct spki view;
    if (!spki_read(spki, &view, e))
        return false;
    if (spki_key_type(&view) == KEY_NONE || spki.n > SPKI_MAX)
        return err_set(e, ERR_KEY_TYPE, "RSA key of %u bits: 2048, 3072 or 4096 are taken", view.rsa_bits);
    struct key *k = calloc(1, sizeof *k);
    if (!k || !(k->ref = strdup(ref))) {
        free(k);
        return err_set(e, ERR_NOMEM, "key");
    }
    k->ops = ops;
    k->impl = impl;
    atomic_init(&k->refs, 1);
    k->type = spki_key_type(&view);
    memcpy(k->spki, spki.p, spki.n);
    k->spki_n = spki.n;
    if (!key_prove(k, e)) {
        free(k->ref);
        free(k);
        return false;
    }
    *out = k;
    return true;
}

struct key *key_dup(struct key *k)
{
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void key_free(struct key *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    k->ops->free(k);
    free(k->ref);
    free(k);
}

enum key_type key_type_of(const struct key *k)
{
    return k->type;
}

struct slice key_get0_spki(const struct key *k)
{
    return slice_of(k->spki, k->spki_n);
}

enum sig_alg key_sig_alg(const struct key *k)
{
    return row_of(k->type)->alg;
}

const char *key_get0_ref(const struct key *k)
{
    return k->ref;
}

bool key_sign(struct key *k, enum sig_alg alg, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n,
              struct err *e)
{
    *sig_n = 0;
    const struct sig_row *row = sig_row_of(alg);
    if (!row || row->family != row_of(k->type)->family)
        return err_set(e, ERR_KEY_TYPE, "signature algorithm %s does not fit a %s key", row ? row->name : "unknown",
                       key_type_name(k->type));
    return k->ops->sign(k, alg, parts, n, sig, sig_n, e);
}

static bool signer_sign(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e)
{
    return key_sign(ctx, key_sig_alg(ctx), parts, n, sig, sig_n, e);
}

struct signer key_signer(struct key *k)
{
    return (struct signer){.alg = key_sig_alg(k), .sign = signer_sign, .ctx = k};
}
