/* Keys on a PKCS#11 token.  The handle is looked up once and again whenever sessions were lost; the first signature after
 * that is checked against the public key, so that another key that took the same name is never used. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/reader.h"
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
    bool known;    /* was seen once: if it is not there now, the token is not whole */
    bool unproved; /* no signature was checked since the handle was looked up */
};

static const uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t p384_oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t ed25519_oid[] = {0x06, 0x03, 0x2b, 0x65, 0x70}; /* RFC 8410 */
static const uint8_t ed25519_name[] = "\x13\x0c"
                                      "edwards25519"; /* PKCS#11 v3.0 2.3.5 */
static const uint8_t ed25519_old[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01}; /* GnuPG's */

static CK_ATTRIBUTE attr(CK_ATTRIBUTE_TYPE t, const void *p, size_t n)
{
    return (CK_ATTRIBUTE){.type = t, .pValue = (void *)(uintptr_t)p, .ulValueLen = n};
}

/* --- looking up --- */

static CK_RV find(struct p11_call *c, CK_OBJECT_CLASS class, const struct p11_uri_value *id,
                  const struct p11_uri_value *label, CK_OBJECT_HANDLE out[2], CK_ULONG *n)
{
    CK_ATTRIBUTE t[3];
    CK_ULONG k = 0;
    t[k++] = attr(CKA_CLASS, &class, sizeof class);
    if (id && id->given)
        t[k++] = attr(CKA_ID, id->bytes, id->n);
    if (label && label->given)
        t[k++] = attr(CKA_LABEL, label->bytes, label->n);
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

/* anew: another thread may have stored a handle that it found before all were lost. */
static CK_RV resolve(struct p11_call *c, struct p11_key *k, bool anew, CK_OBJECT_HANDLE *out)
{
    pthread_mutex_lock(&k->lock);
    bool fresh = !anew && k->handle != NO_HANDLE && k->gen == c->gen, known = k->known;
    *out = k->handle;
    pthread_mutex_unlock(&k->lock);
    if (fresh)
        return CKR_OK;
    CK_OBJECT_HANDLE h[2];
    CK_ULONG n;
    CK_RV rv = find(c, CKO_PRIVATE_KEY, &k->uri.id, &k->uri.object, h, &n);
    if (rv != CKR_OK)
        return rv;
    if (n == 0 && known)
        return logged_in(c) ? P11_RV_GONE : CKR_USER_NOT_LOGGED_IN;
    if (n != 1) {
        err_set(c->e, ERR_P11_OBJECT, n ? "several private keys fit" : "no such private key on the token");
        err_try(c->e, n ? "add id= to the reference" : "kith doctor lists what the token shows");
        return P11_RV_SET;
    }
    pthread_mutex_lock(&k->lock);
    k->handle = *out = h[0];
    k->gen = c->gen;
    k->unproved = true;
    pthread_mutex_unlock(&k->lock);
    return CKR_OK;
}

static void forget_handle(struct p11_key *k)
{
    pthread_mutex_lock(&k->lock);
    k->handle = NO_HANDLE;
    pthread_mutex_unlock(&k->lock);
}

/* --- reading the public key --- */

/* Up to cap bytes of one attribute; *n = 0 if the object does not have it. */
static CK_RV get(struct p11_call *c, CK_OBJECT_HANDLE h, CK_ATTRIBUTE_TYPE type, void *buf, size_t cap, size_t *n)
{
    CK_ATTRIBUTE a = attr(type, buf, cap);
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
    CK_RV rv = get(c, h, CKA_KEY_TYPE, &r->type, sizeof r->type, &n);
    if (rv == CKR_OK && r->type == CKK_RSA) {
        rv = get(c, h, CKA_MODULUS, r->modulus, sizeof r->modulus, &r->modulus_n);
        return rv == CKR_OK ? get(c, h, CKA_PUBLIC_EXPONENT, r->exp, sizeof r->exp, &r->exp_n) : rv;
    }
    if (rv == CKR_OK)
        rv = get(c, h, CKA_EC_PARAMS, r->params, sizeof r->params, &r->params_n);
    return rv == CKR_OK ? get(c, h, CKA_EC_POINT, r->point, sizeof r->point, &r->point_n) : rv;
}

static enum spki_family family_of(struct slice params)
{
    if (slice_eq(params, SLICE_ARRAY(p256_oid)))
        return SPKI_P256;
    if (slice_eq(params, SLICE_ARRAY(p384_oid)))
        return SPKI_P384;
    bool ed = slice_eq(params, SLICE_ARRAY(ed25519_oid)) || slice_eq(params, SLICE_ARRAY(ed25519_old)) ||
              slice_eq(params, slice_of(ed25519_name, sizeof ed25519_name - 1));
    return ed ? SPKI_ED25519 : 0;
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

struct opening {
    struct p11_key *key;
    uint8_t spki[SPKI_MAX];
    size_t spki_n;
};

static bool has_public(const struct raw_public *r)
{
    return r->type == CKK_RSA ? r->modulus_n && r->exp_n : r->params_n && r->point_n;
}

/* From the public object of the same id (or label), else from the private one, which some tokens fill. */
static CK_RV read_public(struct p11_call *c, void *ctx)
{
    struct opening *o = ctx;
    CK_OBJECT_HANDLE private, h[2];
    struct p11_uri_value id = {0};
    struct raw_public r = {0};
    CK_ULONG n;
    CK_RV rv = resolve(c, o->key, true, &private);
    if (rv == CKR_OK)
        rv = get(c, private, CKA_ID, id.bytes, P11_URI_VALUE_MAX, &id.n);
    if (rv != CKR_OK)
        return rv;
    id.given = id.n > 0;
    rv = find(c, CKO_PUBLIC_KEY, &id, id.given ? NULL : &o->key->uri.object, h, &n);
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

/* --- signing --- */

/* DigestInfo up to the digest (RFC 8017 section 9.2, note 1). */
static const uint8_t info256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const uint8_t info384[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                  0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30};

struct signing {
    struct p11_key *key;
    bool anew;
    CK_MECHANISM mech;
    CK_RSA_PKCS_PSS_PARAMS pss;
    struct slice data;
    uint8_t buf[sizeof info384 + DIGEST_MAX];
    uint8_t *heap;
    uint8_t *sig;
    size_t sig_n;
};

static CK_RV sign_op(struct p11_call *c, void *ctx)
{
    struct signing *s = ctx;
    CK_OBJECT_HANDLE h;
    CK_RV rv = resolve(c, s->key, s->anew, &h);
    if (rv != CKR_OK)
        return rv;
    c->at = "C_SignInit";
    rv = c->f->C_SignInit(c->session, &s->mech, h);
    if (rv == CKR_OK) {
        CK_ULONG n = SIG_MAX;
        c->at = "C_Sign";
        rv = c->f->C_Sign(c->session, (CK_BYTE_PTR)(uintptr_t)s->data.p, s->data.n, s->sig, &n);
        s->sig_n = n;
    }
    s->anew = p11_class_of(rv) == P11_OBJECT;
    if (s->anew)
        forget_handle(s->key);
    return rv;
}

/* Digests here and hands the token as little as it takes; where it has only mechanisms that digest, the message. */
static bool prepare(struct signing *s, const struct sig_row *row, const struct slice *parts, size_t n, struct err *e)
{
    const struct p11 *p = s->key->p11;
    bool is384 = row->digest_bits == 384;
    size_t md_n, head = 0;
    CK_MECHANISM_TYPE raw = row->family != SPKI_RSA ? CKM_ECDSA : row->pss ? CKM_RSA_PKCS_PSS : CKM_RSA_PKCS;
    CK_MECHANISM_TYPE whole = row->family != SPKI_RSA ? (is384 ? CKM_ECDSA_SHA384 : CKM_ECDSA_SHA256)
                              : row->pss              ? (is384 ? CKM_SHA384_RSA_PKCS_PSS : CKM_SHA256_RSA_PKCS_PSS)
                                                      : (is384 ? CKM_SHA384_RSA_PKCS : CKM_SHA256_RSA_PKCS);
    if (row->pss) {
        s->pss = (CK_RSA_PKCS_PSS_PARAMS){is384 ? CKM_SHA384 : CKM_SHA256, is384 ? CKG_MGF1_SHA384 : CKG_MGF1_SHA256,
                                          row->digest_bits / 8};
        s->mech.pParameter = &s->pss;
        s->mech.ulParameterLen = sizeof s->pss;
    }
    if (row->family == SPKI_ED25519) {
        s->mech.mechanism = CKM_EDDSA;
        return crypto_join(parts, n, &s->data, &s->heap, e);
    }
    s->mech.mechanism = p11_has(p, raw) ? raw : whole;
    if (s->mech.mechanism == whole)
        return crypto_join(parts, n, &s->data, &s->heap, e);
    if (raw == CKM_RSA_PKCS) {
        head = sizeof info256;
        memcpy(s->buf, is384 ? info384 : info256, head);
    }
    if (!crypto_digest(row, parts, n, s->buf + head, &md_n, e))
        return false;
    s->data = slice_of(s->buf, head + md_n);
    return true;
}

/* After a look-up one signature is checked; who comes at the same time may check, too. */
static bool prove(struct key *k, const struct sig_row *row, const struct slice *parts, size_t n, struct slice sig,
                  struct err *e)
{
    struct p11_key *pk = k->impl;
    pthread_mutex_lock(&pk->lock);
    bool unproved = pk->unproved;
    uint64_t gen = pk->gen;
    pthread_mutex_unlock(&pk->lock);
    if (!unproved)
        return true;
    if (!crypto_openssl.verify(row->alg, key_get0_spki(k), parts, n, sig, e)) {
        forget_handle(pk);
        return err_set(e, ERR_KEY_MISMATCH, "the token signs with another key than before under this name");
    }
    pthread_mutex_lock(&pk->lock);
    if (pk->gen == gen)
        pk->unproved = false;
    pthread_mutex_unlock(&pk->lock);
    return true;
}

static bool p11_sign(struct key *k, enum sig_alg alg, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n,
                     struct err *e)
{
    struct p11_key *pk = k->impl;
    const struct sig_row *row = sig_row_of(alg);
    struct signing s = {.key = pk, .sig = sig};
    bool ok = prepare(&s, row, parts, n, e) && p11_run(pk->p11, sign_op, &s, e) &&
              prove(k, row, parts, n, slice_of(sig, s.sig_n), e);
    free(s.heap);
    if (!ok)
        return err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(k->ref)));
    *sig_n = s.sig_n;
    return true;
}

static void p11_key_free(struct p11_key *k)
{
    pthread_mutex_destroy(&k->lock);
    free(k);
}

static void impl_free(struct key *k)
{
    p11_key_free(k->impl);
}

static const struct key_ops p11_ops = {.sign = p11_sign, .free = impl_free};

/* --- opening --- */

static bool parse(const struct key_env *env, const char *ref, struct p11_uri *uri, struct err *e)
{
    if (!p11_uri_read(ref, uri, e))
        return false;
    if (!env || !env->p11) {
        err_set(e, ERR_P11_MODULE, "key \"%s\": no PKCS#11 module is configured", ERR_QUOTE(slice_str(ref)));
        return err_try(e, "set hsm.module, hsm.token and hsm.pin_file");
    }
    if (p11_matches(env->p11, p11_uri_text(&uri->token), p11_uri_text(&uri->serial), p11_uri_text(&uri->manufacturer),
                    p11_uri_text(&uri->model)))
        return true;
    return err_set(e, ERR_P11_OBJECT, "key \"%s\" is not on the configured token \"%s\"", ERR_QUOTE(slice_str(ref)),
                   ERR_QUOTE(slice_str(p11_label(env->p11))));
}

static bool open_uri(struct p11 *p11, const struct p11_uri *uri, const char *ref, struct key **out, struct err *e)
{
    struct p11_key *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(e, ERR_NOMEM, "key");
    k->p11 = p11;
    k->uri = *uri;
    pthread_mutex_init(&k->lock, NULL);
    struct opening o = {.key = k};
    bool ok = p11_run(p11, read_public, &o, e);
    k->known = ok;
    ok = ok && key_new(&p11_ops, k, slice_of(o.spki, o.spki_n), ref, out, e);
    if (ok)
        return true;
    p11_key_free(k);
    return err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(ref)));
}

