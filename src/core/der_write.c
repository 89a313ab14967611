#include "core/civil.h"
#include "core/der.h"

/* der_open() leaves one byte for the length; a longer one moves the content up. */
size_t der_open(struct writer *w, uint8_t tag)
{
    writer_u8(w, tag);
    writer_u8(w, 0);
    return w->n;
}

static size_t length_bytes(size_t len)
{
    size_t n = 0;
    if (len >= 0x80)
        for (; len; len >>= 8)
            n++;
    return n;
}

void der_close(struct writer *w, size_t mark)
{
    if (w->bad)
        return;
    size_t len = w->n - mark, more = length_bytes(len);
    if (more > 4 || (more && !writer_space(w, more) && w->buf))
        writer_fail(w);
    if (w->bad || !w->buf)
        return;
    uint8_t *at = w->buf + mark;
    memmove(at + more, at, len);
    at[-1] = (uint8_t)(more ? 0x80 | more : len);
    for (size_t i = 0; i < more; i++)
        at[i] = (uint8_t)(len >> (8 * (more - 1 - i)));
}

static void reverse(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t b = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = b;
    }
}

/* Moves the last n bytes of p[0..total) to its front. */
static void rotate_to_front(uint8_t *p, size_t total, size_t n)
{
    reverse(p, total - n);
    reverse(p + total - n, n);
    reverse(p, total);
}

/* Insertion sort: each element goes before the first one that is greater. */
static bool sort_elements(uint8_t *base, size_t n)
{
    struct reader r = reader_of(slice_of(base, n));
    while (reader_left(&r)) {
        struct slice item = der_raw(&r);
        if (!reader_ok(&r))
            return false;
        struct reader before = reader_of(slice_of(base, (size_t)(item.p - base)));
        while (reader_left(&before)) {
            struct slice other = der_raw(&before);
            if (slice_cmp(other, item) > 0) {
                uint8_t *to = base + (other.p - base);
                rotate_to_front(to, (size_t)(item.p + item.n - to), item.n);
                break;
            }
        }
    }
    return reader_ok(&r);
}

void der_close_set_of(struct writer *w, size_t mark)
{
    if (!w->bad && w->buf && !sort_elements(w->buf + mark, w->n - mark))
        writer_fail(w);
    der_close(w, mark);
}

size_t der_head_size(size_t n)
{
    return 2 + length_bytes(n);
}

void der_put_head(struct writer *w, uint8_t tag, size_t n)
{
    uint8_t head[6] = {tag, (uint8_t)n};
    size_t more = length_bytes(n);
    if (more > 4) {
        writer_fail(w);
        return;
    }
    if (more)
        head[1] = (uint8_t)(0x80 | more);
    for (size_t i = 0; i < more; i++)
        head[2 + i] = (uint8_t)(n >> (8 * (more - 1 - i)));
    writer_put(w, slice_of(head, 2 + more));
}

void der_put(struct writer *w, uint8_t tag, struct slice content)
{
    der_put_head(w, tag, content.n);
    writer_put(w, content);
}

void der_put_raw(struct writer *w, struct slice whole)
{
    writer_put(w, whole);
}

void der_put_uint_as(struct writer *w, uint8_t tag, struct slice m)
{
    while (m.n && m.p[0] == 0)
        m = slice_of(m.p + 1, m.n - 1);
    size_t mark = der_open(w, tag);
    if (m.n == 0 || m.p[0] & 0x80)
        writer_u8(w, 0);
    writer_put(w, m);
    der_close(w, mark);
}

void der_put_uint(struct writer *w, struct slice magnitude)
{
    der_put_uint_as(w, DER_INTEGER, magnitude);
}

