#include "core/der.h"
#include "core/civil.h"
#include "core/utf8.h"

#define CONSTRUCTED 0x20
#define CLASS_MASK  0xc0
#define NUMBER_MASK 0x1f

uint8_t der_peek(const struct reader *r)
{
    return reader_peek(r);
}

/* X.690 section 10.1: definite and of the fewest bytes.  Four bytes of length are enough for anything here. */
static size_t take_length(struct reader *r)
{
    uint8_t first = reader_u8(r);
    if (first < 0x80)
        return first;
    size_t n = first & 0x7f, len = 0;
    if (n == 0 || n > 4) {
        reader_fail(r);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        len = len << 8 | reader_u8(r);
    if (len < 0x80 || len >> (8 * (n - 1)) == 0)
        reader_fail(r);
    return len;
}

struct der_item der_next(struct reader *r)
{
    const uint8_t *start = r->p;
    uint8_t tag = reader_u8(r);
    /* 0 is end-of-contents, of which DER has no use; number 31 announces a longer tag. */
    if (tag == 0 || (tag & NUMBER_MASK) == NUMBER_MASK)
        reader_fail(r);
    struct slice content = reader_take(r, take_length(r));
    if (!reader_ok(r))
        return (struct der_item){0};
    return (struct der_item){tag, content, slice_of(start, (size_t)(r->p - start))};
}

static struct der_item next_as(struct reader *r, uint8_t tag)
{
    if (der_peek(r) != tag)
        reader_fail(r);
    return der_next(r);
}

struct slice der_expect(struct reader *r, uint8_t tag)
{
    return next_as(r, tag).content;
}

struct slice der_raw(struct reader *r)
{
    return der_next(r).whole;
}

struct slice der_raw_as(struct reader *r, uint8_t tag)
{
    return next_as(r, tag).whole;
}

struct reader der_enter(struct reader *r, uint8_t tag)
{
    if (!(tag & CONSTRUCTED) || r->depth == 0)
        reader_fail(r);
    struct reader inner = reader_of(der_expect(r, tag));
    inner.depth = r->depth ? r->depth - 1 : 0;
    inner.bad = r->bad;
    return inner;
}

struct reader der_enter_set_of(struct reader *r, uint8_t tag)
{
    struct reader inner = der_enter(r, tag), look = inner;
    struct slice last = {0};
    while (reader_left(&look)) {
        struct slice item = der_raw(&look);
        if (slice_cmp(last, item) > 0)
            reader_fail(&look);
        last = item;
    }
    if (!reader_ok(&look)) {
        reader_fail(r);
        reader_fail(&inner);
    }
    return inner;
}

bool der_enter_optional(struct reader *r, uint8_t tag, struct reader *inner)
{
    *inner = (struct reader){0};
    if (!reader_left(r) || der_peek(r) != tag)
        return false;
    *inner = der_enter(r, tag);
    return true;
}

void der_leave(struct reader *r, const struct reader *inner)
{
    if (!reader_end(inner))
        reader_fail(r);
}

/* X.690 section 8.3.2: the first nine bits of an INTEGER are not all alike. */
static bool integer_minimal(struct slice s)
{
    if (s.n == 0)
        return false;
    return s.n == 1 || !((s.p[0] == 0x00 && s.p[1] < 0x80) || (s.p[0] == 0xff && s.p[1] >= 0x80));
}

static struct slice fail_empty(struct reader *r)
{
    reader_fail(r);
    return (struct slice){0};
}

struct slice der_uint_as(struct reader *r, uint8_t tag)
{
    struct slice s = der_expect(r, tag);
    if (!integer_minimal(s) || s.p[0] & 0x80)
        return fail_empty(r);
    return s.p[0] == 0 && s.n > 1 ? slice_of(s.p + 1, s.n - 1) : s;
}

struct slice der_uint(struct reader *r)
{
    return der_uint_as(r, DER_INTEGER);
}

int64_t der_int64_as(struct reader *r, uint8_t tag)
{
    struct slice s = der_expect(r, tag);
    if (!integer_minimal(s) || s.n > 8) {
        reader_fail(r);
        return 0;
    }
    uint64_t v = s.p[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return (int64_t)v;
}

int64_t der_int64(struct reader *r)
{
    return der_int64_as(r, DER_INTEGER);
}

bool der_bool(struct reader *r)
{
    struct slice s = der_expect(r, DER_BOOLEAN);
    if (s.n != 1 || (s.p[0] != 0x00 && s.p[0] != 0xff)) {
        reader_fail(r);
        return false;
    }
    return s.p[0] == 0xff;
}

bool der_bool_default_false(struct reader *r)
{
    if (!reader_left(r) || der_peek(r) != DER_BOOLEAN)
        return false;
    if (!der_bool(r))
        reader_fail(r);
    return reader_ok(r);
}

/* X.690 section 8.19.2: each part ends in a byte below 0x80 and has no leading 0x80. */
static bool oid_sound(struct slice s)
{
    bool begins = true;
    for (size_t i = 0; i < s.n; i++) {
        if (begins && s.p[i] == 0x80)
            return false;
        begins = s.p[i] < 0x80;
    }
    return s.n && begins;
}

struct slice der_oid(struct reader *r)
{
    struct slice s = der_expect(r, DER_OID);
    return oid_sound(s) ? s : fail_empty(r);
}

struct slice der_bits(struct reader *r)
{
    struct slice s = der_expect(r, DER_BIT_STRING);
    if (s.n == 0 || s.p[0] != 0)
        return fail_empty(r);
    return slice_of(s.p + 1, s.n - 1);
}

/* X.690 section 11.2: unused bits are zero; only the empty string has none but them. */
static bool bits_sound(struct slice s)
{
    if (s.n == 0 || s.p[0] > 7)
        return false;
    return s.n == 1 ? s.p[0] == 0 : (s.p[s.n - 1] & ((1u << s.p[0]) - 1)) == 0;
}

uint32_t der_named_bits_as(struct reader *r, uint8_t tag)
{
    struct slice s = der_expect(r, tag);
    /* The last bit in use is 1, since trailing zeros are dropped. */
    if (!bits_sound(s) || s.n > 5 || (s.n > 1 && !(s.p[s.n - 1] >> s.p[0] & 1))) {
        reader_fail(r);
        return 0;
    }
    uint32_t bits = 0;
    for (size_t i = 0; i < 8 * (s.n - 1); i++)
        if (s.p[1 + i / 8] & 0x80 >> i % 8)
            bits |= UINT32_C(1) << i;
    return bits;
}

uint32_t der_named_bits(struct reader *r)
{
    return der_named_bits_as(r, DER_BIT_STRING);
}

struct slice der_octets(struct reader *r)
{
    return der_expect(r, DER_OCTET_STRING);
}

/* X.680 section 41.4. */
bool der_is_printable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (c == 0 || !strchr(" '()+,-./:=?", c)))
            return false;
    }
    return true;
}