bool key_p11_open(const struct key_env *env, const char *ref, struct key **out, struct err *e)
{
    struct p11_uri uri;
    return parse(env, ref, &uri, e) && open_uri(env->p11, &uri, ref, out, e);
}

/* --- making and destroying --- */

struct making {
    struct p11_uri uri;
    enum key_type type;
    bool exists;
};

/* Vendors refuse different things.  Fuller templates first; what came out is checked, not what was asked for. */
enum strictness { FULL, PLAIN, BARE, STRICTNESSES };

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

static CK_ULONG private_template(CK_ATTRIBUTE *t, const struct p11_uri *u, enum strictness s)
{
    CK_ULONG n = 0;
    t[n++] = attr(CKA_TOKEN, &yes, sizeof yes);
    t[n++] = attr(CKA_SIGN, &yes, sizeof yes);
    t[n++] = attr(CKA_ID, u->id.bytes, u->id.n);
    if (u->object.given)
        t[n++] = attr(CKA_LABEL, u->object.bytes, u->object.n);
    if (s == BARE)
        return n;
    t[n++] = attr(CKA_SENSITIVE, &yes, sizeof yes);
    t[n++] = attr(CKA_EXTRACTABLE, &no, sizeof no);
    if (s == PLAIN)
        return n;
    t[n++] = attr(CKA_PRIVATE, &yes, sizeof yes);
    t[n++] = attr(CKA_DECRYPT, &no, sizeof no);
    t[n++] = attr(CKA_UNWRAP, &no, sizeof no);
    t[n++] = attr(CKA_DERIVE, &no, sizeof no);
    return n;
}

