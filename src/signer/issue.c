/* Certificates: the authority is checked, the profile applied, the serial given out, the certificate built and signed here.
 * Nothing of the caller's is signed as it came. */
#include "base/crash_point.h"
#include "base/rfc3339.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "signer/domain.h"
#include "x509/name.h"
#include "x509/san.h"

#define CERT_DER_MAX 4096
#define NEW_TOKEN    "a new token, from who runs the platform"

static const struct {
    enum authority_kind kind;
    uint32_t by;
} authorities[] = {
    {AUTHORITY_CLAIM, PROFILE_BY_CLAIM},
    {AUTHORITY_IDEVID, PROFILE_BY_IDEVID},
    {AUTHORITY_RENEWAL, PROFILE_BY_RENEWAL},
    {AUTHORITY_SERVER, PROFILE_BY_SERVER},
    {AUTHORITY_OPERATOR,
     PROFILE_BY_ADMIN | PROFILE_BY_SECURITY | PROFILE_BY_FACTORY | PROFILE_BY_RELEASE | PROFILE_BY_DATA},
};

static uint32_t authority_bits(enum authority_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(authorities); i++)
        if (authorities[i].kind == kind)
            return authorities[i].by;
    return 0;
}

static struct slice fact(const struct issue_request *r, const char *name)
{
    for (size_t i = 0; i < r->facts_n; i++)
        if (slice_eq(r->facts[i].name, slice_str(name)))
            return r->facts[i].value;
    return (struct slice){0};
}

static bool check_claim(struct domain *d, const struct issue_request *r, struct err *e)
{
    const struct authority *a = &r->authority;
    char text[CLAIM_TEXT_SIZE + 1];
    claim_derive(SLICE_ARRAY(d->claim_key), fact(r, "id"), a->nonce, a->expires_at, hmac_sha256, text);
    if (a->nonce.n != CLAIM_NONCE_SIZE || a->claim.n != CLAIM_TEXT_SIZE || !slice_eq_ct(slice_str(text), a->claim))
        return err_set(e, ERR_AUTHORITY, "the claim is not one that this signer gave to \"%s\"",
                       ERR_QUOTE(fact(r, "id"))) ||
               err_try(e, NEW_TOKEN);
    if (domain_clock(d) > a->expires_at)
        return err_set(e, ERR_AUTHORITY, "the claim expired at %s", RFC3339(a->expires_at)) || err_try(e, NEW_TOKEN);
    return true;
}

/* The certificate that is renewed is ours, good, and not too old for the profile. */
static bool check_renewal(struct domain *d, const struct profile *p, const struct issue_request *r, struct cert *old,
                          struct err *e)
{
    struct serial s;
    if (!cert_read(r->authority.certificate, old, e) || !cert_verify(d->crypto, old, d->ca.spki, e) ||
        !serial_get(old->serial, ISSUER_ISSUING, &s, e))
        return err_ctx(e, "renewal");
    const struct shard *shard = shards_find(&d->shards, s.node, s.shard);
    if (!shard || s.index >= shard->universe || !serial_is_ours(d, &s)) {
        err_set(e, ERR_AUTHORITY, "renewal: a serial number that was never given out");
    } else if (bits_has(&shard->revoked, s.index) || bits_has(&shard->held, s.index)) {
        err_set(e, ERR_AUTHORITY, "renewal: the certificate is revoked or on hold");
    } else if (domain_clock(d) - old->not_after > (int64_t)p->renew_expired_days * 86400) {
        err_set(e, ERR_AUTHORITY, "renewal: the certificate expired at %s", RFC3339(old->not_after));
        err_why(e, "profile %s lets one be renewed for %d days after that (renew-expired-days)", p->name,
                p->renew_expired_days);
    } else {
        return true;
    }
    return err_try(e, NEW_TOKEN);
}

static bool has_san(const struct san *v, size_t n, const struct san *s)
{
    for (size_t i = 0; i < n; i++)
        if (san_eq(&v[i], s))
            return true;
    return false;
}

/* A renewal is of the same subject and gives no right that the old certificate had not: the profile's own name for the kind
 * of subject (urn:kith:...) is among the names, so that a device's certificate does not become an operator's. */