bool der_is_ia5(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == 0 || s.p[i] > 0x7f)
            return false;
    return true;
}

bool der_is_utf8(struct slice s)
{
    return utf8_valid(s) && (s.n == 0 || !memchr(s.p, 0, s.n));
}

struct slice der_utf8(struct reader *r)
{
    struct slice s = der_expect(r, DER_UTF8_STRING);
    return der_is_utf8(s) ? s : fail_empty(r);
}

struct slice der_printable(struct reader *r)
{
    struct slice s = der_expect(r, DER_PRINTABLE_STRING);
    return der_is_printable(s) ? s : fail_empty(r);
}

struct slice der_ia5_as(struct reader *r, uint8_t tag)
{
    struct slice s = der_expect(r, tag);
    return der_is_ia5(s) ? s : fail_empty(r);
}

struct slice der_ia5(struct reader *r)
{
    return der_ia5_as(r, DER_IA5_STRING);
}

struct slice der_string(struct reader *r, uint8_t *tag)
{
    uint8_t t = der_peek(r);
    if (tag)
        *tag = t;
    switch (t) {
    case DER_UTF8_STRING:
        return der_utf8(r);
    case DER_PRINTABLE_STRING:
        return der_printable(r);
    case DER_IA5_STRING:
        return der_ia5(r);
    default:
        return fail_empty(r);
    }
}

