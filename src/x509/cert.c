#include "x509/cert.h"

#include "core/der.h"
#include "core/oid.h"
#include "x509/name.h"
#include "x509/signed.h"

#define VERSION_3 2

static bool bad_cert(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_CERT, "certificate: %s", what);
    return err_why(e, "%s", why);
}

/* ---- extensions ---- */

static void read_basic_constraints(struct reader *r, struct cert *c, bool critical)
{
    struct reader in = der_enter(r, DER_SEQUENCE);
    (void)critical;
    c->is_ca = der_bool_default_false(&in);
    if (reader_left(&in)) {
        int64_t n = der_int64(&in);
        if (!c->is_ca || n < 0 || n > 255)
            reader_fail(&in);
        c->path_len = (int)n;
    }
    der_leave(r, &in);
}

static void read_key_usage(struct reader *r, struct cert *c, bool critical)
{
    (void)critical;
    c->key_usage = der_named_bits(r);
    c->has_key_usage = true;
}

static void read_eku(struct reader *r, struct cert *c, bool critical)
{
    (void)critical;
    c->eku = eku_read(r);
    c->has_eku = true;
}

static void read_san(struct reader *r, struct cert *c, bool critical)
{
    struct reader look = *r, in = der_enter(&look, DER_SEQUENCE);
    struct san s;
    if (!reader_left(&in))
        reader_fail(r);
    while (san_next(&in, &s))
        ;
    if (!reader_end(&in))
        reader_fail(r);
    c->san = der_raw_as(r, DER_SEQUENCE);
    c->san_critical = critical;
}

static void read_ski(struct reader *r, struct cert *c, bool critical)
{
    (void)critical;
    c->ski = der_octets(r);
}

static void read_aki(struct reader *r, struct cert *c, bool critical)
{
    (void)critical;
    c->aki = extension_get_aki(r);
}

static void read_name_constraints(struct reader *r, struct cert *c, bool critical)
{
    (void)critical;
    c->name_constraints = der_raw_as(r, DER_SEQUENCE);
}

/* DistributionPoint: [0] { [0] fullName { [6] URI ... } }; others are passed over. */
static void read_crl_points(struct reader *r, struct cert *c, bool critical)
{
    struct reader points = der_enter(r, DER_SEQUENCE);
    (void)critical;
    while (reader_left(&points)) {
        struct reader point = der_enter(&points, DER_SEQUENCE), name, full;
        if (der_enter_optional(&point, DER_CONTEXT_CONS(0), &name)) {
            if (der_enter_optional(&name, DER_CONTEXT_CONS(0), &full)) {
                struct slice uri = extension_get_uri(&full);
                c->crl_url = c->crl_url.n ? c->crl_url : uri;
                der_leave(&name, &full);
            } else {
                (void)der_raw(&name);
            }
            der_leave(&point, &name);
        }
        while (reader_left(&point))
            (void)der_raw(&point);
        der_leave(&points, &point);
    }
    der_leave(r, &points);
}

/* Known, and without effect on what Kith decides (policies matter only with policyConstraints, which are not known). */
static void read_any(struct reader *r, struct cert *c, bool critical)
{
    (void)c;
    (void)critical;
    (void)der_raw(r);
}

static const struct ext_row {
    struct slice oid;
    void (*read)(struct reader *r, struct cert *c, bool critical);
} ext_rows[] = {
    {OID_BASIC_CONSTRAINTS, read_basic_constraints},
    {OID_KEY_USAGE, read_key_usage},
    {OID_EXT_KEY_USAGE, read_eku},
    {OID_SUBJECT_ALT_NAME, read_san},
    {OID_SUBJECT_KEY_ID, read_ski},
    {OID_AUTHORITY_KEY_ID, read_aki},
    {OID_NAME_CONSTRAINTS, read_name_constraints},
    {OID_CRL_DIST_POINTS, read_crl_points},
    {OID_CERT_POLICIES, read_any},
};

static bool read_extension(const struct extension *x, struct cert *c, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(ext_rows); i++) {
        if (!slice_eq(ext_rows[i].oid, x->oid))
            continue;
        struct reader r = reader_of(x->value);
        ext_rows[i].read(&r, c, x->critical);
        if (!reader_end(&r))
            return bad_cert(e, "an extension is malformed", "RFC 5280 section 4.2.1");
        return true;
    }
    if (x->critical && !c->unknown_critical.n)
        c->unknown_critical = x->oid;
    return true;
}

