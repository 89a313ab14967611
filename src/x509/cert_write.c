#include "x509/cert.h"

#include "core/der.h"
#include "core/oid.h"
#include "keys/crypto.h"
#include "x509/name.h"
#include "x509/signed.h"

bool cert_key_id(const struct crypto *c, enum ski_method method, struct slice spki, uint8_t out[KEY_ID_SIZE])
{
    struct reader r = reader_of(spki), in = der_enter(&r, DER_SEQUENCE);
    uint8_t digest[SHA256_SIZE];
    (void)der_raw_as(&in, DER_SEQUENCE);
    struct slice bits = der_bits(&in);
    der_leave(&r, &in);
    memset(out, 0, KEY_ID_SIZE);
    if (!reader_end(&r) || method == SKI_NONE)
        return false;
    if (method == SKI_SHA1) {
        sha1_key_id(bits, out);
        return true;
    }
    c->sha256(&bits, 1, digest);
    memcpy(out, digest, KEY_ID_SIZE);
    return true;
}

static void put_key_ids(struct writer *w, const struct cert_template *t, const struct crypto *c)
{
    extension_put_aki(w, t->aki);
    if (t->ski_method != SKI_NONE) {
        uint8_t id[KEY_ID_SIZE];
        if (!cert_key_id(c, t->ski_method, t->spki, id))
            writer_fail(w);
        struct extension_mark x = extension_open(w, OID_SUBJECT_KEY_ID, false);
        der_put_octets(w, SLICE_ARRAY(id));
        extension_close(w, x);
    }
}

static void put_usage(struct writer *w, const struct cert_template *t)
{
    struct extension_mark x;
    if (t->basic_constraints) {
        x = extension_open(w, OID_BASIC_CONSTRAINTS, true);
        size_t seq = der_open(w, DER_SEQUENCE);
        if (t->is_ca)
            der_put_bool(w, true);
        if (t->is_ca && t->path_len >= 0)
            der_put_int(w, t->path_len);
        der_close(w, seq);
        extension_close(w, x);
    }
    if (t->key_usage) {
        x = extension_open(w, OID_KEY_USAGE, true);
        der_put_named_bits(w, t->key_usage);
        extension_close(w, x);
    }
    if (t->eku) {
        x = extension_open(w, OID_EXT_KEY_USAGE, t->eku_critical);
        eku_put(w, t->eku);
        extension_close(w, x);
    }
    if (t->ocsp_no_check) {
        x = extension_open(w, OID_OCSP_NOCHECK, false);
        der_put_null(w);
        extension_close(w, x);
    }
}

static void put_crl_url(struct writer *w, struct slice url)
{
    struct extension_mark x = extension_open(w, OID_CRL_DIST_POINTS, false);
    size_t points = der_open(w, DER_SEQUENCE), point = der_open(w, DER_SEQUENCE);
    extension_put_point(w, url);
    der_close(w, point);
    der_close(w, points);
    extension_close(w, x);
}

static void put_access(struct writer *w, struct slice method, struct slice url)
{
    if (!url.n)
        return;
    size_t seq = der_open(w, DER_SEQUENCE);
    der_put_oid(w, method);
    san_put(w, &(struct san){.type = SAN_URI, .value = url});
    der_close(w, seq);
}

static void put_urls(struct writer *w, const struct cert_template *t)
{
    if (t->crl_url.n)
        put_crl_url(w, t->crl_url);
    if (!t->aia_ocsp.n && !t->aia_issuers.n)
        return;
    struct extension_mark x = extension_open(w, OID_AUTHORITY_INFO_ACCESS, false);
    size_t seq = der_open(w, DER_SEQUENCE);
    put_access(w, OID_AD_OCSP, t->aia_ocsp);
    put_access(w, OID_AD_CA_ISSUERS, t->aia_issuers);
    der_close(w, seq);
    extension_close(w, x);
}

static void put_policies(struct writer *w, const struct cert_template *t)
{
    struct extension_mark x = extension_open(w, OID_CERT_POLICIES, false);
    size_t seq = der_open(w, DER_SEQUENCE);
    for (size_t i = 0; i < t->policies_n; i++) {
        size_t one = der_open(w, DER_SEQUENCE);
        der_put_oid(w, t->policies[i]);
        der_close(w, one);
    }
    der_close(w, seq);
    extension_close(w, x);
}

static void put_subtrees(struct writer *w, uint8_t tag, const struct san *s, size_t n)
{
    if (!n)
        return;
    size_t list = der_open(w, tag);
    for (size_t i = 0; i < n; i++) {
        size_t one = der_open(w, DER_SEQUENCE);
        if (s[i].type != SAN_DNS && s[i].type != SAN_RFC822 && s[i].type != SAN_URI)
            writer_fail(w);
        san_put(w, &s[i]);
        der_close(w, one);
    }
    der_close(w, list);
}

