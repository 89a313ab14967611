/* ECDSA signatures between COSE's fixed r||s (RFC 9053 section 2.1) and X.509's SEQUENCE of two INTEGERs. */
#include "core/reader.h"
#include "core/writer.h"
#include "keys/key.h"

static size_t half_of(enum sig_alg alg)
{
    return alg == SIG_ES256 ? 32 : alg == SIG_ES384 ? 48 : 0;
}

static bool pass(struct slice in, uint8_t *out, size_t cap, size_t *n, struct err *e)
{
    if (in.n > cap)
        return err_set(e, ERR_LIMIT, "signature of %zu bytes does not fit into %zu", in.n, cap);
    if (in.n)
        memcpy(out, in.p, in.n);
    *n = in.n;
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.n > 1 && s.p[0] == 0)
        s = slice_of(s.p + 1, s.n - 1);
    return s;
}

static void put_integer(struct writer *w, struct slice s)
{
    bool sign = s.p[0] & 0x80;
    writer_u8(w, 0x02);
    writer_u8(w, (uint8_t)(s.n + sign));
    if (sign)
        writer_u8(w, 0);
    writer_put(w, s);
}

bool sig_to_der(enum sig_alg alg, struct slice raw, uint8_t *der, size_t cap, size_t *n, struct err *e)
{
    *n = 0;
    size_t half = half_of(alg);
    if (half == 0)
        return pass(raw, der, cap, n, e);
    if (raw.n != 2 * half)
        return err_set(e, ERR_SIGNATURE, "ECDSA signature of %zu bytes, not %zu", raw.n, 2 * half);
    struct slice r = trim(slice_of(raw.p, half)), s = trim(slice_of(raw.p + half, half));
    size_t body = 4 + r.n + (r.p[0] >> 7) + s.n + (s.p[0] >> 7); /* at most 102: a short length */
    struct writer w = writer_of(der, cap);
    writer_u8(&w, 0x30);
    writer_u8(&w, (uint8_t)body);
    put_integer(&w, r);
    put_integer(&w, s);
    struct slice out;
    if (!writer_done(&w, &out))
        return err_set(e, ERR_LIMIT, "signature of %zu bytes does not fit into %zu", body + 2, cap);
    *n = out.n;
    return true;
}

static struct slice take_integer(struct reader *r)
{
    if (reader_u8(r) != 0x02)
        reader_fail(r);
    struct slice s = reader_take(r, reader_u8(r));
    if (s.n == 0 || s.p[0] >= 0x80 || (s.n > 1 && s.p[0] == 0 && s.p[1] < 0x80)) {
        reader_fail(r);
        return (struct slice){0};
    }
    return trim(s);
}

bool sig_from_der(enum sig_alg alg, struct slice der, uint8_t *raw, size_t cap, size_t *n, struct err *e)
{
    *n = 0;
    size_t half = half_of(alg);
    if (half == 0)
        return pass(der, raw, cap, n, e);
    struct reader in = reader_of(der);
    if (reader_u8(&in) != 0x30 || reader_u8(&in) != reader_left(&in))
        reader_fail(&in);
    struct slice r = take_integer(&in), s = take_integer(&in);
    if (!reader_end(&in) || r.n > half || s.n > half || 2 * half > cap) {
        err_set(e, ERR_SIGNATURE, "ECDSA signature: not two positive INTEGERs in DER");
        return err_why(e, "RFC 3279 section 2.2.3");
    }
    memset(raw, 0, 2 * half);
    memcpy(raw + half - r.n, r.p, r.n);
    memcpy(raw + 2 * half - s.n, s.p, s.n);
    *n = 2 * half;
    return true;
}
