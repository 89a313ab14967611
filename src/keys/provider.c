#include "keys/provider.h"

#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "keys/crypto_impl.h"
#include "keys/spki.h"

#define KEY_PARAM   "kith-key" /* octet string: a pointer to a struct key */
#define MESSAGE_MAX (1 << 20)

/* What OpenSSL holds: a key of ours, or only a public key to compare with. */
struct pkey {
    struct key *key; /* NULL: public only */
    uint8_t spki[SPKI_MAX];
    size_t spki_n;
};

static struct spki view_of(const struct pkey *k)
{
    struct spki s = {0};
    (void)!spki_read(slice_of(k->spki, k->spki_n), &s, NULL);
    return s;
}

/* --- key management --- */

static void *km_new(void *prov)
{
    (void)prov;
    return calloc(1, sizeof(struct pkey));
}

static void km_free(void *data)
{
    struct pkey *k = data;
    if (k)
        key_free(k->key);
    free(k);
}

static int km_has(const void *data, int selection)
{
    const struct pkey *k = data;
    return k && k->spki_n > 0 && (k->key || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int km_match(const void *a, const void *b, int selection)
{
    const struct pkey *x = a, *y = b;
    (void)selection; /* the SPKI holds parameters and public key; the private one follows from it */
    return slice_eq(slice_of(x->spki, x->spki_n), slice_of(y->spki, y->spki_n));
}

static bool take_number(const OSSL_PARAM params[], const char *name, uint8_t *out, size_t cap, struct slice *s)
{
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, name);
    BIGNUM *b = NULL;
    bool ok = p && OSSL_PARAM_get_BN(p, &b) && (size_t)BN_num_bytes(b) <= cap;
    if (ok)
        *s = slice_of(out, (size_t)BN_bn2bin(b, out));
    BN_free(b);
    return ok;
}

static int import_public(struct pkey *k, enum spki_family family, const OSSL_PARAM params[])
{
    uint8_t mod[RSA_BITS_MAX / 8], exp[8];
    struct spki s = {.family = family};
    if (family == SPKI_RSA) {
        if (!take_number(params, OSSL_PKEY_PARAM_RSA_N, mod, sizeof mod, &s.modulus) ||
            !take_number(params, OSSL_PKEY_PARAM_RSA_E, exp, sizeof exp, &s.exp))
            return 0;
    } else {
        const OSSL_PARAM *pub = OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
        if (!pub || pub->data_type != OSSL_PARAM_OCTET_STRING)
            return 0;
        s.point = slice_of(pub->data, pub->data_size);
        if (family == SPKI_P256 && s.point.n == 97) /* "EC" stands for both curves */
            s.family = SPKI_P384;
    }
    return spki_write(&s, k->spki, &k->spki_n, NULL);
}

static int import_as(void *data, enum spki_family family, const OSSL_PARAM params[])
{
    struct pkey *k = data;
    const OSSL_PARAM *own = OSSL_PARAM_locate_const(params, KEY_PARAM);
    if (!own)
        return import_public(k, family, params);
    struct key *key;
    if (own->data_type != OSSL_PARAM_OCTET_STRING || own->data_size != sizeof key)
        return 0;
    memcpy(&key, own->data, sizeof key);
    struct slice spki = key_get0_spki(key);
    memcpy(k->spki, spki.p, spki.n);
    k->spki_n = spki.n;
    k->key = key_dup(key);
    return 1;
}

static int km_import_ec(void *data, int selection, const OSSL_PARAM params[])
{
    (void)selection;
    return import_as(data, SPKI_P256, params);
}

static int km_import_ed(void *data, int selection, const OSSL_PARAM params[])
{
    (void)selection;
    return import_as(data, SPKI_ED25519, params);
}

static int km_import_rsa(void *data, int selection, const OSSL_PARAM params[])
{
    (void)selection;
    return import_as(data, SPKI_RSA, params);
}

static const OSSL_PARAM *km_types(int selection)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_octet_string(KEY_PARAM, NULL, 0),
                                       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
                                       OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
                                       OSSL_PARAM_END};
    (void)selection;
    return types;
}

static const char *group_of(enum spki_family f)
{
    return f == SPKI_P256 ? "prime256v1" : "secp384r1";
}

