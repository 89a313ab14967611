/* Certificates, requests and revocation lists for `kith inspect`. */
#include "cli/view.h"
#include "core/crl_reason.h"
#include "core/der.h"
#include "keys/crypto.h"
#include "keys/spki.h"
#include "model/device.h"
#include "x509/cert.h"
#include "x509/crl.h"
#include "x509/csr.h"
#include "x509/name.h"
#include "x509/oid_text.h"

static void put_words(struct view *v, const char *key, uint32_t set, const char *const *names,
                      uint32_t (*from_name)(struct slice))
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1024);
    for (size_t i = 0; names[i]; i++)
        if (set & from_name(slice_str(names[i])))
            buf_printf(&b, "%s%s", b.n ? ", " : "", names[i]);
    if (b.n)
        view_put_text(v, key, buf_str(&b));
}

static void put_san(struct view *v, struct slice general_names)
{
    struct san san[SAN_COUNT_MAX];
    size_t n = 0;
    uint8_t text[4096];
    struct writer w = WRITER_ARRAY(text);
    struct err ignored;
    if (!general_names.n || !san_read(general_names, san, SAN_COUNT_MAX, &n, &ignored))
        return;
    for (size_t i = 0; i < n; i++) {
        writer_put(&w, i ? SLICE_LIT(", ") : SLICE_LIT(""));
        san_text(&w, &san[i]);
    }
    view_put_slice(v, "names", writer_slice(&w));
}

static void put_key(struct view *v, struct slice spki)
{
    struct spki key;
    struct err e;
    const char *name = key_type_name(key_type_of_spki(spki));
    if (!spki_read(spki, &key, &e))
        view_put_text(v, "key", e.what);
    else if (key.family == SPKI_RSA)
        view_put_int(v, "rsa bits", key.rsa_bits);
    else
        view_put_text(v, "key", name ? name : "unknown");
    uint8_t digest[SHA256_SIZE];
    sha256(spki, digest);
    view_put_bytes(v, "key sha256", SLICE_ARRAY(digest));
}

bool view_public_key(struct view *v, struct slice der)
{
    struct spki key;
    struct err e;
    if (!spki_read(der, &key, &e))
        return false;
    view_put_text(v, "type", "public key");
    put_key(v, der);
    return true;
}

/* ---- X.509 ---- */

bool view_cert(struct view *v, struct slice der)
{
    struct cert c;
    struct err e;
    if (!cert_read(der, &c, &e))
        return false;
    view_put_text(v, "type", "certificate");
    view_put_name(v, "subject", c.subject);
    view_put_name(v, "issuer", c.issuer);
    view_put_bytes(v, "serial", c.serial);
    view_put_time(v, "not before", c.not_before);
    if (c.not_after == DER_TIME_NEVER)
        view_put_text(v, "not after", "never (99991231235959Z)");
    else
        view_put_time(v, "not after", c.not_after);
    put_key(v, c.spki);
    view_put_text(v, "signed with", c.sig_alg ? alg_name(c.sig_alg) : "an algorithm that is not known");
    put_san(v, c.san);
    if (c.is_ca && c.path_len >= 0)
        view_put_int(v, "ca path length", c.path_len);
    else if (c.is_ca)
        view_put_text(v, "ca path length", "any");
    put_words(v, "key usage", c.key_usage, ku_names, ku_from_name);
    put_words(v, "ext key usage", c.eku, eku_names, eku_from_name);
    if (c.crl_url.n)
        view_put_slice(v, "crl", c.crl_url);
    if (cert_is_self_issued(&c))
        view_put_verdict(v, "self-signature", cert_verify(&crypto_openssl, &c, c.spki, &e), &e);
    view_put_digest(v, der);
    return true;
}

bool view_csr(struct view *v, struct slice der)
{
    struct csr c;
    struct err e;
    if (!csr_read(der, &c, &e))
        return false;
    view_put_text(v, "type", "certificate request");
    view_put_name(v, "subject", c.subject);
    put_key(v, c.spki);
    put_san(v, c.san);
    put_words(v, "key usage", c.key_usage, ku_names, ku_from_name);
    put_words(v, "ext key usage", c.eku, eku_names, eku_from_name);
    if (c.challenge.n)
        view_put_text(v, "challenge", "(there is one; not shown)");
    view_put_verdict(v, "possession", csr_verify(&crypto_openssl, &c, &e), &e);
    view_put_digest(v, der);
    return true;
}

static void put_revoked(struct view *v, const struct crl *c)
{
    struct reader r = reader_of(c->entries);
    struct crl_entry en;
    size_t n = 0;
    if (v->json)
        json_out_list(&v->o, "revoked");
    for (; crl_next(&r, &en); n++) {
        if (n >= ENTRIES_MAX)
            continue;
        if (v->json)
            json_out_map(&v->o, NULL);
        view_put_bytes(v, "serial", en.serial);
        view_put_time(v, v->json ? "at" : "  at", en.revoked_at);
        view_put_text(v, v->json ? "reason" : "  reason", crl_reason_name(en.reason));
        if (v->json)
            json_out_end(&v->o);
    }
    if (v->json)
        json_out_end(&v->o);
    view_put_int(v, "entries", (int64_t)n);
    if (!reader_end(&r))
        view_put_text(v, "fault", "an entry is malformed");
}

bool view_crl(struct view *v, struct slice der)
{
    struct crl c;
    struct err e;
    if (!crl_read(der, &c, &e))
        return false;
    view_put_text(v, "type", "certificate revocation list");
    view_put_name(v, "issuer", c.issuer);
    view_put_time(v, "this update", c.this_update);
    if (c.next_update)
        view_put_time(v, "next update", c.next_update);
    if (c.has_number)
        view_put_int(v, "number", (int64_t)c.number);
    if (c.idp_uri.n)
        view_put_slice(v, "covers", c.idp_uri);
    view_put_text(v, "signed with", c.sig_alg ? alg_name(c.sig_alg) : "an algorithm that is not known");
    put_revoked(v, &c);
    view_put_digest(v, der);
    return true;
}