static bool read_extensions(struct cert *c, struct err *e)
{
    struct reader r = reader_of(c->exts);
    struct extensions x = extensions_enter(&r);
    struct extension ext;
    while (extensions_next(&x, &ext))
        if (!read_extension(&ext, c, e))
            return false;
    extensions_leave(&r, &x);
    if (!reader_end(&r) || x.n == 0)
        return bad_cert(e, "the extensions are malformed, none, more than 32, or one comes twice",
                        "RFC 5280 section 4.2");
    return true;
}

/* ---- the certificate ---- */

static bool read_tbs(struct reader *tbs, struct cert *c, struct slice *alg, struct err *e)
{
    struct reader in;
    int64_t version = 0;
    if (der_enter_optional(tbs, DER_CONTEXT_CONS(0), &in)) {
        version = der_int64(&in);
        der_leave(tbs, &in);
    }
    c->serial = der_uint(tbs);
    *alg = der_raw_as(tbs, DER_SEQUENCE);
    c->issuer = der_raw_as(tbs, DER_SEQUENCE);
    in = der_enter(tbs, DER_SEQUENCE);
    c->not_before = der_time(&in);
    c->not_after = der_time(&in);
    der_leave(tbs, &in);
    c->subject = der_raw_as(tbs, DER_SEQUENCE);
    c->spki = der_raw_as(tbs, DER_SEQUENCE);
    if (der_peek(tbs) == DER_CONTEXT(1)) /* unique identifiers of 1993 */
        (void)der_raw(tbs);
    if (der_peek(tbs) == DER_CONTEXT(2))
        (void)der_raw(tbs);
    bool has_exts = der_enter_optional(tbs, DER_CONTEXT_CONS(3), &in);
    if (has_exts) {
        c->exts = der_raw_as(&in, DER_SEQUENCE);
        der_leave(tbs, &in);
    }
    if (!reader_end(tbs))
        return bad_cert(e, "malformed", "RFC 5280 section 4.1");
    if (version < 0 || version > VERSION_3 || (has_exts && version != VERSION_3))
        return bad_cert(e, "of a version that is not taken", "RFC 5280 section 4.1.2.1");
    if (c->serial.n > CERT_SERIAL_MAX)
        return bad_cert(e, "the serial number is longer than 20 bytes", "RFC 5280 section 4.1.2.2");
    if (!name_valid(c->issuer) || !name_valid(c->subject) || name_is_empty(c->issuer))
        return bad_cert(e, "a name in it is malformed", "RFC 5280 section 4.1.2.4");
    if (c->not_after < c->not_before)
        return bad_cert(e, "it ends before it begins", "RFC 5280 section 4.1.2.5");
    return !has_exts || read_extensions(c, e);
}

bool cert_read(struct slice der, struct cert *out, struct err *e)
{
    struct cert c = {.der = der, .path_len = -1};
    *out = (struct cert){0};
    if (der.n > CERT_MAX)
        return bad_cert(e, "longer than 16 KiB", "limit of this platform");
    struct signed_parts s;
    struct slice tbs_alg = {0};
    if (!signed_read(der, &s))
        return bad_cert(e, "malformed, or bytes behind its end", "RFC 5280 section 4.1");
    if (!read_tbs(&s.inside, &c, &tbs_alg, e))
        return false;
    if (!slice_eq(s.alg, tbs_alg))
        return bad_cert(e, "names two signature algorithms", "RFC 5280 section 4.1.1.2");
    c.tbs = s.tbs;
    c.sig = s.sig;
    c.sig_alg = alg_from_id(s.alg);
    *out = c;
    return true;
}

bool cert_verify(const struct crypto *c, const struct cert *cert, struct slice issuer_spki, struct err *e)
{
    struct err why = {0};
    if (signed_verify(c, cert->sig_alg, issuer_spki, cert->tbs, cert->sig, &why))
        return true;
    if (err_class_of(why.code) == ERR_CLASS_POLICY) {
        if (e)
            *e = why;
        return err_ctx(e, "certificate of \"%s\"", NAME_QUOTE(cert->subject));
    }
    err_set(e, ERR_CERT_SIGNATURE, "the signature of the certificate of \"%s\" does not verify",
            NAME_QUOTE(cert->subject));
    return err_why(e, "RFC 5280 section 6.1.3 (a)(1): %s", why.what);
}

bool cert_is_self_issued(const struct cert *c)
{
    return slice_eq(c->issuer, c->subject);
}

bool cert_allows(const struct cert *c, uint32_t key_usage, uint32_t eku)
{
    if (c->has_key_usage && (c->key_usage & key_usage) != key_usage)
        return false;
    return !c->has_eku || (c->eku & EKU_ANY) || (c->eku & eku) == eku;
}