/* Only the public part ever leaves; a request for everything is refused, and OpenSSL then signs through us. */
static int km_export(void *data, int selection, OSSL_CALLBACK *cb, void *arg)
{
    const struct pkey *k = data;
    if (k->key && selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
        return 0;
    struct spki s = view_of(k);
    uint8_t mod[RSA_BITS_MAX / 8], exp[8];
    OSSL_PARAM params[3] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
    BIGNUM *n = NULL, *e = NULL;
    bool ok = true;
    if (s.family == SPKI_RSA) {
        n = BN_bin2bn(s.modulus.p, (int)s.modulus.n, NULL);
        e = BN_bin2bn(s.exp.p, (int)s.exp.n, NULL);
        ok = n && e && BN_bn2nativepad(n, mod, (int)s.modulus.n) > 0 && BN_bn2nativepad(e, exp, (int)s.exp.n) > 0;
        params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, mod, s.modulus.n);
        params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exp, s.exp.n);
    } else {
        params[0] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)s.point.p, s.point.n);
        if (s.family != SPKI_ED25519)
            params[1] =
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group_of(s.family), 0);
    }
    ok = ok && cb(params, arg);
    BN_free(n);
    BN_free(e);
    return ok;
}

static int sig_max(const struct spki *s)
{
    return s->family == SPKI_P256      ? 72
           : s->family == SPKI_P384    ? 104
           : s->family == SPKI_ED25519 ? 64
                                       : (int)s->modulus.n;
}

static int set_int(OSSL_PARAM params[], const char *name, int v)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);
    return !p || OSSL_PARAM_set_int(p, v);
}

static int set_text(OSSL_PARAM params[], const char *name, const char *v)
{
    OSSL_PARAM *p = OSSL_PARAM_locate(params, name);
    return !p || OSSL_PARAM_set_utf8_string(p, v);
}

static int km_get_params(void *data, OSSL_PARAM params[])
{
    struct spki s = view_of(data);
    int bits = s.family == SPKI_P384 ? 384 : s.family == SPKI_RSA ? (int)s.rsa_bits : 256;
    int security = s.family == SPKI_P384 ? 192 : s.family != SPKI_RSA || bits >= 3072 ? 128 : 112;
    if (!set_int(params, OSSL_PKEY_PARAM_BITS, s.family == SPKI_ED25519 ? 253 : bits) ||
        !set_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, security) ||
        !set_int(params, OSSL_PKEY_PARAM_MAX_SIZE, sig_max(&s)))
        return 0;
    if (s.family == SPKI_ED25519)
        return set_text(params, OSSL_PKEY_PARAM_MANDATORY_DIGEST, "");
    if (!set_text(params, OSSL_PKEY_PARAM_DEFAULT_DIGEST, s.family == SPKI_P384 ? "SHA384" : "SHA256"))
        return 0;
    if (s.family == SPKI_RSA)
        return 1;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY);
    return set_text(params, OSSL_PKEY_PARAM_GROUP_NAME, group_of(s.family)) &&
           (!p || OSSL_PARAM_set_octet_string(p, s.point.p, s.point.n));
}

static const OSSL_PARAM *km_gettable(void *prov)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
                                       OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
                                       OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, NULL, 0),
                                       OSSL_PARAM_END};
    (void)prov;
    return types;
}

static const char *km_operation_ec(int op)
{
    (void)op;
    return "ECDSA";
}

/* --- signing --- */

struct sign_ctx {
    struct pkey *key; /* borrowed: the EVP_PKEY outlives its operations */
    unsigned digest_bits;
    int pad;
    uint8_t *msg;
    size_t n, cap;
};

static void *sig_new(void *prov, const char *propq)
{
    (void)prov;
    (void)propq;
    struct sign_ctx *c = calloc(1, sizeof *c);
    if (c)
        c->pad = RSA_PKCS1_PADDING;
    return c;
}

static void sig_free(void *ctx)
{
    struct sign_ctx *c = ctx;
    if (c)
        free(c->msg);
    free(c);
}

static void *sig_dup(void *ctx)
{
    struct sign_ctx *from = ctx, *to = malloc(sizeof *to);
    if (!to)
        return NULL;
    *to = *from;
    to->cap = to->n;
    to->msg = to->n ? malloc(to->n) : NULL;
    if (to->n && !to->msg) {
        free(to);
        return NULL;
    }
    if (to->n)
        memcpy(to->msg, from->msg, to->n);
    return to;
}

