/* Keys on a token: looking them up, reading their public part. */
#include <string.h>

#include "keys/key_p11_impl.h"

static const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t p384_oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t ed25519_oid[] = {0x06, 0x03, 0x2b, 0x65, 0x70}; /* RFC 8410 */
static const uint8_t ed25519_name[] = "\x13\x0c"
                                      "edwards25519"; /* PKCS#11 v3.0 2.3.5 */
static const uint8_t ed25519_old[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01}; /* GnuPG's */

const struct p11_curve p11_curves[P11_CURVES] = {
    {KEY_P256, SPKI_P256, CKM_EC_KEY_PAIR_GEN, {p256_oid, sizeof p256_oid}},
    {KEY_P384, SPKI_P384, CKM_EC_KEY_PAIR_GEN, {p384_oid, sizeof p384_oid}},
    {KEY_ED25519, SPKI_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, {ed25519_oid, sizeof ed25519_oid}},
    {KEY_ED25519, SPKI_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, {ed25519_name, sizeof ed25519_name - 1}},
    {KEY_ED25519, SPKI_ED25519, 0, {ed25519_old, sizeof ed25519_old}},
};

CK_ATTRIBUTE p11_attr(CK_ATTRIBUTE_TYPE t, const void *p, size_t n)
{
    return (CK_ATTRIBUTE){.type = t, .pValue = (void *)(uintptr_t)p, .ulValueLen = n};
}

/* --- looking up --- */

CK_RV p11_find(struct p11_call *c, CK_OBJECT_CLASS class, const struct p11_uri_value *id,
               const struct p11_uri_value *label, CK_OBJECT_HANDLE out[2], CK_ULONG *n)
{
    CK_ATTRIBUTE t[3];
    CK_ULONG k = 0;
    t[k++] = p11_attr(CKA_CLASS, &class, sizeof class);
    if (id && id->given)
        t[k++] = p11_attr(CKA_ID, id->bytes, id->n);
    if (label && label->given)
        t[k++] = p11_attr(CKA_LABEL, label->bytes, label->n);
    *n = 0;
    c->at = "C_FindObjectsInit";
    CK_RV rv = c->f->C_FindObjectsInit(c->session, t, k);
    if (rv != CKR_OK)
        return rv;
    c->at = "C_FindObjects";
    rv = c->f->C_FindObjects(c->session, out, 2, n);
    CK_RV end = c->f->C_FindObjectsFinal(c->session);
    return rv != CKR_OK ? rv : end;
}

/* Without login private objects are not found, which is no error to the token. */
static bool logged_in(struct p11_call *c)
{
    CK_SESSION_INFO si;
    return c->f->C_GetSessionInfo(c->session, &si) == CKR_OK &&
           (si.state == CKS_RW_USER_FUNCTIONS || si.state == CKS_RO_USER_FUNCTIONS);
}

CK_RV p11_resolve(struct p11_call *c, struct p11_key *k, bool anew, CK_OBJECT_HANDLE *out)
{
    pthread_mutex_lock(&k->lock);
    bool fresh = !anew && k->handle != NO_HANDLE && k->gen == c->gen, known = k->known;
    *out = k->handle;
    pthread_mutex_unlock(&k->lock);
    if (fresh)
        return CKR_OK;
    CK_OBJECT_HANDLE h[2];
    CK_ULONG n;
    CK_RV rv = p11_find(c, CKO_PRIVATE_KEY, &k->uri.id, &k->uri.object, h, &n);
    if (rv != CKR_OK)
        return rv;
    if (n == 0 && known)
        return logged_in(c) ? P11_RV_GONE : CKR_USER_NOT_LOGGED_IN;
    if (n != 1) {
        err_set(c->e, ERR_P11_OBJECT, n ? "several private keys fit" : "no such private key on the token");
        err_try(c->e, n ? "add id= to the reference"
                        : "the token's own tool lists what it shows; a platform's also: kith doctor token");
        return P11_RV_SET;
    }
    pthread_mutex_lock(&k->lock);
    k->handle = *out = h[0];
    k->gen = c->gen;
    k->unproved = true;
    pthread_mutex_unlock(&k->lock);
    return CKR_OK;
}

/* --- reading the public key --- */

CK_RV p11_get(struct p11_call *c, CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type, void *buf, size_t cap, size_t *n)
{
    CK_ATTRIBUTE a = p11_attr(type, buf, cap);
    *n = 0;
    c->at = "C_GetAttributeValue";
    CK_RV rv = c->f->C_GetAttributeValue(c->session, h, &a, 1);
    if (rv == CKR_OK && a.ulValueLen != CK_UNAVAILABLE_INFORMATION)
        *n = a.ulValueLen;
    return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ? CKR_OK : rv;
}

