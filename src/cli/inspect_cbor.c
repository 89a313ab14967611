/* CBOR for `kith inspect`, in diagnostic notation (RFC 8949 section 8), and what is signed in it: COSE, heads of the feed. */
#include "cli/view.h"
#include "core/cose.h"
#include "model/feed.h"
#include "x509/alg.h"

static void diag(struct buf *b, struct reader *r, unsigned depth);

static void diag_bytes(struct buf *b, struct slice s)
{
    buf_put_str(b, "h'");
    codec_put(b, CODEC_HEX, slice_of(s.p, s.n < BYTES_SHOWN ? s.n : BYTES_SHOWN));
    buf_put_char(b, '\'');
    if (s.n > BYTES_SHOWN)
        buf_printf(b, " /... %zu bytes/", s.n);
}

static void diag_items(struct buf *b, struct reader *r, uint64_t n, bool map, unsigned depth)
{
    buf_put_char(b, map ? '{' : '[');
    for (uint64_t i = 0; i < n && reader_ok(r) && buf_ok(b); i++) {
        buf_put_str(b, i ? ", " : "");
        diag(b, r, depth + 1);
        if (map) {
            buf_put_str(b, ": ");
            diag(b, r, depth + 1);
        }
    }
    buf_put_char(b, map ? '}' : ']');
}

static void diag(struct buf *b, struct reader *r, unsigned depth)
{
    enum cbor_type type = cbor_peek(r);
    if (depth > DIAG_DEPTH) {
        reader_fail(r);
        return;
    }
    if (type == CBOR_BSTR) {
        diag_bytes(b, cbor_get_bstr(r));
        return;
    }
    if (type == CBOR_TSTR) {
        json_out_put_string(b, cbor_get_tstr(r));
        return;
    }
    uint64_t n = cbor_get_head(r, &type);
    if (type == CBOR_UINT)
        buf_printf(b, "%llu", (unsigned long long)n);
    else if (type == CBOR_NINT)
        buf_printf(b, n == UINT64_MAX ? "-18446744073709551616" : "-%llu", (unsigned long long)n + 1);
    else if (type == CBOR_ARRAY || type == CBOR_MAP)
        diag_items(b, r, n, type == CBOR_MAP, depth);
    else if (type == CBOR_SIMPLE)
        buf_put_str(b, n == 20 ? "false" : n == 21 ? "true" : "null");
    else if (type == CBOR_TAG) {
        buf_printf(b, "%llu(", (unsigned long long)n);
        diag(b, r, depth + 1);
        buf_put_char(b, ')');
    }
}

static void put_diag(struct view *v, const char *key, struct slice cbor)
{
    AUTO(buf_clear) struct buf b = {0};
    struct reader r = reader_of(cbor);
    buf_init(&b, OUT_MAX / 2);
    diag(&b, &r, 0);
    view_put_text(v, key, buf_str(&b));
}

bool view_cbor(struct view *v, struct slice s)
{
    if (!cbor_valid(s))
        return false;
    view_put_text(v, "type", "CBOR, deterministic");
    put_diag(v, "content", s);
    view_put_digest(v, s);
    return true;
}

/* --- CBOR of others --- */

struct walk {
    struct reader r;
    size_t size;
    const char *what; /* the first thing that is not deterministic; NULL: none was met */
    size_t at;
};

static void meet(struct walk *w, const char *what, size_t at)
{
    if (w->what)
        return;
    w->what = what;
    w->at = at;
}

static bool walk_item(struct walk *w, unsigned depth);

static void walk_items(struct walk *w, uint64_t n, unsigned depth)
{
    while (n-- && reader_ok(&w->r))
        if (!walk_item(w, depth + 1))
            reader_fail(&w->r);
}

/* The argument of a head in any of the lengths of RFC 8949 section 3. */
static uint64_t walk_argument(struct walk *w, uint8_t type, uint8_t info, size_t at)
{
    uint64_t v = 0;
    if (info < 24)
        return info;
    for (unsigned i = 0; i < 1u << (info - 24); i++)
        v = v << 8 | reader_u8(&w->r);
    if (type != CBOR_SIMPLE && (info == 24 ? v < 24 : v >> (4u << (info - 24)) == 0))
        meet(w, "a number or length that is not in its shortest form", at);
    return v;
}

