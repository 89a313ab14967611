#include "keys/spki.h"

#include "core/reader.h"
#include "core/writer.h"

static const uint8_t p256_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t p384_head[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                    0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
static const uint8_t ed25519_head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
static const uint8_t rsa_alg[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static const struct fixed {
    enum spki_family family;
    enum key_type type;
    struct slice head;
    size_t point_n;
} fixed[] = {
    {SPKI_P256, KEY_P256, {p256_head, sizeof p256_head}, 65},
    {SPKI_P384, KEY_P384, {p384_head, sizeof p384_head}, 97},
    {SPKI_ED25519, KEY_ED25519, {ed25519_head, sizeof ed25519_head}, 32},
};

/* A TLV with this tag; lengths up to 64 KiB, minimal (X.690 section 10.1). */
static struct slice tlv(struct reader *r, uint8_t tag)
{
    if (reader_u8(r) != tag)
        reader_fail(r);
    size_t n = reader_u8(r), least = 0;
    if (n == 0x81) {
        n = reader_u8(r);
        least = 0x80;
    } else if (n == 0x82) {
        n = reader_u16(r);
        least = 0x100;
    } else if (n >= 0x80) {
        reader_fail(r);
    }
    if (n < least)
        reader_fail(r);
    return reader_take(r, n);
}

/* A positive INTEGER without its sign byte. */
static struct slice positive(struct reader *r)
{
    struct slice s = tlv(r, 0x02);
    if (s.n == 0 || s.p[0] >= 0x80 || (s.n > 1 && s.p[0] == 0 && s.p[1] < 0x80) || (s.n == 1 && s.p[0] == 0)) {
        reader_fail(r);
        return (struct slice){0};
    }
    return s.p[0] == 0 ? slice_of(s.p + 1, s.n - 1) : s;
}

static unsigned bit_length(struct slice s)
{
    return s.n == 0 ? 0 : (unsigned)(s.n * 8) - (unsigned)(__builtin_clz(s.p[0]) - 24);
}

static bool bad_der(struct err *e)
{
    err_set(e, ERR_SPKI, "public key: not canonical DER");
    return err_why(e, "RFC 5280 section 4.1.2.7, X.690 section 10");
}

static bool read_rsa(struct slice bits, struct spki *out, struct err *e)
{
    struct reader r = reader_of(bits), in = reader_of(tlv(&r, 0x30));
    struct slice modulus = positive(&in), exp = positive(&in);
    if (!reader_end(&r) || !reader_end(&in) || !(modulus.p[modulus.n - 1] & 1))
        return bad_der(e);
    unsigned n = bit_length(modulus);
    if (n < RSA_BITS_MIN || n > RSA_BITS_MAX) {
        err_set(e, ERR_KEY_TYPE, "RSA key of %u bits: %u to %u are taken", n, RSA_BITS_MIN, RSA_BITS_MAX);
        return err_why(e, "NIST SP 800-131A section 3");
    }
    unsigned exp_bits = bit_length(exp);
    if (exp_bits < 17 || exp_bits > 64 || !(exp.p[exp.n - 1] & 1)) {
        err_set(e, ERR_KEY_TYPE, "RSA public exponent of %u bits: odd, 65537 or more, at most 64 bits is taken",
                exp_bits);
        return err_why(e, "FIPS 186-5 section 5.1");
    }
    *out = (struct spki){.family = SPKI_RSA, .bits = bits, .modulus = modulus, .exp = exp, .rsa_bits = n};
    return true;
}

bool spki_read(struct slice der, struct spki *out, struct err *e)
{
    *out = (struct spki){0};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        const struct fixed *f = &fixed[i];
        if (der.n != f->head.n + f->point_n || memcmp(der.p, f->head.p, f->head.n) != 0)
            continue;
        struct slice point = slice_of(der.p + f->head.n, f->point_n);
        if (f->family != SPKI_ED25519 && point.p[0] != 0x04) {
            err_set(e, ERR_SPKI, "EC public key: not an uncompressed point");
            return err_why(e, "RFC 5480 section 2.2");
        }
        *out = (struct spki){.family = f->family, .bits = point, .point = point};
        return true;
    }
    struct reader r = reader_of(der), in = reader_of(tlv(&r, 0x30));
    const uint8_t *alg_at = in.p;
    struct slice alg = tlv(&in, 0x30);
    struct slice whole_alg = slice_of(alg_at, reader_ok(&in) ? (size_t)(in.p - alg_at) : 0);
    struct slice bits = tlv(&in, 0x03);
    if (!reader_end(&r) || !reader_end(&in) || bits.n < 2 || bits.p[0] != 0)
        return bad_der(e);
    if (slice_eq(whole_alg, SLICE_ARRAY(rsa_alg)))
        return read_rsa(slice_of(bits.p + 1, bits.n - 1), out, e);
    struct reader a = reader_of(alg);
    (void)tlv(&a, 0x06);
    if (!reader_ok(&a))
        return bad_der(e);
    err_set(e, ERR_KEY_TYPE, "public key algorithm not taken");
    return err_try(e, "use EC P-256 or P-384 (uncompressed, named curve), Ed25519 or RSA of 2048 to 4096 bits");
}

static void put_head(struct writer *w, uint8_t tag, size_t n)
{
    writer_u8(w, tag);
    if (n >= 0x100) {
        writer_u8(w, 0x82);
        writer_u16(w, (uint16_t)n);
    } else {
        if (n >= 0x80)
            writer_u8(w, 0x81);
        writer_u8(w, (uint8_t)n);
    }
}

static size_t head_size(size_t n)
{
    return n >= 0x100 ? 4 : n >= 0x80 ? 3 : 2;
}

static void put_positive(struct writer *w, struct slice s)
{
    bool sign = s.p[0] & 0x80;
    put_head(w, 0x02, s.n + sign);
    if (sign)
        writer_u8(w, 0);
    writer_put(w, s);
}

static void write_rsa(struct writer *w, struct slice modulus, struct slice exp)
{
    size_t mod_n = modulus.n + (modulus.p[0] >> 7), exp_n = exp.n + (exp.p[0] >> 7);
    size_t body = head_size(mod_n) + mod_n + head_size(exp_n) + exp_n;
    size_t bits = 1 + head_size(body) + body;
    put_head(w, 0x30, sizeof rsa_alg + head_size(bits) + bits);
    writer_put(w, SLICE_ARRAY(rsa_alg));
    put_head(w, 0x03, bits);
    writer_u8(w, 0);
    put_head(w, 0x30, body);
    put_positive(w, modulus);
    put_positive(w, exp);
}

bool spki_write(const struct spki *s, uint8_t out[SPKI_MAX], size_t *n, struct err *e)
{
    *n = 0;
    struct writer w = writer_of(out, SPKI_MAX);
    struct slice der;
    if (s->family == SPKI_RSA) {
        if (s->modulus.n == 0 || s->exp.n == 0 || s->modulus.p[0] == 0 || s->exp.p[0] == 0)
            return err_set(e, ERR_SPKI, "RSA public key: empty or padded number");
        write_rsa(&w, s->modulus, s->exp);
    }
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (fixed[i].family == s->family) {
            if (s->point.n != fixed[i].point_n)
                return err_set(e, ERR_SPKI, "public key of %zu bytes, not %zu", s->point.n, fixed[i].point_n);
            writer_put(&w, fixed[i].head);
            writer_put(&w, s->point);
        }
    if (!writer_done(&w, &der) || der.n == 0)
        return err_set(e, ERR_SPKI, "public key does not fit into %d bytes", SPKI_MAX);
    struct spki back; /* what we write, we also take */
    if (!spki_read(der, &back, e))
        return false;
    *n = der.n;
    return true;
}

enum key_type spki_key_type(const struct spki *s)
{
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (fixed[i].family == s->family)
            return fixed[i].type;
    switch (s->family == SPKI_RSA ? s->rsa_bits : 0) {
    case 2048:
        return KEY_RSA2048;
    case 3072:
        return KEY_RSA3072;
    case 4096:
        return KEY_RSA4096;
    default:
        return KEY_NONE;
    }
}

enum key_type key_type_of_spki(struct slice spki)
{
    struct spki s;
    return spki_read(spki, &s, NULL) ? spki_key_type(&s) : KEY_NONE;
}