static bool check_same(const struct cert *old, const struct cert_template *t, struct err *e)
{
    struct san had[SAN_COUNT_MAX];
    size_t n = 0;
    if (!slice_eq(old->subject, t->subject)) {
        err_set(e, ERR_AUTHORITY, "renewal: the certificate is \"%s\"'s, not \"%s\"'s", NAME_QUOTE(old->subject),
                NAME_QUOTE(t->subject));
        return err_why(e, "RFC 7030 section 4.2.2: subject and alternative names stay what they were");
    }
    if (old->san.n && !san_read(old->san, had, SAN_COUNT_MAX, &n, e))
        return err_ctx(e, "renewal");
    for (size_t i = 0; i < t->san_n; i++) {
        if (has_san(had, n, &t->san[i]))
            continue;
        err_set(e, ERR_AUTHORITY, "renewal: the certificate has no name \"%s\"", ERR_QUOTE(t->san[i].value));
        return err_why(e, "RFC 7030 section 4.2.2: subject and alternative names stay what they were");
    }
    return (t->eku & ~old->eku) == 0 ||
           err_set(e, ERR_AUTHORITY, "renewal: the certificate has fewer extended key usages");
}

static bool check_authority(struct domain *d, const struct profile *p, const struct issue_request *r, struct cert *old,
                            struct err *e)
{
    if (p->is_ca || p->key_usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) {
        err_set(e, ERR_AUTHORITY, "profile %s makes a CA", p->name);
        return err_why(e, "nobody but the root makes a CA as long as the signer cannot check itself who approved it");
    }
    uint32_t by = authority_bits(r->authority.kind);
    if (!(p->by & by)) {
        err_set(e, ERR_AUTHORITY, "profile %s is not given on this authority", p->name);
        return err_why(e, "`for` in the profile's file says on whose word");
    }
    switch (r->authority.kind) {
    case AUTHORITY_CLAIM:
        return check_claim(d, r, e);
    case AUTHORITY_RENEWAL:
        return check_renewal(d, p, r, old, e);
    case AUTHORITY_IDEVID:
    case AUTHORITY_OPERATOR:
    case AUTHORITY_SERVER:
        return true;
    }
    return err_set(e, ERR_AUTHORITY, "no authority");
}

static bool check_rate(struct domain *d, struct err *e)
{
    int64_t minute = env_mono_ms(d->env) / 60000;
    if (minute != d->rate_window) {
        d->rate_window = minute;
        d->rate_count = 0;
    }
    if (d->rate_count++ < d->roster.rate_per_minute)
        return true;
    return err_set(e, ERR_RATE, "%lld certificates were signed in this minute", (long long)d->roster.rate_per_minute);
}

static void facts_of(const struct issue_request *r, struct profile_facts *f, struct profile_tag tags[FACTS_MAX])
{
    *f = (struct profile_facts){.id = fact(r, "id"),
                                .model = fact(r, "model"),
                                .serial = fact(r, "serial"),
                                .owner = fact(r, "owner"),
                                .name = fact(r, "name"),
                                .hw_type = fact(r, "hw_type"),
                                .csr_cn = fact(r, "csr.cn"),
                                .csr_san = r->csr_san,
                                .tags = tags};
    for (size_t i = 0; i < r->facts_n; i++)
        if (r->facts[i].name.n > 4 && memcmp(r->facts[i].name.p, "tag:", 4) == 0)
            tags[f->tags_n++] = (struct profile_tag){.name = slice_of(r->facts[i].name.p + 4, r->facts[i].name.n - 4),
                                                     .value = r->facts[i].value};
}

static bool allocate_serial(struct domain *d, struct cert_template *t, uint8_t out[SERIAL_SIZE], struct err *e)
{
    struct serial s = {.issuer = ISSUER_ISSUING, .node = (uint8_t)d->settings->node, .shard = shard_of(t->not_after)};
    struct shard *shard = shards_need(&d->shards, s.node, s.shard);
    if (!shard)
        return err_set(e, ERR_NOMEM, "shard");
    if (shard->universe == UINT32_MAX)
        return err_set(e, ERR_LIMIT, "shard %04x is full", s.shard);
    s.index = shard->universe++;
    shard->stale = true;
    serial_fill_tail(d, &s);
    serial_put(&s, out);
    t->serial = slice_of(out, SERIAL_SIZE);
    return true;
}

