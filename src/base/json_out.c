#include "base/json_out.h"

#include <inttypes.h>
#include <math.h>

#include "base/rfc3339.h"

struct json_out json_out_of(struct buf *b)
{
    return (struct json_out){.b = b};
}

/* The length of the UTF-8 character at p (RFC 3629), 0 if there is none. */
static size_t utf8_len(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first, last, low, high; /* of the first byte, of the second */
        size_t len;
    } rows[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        if (n < rows[i].len || p[1] < rows[i].low || p[1] > rows[i].high)
            return 0;
        for (size_t k = 2; k < rows[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return rows[i].len;
    }
    return 0;
}

static void put_ascii(struct buf *b, uint8_t c)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    const char *p = c ? strchr(from, c) : NULL;
    if (p) {
        buf_put_char(b, '\\');
        buf_put_char(b, to[p - from]);
    } else if (c < 0x20 || c == 0x7f) {
        buf_printf(b, "\\u%04x", c);
    } else {
        buf_put_char(b, (char)c);
    }
}

void json_out_put_string(struct buf *b, struct slice s)
{
    buf_put_char(b, '"');
    for (size_t i = 0; i < s.n && buf_ok(b);) {
        size_t n = utf8_len(s.p + i, s.n - i);
        if (n == 1)
            put_ascii(b, s.p[i]);
        else if (n == 3 && memcmp(s.p + i, "\xe2\x80", 2) == 0 && (s.p[i + 2] | 1) == 0xa9)
            buf_printf(b, "\\u20%02x", s.p[i + 2] - 0x80); /* U+2028 and U+2029 end lines in JavaScript */
        else if (n)
            buf_put(b, slice_of(s.p + i, n));
        else
            buf_put_str(b, "\\ufffd");
        i += n ? n : 1;
    }
    buf_put_char(b, '"');
}

/* What stands before a value: comma and key. */
static void begin(struct json_out *o, const char *key)
{
    uint32_t bit = 1u << (o->depth & 31);
    bool in_map = o->depth > 0 && (o->map & bit);
    if (in_map != (key != NULL) || (o->depth == 0 && (o->comma & bit)))
        o->b->bad = true; /* a member without a name, a name in a list, a second value at the top */
    if (o->depth > 0 && (o->comma & bit))
        buf_put_char(o->b, ',');
    o->comma |= bit;
    if (key) {
        json_out_put_string(o->b, slice_str(key));
        buf_put_char(o->b, ':');
    }
}

static void open_level(struct json_out *o, const char *key, bool map)
{
    begin(o, key);
    if (o->depth + 1 >= JSON_OUT_DEPTH_MAX) {
        o->b->bad = true;
        return;
    }
    o->depth++;
    uint32_t bit = 1u << o->depth;
    o->comma &= ~bit;
    o->map = map ? o->map | bit : o->map & ~bit;
    buf_put_char(o->b, map ? '{' : '[');
}

void json_out_map(struct json_out *o, const char *key)
{
    open_level(o, key, true);
}

void json_out_list(struct json_out *o, const char *key)
{
    open_level(o, key, false);
}

void json_out_end(struct json_out *o)
{
    if (o->depth == 0) {
        o->b->bad = true;
        return;
    }
    buf_put_char(o->b, o->map & 1u << o->depth ? '}' : ']');
    o->depth--;
}

void json_out_slice(struct json_out *o, const char *key, struct slice v)
{
    begin(o, key);
    json_out_put_string(o->b, v);
}

void json_out_text(struct json_out *o, const char *key, const char *v)
{
    if (v)
        json_out_slice(o, key, slice_str(v));
    else
        json_out_null(o, key);
}

void json_out_int(struct json_out *o, const char *key, int64_t v)
{
    begin(o, key);
    buf_printf(o->b, "%" PRId64, v);
}

void json_out_bool(struct json_out *o, const char *key, bool v)
{
    begin(o, key);
    buf_put_str(o->b, v ? "true" : "false");
}

void json_out_null(struct json_out *o, const char *key)
{
    begin(o, key);
    buf_put_str(o->b, "null");
}

void json_out_time(struct json_out *o, const char *key, int64_t at)
{
    json_out_text(o, key, RFC3339(at));
}

void json_out_bytes(struct json_out *o, const char *key, enum codec c, struct slice v)
{
    begin(o, key);
    buf_put_char(o->b, '"');
    codec_put(o->b, c, v);
    buf_put_char(o->b, '"');
}

void json_out_raw(struct json_out *o, const char *key, struct slice json)
{
    begin(o, key);
    buf_put(o->b, json);
}

bool json_out_done(const struct json_out *o)
{
    return o->depth == 0 && (o->comma & 1) && buf_ok(o->b);
}