static CK_ULONG public_template(CK_ATTRIBUTE *t, const struct p11_uri *u, enum strictness s)
{
    CK_ULONG n = 0;
    t[n++] = attr(CKA_TOKEN, &yes, sizeof yes);
    t[n++] = attr(CKA_ID, u->id.bytes, u->id.n);
    if (u->object.given)
        t[n++] = attr(CKA_LABEL, u->object.bytes, u->object.n);
    if (s != BARE)
        t[n++] = attr(CKA_VERIFY, &yes, sizeof yes);
    return n;
}

static bool is_template_refusal(CK_RV rv)
{
    return rv == CKR_TEMPLATE_INCONSISTENT || rv == CKR_TEMPLATE_INCOMPLETE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
           rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_ATTRIBUTE_READ_ONLY || rv == CKR_CURVE_NOT_SUPPORTED ||
           rv == CKR_DOMAIN_PARAMS_INVALID || rv == CKR_ARGUMENTS_BAD;
}

/* The token must hold the key for itself, whatever the template said. */
static CK_RV check_made(struct p11_call *c, CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv)
{
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE t[] = {attr(CKA_SENSITIVE, &sensitive, 1), attr(CKA_EXTRACTABLE, &extractable, 1)};
    c->at = "C_GetAttributeValue";
    CK_RV rv = c->f->C_GetAttributeValue(c->session, priv, t, 2);
    if (rv == CKR_OK && sensitive == CK_TRUE && extractable == CK_FALSE)
        return CKR_OK;
    (void)c->f->C_DestroyObject(c->session, priv);
    (void)c->f->C_DestroyObject(c->session, pub);
    if (rv != CKR_OK)
        return rv;
    err_set(c->e, ERR_P11_REFUSED, "the token would make a key that can leave it; it was destroyed again");
    err_why(c->e, "PKCS#11 v2.40 section 4.9: CKA_SENSITIVE, CKA_EXTRACTABLE");
    return P11_RV_SET;
}

