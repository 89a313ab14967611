/* Keys on a token: making and destroying them. */
#include <string.h>

#include "keys/key_p11_impl.h"

struct making {
    struct p11_uri uri;
    const struct p11 *p11;
    enum key_type type;
};

/* What says which key it is. */
static CK_ULONG put_names(CK_ATTRIBUTE *t, CK_ULONG n, const struct p11_uri *u)
{
    t[n++] = p11_attr(CKA_ID, u->id.bytes, u->id.n);
    if (u->object.given)
        t[n++] = p11_attr(CKA_LABEL, u->object.bytes, u->object.n);
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
    CK_ATTRIBUTE t[] = {p11_attr(CKA_SENSITIVE, &sensitive, 1), p11_attr(CKA_EXTRACTABLE, &extractable, 1)};
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
    const struct p11_template *tpl = p11_template(m->p11);
    CK_RV rv = CKR_TEMPLATE_INCONSISTENT;
    CK_MECHANISM mech = {.mechanism = mechanism};
    /* Vendors refuse different things; what came out is checked, not what was asked for. */
    for (unsigned step = 0; step <= tpl->steps && is_template_refusal(rv); step++) {
        CK_ATTRIBUTE pub[P11_TEMPLATE_MAX + 6], priv[P11_TEMPLATE_MAX + 4];
        CK_OBJECT_HANDLE pub_h, priv_h;
        CK_ULONG pub_n = put_names(pub, p11_template_put(tpl, P11_PUBLIC, step, pub), &m->uri);
        CK_ULONG priv_n = put_names(priv, p11_template_put(tpl, P11_PRIVATE, step, priv), &m->uri);
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
    CK_RV rv = CKR_MECHANISM_INVALID;
    for (size_t i = 0; i < P11_CURVES; i++) {
        if (p11_curves[i].type != m->type || !p11_curves[i].keygen)
            continue;
        CK_ATTRIBUTE params = p11_attr(CKA_EC_PARAMS, p11_curves[i].params.p, p11_curves[i].params.n);
        rv = generate_pair(c, m, p11_curves[i].keygen, &params, 1);
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
    CK_RV rv = p11_find(c, CKO_PRIVATE_KEY, m->uri.object.given ? NULL : &m->uri.id, &m->uri.object, h, &n);
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
    CK_ATTRIBUTE kind[] = {p11_attr(CKA_MODULUS_BITS, &bits, sizeof bits),
                           p11_attr(CKA_PUBLIC_EXPONENT, f4, sizeof f4)};
    return generate_pair(c, m, CKM_RSA_PKCS_KEY_PAIR_GEN, kind, 2);
}

bool key_p11_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out, struct err *e)
{
    struct making m = {.p11 = env ? env->p11 : NULL, .type = type};
    if (!key_p11_parse(env, ref, &m.uri, e))
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
            err_try(
                e,
                "set hsm_template to what the token wants, or make the key with the token's own tool and name it here");
        return err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(ref)));
    }
    return key_p11_open_uri(env->p11, &asked, ref, out, e);
}

static CK_RV destroy_op(struct p11_call *c, void *ctx)
{
    struct p11_key *k = ctx;
    CK_OBJECT_HANDLE private, pub[2];
    struct p11_uri_value id = {0};
    CK_ULONG n;
    CK_RV rv = p11_resolve(c, k, true, &private);
    if (rv == CKR_OK)
        rv = p11_get(c, private, CKA_ID, id.bytes, P11_URI_VALUE_MAX, &id.n);
    if (rv != CKR_OK)
        return rv;
    c->at = "C_DestroyObject";
    rv = c->f->C_DestroyObject(c->session, private);
    id.given = id.n > 0;
    if (rv == CKR_OK && p11_find(c, CKO_PUBLIC_KEY, &id, id.given ? NULL : &k->uri.object, pub, &n) == CKR_OK && n == 1)
        (void)c->f->C_DestroyObject(c->session, pub[0]);
    return rv;
}

bool key_p11_destroy(const struct key_env *env, const char *ref, struct err *e)
{
    struct p11_key k = {0};
    if (!key_p11_parse(env, ref, &k.uri, e))
        return false;
    pthread_mutex_init(&k.lock, NULL);
    bool ok = p11_run(env->p11, destroy_op, &k, e);
    pthread_mutex_destroy(&k.lock);
    return ok || err_ctx(e, "key \"%s\"", ERR_QUOTE(slice_str(ref)));
}
