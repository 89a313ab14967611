#include "core/cose.h"

#define FIELDS 4

static bool syntax(struct err *e, const char *section, const char *what)
{
    err_set(e, ERR_COSE, "COSE_Sign1: %s", what);
    return err_why(e, "RFC 9052 section %s", section);
}

/* ---- what is signed ---- */

/* Sig_structure (RFC 9052 section 4.4) in parts, so that the payload stays where it is. */
struct to_be_signed {
    uint8_t head[3][32];
    struct slice part[6];
};

static struct slice bstr_head(uint8_t *buf, size_t cap, const char *context, size_t n)
{
    struct writer w = writer_of(buf, cap);
    if (context) {
        cbor_put_array(&w, FIELDS);
        cbor_put_text(&w, context);
    }
    cbor_put_head(&w, CBOR_BSTR, n);
    return writer_slice(&w);
}

static void tbs_make(struct to_be_signed *t, struct slice protected_map, struct slice aad, struct slice payload)
{
    const struct slice content[3] = {protected_map, aad, payload};
    for (size_t i = 0; i < 3; i++) {
        t->part[2 * i] = bstr_head(t->head[i], sizeof t->head[i], i ? NULL : "Signature1", content[i].n);
        t->part[2 * i + 1] = content[i];
    }
}

/* ---- writing ---- */

static void put_protected(struct writer *w, enum sig_alg alg, const struct cose_opts *o)
{
    bool typed = o->content_type || o->content_format;
    cbor_put_map(w, 1 + typed + o->protected_more.n);
    cbor_put_int(w, COSE_LABEL_ALG);
    cbor_put_int(w, alg);
    if (typed)
        cbor_put_int(w, COSE_LABEL_CONTENT_TYPE);
    if (o->content_type)
        cbor_put_text(w, o->content_type);
    else if (typed)
        cbor_put_uint(w, o->content_format);
    cbor_put_raw(w, o->protected_more.bytes);
}

static void put_unprotected(struct writer *w, const struct cose_opts *o)
{
    cbor_put_map(w, (o->kid.n != 0) + o->unprotected_more.n);
    if (o->kid.n) {
        cbor_put_int(w, COSE_LABEL_KID);
        cbor_put_bstr(w, o->kid);
    }
    cbor_put_raw(w, o->unprotected_more.bytes);
}

/* Everything before the signature; yields where the protected map stands. */
static void put_front(struct writer *w, enum sig_alg alg, const struct cose_opts *o, struct slice payload,
                      size_t *map_at, size_t *map_n)
{
    struct writer count = writer_counting();
    put_protected(&count, alg, o);
    cbor_put_tag(w, COSE_TAG_SIGN1);
    cbor_put_array(w, FIELDS);
    cbor_put_head(w, CBOR_BSTR, count.n);
    *map_at = w->n;
    *map_n = count.n;
    put_protected(w, alg, o);
    put_unprotected(w, o);
    if (o->detached)
        cbor_put_null(w);
    else
        cbor_put_bstr(w, payload);
}

bool cose_write_sign1(struct writer *w, const struct signer *signer, const struct cose_opts *opts, struct slice payload,
                      struct err *e)
{
    static const struct cose_opts none;
    const struct cose_opts *o = opts ? opts : &none;
    size_t start = w->n, map_at, map_n, sig_n = SIG_MAX;
    uint8_t sig[SIG_MAX];
    put_front(w, signer->alg, o, payload, &map_at, &map_n);
    if (w->buf && writer_ok(w)) {
        struct to_be_signed tbs;
        tbs_make(&tbs, slice_of(w->buf + map_at, map_n), o->external_aad, payload);
        if (!signer->sign(signer->ctx, tbs.part, ARRAY_LEN(tbs.part), sig, &sig_n, e)) {
            writer_fail(w);
            return false;
        }
        cbor_put_bstr(w, slice_of(sig, sig_n));
    } else {
        cbor_put_head(w, CBOR_BSTR, SIG_MAX);
        writer_space(w, SIG_MAX);
    }
    if (!writer_ok(w))
        return syntax(e, "4.2", "the buffer is too small, or the content type is not UTF-8");
    /* Only further pairs given by the caller can be out of order or of the wrong count. */
    struct cose_sign1 check;
    if (w->buf && !cose_read_sign1(slice_of(w->buf + start, w->n - start), &check, e)) {
        writer_fail(w);
        return false;
    }
    return true;
}

/* ---- reading ---- */

/* A number that does not fit must not be taken for another one by being cut. */
static enum sig_alg read_alg(struct reader *r)
{
    int64_t v = cbor_get_int(r);
    if (v < INT32_MIN || v > INT32_MAX) {
        reader_fail(r);
        return SIG_NONE;
    }
    return (enum sig_alg)v;
}

static void read_content_type(struct reader *r, struct cose_sign1 *m)
{
    if (cbor_peek(r) == CBOR_TSTR)
        m->content_type = cbor_get_tstr(r);
    else
        m->content_format = (uint32_t)cbor_get_uint_max(r, UINT16_MAX);
}