static bool record_cert(struct domain *d, const struct issue_request *r, struct slice der, struct err *e)
{
    uint8_t record[CERT_DER_MAX + 256], ref[SHA256_SIZE], credential[SHA256_SIZE];
    struct writer w = WRITER_ARRAY(record);
    struct slice shown = r->authority.nonce.n ? r->authority.nonce : r->authority.certificate;
    sha256(der, ref);
    sha256(shown, credential);
    cbor_put_array(&w, 7);
    cbor_put_uint(&w, JOURNAL_CERT);
    cbor_put_int(&w, domain_now(d));
    cbor_put_bstr(&w, der);
    cbor_put_uint(&w, r->authority.kind);
    cbor_put_bstr(&w, shown.n ? SLICE_ARRAY(credential) : (struct slice){0});
    cbor_put_tstr(&w, r->profile);
    cbor_put_tstr(&w, fact(r, "id"));
    if (!writer_ok(&w))
        return err_set(e, ERR_LIMIT, "a certificate or names that are too long");
    return domain_record(d, writer_slice(&w), ref, e);
}

static bool issue(struct domain *d, const struct issue_request *r, struct writer *der, struct err *e)
{
    const struct profile *p = roster_profile(&d->roster, r->profile);
    if (!p)
        return err_set(e, ERR_PROFILE_UNKNOWN, "profile \"%s\"", ERR_QUOTE(r->profile));
    struct cert old;
    /* The server's own goes on, so that it can say what is wrong. */
    if ((r->authority.kind != AUTHORITY_SERVER && (!domain_check_clock(d, e) || !domain_check_root(d, e))) ||
        !check_authority(d, p, r, &old, e) || !check_rate(d, e))
        return false;
    struct profile_facts f;
    struct profile_tag tags[FACTS_MAX];
    struct profile_work work;
    struct cert_template t;
    uint8_t serial[SERIAL_SIZE];
    facts_of(r, &f, tags);
    if (!profile_apply(p, &f, r->spki, &d->issuer, domain_clock(d), &t, &work, e) ||
        (r->authority.kind == AUTHORITY_RENEWAL && !check_same(&old, &t, e)) || !allocate_serial(d, &t, serial, e))
        return false;
    struct signer signer = key_signer(d->ca_key);
    if (!cert_issue(&t, d->crypto, &signer, der, e))
        return false;
    crash_point("signer.signed");
    return record_cert(d, r, writer_slice(der), e);
}

bool signer_issue(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    struct issue_request req;
    issue_request_get(r, &req);
    if (n != 5 || !reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a request for a certificate that is malformed");
    uint8_t der[CERT_DER_MAX], answer[CERT_DER_MAX + 32];
    struct writer w = WRITER_ARRAY(der), a = WRITER_ARRAY(answer);
    if (!issue(d, &req, &w, e)) {
        d->refused++;
        return false;
    }
    d->issued++;
    answer_put(&a, id, 1);
    cbor_put_bstr(&a, writer_slice(&w));
    buf_put(out, writer_slice(&a));
    return true;
}

bool signer_claim(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    struct slice device = cbor_get_tstr(r), nonce = cbor_get_bstr_n(r, CLAIM_NONCE_SIZE);
    int64_t expires_at = cbor_get_int(r);
    if (n != 3 || !reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a request for a claim that is malformed");
    char text[CLAIM_TEXT_SIZE + 1];
    claim_derive(SLICE_ARRAY(d->claim_key), device, nonce, expires_at, hmac_sha256, text);
    uint8_t answer[128];
    struct writer a = WRITER_ARRAY(answer);
    answer_put(&a, id, 1);
    cbor_put_tstr(&a, slice_str(text));
    buf_put(out, writer_slice(&a));
    return text[0] || err_set(e, ERR_SIGNER_PROTOCOL, "a device's id of %zu bytes", device.n);
}
