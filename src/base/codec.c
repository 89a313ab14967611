#include "base/codec.h"

#include <pthread.h>

#define LINE_CHARS 64
#define NO_CHAR    64 /* more than any value */

static const struct alphabet {
    const char *chars;
    unsigned bits;
    unsigned group; /* characters of a whole group */
    bool padded;
    const char *name, *rule;
} alphabets[] = {
    [CODEC_HEX] = {"0123456789abcdef", 4, 2, false, "hex", "lower-case hex, two characters a byte"},
    [CODEC_BASE64] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4, true, "base64",
                      "RFC 4648 section 4"},
    [CODEC_BASE64URL] = {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6, 4, false, "base64url",
                         "RFC 4648 section 5, without padding"},
    [CODEC_BASE32] = {"abcdefghijklmnopqrstuvwxyz234567", 5, 8, false, "base32",
                      "RFC 4648 section 6, lower case without padding"},
};

static uint8_t values[ARRAY_LEN(alphabets)][256]; /* of each character; NO_CHAR: the alphabet has no such */
static pthread_once_t values_once = PTHREAD_ONCE_INIT;

static void values_make(void)
{
    memset(values, NO_CHAR, sizeof values);
    for (size_t a = 0; a < ARRAY_LEN(alphabets); a++)
        for (uint8_t v = 0; v < 1u << alphabets[a].bits; v++)
            values[a][(uint8_t)alphabets[a].chars[v]] = v;
}

size_t codec_text_len(enum codec c, size_t bytes)
{
    const struct alphabet *a = &alphabets[c];
    if (bytes > SIZE_MAX / 16)
        return SIZE_MAX;
    size_t n = (bytes * 8 + a->bits - 1) / a->bits;
    return a->padded ? (n + a->group - 1) / a->group * a->group : n;
}

size_t codec_bytes_max(enum codec c, size_t chars)
{
    unsigned bits = alphabets[c].bits;
    return chars / 8 * bits + chars % 8 * bits / 8;
}

static void encode_to(const struct alphabet *a, struct slice s, char *dst, size_t len)
{
    uint32_t acc = 0;
    unsigned have = 0;
    size_t n = 0;
    size_t i = 0;
    for (; a->bits == 6 && i + 3 <= s.n; i += 3) {
        uint32_t v = (uint32_t)s.p[i] << 16 | (uint32_t)s.p[i + 1] << 8 | s.p[i + 2];
        dst[n++] = a->chars[v >> 18];
        dst[n++] = a->chars[v >> 12 & 63];
        dst[n++] = a->chars[v >> 6 & 63];
        dst[n++] = a->chars[v & 63];
    }
    for (; i < s.n; i++) {
        acc = acc << 8 | s.p[i];
        for (have += 8; have >= a->bits; have -= a->bits)
            dst[n++] = a->chars[acc >> (have - a->bits) & ((1u << a->bits) - 1)];
    }
    if (have)
        dst[n++] = a->chars[acc << (a->bits - have) & ((1u << a->bits) - 1)];
    while (n < len)
        dst[n++] = '=';
}

bool codec_encode(enum codec c, struct slice s, char *dst, size_t cap)
{
    size_t len = codec_text_len(c, s.n);
    if (cap)
        dst[0] = 0;
    if (len >= cap)
        return false;
    encode_to(&alphabets[c], s, dst, len);
    dst[len] = 0;
    return true;
}

void codec_put(struct buf *b, enum codec c, struct slice s)
{
    size_t len = codec_text_len(c, s.n);
    char *p = buf_space(b, len);
    if (!p)
        return;
    encode_to(&alphabets[c], s, p, len);
    buf_added(b, len);
}

void codec_put_lines(struct buf *b, struct slice s)
{
    const size_t bytes = LINE_CHARS / 4 * 3;
    for (size_t i = 0; i < s.n; i += bytes) {
        codec_put(b, CODEC_BASE64, slice_of(s.p + i, s.n - i < bytes ? s.n - i : bytes));
        buf_put_char(b, '\n');
    }
}

/* Whole groups of base64 up to the first character that is something else: four characters, three bytes. */
static size_t decode_groups(const uint8_t *value, struct slice text, uint8_t *dst, size_t cap)
{
    size_t groups = 0;
    for (; text.n / 4 > groups && cap / 3 > groups; groups++) {
        const uint8_t *p = text.p + 4 * groups;
        uint32_t a = value[p[0]], b = value[p[1]], c = value[p[2]], d = value[p[3]];
        if ((a | b | c | d) & NO_CHAR)
            break;
        uint32_t v = a << 18 | b << 12 | c << 6 | d;
        dst[3 * groups] = (uint8_t)(v >> 16);
        dst[3 * groups + 1] = (uint8_t)(v >> 8);
        dst[3 * groups + 2] = (uint8_t)v;
    }
    return groups;
}

/* One pass for both forms: `blanks` says whether white space is skipped. */
static bool decode(enum codec codec, struct slice text, bool blanks, uint8_t *dst, size_t cap, size_t *n, struct err *e)
{
    const struct alphabet *a = &alphabets[codec];
    uint32_t acc = 0;
    unsigned have = 0;
    size_t chars = 0, pads = 0, out = 0;
    pthread_once(&values_once, values_make);
    for (size_t i = 0; i < text.n; i++) {
        if (a->bits == 6 && have == 0 && pads == 0) {
            size_t groups = decode_groups(values[codec], slice_of(text.p + i, text.n - i), dst + out, cap - out);
            chars += 4 * groups;
            out += 3 * groups;
            i += 4 * groups;
            if (i == text.n)
                break;
        }
        uint8_t ch = text.p[i];
        if (blanks && (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n'))
            continue;
        if (a->padded && ch == '=') {
            pads++;
            continue;
        }
        unsigned v = pads ? NO_CHAR : values[codec][ch];
        if (v == NO_CHAR)
            return err_set(e, ERR_ENCODING, "%s: character \"%s\" at place %zu", a->name, ERR_QUOTE(slice_of(&ch, 1)),
                           i + 1);
        chars++;
        acc = (acc << a->bits | v) & 0xffff;
        have += a->bits;
        if (have < 8)
            continue;
        have -= 8;
        if (out == cap)
            return err_set(e, ERR_TOO_BIG, "%s: more than %zu bytes", a->name, cap);
        dst[out++] = (uint8_t)(acc >> have);
    }
    size_t left = chars % a->group;
    size_t pads_want = a->padded && left ? a->group - left : 0;
    if (have >= a->bits || pads != pads_want)
        return err_set(e, ERR_ENCODING, "%s: %zu characters%s", a->name, chars,
                       pads != pads_want ? " with wrong padding" : " do not make whole bytes");
    if (acc & ((1u << have) - 1))
        return err_set(e, ERR_ENCODING, "%s: bits behind the last byte are not zero", a->name);
    *n = out;
    return true;
}

static bool decode_clean(enum codec codec, struct slice text, bool blanks, void *dst, size_t cap, size_t *n,
                         struct err *e)
{
    *n = 0;
    if (decode(codec, text, blanks, dst, cap, n, e))
        return true;
    if (cap)
        memset(dst, 0, cap);
    return err_why(e, "%s", alphabets[codec].rule);
}

bool codec_decode(enum codec c, struct slice text, void *dst, size_t cap, size_t *n, struct err *e)
{
    return decode_clean(c, text, false, dst, cap, n, e);
}

bool codec_decode_lines(struct slice text, void *dst, size_t cap, size_t *n, struct err *e)
{
    return decode_clean(CODEC_BASE64, text, true, dst, cap, n, e);
}