/* Reads one of the two header maps.  Labels are integers or text (section 1.5). */
static bool read_headers(struct slice map, bool protected, struct cose_sign1 *m, struct err *e)
{
    struct reader r = reader_of(map);
    struct cbor_map pairs = cbor_get_map(&r);
    while (cbor_map_next(&r, &pairs)) {
        enum cbor_type t = cbor_peek(&r);
        if (t == CBOR_TSTR) {
            cbor_get_tstr(&r);
            cbor_skip(&r);
            continue;
        }
        int64_t label = cbor_get_int(&r);
        if (label == COSE_LABEL_CRIT)
            return syntax(e, "3.1", "`crit` names headers that are not understood here");
        if (label == COSE_LABEL_ALG && !protected)
            return syntax(e, "3.1", "the algorithm stands in the unprotected header");
        if (label == COSE_LABEL_ALG)
            m->alg = read_alg(&r);
        else if (label == COSE_LABEL_KID)
            m->kid = cbor_get_bstr(&r);
        else if (label == COSE_LABEL_CONTENT_TYPE)
            read_content_type(&r, m);
        else
            cbor_skip(&r);
    }
    if (!reader_end(&r))
        return syntax(e, "3", "a header is not a deterministic map of labels to what they take");
    return true;
}

/* Section 3: a label must not occur in both headers. */
static bool labels_disjoint(struct slice a, struct slice b)
{
    struct reader r = reader_of(a);
    struct cbor_map pairs = cbor_get_map(&r);
    while (cbor_map_next(&r, &pairs)) {
        struct slice key = cbor_take_raw(&r);
        cbor_skip(&r);
        struct reader r2 = reader_of(b);
        struct cbor_map pairs2 = cbor_get_map(&r2);
        while (cbor_map_next(&r2, &pairs2)) {
            if (slice_eq(cbor_take_raw(&r2), key))
                return false;
            cbor_skip(&r2);
        }
    }
    return true;
}

bool cose_read_sign1(struct slice message, struct cose_sign1 *out, struct err *e)
{
    struct cose_sign1 m = {0};
    struct reader r = reader_of(message);
    *out = m;
    cbor_get_tag_n(&r, COSE_TAG_SIGN1);
    cbor_get_array_n(&r, FIELDS);
    m.protected_map = cbor_get_bstr(&r);
    if (cbor_peek(&r) != CBOR_MAP)
        reader_fail(&r);
    m.unprotected_map = cbor_take_raw(&r);
    m.detached = cbor_take_null(&r);
    if (!m.detached)
        m.payload = cbor_get_bstr(&r);
    m.sig = cbor_get_bstr(&r);
    if (!reader_end(&r))
        return syntax(e, "4.2", "not tag 18 around [protected, unprotected, payload, signature] in deterministic CBOR");
    if (m.sig.n == 0 || m.sig.n > SIG_MAX)
        return syntax(e, "4.2", "the signature is empty or longer than any that is known");
    if (!read_headers(m.protected_map, true, &m, e) || !read_headers(m.unprotected_map, false, &m, e))
        return false;
    if (m.alg == SIG_NONE)
        return syntax(e, "3.1", "the protected header names no algorithm");
    if (!labels_disjoint(m.protected_map, m.unprotected_map))
        return syntax(e, "3", "a label stands in both headers");
    *out = m;
    return true;
}

bool cose_find(struct slice map, int64_t label, struct slice *value)
{
    *value = (struct slice){0};
    struct reader r = reader_of(map);
    struct cbor_map pairs = cbor_get_map(&r);
    while (cbor_map_next(&r, &pairs)) {
        enum cbor_type t = cbor_peek(&r);
        bool found = (t == CBOR_UINT || t == CBOR_NINT) && cbor_get_int(&r) == label;
        if (t != CBOR_UINT && t != CBOR_NINT)
            cbor_skip(&r);
        struct slice v = cbor_take_raw(&r);
        if (found && reader_ok(&r)) {
            *value = v;
            return true;
        }
    }
    return false;
}

/* ---- verifying ---- */

bool cose_verify_sign1(const struct cose_sign1 *m, const struct crypto *crypto, struct slice spki, enum sig_alg alg,
                       struct slice external_aad, struct slice payload, struct err *e)
{
    if (m->alg != alg || alg == SIG_NONE) {
        err_set(e, ERR_COSE, "COSE_Sign1: signed with algorithm %d, not with %d", (int)m->alg, (int)alg);
        err_why(e, "RFC 9052 section 8.1: a key is used with its own algorithm only");
        return err_try(e, "give the key that this message was signed with");
    }
    if (!m->detached && payload.n)
        return syntax(e, "4.1", "a payload was given beside the one that the message carries");
    struct to_be_signed tbs;
    tbs_make(&tbs, m->protected_map, external_aad, m->detached ? payload : m->payload);
    return crypto->verify(alg, spki, tbs.part, ARRAY_LEN(tbs.part), m->sig, e) || err_ctx(e, "COSE_Sign1");
}
