/* Keys on a PKCS#11 token.  The handle is looked up once and again whenever sessions were lost; the first signature after
 * that is checked against the public key, so that another key that took the same name is never used. */
#include <stdlib.h>
#include <string.h>

#include "keys/key_p11_impl.h"

static void forget_handle(struct p11_key *k)
{
    pthread_mutex_lock(&k->lock);
    k->handle = NO_HANDLE;
    pthread_mutex_unlock(&k->lock);
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
    CK_RV rv = p11_resolve(c, s->key, s->anew, &h);
    if (rv != CKR_OK)
        return rv;
    c->at = "C_SignInit";
    rv = c->f->C_SignInit(c->session, &s->mech, h);
    if (rv == CKR_OK && s->key->always && (rv = p11_login_context(s->key->p11, c)) != CKR_OK)
        return rv;
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

bool key_p11_parse(const struct key_env *env, const char *ref, struct p11_uri *uri, struct err *e)
{
    if (!p11_uri_read(ref, uri, e))
        return false;
    if (!env || !env->p11) {
        err_set(e, ERR_P11_MODULE, "key \"%s\": no PKCS#11 module is configured", ERR_QUOTE(slice_str(ref)));
        return err_try(e, "set hsm_module, hsm_token and hsm_pin_file of the platform, or of the offline root");
    }
    if (p11_matches(env->p11, p11_uri_text(&uri->token), p11_uri_text(&uri->serial), p11_uri_text(&uri->manufacturer),
                    p11_uri_text(&uri->model)))
        return true;
    err_set(e, ERR_P11_OBJECT, "key \"%s\" is not on the configured token \"%s\"", ERR_QUOTE(slice_str(ref)),
            ERR_QUOTE(slice_str(p11_label(env->p11))));
    err_why(e, "RFC 7512 section 2.3: token, serial, manufacturer and model of a reference have to fit");
    return err_try(e, "correct the reference, or hsm_token of the platform or of the offline root");
}

bool key_p11_open_uri(struct p11 *p11, const struct p11_uri *uri, const char *ref, struct key **out, struct err *e)
{
    struct p11_key *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(e, ERR_NOMEM, "key");
    k->p11 = p11;
    k->uri = *uri;
    pthread_mutex_init(&k->lock, NULL);
    struct opening o = {.key = k};
    bool ok = p11_run(p11, p11_read_public, &o, e);
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
    return key_p11_parse(env, ref, &uri, e) && key_p11_open_uri(env->p11, &uri, ref, out, e);
}