static void put_name_constraints(struct writer *w, const struct cert_template *t)
{
    struct extension_mark x = extension_open(w, OID_NAME_CONSTRAINTS, true);
    size_t seq = der_open(w, DER_SEQUENCE);
    put_subtrees(w, DER_CONTEXT_CONS(0), t->permitted, t->permitted_n);
    put_subtrees(w, DER_CONTEXT_CONS(1), t->excluded, t->excluded_n);
    der_close(w, seq);
    extension_close(w, x);
}

static void put_extensions(struct writer *w, const struct cert_template *t, const struct crypto *c)
{
    size_t explicit = der_open(w, DER_CONTEXT_CONS(3)), list = der_open(w, DER_SEQUENCE), start = w->n;
    put_key_ids(w, t, c);
    put_usage(w, t);
    if (t->san_n) {
        struct extension_mark x = extension_open(w, OID_SUBJECT_ALT_NAME, name_is_empty(t->subject));
        san_put_all(w, t->san, t->san_n);
        extension_close(w, x);
    }
    if (t->policies_n)
        put_policies(w, t);
    if (t->permitted_n || t->excluded_n)
        put_name_constraints(w, t);
    put_urls(w, t);
    if (w->n == start) /* SIZE (1..MAX): every certificate of ours has some */
        writer_fail(w);
    der_close(w, list);
    der_close(w, explicit);
}

static bool bad_template(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_TEMPLATE, "certificate to be made: %s", what);
    return err_why(e, "%s", why);
}

/* What would make a certificate that others refuse, or worse, misread. */
static bool check_template(const struct cert_template *t, struct err *e)
{
    if (!t->serial.n || t->serial.n > CERT_SERIAL_MAX || (t->serial.p[0] & 0x80 && t->serial.n == CERT_SERIAL_MAX))
        return bad_template(e, "serial number of 1 to 20 bytes is needed", "RFC 5280 section 4.1.2.2");
    if (t->serial.n == 1 && t->serial.p[0] == 0)
        return bad_template(e, "serial number is zero", "RFC 5280 section 4.1.2.2");
    if (!name_valid(t->issuer) || name_is_empty(t->issuer) || !name_valid(t->subject))
        return bad_template(e, "issuer or subject is not a name", "RFC 5280 section 4.1.2.4");
    if (name_is_empty(t->subject) && (!t->san_n || t->is_ca))
        return bad_template(e, "it names nobody", "RFC 5280 section 4.1.2.6");
    if (t->not_after < t->not_before)
        return bad_template(e, "it ends before it begins", "RFC 5280 section 4.1.2.5");
    if ((t->key_usage & KU_KEY_CERT_SIGN) && !t->is_ca)
        return bad_template(e, "keyCertSign without being a CA", "RFC 5280 section 4.2.1.3");
    if (t->is_ca && !t->basic_constraints)
        return bad_template(e, "a CA without basicConstraints", "RFC 5280 section 4.2.1.9");
    if (!t->is_ca && (t->permitted_n || t->excluded_n))
        return bad_template(e, "name constraints without being a CA", "RFC 5280 section 4.2.1.10");
    if (!alg_id(t->sig_alg).n)
        return bad_template(e, "signature algorithm not known", "RFC 5280 section 4.1.1.2");
    return true;
}

bool cert_build_tbs(const struct cert_template *t, const struct crypto *c, struct writer *w, struct err *e)
{
    if (!check_template(t, e))
        return false;
    size_t start = w->n, tbs = der_open(w, DER_SEQUENCE), in = der_open(w, DER_CONTEXT_CONS(0));
    der_put_int(w, 2); /* v3 */
    der_close(w, in);
    der_put_uint(w, t->serial);
    der_put_raw(w, alg_id(t->sig_alg));
    der_put_raw(w, t->issuer);
    in = der_open(w, DER_SEQUENCE);
    der_put_time(w, t->not_before);
    der_put_time(w, t->not_after);
    der_close(w, in);
    der_put_raw(w, t->subject);
    der_put_raw(w, t->spki);
    put_extensions(w, t, c);
    der_close(w, tbs);
    if (!writer_ok(w) || w->n - start > CERT_MAX - 1024)
        return bad_template(e, "a part that cannot be encoded, or too large", "RFC 5280 section 4.1");
    return true;
}

bool cert_assemble(struct slice tbs, enum sig_alg alg, struct slice sig, struct writer *w, struct err *e)
{
    return signed_assemble(tbs, alg, sig, w, e);
}

bool cert_issue(const struct cert_template *t, const struct crypto *c, const struct signer *s, struct writer *w,
                struct err *e)
{
    uint8_t buf[CERT_MAX];
    struct writer tbs = WRITER_ARRAY(buf);
    if (t->sig_alg != s->alg)
        return bad_template(e, "its algorithm is not the signer's", "RFC 5280 section 4.1.1.2");
    return cert_build_tbs(t, c, &tbs, e) && signed_write(writer_slice(&tbs), s, w, e);
}