static CK_RV generate_pair(struct p11_call *c, const struct making *m, CK_MECHANISM_TYPE mechanism,
                           const CK_ATTRIBUTE *kind, CK_ULONG kind_n)
{
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;
    CK_MECHANISM mech = {.mechanism = mechanism};
    for (enum strictness s = FULL; s < STRICTNESSES && is_template_refusal(rv); s++) {
        CK_ATTRIBUTE pub[8], priv[12];
        CK_OBJECT_HANDLE pub_h, priv_h;
        CK_ULONG pub_n = public_template(pub, &m->uri, s), priv_n = private_template(priv, &m->uri, s);
        memcpy(pub + pub_n, kind, kind_n * sizeof *kind);
        c->at = "C_GenerateKeyPair";
        rv = c->f->C_GenerateKeyPair(c->session, &mech, pub, pub_n + kind_n, priv, priv_n, &pub_h, &priv_h);
        if (rv == CKR_OK)
            return check_made(c, pub_h, priv_h);
    }
    return rv;
}

static CK_RV generate_ec(struct p11_call *c, const struct making *m)
{
    static const struct {
        enum key_type type;
        CK_MECHANISM_TYPE mechanism;
        struct slice params;
    } curves[] = {
        {KEY_P256, CKM_EC_KEY_PAIR_GEN, {p256_oid, sizeof p256_oid}},
        {KEY_P384, CKM_EC_KEY_PAIR_GEN, {p384_oid, sizeof p384_oid}},
        {KEY_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, {ed25519_oid, sizeof ed25519_oid}},
        {KEY_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, {ed25519_name, sizeof ed25519_name - 1}},
    };
    CK_RV rv = CKR_MECHANISM_INVALID;
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        if (curves[i].type != m->type)
            continue;
        CK_ATTRIBUTE params = attr(CKA_EC_PARAMS, curves[i].params.p, curves[i].params.n);
        rv = generate_pair(c, m, curves[i].mechanism, &params, 1);
        if (rv == CKR_OK || p11_class_of(rv) != P11_REQUEST || rv == P11_RV_SET)
            break;
    }
    return rv;
}