static unsigned digest_bits_of(const char *md)
{
    static const struct {
        const char *name;
        unsigned bits;
    } rows[] = {{"SHA256", 256}, {"SHA2-256", 256}, {"SHA-256", 256},
                {"SHA384", 384}, {"SHA2-384", 384}, {"SHA-384", 384}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcasecmp(rows[i].name, md) == 0)
            return rows[i].bits;
    return 0;
}

static enum sig_alg alg_of(const struct sign_ctx *c)
{
    switch (view_of(c->key).family) {
    case SPKI_P256:
        return c->digest_bits == 256 ? SIG_ES256 : SIG_NONE;
    case SPKI_P384:
        return c->digest_bits == 384 ? SIG_ES384 : SIG_NONE;
    case SPKI_ED25519:
        return c->digest_bits == 0 ? SIG_EDDSA : SIG_NONE;
    case SPKI_RSA:
        if (c->digest_bits == 0)
            return SIG_NONE;
        if (c->pad == RSA_PKCS1_PSS_PADDING)
            return c->digest_bits == 384 ? SIG_PS384 : SIG_PS256;
        return c->pad != RSA_PKCS1_PADDING ? SIG_NONE : c->digest_bits == 384 ? SIG_RS384 : SIG_RS256;
    }
    return SIG_NONE;
}

/* Salt as long as the digest is the only one that key_sign() makes. */
static bool salt_fits(const struct sign_ctx *c, const OSSL_PARAM *p)
{
    int n;
    if (p->data_type == OSSL_PARAM_UTF8_STRING)
        return strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
    return OSSL_PARAM_get_int(p, &n) && (n == RSA_PSS_SALTLEN_DIGEST || n == (int)c->digest_bits / 8);
}

static int sig_set_params(void *ctx, const OSSL_PARAM params[])
{
    struct sign_ctx *c = ctx;
    const OSSL_PARAM *p;
    if (!params)
        return 1;
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE))) {
        if (p->data_type == OSSL_PARAM_UTF8_STRING)
            c->pad = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0 ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
        else if (!OSSL_PARAM_get_int(p, &c->pad))
            return 0;
    }
    if ((p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN)) && !salt_fits(c, p))
        return 0;
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
    return !p || (p->data_type == OSSL_PARAM_UTF8_STRING && digest_bits_of(p->data) == c->digest_bits);
}

static const OSSL_PARAM *sig_settable(void *ctx, void *prov)
{
    static const OSSL_PARAM types[] = {OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
                                       OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
                                       OSSL_PARAM_END};
    (void)ctx;
    (void)prov;
    return types;
}

static int sig_init(void *ctx, const char *md, void *key, const OSSL_PARAM params[])
{
    struct sign_ctx *c = ctx;
    if (key)
        c->key = key;
    if (!c->key || !c->key->key)
        return 0;
    bool none = !md || !md[0];
    c->digest_bits = none ? 0 : digest_bits_of(md);
    c->n = 0;
    if ((!none && !c->digest_bits) || !sig_set_params(c, params))
        return 0;
    return alg_of(c) != SIG_NONE;
}

static int sig_update(void *ctx, const unsigned char *p, size_t n)
{
    struct sign_ctx *c = ctx;
    if (n > MESSAGE_MAX - c->n)
        return 0;
    if (c->n + n > c->cap) {
        size_t cap = (c->n + n) * 2;
        uint8_t *more = realloc(c->msg, cap);
        if (!more)
            return 0;
        c->msg = more;
        c->cap = cap;
    }
    if (n)
        memcpy(c->msg + c->n, p, n);
    c->n += n;
    return 1;
}

static int sign_slice(struct sign_ctx *c, struct slice msg, unsigned char *out, size_t *n, size_t cap)
{
    struct spki s = view_of(c->key);
    enum sig_alg alg = alg_of(c);
    uint8_t raw[SIG_MAX];
    size_t raw_n;
    if (!out) {
        *n = (size_t)sig_max(&s);
        return 1;
    }
    return alg != SIG_NONE && key_sign(c->key->key, alg, &msg, 1, raw, &raw_n, NULL) &&
           sig_to_der(alg, slice_of(raw, raw_n), out, cap, n, NULL);
}

static int sig_final(void *ctx, unsigned char *out, size_t *n, size_t cap)
{
    struct sign_ctx *c = ctx;
    return sign_slice(c, slice_of(c->msg, c->n), out, n, cap);
}