/* Two digits at s[i], or -1. */
static int two_digits(struct slice s, size_t i)
{
    uint8_t a = s.p[i], b = s.p[i + 1];
    return a < '0' || a > '9' || b < '0' || b > '9' ? -1 : (a - '0') * 10 + (b - '0');
}

/* [YY]YYMMDDHHMMSSZ (RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2). */
static bool time_parse(struct slice s, bool utc, int64_t *at)
{
    *at = 0;
    if (s.n != (utc ? 13u : 15u) || s.p[s.n - 1] != 'Z')
        return false;
    int part[7], n = (int)(s.n / 2);
    for (int i = 0; i < n; i++)
        if ((part[i] = two_digits(s, 2 * (size_t)i)) < 0)
            return false;
    const int *rest = part + n - 5;
    int year = utc ? part[0] + (part[0] < 50 ? 2000 : 1900) : part[0] * 100 + part[1];
    return civil_to_unix(&(struct civil){year, rest[0], rest[1], rest[2], rest[3], rest[4]}, at);
}

int64_t der_generalized_time_as(struct reader *r, uint8_t tag)
{
    int64_t at;
    if (!time_parse(der_expect(r, tag), false, &at))
        reader_fail(r);
    return at;
}

int64_t der_generalized_time(struct reader *r)
{
    return der_generalized_time_as(r, DER_GENERALIZED_TIME);
}

#define YEAR_2050 INT64_C(2524608000)

int64_t der_time(struct reader *r)
{
    int64_t at;
    if (der_peek(r) != DER_UTC_TIME) {
        at = der_generalized_time(r);
        if (at < YEAR_2050)
            reader_fail(r);
    } else if (!time_parse(der_expect(r, DER_UTC_TIME), true, &at)) {
        reader_fail(r);
    }
    return reader_ok(r) ? at : 0;
}

void der_null(struct reader *r)
{
    if (der_expect(r, DER_NULL).n)
        reader_fail(r);
}

static void check_constructed(struct reader *r);

/* Takes one element and checks it by what its tag says of it. */
static void check_item(struct reader *r)
{
    uint8_t tag = der_peek(r);
    int64_t ignored;
    bool sound = true;
    if (tag & CONSTRUCTED) {
        if ((tag & CLASS_MASK) == 0 && tag != DER_SEQUENCE && tag != DER_SET)
            reader_fail(r);
        check_constructed(r);
        return;
    }
    struct slice s = der_expect(r, tag);
    switch (tag) {
    case DER_BOOLEAN:
        sound = s.n == 1 && (s.p[0] == 0x00 || s.p[0] == 0xff);
        break;
    case DER_INTEGER:
    case DER_ENUMERATED:
        sound = integer_minimal(s);
        break;
    case DER_BIT_STRING:
        sound = bits_sound(s);
        break;
    case DER_NULL:
        sound = s.n == 0;
        break;
    case DER_OID:
        sound = oid_sound(s);
        break;
    case DER_UTF8_STRING:
        sound = der_is_utf8(s);
        break;
    case DER_PRINTABLE_STRING:
        sound = der_is_printable(s);
        break;
    case DER_IA5_STRING:
        sound = der_is_ia5(s);
        break;
    case DER_UTC_TIME:
    case DER_GENERALIZED_TIME:
        sound = time_parse(s, tag == DER_UTC_TIME, &ignored);
        break;
    case DER_SEQUENCE & ~CONSTRUCTED:
    case DER_SET & ~CONSTRUCTED:
        sound = false;
        break;
    default:
        break;
    }
    if (!sound)
        reader_fail(r);
}

/* The order of a SET is not checked here: whether it is a SET OF (by content) or a SET (by tag) is not in the bytes. */
static void check_constructed(struct reader *r)
{
    struct reader inner = der_enter(r, der_peek(r));
    while (reader_left(&inner))
        check_item(&inner);
    der_leave(r, &inner);
}

bool der_valid(struct slice s)
{
    struct reader r = reader_of(s);
    check_item(&r);
    return reader_end(&r);
}
