#include "base/host.h"
#include "ca/profile.h"
#include "ca/profile_text.h"
#include "core/der.h"
#include "model/crl_place.h"
#include "model/serial.h"
#include "x509/name.h"

#define DEVICE_ID_LEN 30 /* "dev_" and 26 characters */

/* What one call works on. */
struct apply {
    const struct profile *p;
    const struct profile_facts *f;
    struct profile_work *work;
    struct cert_template *t;
    struct writer w; /* over work->buf */
    size_t san_n;
};

static struct slice since(const struct apply *a, size_t start)
{
    return slice_of(a->work->buf + start, a->w.n - start);
}

static bool check_key(const struct apply *a, struct slice spki, struct err *e)
{
    enum key_type type = key_type_of_spki(spki);
    if (type != KEY_NONE && a->p->key_types & 1u << type)
        return true;
    err_set(e, ERR_PROFILE_KEY, "the profile %s takes no %s key", a->p->name,
            type == KEY_NONE ? "such" : key_type_name(type));
    return err_try(e, "make a key of a kind that the profile names under \"keys\"");
}

/* A request may not carry the id of another device where people or gateways would read it. */
static bool check_csr_cn(const struct apply *a, struct err *e)
{
    struct slice cn = a->f->csr_cn;
    if (cn.n != DEVICE_ID_LEN || memcmp(cn.p, "dev_", 4) != 0 || slice_eq(cn, a->f->id))
        return true;
    err_set(e, ERR_PROFILE_SAN, "the request names the device \"%s\", which is another one", ERR_QUOTE(cn));
    return err_try(e, "leave the subject empty; the profile fills it");
}

static bool make_subject(struct apply *a, struct err *e)
{
    uint8_t text[NAME_TEXT_MAX];
    struct writer tw = WRITER_ARRAY(text);
    size_t start = a->w.n;
    if (!profile_text_expand(slice_str(a->p->subject), a->f, PROFILE_QUOTE_DN, &tw, e))
        return false;
    if (!name_write(&a->w, writer_slice(&tw), e)) {
        if (e)
            e->code = ERR_PROFILE_FACT;
        return err_ctx(e, "subject");
    }
    a->t->subject = since(a, start);
    return true;
}

static bool add_san(struct apply *a, const struct san *s, struct err *e)
{
    struct writer probe = writer_counting();
    san_put(&probe, s);
    if (!writer_ok(&probe)) {
        err_set(e, ERR_PROFILE_FACT, "\"%s\" cannot stand in an alternative name", ERR_QUOTE(s->value));
        return err_why(e, "RFC 5280 section 4.2.1.6");
    }
    if (a->san_n == PROFILE_SANS_MADE)
        return err_set(e, ERR_PROFILE_SAN, "more than %d alternative names", PROFILE_SANS_MADE);
    a->work->san[a->san_n++] = *s;
    return true;
}

static bool make_sans(struct apply *a, struct err *e)
{
    for (size_t i = 0; i < a->p->san_n; i++) {
        const struct profile_san *ps = &a->p->san[i];
        struct san s = {.type = ps->type};
        size_t start = a->w.n;
        enum profile_quoting q = ps->type == SAN_URI ? PROFILE_QUOTE_URI : PROFILE_QUOTE_NONE;
        if (!profile_text_expand(slice_str(ps->text), a->f, q, &a->w, e))
            return false;
        s.value = since(a, start);
        if (ps->type == SAN_HARDWARE_MODULE) {
            if (!a->f->hw_type.n) {
                err_set(e, ERR_PROFILE_FACT, "the model has no hardware type (object identifier)");
                return err_why(e, "IEEE 802.1AR-2018 section 8.10.4, RFC 4108 section 5");
            }
            s.hw_type = a->f->hw_type;
        }
        if (!add_san(a, &s, e))
            return false;
    }
    return true;
}

/* A name asked for: ours already, or of a kind that the profile takes from requests. */
static bool take_requested(struct apply *a, const struct san *s, struct err *e)
{
    static const struct slice reserved = {(const uint8_t *)"urn:kith:", 9};
    uint8_t text[320];
    struct writer tw = WRITER_ARRAY(text);
    for (size_t i = 0; i < a->san_n; i++)
        if (san_eq(&a->work->san[i], s))
            return true;
    bool own = s->type == SAN_URI && s->value.n >= reserved.n && memcmp(s->value.p, reserved.p, reserved.n) == 0;
    if (!own && a->p->san_request & 1u << s->type) {
        if (s->type == SAN_DNS && !host_check_name(s->value, e))
            return false;
        size_t start = a->w.n;
        writer_put(&a->w, s->value);
        struct san copy = {.type = s->type, .value = since(a, start)};
        return writer_ok(&a->w) ? add_san(a, &copy, e) : err_set(e, ERR_PROFILE_SAN, "the names are too long");
    }
    san_text(&tw, s);
    err_set(e, ERR_PROFILE_SAN, "the request asks for the name \"%s\", which is not this subject's",
            ERR_QUOTE(writer_slice(&tw)));
    return err_try(e, "leave the alternative names out; the profile %s sets them", a->p->name);
}