static CK_RV make_op(struct p11_call *c, void *ctx)
{
    struct making *m = ctx;
    CK_OBJECT_HANDLE h[2];
    CK_ULONG n;
    CK_RV rv = find(c, CKO_PRIVATE_KEY, m->uri.object.given ? NULL : &m->uri.id, &m->uri.object, h, &n);
    if (rv != CKR_OK)
        return rv;
    if (n > 0) {
        err_set(c->e, ERR_KEY_EXISTS, "there is such a private key on the token");
        err_try(c->e, "choose another name; a private key is never overwritten");
        return P11_RV_SET;
    }
    if (m->type == KEY_P256 || m->type == KEY_P384 || m->type == KEY_ED25519)
        return generate_ec(c, m);
    CK_ULONG bits = m->type == KEY_RSA2048 ? 2048 : m->type == KEY_RSA3072 ? 3072 : 4096;
    static const uint8_t f4[] = {1, 0, 1};
    CK_ATTRIBUTE kind[] = {attr(CKA_MODULUS_BITS, &bits, sizeof bits), attr(CKA_PUBLIC_EXPONENT, f4, sizeof f4)};
    return generate_pair(c, m, CKM_RSA_PKCS_KEY_PAIR_GEN, kind, 2);
}

bool key_p11_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out, struct err *e)
{
    struct making m = {.type = type};
    if (!parse(env, ref, &m.uri, e))
        return false;
    struct p11_uri asked = m.uri;
    if (!m.uri.id.given) {
        m.uri.id.n = 16;
        m.uri.id.given = true;
        if (!random_bytes(m.uri.id.bytes, m.uri.id.n, e))
            return false;
    }
    if (!p11_run(env->p11, make_op, &m, e)) {
        if (e && e->code == ERR_P11_REFUSED && !e->hint[0])
            err_try(e,
                    "make the key with the token's own tool and name it here; some tokens refuse in their pool mode");
        return err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(ref)));
    }
    return open_uri(env->p11, &asked, ref, out, e);
}

static CK_RV destroy_op(struct p11_call *c, void *ctx)
{
    struct p11_key *k = ctx;
    CK_OBJECT_HANDLE private, pub[2];
    struct p11_uri_value id = {0};
    CK_ULONG n;
    CK_RV rv = resolve(c, k, true, &private);
    if (rv == CKR_OK)
        rv = get(c, private, CKA_ID, id.bytes, P11_URI_VALUE_MAX, &id.n);
    if (rv != CKR_OK)
        return rv;
    c->at = "C_DestroyObject";
    rv = c->f->C_DestroyObject(c->session, private);
    id.given = id.n > 0;
    if (rv == CKR_OK && find(c, CKO_PUBLIC_KEY, &id, id.given ? NULL : &k->uri.object, pub, &n) == CKR_OK && n == 1)
        (void)c->f->C_DestroyObject(c->session, pub[0]);
    return rv;
}

bool key_p11_destroy(const struct key_env *env, const char *ref, struct err *e)
{
    struct p11_key k = {0};
    if (!parse(env, ref, &k.uri, e))
        return false;
    pthread_mutex_init(&k.lock, NULL);
    bool ok = p11_run(env->p11, destroy_op, &k, e);
    pthread_mutex_destroy(&k.lock);
    return ok || err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(ref)));
}
