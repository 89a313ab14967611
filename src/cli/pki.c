#include "cli/pki.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec.h"
#include "core/utf8.h"
#include "keys/crypto.h"
#include "model/crl_place.h"
#include "model/serial.h"
#include "x509/crl.h"
#include "x509/name.h"

#define YEAR_S INT64_C(31557600)
/* Certificates of devices are backdated by a day for slow clocks; their issuers have to be valid then. */
#define BACKDATE_S (2 * 86400)
#define URL_MAX    300

bool pki_name_check(const char *name, struct err *e)
{
    struct slice s = slice_str(name);
    bool plain = utf8_valid(s);
    for (size_t i = 0; plain && i < s.n; i++) {
        bool c1 = s.p[i] == 0xc2 && s.p[i + 1] < 0xa0; /* U+0080 to U+009F */
        plain = s.p[i] >= ' ' && s.p[i] != 0x7f && !c1;
    }
    if (plain)
        return true;
    err_set(e, ERR_OPTION, "--name: \"%s\" has control characters, or is not UTF-8", ERR_QUOTE(s));
    err_why(e, "it stands in the CA certificates for good, and whoever shows them shows it");
    return err_try(e, "--name \"Acme, Inc.\"");
}

bool pki_ca_name(const char *name, const char *role, struct writer *w, struct err *e)
{
    uint8_t text[NAME_TEXT_MAX];
    struct writer t = WRITER_ARRAY(text);
    struct slice s;
    writer_put(&t, SLICE_LIT("CN="));
    name_escape(&t, slice_str(name));
    writer_u8(&t, ' ');
    writer_put(&t, slice_str(role));
    writer_put(&t, SLICE_LIT(", O="));
    name_escape(&t, slice_str(name));
    if (!writer_done(&t, &s))
        return err_set(e, ERR_DN, "the name \"%s\" is too long", ERR_QUOTE(slice_str(name)));
    return name_write(w, s, e);
}

static bool make_serial(int64_t not_after, bool own, const struct env *env, uint8_t out[SERIAL_SIZE], struct err *e)
{
    struct serial s = {.issuer = ISSUER_ROOT, .node = 1, .shard = shard_of(not_after)};
    if (!env_random(env, s.tail, sizeof s.tail, e) || !env_random(env, &s.index, sizeof s.index, e))
        return false;
    s.index = own ? 0 : s.index | 1;
    serial_put(&s, out);
    return true;
}

static bool issue(struct cert_template *t, struct key *root, bool own, const struct env *env, struct buf *der,
                  struct err *e)
{
    uint8_t serial[SERIAL_SIZE], out[CERT_MAX];
    struct writer w = WRITER_ARRAY(out);
    struct signer signer = key_signer(root);
    struct slice s;
    if (!make_serial(t->not_after, own, env, serial, e))
        return false;
    t->serial = SLICE_ARRAY(serial);
    t->sig_alg = signer.alg;
    t->ski_method = SKI_SHA256;
    t->basic_constraints = t->is_ca = true;
    if (!cert_issue(t, &crypto_openssl, &signer, &w, e))
        return false;
    if (!writer_done(&w, &s))
        return err_set(e, ERR_INTERNAL, "certificate larger than its buffer");
    buf_put(der, s);
    return buf_done(der, &s, e);
}

bool pki_make_root(struct key *root, const char *name, int64_t years, const struct env *env, struct buf *der,
                   struct err *e)
{
    uint8_t subject[NAME_DER_MAX], key_id[KEY_ID_SIZE];
    struct writer w = WRITER_ARRAY(subject);
    if (!pki_ca_name(name, "Root CA", &w, e))
        return false;
    if (!cert_key_id(&crypto_openssl, SKI_SHA256, key_get0_spki(root), key_id))
        return err_set(e, ERR_INTERNAL, "no key identifier");
    int64_t now = env_now_s(env);
    struct cert_template t = {.issuer = writer_slice(&w),
                              .subject = writer_slice(&w),
                              .not_before = now - BACKDATE_S,
                              .not_after = now + years * YEAR_S,
                              .spki = key_get0_spki(root),
                              .aki = SLICE_ARRAY(key_id),
                              .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN,
                              .path_len = -1};
    return issue(&t, root, true, env, der, e);
}

