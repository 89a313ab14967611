#include "x509/csr.h"

#include "core/der.h"
#include "core/oid.h"
#include "keys/spki.h"
#include "x509/name.h"
#include "x509/signed.h"

static bool bad_csr(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_CSR, "CSR: %s", what);
    return err_why(e, "%s", why);
}

static void read_san(struct reader *r, struct csr *c)
{
    struct reader look = *r, in = der_enter(&look, DER_SEQUENCE);
    struct san s;
    size_t n = 0;
    while (san_next(&in, &s))
        n++;
    if (!reader_end(&in) || n == 0 || n > SAN_COUNT_MAX)
        reader_fail(r);
    c->san = der_raw_as(r, DER_SEQUENCE);
}

static void read_basic_constraints(struct reader *r, struct csr *c)
{
    struct reader in = der_enter(r, DER_SEQUENCE);
    c->wants_ca = der_bool_default_false(&in);
    if (reader_left(&in))
        (void)der_uint(&in);
    der_leave(r, &in);
}

/* The extensions that profiles look at; others asked for are passed over, for the profile decides. */
static bool read_extension(const struct extension *x, struct csr *c)
{
    struct reader r = reader_of(x->value);
    if (slice_eq(x->oid, OID_SUBJECT_ALT_NAME)) {
        read_san(&r, c);
    } else if (slice_eq(x->oid, OID_KEY_USAGE)) {
        c->key_usage = der_named_bits(&r);
        c->has_key_usage = true;
    } else if (slice_eq(x->oid, OID_EXT_KEY_USAGE)) {
        c->eku = eku_read(&r);
        c->has_eku = true;
    } else if (slice_eq(x->oid, OID_BASIC_CONSTRAINTS)) {
        read_basic_constraints(&r, c);
    } else {
        (void)der_raw(&r);
    }
    return reader_end(&r);
}

static bool read_extensions(struct reader *values, struct csr *c, struct err *e)
{
    struct extensions x = extensions_enter(values);
    struct extension ext;
    while (extensions_next(&x, &ext))
        if (!read_extension(&ext, c))
            reader_fail(&x.list);
    extensions_leave(values, &x);
    return reader_ok(values) || bad_csr(e, "the requested extensions are malformed, more than 32, or one comes twice",
                                        "RFC 2985 section 5.4.2");
}

static bool read_attributes(struct slice content, struct csr *c, struct err *e)
{
    struct reader attrs = reader_of(content);
    bool has_exts = false;
    while (reader_left(&attrs)) {
        struct reader in = der_enter(&attrs, DER_SEQUENCE);
        struct slice oid = der_oid(&in);
        struct reader values = der_enter(&in, DER_SET);
        if (slice_eq(oid, OID_EXTENSION_REQUEST)) {
            if (has_exts)
                return bad_csr(e, "extensionRequest comes twice", "RFC 2985 section 5.4.2");
            has_exts = true;
            if (!read_extensions(&values, c, e))
                return false;
        } else if (slice_eq(oid, OID_CHALLENGE_PASSWORD)) {
            if (c->challenge.n)
                return bad_csr(e, "challengePassword comes twice", "RFC 2985 section 5.4.1");
            c->challenge = der_string(&values, NULL);
            if (!c->challenge.n || c->challenge.n > CSR_CHALLENGE_MAX)
                reader_fail(&values);
        } else {
            while (reader_left(&values))
                (void)der_raw(&values);
        }
        der_leave(&in, &values);
        der_leave(&attrs, &in);
    }
    return reader_end(&attrs) || bad_csr(e, "an attribute is malformed", "RFC 2986 section 4.1");
}

static unsigned bits_of(const struct spki *k)
{
    switch (k->family) {
    case SPKI_P384:
        return 384;
    case SPKI_RSA:
        return k->rsa_bits;
    default:
        return 256;
    }
}

/* Reads CertificationRequestInfo; the attributes' content goes to *attrs. */
static bool read_info(struct reader *info, struct csr *c, struct slice *attrs, struct err *e)
{
    int64_t version = der_int64(info);
    c->subject = der_raw_as(info, DER_SEQUENCE);
    c->spki = der_raw_as(info, DER_SEQUENCE);
    /* Some encoders leave out an empty [0]; RFC 2986 wants it, nothing is lost. */
    if (reader_left(info))
        *attrs = der_expect(info, DER_CONTEXT_CONS(0));
    if (!reader_end(info))
        return bad_csr(e, "malformed", "RFC 2986 section 4.1");
    if (version != 0)
        return bad_csr(e, "of a version that is not v1", "RFC 2986 section 4.1");
    if (!name_valid(c->subject))
        return bad_csr(e, "the subject is malformed", "RFC 2986 section 4.1, RFC 5280 section 4.1.2.4");
    return true;
}

