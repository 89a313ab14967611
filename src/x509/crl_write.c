#include "x509/crl.h"

#include "core/crl_reason.h"
#include "core/der.h"
#include "core/oid.h"
#include "keys/key.h"
#include "x509/alg.h"
#include "x509/cert.h"
#include "x509/name.h"
#include "x509/signed.h"

#define HEAD_ROOM 6   /* the outermost tag and length, put in front when the rest is there */
#define SIG_ROOM  640 /* AlgorithmIdentifier and the BIT STRING of an RSA-4096 signature */

static bool bad_crl(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_CRL, "CRL to be made: %s", what);
    return err_why(e, "%s", why);
}

/* 30 0a 06 03 55 1d 15 04 03 0a 01 RR: one Extension, in its list */
#define REASON_SIZE 14

static size_t entry_content_size(const struct crl_entry *en)
{
    struct writer time = writer_counting();
    size_t sign = en->serial.n && en->serial.p[0] & 0x80;
    der_put_time(&time, en->revoked_at);
    return 2 + sign + en->serial.n + time.n + (en->reason ? REASON_SIZE : 0);
}

static bool entry_sound(const struct crl_entry *en)
{
    return en->serial.n > 0 && en->serial.n <= CERT_SERIAL_MAX && (en->serial.n == 1 || en->serial.p[0] != 0) &&
           crl_reason_is_known(en->reason);
}

static void put_entry(struct writer *w, const struct crl_entry *en)
{
    der_put_head(w, DER_SEQUENCE, entry_content_size(en));
    der_put_uint(w, en->serial);
    der_put_time(w, en->revoked_at);
    if (en->reason) {
        writer_put(w, SLICE_LIT("\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"));
        writer_u8(w, (uint8_t)en->reason);
    }
}

/* Runs through the source; w NULL: only measures. */
static bool each_entry(const struct crl_source *src, struct writer *w, size_t *size, struct err *e)
{
    struct crl_entry en;
    struct err local = {0};
    size_t total = 0;
    *size = 0;
    bool begun = src->rewind(src->ctx, &local);
    while (begun && src->next(src->ctx, &en, &local)) {
        if (!entry_sound(&en))
            return bad_crl(e, "an entry without a sound serial number or reason", "RFC 5280 section 5.3");
        size_t n = entry_content_size(&en);
        total += der_head_size(n) + n;
        if (w)
            put_entry(w, &en);
    }
    if (local.code != ERR_NONE) {
        if (e)
            *e = local;
        return false;
    }
    *size = total;
    return true;
}

static void put_extensions(struct writer *w, const struct crl_template *t)
{
    uint8_t number[8];
    struct extension_mark x;
    size_t explicit = der_open(w, DER_CONTEXT_CONS(0)), list = der_open(w, DER_SEQUENCE);
    extension_put_aki(w, t->aki);
    for (size_t i = 0; i < sizeof number; i++)
        number[i] = (uint8_t)(t->number >> (56 - 8 * i));
    x = extension_open(w, OID_CRL_NUMBER, false);
    der_put_uint(w, SLICE_ARRAY(number));
    extension_close(w, x);
    if (t->idp_uri.n) {
        x = extension_open(w, OID_ISSUING_DIST_POINT, true);
        size_t seq = der_open(w, DER_SEQUENCE);
        extension_put_point(w, t->idp_uri);
        der_close(w, seq);
        extension_close(w, x);
    }
    der_close(w, list);
    der_close(w, explicit);
}

/* What stands before the entries, but for the TBS's own head. */
static void put_front(struct writer *w, const struct crl_template *t, enum sig_alg alg)
{
    der_put_int(w, 1); /* v2 */
    der_put_raw(w, alg_id(alg));
    der_put_raw(w, t->issuer);
    der_put_time(w, t->this_update);
    der_put_time(w, t->next_update);
}

struct sizes {
    size_t entries, tbs; /* contents */
};

static bool measure(const struct crl_template *t, const struct crl_source *src, enum sig_alg alg, struct sizes *out,
                    struct err *e)
{
    uint8_t buf[NAME_DER_MAX + 2048];
    struct writer w = WRITER_ARRAY(buf);
    if (!name_valid(t->issuer) || name_is_empty(t->issuer) || !alg_id(alg).n || t->next_update <= t->this_update)
        return bad_crl(e, "issuer, algorithm or times are not sound", "RFC 5280 section 5.1.2");
    if (!each_entry(src, NULL, &out->entries, e))
        return false;
    put_front(&w, t, alg);
    put_extensions(&w, t);
    if (!writer_ok(&w))
        return bad_crl(e, "a part that cannot be encoded", "RFC 5280 section 5.1");
    /* An empty list is left out altogether (section 5.1.2.6). */
    out->tbs = w.n + (out->entries ? der_head_size(out->entries) + out->entries : 0);
    return out->tbs < CRL_MAX - SIG_ROOM || bad_crl(e, "longer than 1 GiB", "limit of this platform");
}

bool crl_measure(const struct crl_template *t, const struct crl_source *src, enum sig_alg alg, size_t *size,
                 struct err *e)
{
    struct sizes s;
    *size = 0;
    if (!measure(t, src, alg, &s, e))
        return false;
    *size = HEAD_ROOM + der_head_size(s.tbs) + s.tbs + SIG_ROOM;
    return true;
}

static bool put_tbs(struct writer *w, const struct crl_template *t, const struct crl_source *src, enum sig_alg alg,
                    const struct sizes *s, struct err *e)
{
    size_t again;
    der_put_head(w, DER_SEQUENCE, s->tbs);
    size_t start = w->n;
    put_front(w, t, alg);
    if (s->entries) {
        der_put_head(w, DER_SEQUENCE, s->entries);
        if (!each_entry(src, w, &again, e))
            return false;
    }
    put_extensions(w, t);
    if (!writer_ok(w))
        return bad_crl(e, "the buffer is too small", "crl_measure() says how large it must be");
    if (w->n - start != s->tbs)
        return bad_crl(e, "the entries were not the same the second time", "the source must hold still");
    return true;
}

bool crl_write(const struct crl_template *t, const struct crl_source *src, const struct signer *s, uint8_t *buf,
               size_t cap, struct slice *out, struct err *e)
{
    struct sizes size;
    uint8_t sig[SIG_MAX], der[SIG_MAX], head[HEAD_ROOM];
    size_t sig_n, der_n;
    *out = (struct slice){0};
    if (!measure(t, src, s->alg, &size, e))
        return false;
    if (cap < HEAD_ROOM)
        return bad_crl(e, "the buffer is too small", "crl_measure() says how large it must be");
    struct writer w = writer_of(buf + HEAD_ROOM, cap - HEAD_ROOM), h = WRITER_ARRAY(head);
    if (!put_tbs(&w, t, src, s->alg, &size, e))
        return false;
    struct slice tbs = writer_slice(&w);
    if (!s->sign(s->ctx, &tbs, 1, sig, &sig_n, e) ||
        !sig_to_der(s->alg, slice_of(sig, sig_n), der, sizeof der, &der_n, e))
        return false;
    der_put_raw(&w, alg_id(s->alg));
    der_put_bits(&w, slice_of(der, der_n));
    if (!writer_ok(&w))
        return bad_crl(e, "the buffer is too small", "crl_measure() says how large it must be");
    der_put_head(&h, DER_SEQUENCE, w.n);
    memcpy(buf + HEAD_ROOM - h.n, head, h.n);
    *out = slice_of(buf + HEAD_ROOM - h.n, h.n + w.n);
    return true;
}