static bool take_csr_sans(struct apply *a, struct err *e)
{
    struct san asked[SAN_COUNT_MAX];
    size_t n;
    if (!a->f->csr_san.n)
        return true;
    if (!san_read(a->f->csr_san, asked, SAN_COUNT_MAX, &n, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!take_requested(a, &asked[i], e))
            return false;
    return true;
}

static bool set_validity(struct apply *a, const struct profile_issuer *issuer, int64_t now, struct err *e)
{
    const struct profile *p = a->p;
    int64_t s = a->f->validity_s ? a->f->validity_s : p->validity_s;
    if (s < 0 || (p->validity_max_s && s > p->validity_max_s)) {
        err_set(e, ERR_PROFILE_VALIDITY, "a validity of %lld s was asked for; the profile %s allows %lld s",
                (long long)s, p->name, (long long)p->validity_max_s);
        return err_try(e, "ask for less, or for none to get the usual one");
    }
    if (now < 0 || now >= issuer->not_after)
        return err_set(e, ERR_PROFILE_VALIDITY, "the issuing CA \"%s\" is at its end", NAME_QUOTE(issuer->subject));
    a->t->not_before = now > p->backdate_s ? now - p->backdate_s : 0;
    a->t->not_after = s == 0 || s > DER_TIME_NEVER - now ? DER_TIME_NEVER : now + s;
    if (a->t->not_after > issuer->not_after && !p->outlives_issuer)
        a->t->not_after = issuer->not_after;
    return true;
}

static bool set_crl_url(struct apply *a, const struct profile_issuer *issuer, struct err *e)
{
    size_t start = a->w.n;
    crl_url_put(&a->w, issuer->plain_url, issuer->node, shard_of(a->t->not_after));
    a->t->crl_url = since(a, start);
    return writer_ok(&a->w) || err_set(e, ERR_PROFILE_FACT, "the URL of the CRL is too long");
}

static bool set_rest(struct apply *a, const struct profile_issuer *issuer, struct slice spki, struct err *e)
{
    const struct profile *p = a->p;
    struct cert_template *t = a->t;
    enum key_type type = key_type_of_spki(spki);
    bool rsa = type == KEY_RSA2048 || type == KEY_RSA3072 || type == KEY_RSA4096;
    t->sig_alg = issuer->sig_alg;
    t->issuer = issuer->subject;
    t->aki = issuer->key_id;
    t->spki = spki;
    t->ski_method = p->subject_key_id ? SKI_SHA256 : SKI_NONE;
    /* RFC 8813 section 3: only RSA keys encipher keys. */
    t->key_usage = rsa ? p->key_usage : p->key_usage & ~(KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
    t->eku = p->eku;
    t->eku_critical = p->eku_critical;
    t->basic_constraints = p->basic_constraints;
    t->is_ca = p->is_ca;
    t->path_len = p->path_len;
    t->san = a->work->san;
    t->san_n = a->san_n;
    t->ocsp_no_check = p->ocsp_no_check;
    for (size_t i = 0; i < p->policies_n; i++)
        a->work->policies[i] = slice_of(p->policy_oids[i], p->policy_oid_n[i]);
    t->policies = a->work->policies;
    t->policies_n = p->policies_n;
    if (p->aia) {
        t->aia_ocsp = issuer->aia_ocsp;
        t->aia_issuers = issuer->aia_issuers;
    }
    return !p->crl_url || !issuer->plain_url || set_crl_url(a, issuer, e);
}

bool profile_apply(const struct profile *p, const struct profile_facts *f, struct slice spki,
                   const struct profile_issuer *issuer, int64_t now, struct cert_template *t, struct profile_work *work,
                   struct err *e)
{
    struct cert_template made = {0};
    struct apply a = {.p = p, .f = f, .work = work, .t = &made};
    *t = made;
    a.w = WRITER_ARRAY(work->buf);
    if (!check_key(&a, spki, e) || !check_csr_cn(&a, e) || !make_subject(&a, e) || !make_sans(&a, e) ||
        !take_csr_sans(&a, e) || !set_validity(&a, issuer, now, e) || !set_rest(&a, issuer, spki, e))
        return err_ctx(e, "profile %s", p->name);
    if (name_is_empty(made.subject) && !made.san_n)
        return err_set(e, ERR_PROFILE_FACT, "profile %s: neither subject nor alternative name", p->name);
    *t = made;
    return true;
}
