/* Key management for OpenSSL: only the public part of a key is ever shown. */
#include "keys/provider_impl.h"

#include <openssl/bn.h>
#include <stdlib.h>

struct spki provider_key_view(const struct pkey *k)
{
    struct spki s = {0};
    (void)!spki_read(slice_of(k->spki, k->spki_n), &s, NULL);
    return s;
}

int provider_key_sig_max(const struct spki *s)
{
    return s->family == SPKI_P256      ? 72
           : s->family == SPKI_P384    ? 104
           : s->family == SPKI_ED25519 ? 64
                                       : (int)s->modulus.n;
}

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
    struct spki s = provider_key_view(k);
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
    struct spki s = provider_key_view(data);
    int bits = s.family == SPKI_P384 ? 384 : s.family == SPKI_RSA ? (int)s.rsa_bits : 256;
    int security = s.family == SPKI_P384 ? 192 : s.family != SPKI_RSA || bits >= 3072 ? 128 : 112;
    if (!set_int(params, OSSL_PKEY_PARAM_BITS, s.family == SPKI_ED25519 ? 253 : bits) ||
        !set_int(params, OSSL_PKEY_PARAM_SECURITY_BITS, security) ||
        !set_int(params, OSSL_PKEY_PARAM_MAX_SIZE, provider_key_sig_max(&s)))
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

#define KEYMGMT(import)                                                                                                \
    FN(OSSL_FUNC_KEYMGMT_NEW, km_new), FN(OSSL_FUNC_KEYMGMT_FREE, km_free), FN(OSSL_FUNC_KEYMGMT_HAS, km_has),         \
        FN(OSSL_FUNC_KEYMGMT_MATCH, km_match), FN(OSSL_FUNC_KEYMGMT_IMPORT, import),                                   \
        FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, km_types), FN(OSSL_FUNC_KEYMGMT_EXPORT, km_export),                         \
        FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, km_types), FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, km_get_params),                 \
        FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, km_gettable)

const OSSL_DISPATCH provider_key_ec[] = {
    KEYMGMT(km_import_ec), FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, km_operation_ec), {0, NULL}};
const OSSL_DISPATCH provider_key_ed[] = {KEYMGMT(km_import_ed), {0, NULL}};
const OSSL_DISPATCH provider_key_rsa[] = {KEYMGMT(km_import_rsa), {0, NULL}};