static int sig_once(void *ctx, unsigned char *out, size_t *n, size_t cap, const unsigned char *msg, size_t msg_n)
{
    return sign_slice(ctx, slice_of(msg, msg_n), out, n, cap);
}

/* --- tables --- */

#define FN(id, f)                                                                                                      \
    {                                                                                                                  \
        id, (void (*)(void))(f)                                                                                        \
    }
#define KEYMGMT(import)                                                                                                \
    FN(OSSL_FUNC_KEYMGMT_NEW, km_new), FN(OSSL_FUNC_KEYMGMT_FREE, km_free), FN(OSSL_FUNC_KEYMGMT_HAS, km_has),         \
        FN(OSSL_FUNC_KEYMGMT_MATCH, km_match), FN(OSSL_FUNC_KEYMGMT_IMPORT, import),                                   \
        FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, km_types), FN(OSSL_FUNC_KEYMGMT_EXPORT, km_export),                         \
        FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, km_types), FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, km_get_params),                 \
        FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, km_gettable)

static const OSSL_DISPATCH km_ec[] = {
    KEYMGMT(km_import_ec), FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, km_operation_ec), {0, NULL}};
static const OSSL_DISPATCH km_ed[] = {KEYMGMT(km_import_ed), {0, NULL}};
static const OSSL_DISPATCH km_rsa[] = {KEYMGMT(km_import_rsa), {0, NULL}};

static const OSSL_DISPATCH sig_fns[] = {FN(OSSL_FUNC_SIGNATURE_NEWCTX, sig_new),
                                        FN(OSSL_FUNC_SIGNATURE_FREECTX, sig_free),
                                        FN(OSSL_FUNC_SIGNATURE_DUPCTX, sig_dup),
                                        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sig_init),
                                        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, sig_update),
                                        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, sig_final),
                                        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sig_once),
                                        FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, sig_set_params),
                                        FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, sig_settable),
                                        {0, NULL}};

static const OSSL_ALGORITHM keymgmts[] = {{"EC:id-ecPublicKey", "provider=kith", km_ec, "keys of Kith"},
                                          {"ED25519", "provider=kith", km_ed, "keys of Kith"},
                                          {"RSA:rsaEncryption", "provider=kith", km_rsa, "keys of Kith"},
                                          {NULL, NULL, NULL, NULL}};
static const OSSL_ALGORITHM signatures[] = {{"ECDSA", "provider=kith", sig_fns, "keys of Kith"},
                                            {"ED25519", "provider=kith", sig_fns, "keys of Kith"},
                                            {"RSA:rsaEncryption", "provider=kith", sig_fns, "keys of Kith"},
                                            {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *prov, int op, int *no_cache)
{
    (void)prov;
    *no_cache = 0;
    return op == OSSL_OP_KEYMGMT ? keymgmts : op == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    static const OSSL_DISPATCH fns[] = {FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0, NULL}};
    (void)in;
    *out = fns;
    *ctx = (void *)(uintptr_t)core;
    return 1;
}

/* --- the door --- */

static OSSL_LIB_CTX *libctx;

static void load_once(void)
{
    OSSL_LIB_CTX *c = OSSL_LIB_CTX_new();
    if (c && OSSL_PROVIDER_add_builtin(c, "kith", provider_init) && OSSL_PROVIDER_load(c, "kith"))
        libctx = c;
    else
        OSSL_LIB_CTX_free(c);
}

bool key_to_evp(struct key *k, EVP_PKEY **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    pthread_once(&once, load_once);
    if (!libctx)
        return crypto_fail(e, ERR_INTERNAL, "the key provider cannot be loaded");
    enum key_type t = key_type_of(k);
    const char *name = t == KEY_P256 || t == KEY_P384 ? "EC" : t == KEY_ED25519 ? "ED25519" : "RSA";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(KEY_PARAM, (void *)&k, sizeof k),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(libctx, name, NULL);
    bool ok = c && EVP_PKEY_fromdata_init(c) > 0 && EVP_PKEY_fromdata(c, out, EVP_PKEY_KEYPAIR, params) > 0;
    EVP_PKEY_CTX_free(c);
    if (ok)
        return true;
    *out = NULL;
    return crypto_fail(e, ERR_INTERNAL, "the key cannot be shown to OpenSSL");
}