bool pki_make_issuing(struct key *root, const struct cert *root_cert, struct slice subject, struct slice spki,
                      const char *plain_url, int64_t years, const struct env *env, struct buf *der, struct err *e)
{
    char crl[URL_MAX] = "", issuers[URL_MAX] = "";
    if (plain_url && *plain_url) {
        snprintf(crl, sizeof crl, "%s" CRL_PATH CRL_ROOT_NAME, plain_url);
        snprintf(issuers, sizeof issuers, "%s/ca/root.cer", plain_url);
    }
    int64_t now = env_now_s(env), end = now + years * YEAR_S;
    if (now > root_cert->not_after || now < root_cert->not_before)
        return err_set(e, ERR_CHAIN_TIME, "the root is not valid now (%lld)", (long long)now);
    struct cert_template t = {.issuer = root_cert->subject,
                              .subject = subject,
                              .not_before =
                                  now - BACKDATE_S > root_cert->not_before ? now - BACKDATE_S : root_cert->not_before,
                              .not_after = end < root_cert->not_after ? end : root_cert->not_after,
                              .spki = spki,
                              .aki = root_cert->ski,
                              .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_DIGITAL_SIGNATURE,
                              .path_len = 0,
                              .crl_url = slice_str(crl),
                              .aia_issuers = slice_str(issuers)};
    return issue(&t, root, false, env, der, e);
}

bool pki_make_request(struct key *issuing, const char *name, const char *plain_url, struct buf *der, struct err *e)
{
    uint8_t subject[NAME_DER_MAX], out[CSR_MAX];
    struct writer w = WRITER_ARRAY(subject), csr = WRITER_ARRAY(out);
    struct signer signer = key_signer(issuing);
    struct slice s;
    if (!pki_ca_name(name, "Issuing CA", &w, e))
        return false;
    struct san san = {.type = SAN_URI, .value = slice_str(plain_url ? plain_url : "")};
    struct csr_template t = {.subject = writer_slice(&w),
                             .spki = key_get0_spki(issuing),
                             .san = &san,
                             .san_n = san.value.n > 0,
                             .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_DIGITAL_SIGNATURE};
    if (!csr_write(&t, &signer, &csr, e))
        return false;
    if (!writer_done(&csr, &s))
        return err_set(e, ERR_INTERNAL, "request larger than its buffer");
    buf_put(der, s);
    return buf_done(der, &s, e);
}

struct revoked_source {
    const struct pki_revoked *v;
    size_t n, at;
};

static bool revoked_rewind(void *ctx, struct err *e)
{
    struct revoked_source *s = ctx;
    (void)e;
    s->at = 0;
    return true;
}

static bool revoked_next(void *ctx, struct crl_entry *out, struct err *e)
{
    struct revoked_source *s = ctx;
    (void)e;
    if (s->at == s->n)
        return false;
    const struct pki_revoked *r = &s->v[s->at++];
    *out = (struct crl_entry){.serial = slice_of(r->serial, r->serial_n), .revoked_at = r->at, .reason = r->reason};
    return true;
}

bool pki_make_root_crl(struct key *root, const struct cert *root_cert, const struct pki_revoked *revoked, size_t n,
                       uint64_t number, int64_t days, const struct env *env, struct buf *der, struct err *e)
{
    int64_t now = env_now_s(env);
    struct revoked_source source = {.v = revoked, .n = n};
    struct crl_source src = {revoked_rewind, revoked_next, &source};
    struct crl_template t = {.issuer = root_cert->subject,
                             .this_update = now,
                             .next_update = now + days * 86400,
                             .number = number,
                             .aki = root_cert->ski};
    struct signer signer = key_signer(root);
    size_t size;
    if (!crl_measure(&t, &src, signer.alg, &size, e))
        return false;
    uint8_t *p = malloc(size);
    struct slice s;
    if (!p)
        return err_set(e, ERR_NOMEM, "CRL of %zu bytes", size);
    bool ok = crl_write(&t, &src, &signer, p, size, &s, e);
    if (ok)
        buf_put(der, s);
    free(p);
    return ok && buf_done(der, &s, e);
}
