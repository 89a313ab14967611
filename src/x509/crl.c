#include "x509/crl.h"

#include "core/crl_reason.h"
#include "core/der.h"
#include "core/oid.h"
#include "x509/alg.h"
#include "x509/cert.h"
#include "x509/name.h"
#include "x509/signed.h"

static bool bad_crl(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_CRL, "CRL: %s", what);
    return err_why(e, "%s", why);
}

static void read_number(struct reader *r, struct crl *c)
{
    struct slice n = der_uint(r);
    c->has_number = true;
    if (n.n > CERT_SERIAL_MAX)
        reader_fail(r);
    for (size_t i = 0; i < n.n; i++)
        c->number = n.n > 8 ? UINT64_MAX : c->number << 8 | n.p[i];
}

/* IssuingDistributionPoint (section 5.2.5): a full name with a URI, and no narrowing that a reader here could miss. */
static void read_idp(struct reader *r, struct crl *c)
{
    struct reader in = der_enter(r, DER_SEQUENCE), name;
    if (der_enter_optional(&in, DER_CONTEXT_CONS(0), &name)) {
        struct reader full = der_enter(&name, DER_CONTEXT_CONS(0));
        c->idp_uri = extension_get_uri(&full);
        der_leave(&name, &full);
        der_leave(&in, &name);
    }
    der_leave(r, &in);
}

static bool read_extension(const struct extension *x, struct crl *c)
{
    struct reader r = reader_of(x->value);
    if (slice_eq(x->oid, OID_CRL_NUMBER))
        read_number(&r, c);
    else if (slice_eq(x->oid, OID_AUTHORITY_KEY_ID))
        c->aki = extension_get_aki(&r);
    else if (slice_eq(x->oid, OID_ISSUING_DIST_POINT))
        read_idp(&r, c);
    else if (x->critical || slice_eq(x->oid, OID_DELTA_CRL))
        return false;
    else
        (void)reader_rest(&r);
    return reader_end(&r);
}

static void read_extensions(struct reader *tbs, struct crl *c)
{
    struct reader explicit;
    struct extension ext;
    if (!der_enter_optional(tbs, DER_CONTEXT_CONS(0), &explicit))
        return;
    struct extensions x = extensions_enter(&explicit);
    while (extensions_next(&x, &ext))
        if (!read_extension(&ext, c))
            reader_fail(&x.list);
    extensions_leave(&explicit, &x);
    der_leave(tbs, &explicit);
}

static bool read_tbs(struct reader *tbs, struct crl *c, struct slice *alg, struct err *e)
{
    int64_t version = der_peek(tbs) == DER_INTEGER ? der_int64(tbs) : 0;
    *alg = der_raw_as(tbs, DER_SEQUENCE);
    c->issuer = der_raw_as(tbs, DER_SEQUENCE);
    c->this_update = der_time(tbs);
    if (der_peek(tbs) == DER_UTC_TIME || der_peek(tbs) == DER_GENERALIZED_TIME)
        c->next_update = der_time(tbs);
    if (der_peek(tbs) == DER_SEQUENCE)
        c->entries = der_expect(tbs, DER_SEQUENCE);
    if (!reader_ok(tbs))
        return bad_crl(e, "malformed", "RFC 5280 section 5.1");
    read_extensions(tbs, c);
    if (!reader_end(tbs))
        return bad_crl(e, "an extension is malformed, comes twice, or is critical and not known",
                       "RFC 5280 section 5.2");
    if (version != 1)
        return bad_crl(e, "of a version that is not v2", "RFC 5280 section 5.1.2.1");
    if (!name_valid(c->issuer) || name_is_empty(c->issuer))
        return bad_crl(e, "the issuer is malformed", "RFC 5280 section 5.1.2.3");
    if (c->next_update && c->next_update < c->this_update)
        return bad_crl(e, "its next update lies before its update", "RFC 5280 section 5.1.2.5");
    return true;
}

bool crl_read(struct slice der, struct crl *out, struct err *e)
{
    struct crl c = {.der = der};
    struct signed_parts s;
    struct slice tbs_alg = {0};
    *out = (struct crl){0};
    if (der.n > CRL_MAX)
        return bad_crl(e, "longer than 1 GiB", "limit of this platform");
    if (!signed_read(der, &s))
        return bad_crl(e, "malformed, or bytes behind its end", "RFC 5280 section 5.1");
    if (!read_tbs(&s.inside, &c, &tbs_alg, e))
        return false;
    if (!slice_eq(s.alg, tbs_alg))
        return bad_crl(e, "names two signature algorithms", "RFC 5280 section 5.1.1.2");
    c.tbs = s.tbs;
    c.sig = s.sig;
    c.sig_alg = alg_from_id(s.alg);
    *out = c;
    return true;
}

static void read_entry_extensions(struct reader *entry, struct crl_entry *out)
{
    struct extensions x = extensions_enter(entry);
    struct extension ext;
    while (extensions_next(&x, &ext)) {
        if (slice_eq(ext.oid, OID_CRL_REASON)) {
            struct reader v = reader_of(ext.value);
            int64_t reason = der_int64_as(&v, DER_ENUMERATED);
            if (!reader_end(&v) || !crl_reason_is_known(reason))
                reader_fail(&x.list);
            out->reason = (int)reason;
        } else if (ext.critical) {
            reader_fail(&x.list); /* certificateIssuer of indirect lists, or something we do not know */
        }
    }
    extensions_leave(entry, &x);
}

bool crl_next(struct reader *r, struct crl_entry *out)
{
    struct crl_entry entry = {0};
    *out = entry;
    if (!reader_ok(r) || !reader_left(r))
        return false;
    struct reader in = der_enter(r, DER_SEQUENCE);
    entry.serial = der_uint(&in);
    entry.revoked_at = der_time(&in);
    if (reader_left(&in))
        read_entry_extensions(&in, &entry);
    if (entry.serial.n > CERT_SERIAL_MAX)
        reader_fail(&in);
    der_leave(r, &in);
    if (!reader_ok(r))
        return false;
    *out = entry;
    return true;
}

bool crl_find(const struct crl *crl, struct slice serial, struct crl_entry *found, bool *is_there, struct err *e)
{
    struct reader r = reader_of(crl->entries);
    struct crl_entry entry;
    *found = (struct crl_entry){0};
    *is_there = false;
    while (crl_next(&r, &entry)) {
        if (!slice_eq(entry.serial, serial))
            continue;
        *found = entry;
        *is_there = true;
        return true;
    }
    return reader_end(&r) || bad_crl(e, "an entry is malformed", "RFC 5280 section 5.3");
}

bool crl_verify(const struct crypto *c, const struct crl *crl, struct slice issuer_spki, struct err *e)
{
    struct err why = {0};
    if (signed_verify(c, crl->sig_alg, issuer_spki, crl->tbs, crl->sig, &why))
        return true;
    err_set(e, ERR_CRL_SIGNATURE, "the signature of the CRL of \"%s\" does not verify", NAME_QUOTE(crl->issuer));
    return err_why(e, "RFC 5280 section 6.3.3 (g): %s", why.what);
}