/* False for a break, and for what is no CBOR. */
static bool walk_item(struct walk *w, unsigned depth)
{
    size_t at = w->size - reader_left(&w->r);
    bool there = reader_left(&w->r) > 0;
    uint8_t head = reader_u8(&w->r), type = head >> 5, info = head & 31;
    bool open = info == 31 && type != CBOR_UINT && type != CBOR_NINT && type != CBOR_TAG;
    if (!there || head == 0xff || depth > DIAG_DEPTH || (info > 27 && !open)) {
        if (head != 0xff)
            reader_fail(&w->r);
        return false;
    }
    if (open) {
        meet(w, "an indefinite length", at);
        while (walk_item(w, depth + 1))
            ;
        return reader_ok(&w->r);
    }
    uint64_t n = walk_argument(w, type, info, at);
    if (type == CBOR_BSTR || type == CBOR_TSTR)
        (void)reader_take(&w->r, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
    else if (type == CBOR_ARRAY || type == CBOR_MAP || type == CBOR_TAG)
        walk_items(w, type == CBOR_TAG ? 1 : type == CBOR_MAP && n <= UINT64_MAX / 2 ? 2 * n : n, depth);
    else if (type == CBOR_SIMPLE && (n < 20 || n > 22 || info > 23))
        meet(w, "a float or a simple value, which nothing here has", at);
    return reader_ok(&w->r);
}

bool view_says_of_cbor(struct slice s, struct err *e)
{
    struct walk w = {.r = reader_of(s), .size = s.n};
    if (!walk_item(&w, 0) || !reader_end(&w.r))
        return false;
    if (w.what)
        err_set(e, ERR_SYNTAX, "CBOR, but not deterministic: %s, at byte %zu", w.what, w.at);
    else
        err_set(e, ERR_SYNTAX,
                "CBOR, but not deterministic: keys of a map out of order or twice, or text not in UTF-8");
    err_why(e, "RFC 8949 section 4.2.1; Kith reads no other, so that what was signed has one form");
    err_try(e, "what made it has to encode it so; a viewer of CBOR shows what is in it");
    return true;
}

static void put_head(struct view *v, struct slice payload)
{
    static const char *const names[] = {"version", "origin", "number", "before", "time", "next"};
    struct reader r = reader_of(payload);
    if (cbor_get_array(&r) != 7)
        return;
    for (size_t i = 0; i < ARRAY_LEN(names) && reader_ok(&r); i++) {
        enum cbor_type t = cbor_peek(&r);
        if (t == CBOR_TSTR)
            view_put_slice(v, names[i], cbor_get_tstr(&r));
        else if (t == CBOR_BSTR)
            view_put_bytes(v, names[i], cbor_get_bstr(&r));
        else if (i >= 4)
            view_put_time(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
        else
            view_put_int(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
    }
    view_put_int(v, "shards", (int64_t)cbor_get_array(&r));
}

bool view_cose(struct view *v, struct slice s)
{
    struct cose_sign1 m;
    struct err e;
    if (!cose_read_sign1(s, &m, &e))
        return false;
    bool head = slice_eq(m.content_type, SLICE_LIT(FEED_CONTENT_TYPE));
    view_put_text(v, "type", head ? "head of the revocation feed (COSE_Sign1)" : "COSE_Sign1");
    view_put_text(v, "signed with", alg_name(m.alg) ? alg_name(m.alg) : "an algorithm that is not known");
    if (m.content_type.n)
        view_put_slice(v, "content type", m.content_type);
    if (m.kid.n)
        view_put_bytes(v, "key id", m.kid);
    put_diag(v, "protected", m.protected_map);
    if (m.detached)
        view_put_text(v, "payload", "detached");
    else if (head)
        put_head(v, m.payload);
    else if (cbor_valid(m.payload))
        put_diag(v, "payload", m.payload);
    else
        view_put_bytes(v, "payload", m.payload);
    view_put_digest(v, s);
    return true;
}