/* Here as in COSE, the curve and the digest go together. */
static bool fits_curve(enum key_type key, enum sig_alg alg, struct err *e)
{
    if ((key != KEY_P256 || alg != SIG_ES384) && (key != KEY_P384 || alg != SIG_ES256))
        return true;
    int bits = key == KEY_P256 ? 256 : 384;
    err_set(e, ERR_SIG_ALG, "CSR: P-%d key with another digest than SHA-%d", bits, bits);
    return err_try(e, "sign the request with SHA-%d (openssl req -sha%d)", bits, bits);
}

bool csr_read(struct slice der, struct csr *out, struct err *e)
{
    struct csr c = {.der = der};
    struct signed_parts s;
    struct slice attrs = {0};
    struct spki key;
    *out = (struct csr){0};
    if (der.n > CSR_MAX)
        return bad_csr(e, "longer than 16 KiB", "limit of this platform");
    if (!signed_read(der, &s))
        return bad_csr(e, "malformed, or bytes behind its end", "RFC 2986 section 4");
    c.info = s.tbs;
    c.sig = s.sig;
    if (!read_info(&s.inside, &c, &attrs, e) || !read_attributes(attrs, &c, e))
        return false;
    if (!spki_read(c.spki, &key, e))
        return err_ctx(e, "CSR");
    c.key_type = spki_key_type(&key);
    c.key_bits = bits_of(&key);
    c.cn = name_get0_cn(c.subject);
    c.serial_number = name_get0_serial_number(c.subject);
    c.sig_alg = alg_from_id(s.alg);
    if (c.sig_alg == SIG_NONE) {
        err_set(e, ERR_SIG_ALG, "CSR: signature algorithm not taken");
        return err_try(e, "sign the request with SHA-256 or SHA-384, or by Ed25519");
    }
    if (!fits_curve(c.key_type, c.sig_alg, e))
        return false;
    *out = c;
    return true;
}

bool csr_verify(const struct crypto *c, const struct csr *csr, struct err *e)
{
    struct err why = {0};
    if (signed_verify(c, csr->sig_alg, csr->spki, csr->info, csr->sig, &why))
        return true;
    err_set(e, ERR_CSR_POP, "CSR of \"%s\": not signed by the key in it", NAME_QUOTE(csr->subject));
    err_why(e, "RFC 2986 section 3, proof of possession: %s", why.what);
    return err_try(e, "make the request again with the key that it names");
}

/* ---- writing ---- */

static void put_extension_request(struct writer *w, const struct csr_template *t)
{
    struct extension_mark x;
    size_t attr = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_EXTENSION_REQUEST);
    size_t set = der_open(w, DER_SET), list = der_open(w, DER_SEQUENCE);
    if (t->san_n) {
        x = extension_open(w, OID_SUBJECT_ALT_NAME, false);
        san_put_all(w, t->san, t->san_n);
        extension_close(w, x);
    }
    if (t->key_usage) {
        x = extension_open(w, OID_KEY_USAGE, false);
        der_put_named_bits(w, t->key_usage);
        extension_close(w, x);
    }
    if (t->eku) {
        x = extension_open(w, OID_EXT_KEY_USAGE, false);
        eku_put(w, t->eku);
        extension_close(w, x);
    }
    der_close(w, list);
    der_close(w, set);
    der_close(w, attr);
}

static void put_challenge(struct writer *w, struct slice challenge)
{
    size_t attr = der_open(w, DER_SEQUENCE);
    der_put_oid(w, OID_CHALLENGE_PASSWORD);
    size_t set = der_open(w, DER_SET);
    der_put_string(w, challenge);
    der_close(w, set);
    der_close(w, attr);
}

bool csr_write(const struct csr_template *t, const struct signer *s, struct writer *w, struct err *e)
{
    uint8_t buf[CSR_MAX];
    struct writer info = WRITER_ARRAY(buf);
    if (!name_valid(t->subject) || t->challenge.n > CSR_CHALLENGE_MAX)
        return bad_csr(e, "to be made: subject or challenge password is not sound", "RFC 2986 section 4.1");
    size_t seq = der_open(&info, DER_SEQUENCE);
    der_put_int(&info, 0);
    der_put_raw(&info, t->subject);
    der_put_raw(&info, t->spki);
    size_t attrs = der_open(&info, DER_CONTEXT_CONS(0)); /* a SET OF by its tag, so sorted */
    if (t->san_n || t->key_usage || t->eku)
        put_extension_request(&info, t);
    if (t->challenge.n)
        put_challenge(&info, t->challenge);
    der_close_set_of(&info, attrs);
    der_close(&info, seq);
    if (!writer_ok(&info))
        return bad_csr(e, "to be made: a name that cannot be encoded, or too large", "RFC 2986 section 4.1");
    return signed_write(writer_slice(&info), s, w, e);
}
