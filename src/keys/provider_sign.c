/* Signing for OpenSSL: what is to be signed is gathered whole, for key_sign() digests by itself. */
#include "keys/provider_impl.h"

#include <openssl/rsa.h>
#include <stdlib.h>
#include <strings.h>

#include "keys/crypto.h"

#define MESSAGE_MAX (1 << 20)

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
    switch (provider_key_view(c->key).family) {
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
    struct spki s = provider_key_view(c->key);
    enum sig_alg alg = alg_of(c);
    uint8_t raw[SIG_MAX];
    size_t raw_n;
    if (!out) {
        *n = (size_t)provider_key_sig_max(&s);
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

const OSSL_DISPATCH provider_sign[] = {FN(OSSL_FUNC_SIGNATURE_NEWCTX, sig_new),
                                       FN(OSSL_FUNC_SIGNATURE_FREECTX, sig_free),
                                       FN(OSSL_FUNC_SIGNATURE_DUPCTX, sig_dup),
                                       FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, sig_init),
                                       FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, sig_update),
                                       FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, sig_final),
                                       FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, sig_once),
                                       FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, sig_set_params),
                                       FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, sig_settable),
                                       {0, NULL}};