struct raw_public {
    CK_KEY_TYPE type;
    uint8_t params[64], point[160], modulus[RSA_BITS_MAX / 8 + 8], exp[16];
    size_t params_n, point_n, modulus_n, exp_n;
};

static CK_RV read_raw(struct p11_call *c, CK_OBJECT_HANDLE h, struct raw_public *r)
{
    size_t n;
    CK_RV rv = p11_get(c, h, CKA_KEY_TYPE, &r->type, sizeof r->type, &n);
    if (rv == CKR_OK && r->type == CKK_RSA) {
        rv = p11_get(c, h, CKA_MODULUS, r->modulus, sizeof r->modulus, &r->modulus_n);
        return rv == CKR_OK ? p11_get(c, h, CKA_PUBLIC_EXPONENT, r->exp, sizeof r->exp, &r->exp_n) : rv;
    }
    if (rv == CKR_OK)
        rv = p11_get(c, h, CKA_EC_PARAMS, r->params, sizeof r->params, &r->params_n);
    return rv == CKR_OK ? p11_get(c, h, CKA_EC_POINT, r->point, sizeof r->point, &r->point_n) : rv;
}

static enum spki_family family_of(struct slice params)
{
    for (size_t i = 0; i < P11_CURVES; i++)
        if (slice_eq(params, p11_curves[i].params))
            return p11_curves[i].family;
    return 0;
}

/* CKA_EC_POINT is an OCTET STRING around the point (PKCS#11 v2.40 section 2.3.3); some tokens leave it out, and some put a BIT
 * STRING around Ed25519 keys. */
static struct slice unwrap_point(struct slice p, size_t want)
{
    if (p.n == want + 2 && p.p[0] == 0x04 && p.p[1] == want)
        return slice_of(p.p + 2, want);
    if (p.n == want + 3 && p.p[0] == 0x03 && p.p[1] == want + 1 && p.p[2] == 0)
        return slice_of(p.p + 3, want);
    return p;
}

static struct slice no_zeros(const uint8_t *p, size_t n)
{
    while (n > 0 && *p == 0)
        p++, n--;
    return slice_of(p, n);
}

static bool to_spki(const struct raw_public *r, uint8_t out[SPKI_MAX], size_t *n, struct err *e)
{
    struct spki s = {0};
    *n = 0;
    if (r->type == CKK_RSA) {
        s = (struct spki){
            .family = SPKI_RSA, .modulus = no_zeros(r->modulus, r->modulus_n), .exp = no_zeros(r->exp, r->exp_n)};
    } else if (r->type == CKK_EC || r->type == CKK_EC_EDWARDS) {
        s.family = family_of(slice_of(r->params, r->params_n));
        size_t want = s.family == SPKI_P256 ? 65 : s.family == SPKI_P384 ? 97 : 32;
        s.point = unwrap_point(slice_of(r->point, r->point_n), want);
    }
    if (!s.family)
        return err_set(e, ERR_KEY_TYPE, "key on the token: type 0x%lx or its curve is not taken", r->type);
    return spki_write(&s, out, n, e);
}

static bool has_public(const struct raw_public *r)
{
    return r->type == CKK_RSA ? r->modulus_n && r->exp_n : r->params_n && r->point_n;
}

/* From the public object of the same id (or label), else from the private one, which some tokens fill. */
CK_RV p11_read_public(struct p11_call *c, void *ctx)
{
    struct opening *o = ctx;
    CK_OBJECT_HANDLE private, h[2];
    struct p11_uri_value id = {0};
    struct raw_public r = {0};
    CK_BBOOL always = CK_FALSE;
    size_t n_always;
    CK_ULONG n;
    CK_RV rv = p11_resolve(c, o->key, true, &private);
    if (rv == CKR_OK)
        rv = p11_get(c, private, CKA_ID, id.bytes, P11_URI_VALUE_MAX, &id.n);
    if (rv == CKR_OK)
        rv = p11_get(c, private, CKA_ALWAYS_AUTHENTICATE, &always, sizeof always, &n_always);
    if (rv != CKR_OK)
        return rv;
    o->key->always = n_always == sizeof always && always == CK_TRUE;
    id.given = id.n > 0;
    rv = p11_find(c, CKO_PUBLIC_KEY, &id, id.given ? NULL : &o->key->uri.object, h, &n);
    if (rv == CKR_OK && n == 1)
        rv = read_raw(c, h[0], &r);
    if (rv == CKR_OK && !has_public(&r)) {
        r = (struct raw_public){0};
        rv = read_raw(c, private, &r);
    }
    if (rv != CKR_OK)
        return rv;
    if (!has_public(&r)) {
        err_set(c->e, ERR_P11_OBJECT, "the token does not show the public key that belongs to it");
        err_try(c->e, "import the public key with the same CKA_ID");
        return P11_RV_SET;
    }
    return to_spki(&r, o->spki, &o->spki_n, c->e) ? CKR_OK : P11_RV_SET;
}