void der_put_int_as(struct writer *w, uint8_t tag, int64_t v)
{
    uint8_t b[8];
    for (size_t i = 0; i < 8; i++)
        b[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    size_t skip = 0;
    while (skip < 7 && ((b[skip] == 0x00 && b[skip + 1] < 0x80) || (b[skip] == 0xff && b[skip + 1] >= 0x80)))
        skip++;
    der_put(w, tag, slice_of(b + skip, 8 - skip));
}

void der_put_int(struct writer *w, int64_t v)
{
    der_put_int_as(w, DER_INTEGER, v);
}

void der_put_bool(struct writer *w, bool v)
{
    uint8_t b = v ? 0xff : 0x00;
    der_put(w, DER_BOOLEAN, slice_of(&b, 1));
}

void der_put_oid(struct writer *w, struct slice content)
{
    der_put(w, DER_OID, content);
}

void der_put_bits(struct writer *w, struct slice whole_bytes)
{
    size_t mark = der_open(w, DER_BIT_STRING);
    writer_u8(w, 0);
    writer_put(w, whole_bytes);
    der_close(w, mark);
}

void der_put_named_bits_as(struct writer *w, uint8_t tag, uint32_t bits)
{
    uint8_t b[5] = {0};
    size_t used = 0;
    for (size_t i = 0; i < 32; i++)
        if (bits >> i & 1) {
            b[1 + i / 8] |= (uint8_t)(0x80 >> i % 8);
            used = i + 1;
        }
    size_t n = (used + 7) / 8;
    b[0] = (uint8_t)(8 * n - used);
    der_put(w, tag, slice_of(b, 1 + n));
}

void der_put_named_bits(struct writer *w, uint32_t bits)
{
    der_put_named_bits_as(w, DER_BIT_STRING, bits);
}

void der_put_octets(struct writer *w, struct slice s)
{
    der_put(w, DER_OCTET_STRING, s);
}

static void put_checked(struct writer *w, uint8_t tag, struct slice s, bool sound)
{
    if (!sound)
        writer_fail(w);
    der_put(w, tag, s);
}

void der_put_utf8(struct writer *w, struct slice s)
{
    put_checked(w, DER_UTF8_STRING, s, der_is_utf8(s));
}

void der_put_printable(struct writer *w, struct slice s)
{
    put_checked(w, DER_PRINTABLE_STRING, s, der_is_printable(s));
}

void der_put_ia5(struct writer *w, struct slice s)
{
    put_checked(w, DER_IA5_STRING, s, der_is_ia5(s));
}

void der_put_string(struct writer *w, struct slice s)
{
    if (der_is_printable(s))
        der_put_printable(w, s);
    else
        der_put_utf8(w, s);
}

static void two_digits(uint8_t *p, int v)
{
    p[0] = (uint8_t)('0' + v / 10);
    p[1] = (uint8_t)('0' + v % 10);
}

static void put_time(struct writer *w, uint8_t tag, bool utc, const struct civil *c)
{
    uint8_t b[15];
    two_digits(b, c->year / 100);
    two_digits(b + 2, c->year % 100);
    two_digits(b + 4, c->month);
    two_digits(b + 6, c->day);
    two_digits(b + 8, c->hour);
    two_digits(b + 10, c->minute);
    two_digits(b + 12, c->second);
    b[14] = 'Z';
    size_t skip = utc ? 2 : 0;
    der_put(w, tag, slice_of(b + skip, 15 - skip));
}

void der_put_generalized_time_as(struct writer *w, uint8_t tag, int64_t at)
{
    struct civil c;
    if (!civil_from_unix(at, &c))
        writer_fail(w);
    else
        put_time(w, tag, false, &c);
}

void der_put_generalized_time(struct writer *w, int64_t at)
{
    der_put_generalized_time_as(w, DER_GENERALIZED_TIME, at);
}

void der_put_time(struct writer *w, int64_t at)
{
    struct civil c;
    if (!civil_from_unix(at, &c) || c.year < 1950)
        writer_fail(w);
    else
        put_time(w, c.year < 2050 ? DER_UTC_TIME : DER_GENERALIZED_TIME, c.year < 2050, &c);
}

void der_put_null(struct writer *w)
{
    der_put(w, DER_NULL, (struct slice){0});
}
