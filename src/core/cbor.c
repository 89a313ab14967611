#include "core/cbor.h"
#include "core/utf8.h"

#define SIMPLE_FALSE 20
#define SIMPLE_TRUE  21
#define SIMPLE_NULL  22

enum cbor_type cbor_peek(const struct reader *r)
{
    return reader_left(r) ? (enum cbor_type)(reader_peek(r) >> 5) : CBOR_NONE;
}

bool cbor_peek_null(const struct reader *r)
{
    return reader_peek(r) == (CBOR_SIMPLE << 5 | SIMPLE_NULL);
}

/* RFC 8949 section 4.2.1: the argument is in its shortest form.  31 (indefinite length) and 28 to 30 are no forms. */
static uint64_t take_argument(struct reader *r, uint8_t info)
{
    if (info < 24)
        return info;
    if (info > 27) {
        reader_fail(r);
        return 0;
    }
    static const uint64_t least[] = {24, UINT64_C(1) << 8, UINT64_C(1) << 16, UINT64_C(1) << 32};
    uint64_t v = info == 24 ? reader_u8(r) : info == 25 ? reader_u16(r) : info == 26 ? reader_u32(r) : reader_u64(r);
    if (v < least[info - 24])
        reader_fail(r);
    return v;
}

/* How many bytes there must be at least for a count to be believed. */
static bool count_fits(const struct reader *r, enum cbor_type type, uint64_t n)
{
    size_t left = reader_left(r);
    switch (type) {
    case CBOR_BSTR:
    case CBOR_TSTR:
    case CBOR_ARRAY:
        return n <= left;
    case CBOR_MAP:
        return n <= left / 2;
    case CBOR_TAG:
        return left > 0;
    default:
        return true;
    }
}

uint64_t cbor_get_head(struct reader *r, enum cbor_type *type)
{
    *type = cbor_peek(r);
    uint8_t info = reader_u8(r) & 0x1f;
    uint64_t v = 0;
    if (*type != CBOR_SIMPLE)
        v = take_argument(r, info);
    else if (info >= SIMPLE_FALSE && info <= SIMPLE_NULL)
        v = info;
    else
        reader_fail(r);
    if (!count_fits(r, *type, v))
        reader_fail(r);
    if (reader_ok(r))
        return v;
    *type = CBOR_NONE;
    return 0;
}

static uint64_t expect(struct reader *r, enum cbor_type type)
{
    enum cbor_type got;
    if (cbor_peek(r) != type)
        reader_fail(r);
    return cbor_get_head(r, &got);
}

uint64_t cbor_get_uint(struct reader *r)
{
    return expect(r, CBOR_UINT);
}

uint64_t cbor_get_uint_max(struct reader *r, uint64_t max)
{
    uint64_t v = expect(r, CBOR_UINT);
    if (v <= max)
        return v;
    reader_fail(r);
    return 0;
}

int64_t cbor_get_int(struct reader *r)
{
    enum cbor_type type;
    uint64_t v = cbor_get_head(r, &type);
    if ((type == CBOR_UINT || type == CBOR_NINT) && v <= INT64_MAX)
        return type == CBOR_UINT ? (int64_t)v : -1 - (int64_t)v;
    reader_fail(r);
    return 0;
}

struct slice cbor_get_bstr(struct reader *r)
{
    return reader_take(r, (size_t)expect(r, CBOR_BSTR));
}

struct slice cbor_get_bstr_n(struct reader *r, size_t n)
{
    struct slice s = cbor_get_bstr(r);
    if (s.n == n)
        return s;
    reader_fail(r);
    return (struct slice){0};
}

struct slice cbor_get_tstr(struct reader *r)
{
    struct slice s = reader_take(r, (size_t)expect(r, CBOR_TSTR));
    if (utf8_valid(s))
        return s;
    reader_fail(r);
    return (struct slice){0};
}

bool cbor_get_bool(struct reader *r)
{
    uint64_t v = expect(r, CBOR_SIMPLE);
    if (v == SIMPLE_NULL)
        reader_fail(r);
    return v == SIMPLE_TRUE;
}

void cbor_get_null(struct reader *r)
{
    if (expect(r, CBOR_SIMPLE) != SIMPLE_NULL)
        reader_fail(r);
}

bool cbor_take_null(struct reader *r)
{
    if (!cbor_peek_null(r))
        return false;
    cbor_get_null(r);
    return true;
}

size_t cbor_get_array(struct reader *r)
{
    return (size_t)expect(r, CBOR_ARRAY);
}

void cbor_get_array_n(struct reader *r, size_t n)
{
    if (cbor_get_array(r) != n)
        reader_fail(r);
}

uint64_t cbor_get_tag(struct reader *r)
{
    return expect(r, CBOR_TAG);
}

void cbor_get_tag_n(struct reader *r, uint64_t tag)
{
    if (cbor_get_tag(r) != tag)
        reader_fail(r);
}

struct cbor_map cbor_get_map(struct reader *r)
{
    return (struct cbor_map){.left = (size_t)expect(r, CBOR_MAP)};
}

bool cbor_map_next(struct reader *r, struct cbor_map *m)
{
    if (!reader_ok(r) || m->left == 0)
        return false;
    struct reader look = *r;
    struct slice key = cbor_take_raw(&look);
    if (!reader_ok(&look) || slice_cmp(m->last, key) >= 0) {
        reader_fail(r);
        return false;
    }
    m->last = key;
    m->left--;
    return true;
}

/* One array, map or tag that is being passed over.  An explicit stack of these, rather than recursion, keeps what a
 * microcontroller's stack must hold small and known. */
struct level {
    const uint8_t *item; /* where the item now being read begins */
    struct slice last;   /* in a map the key before, empty at first; else p is NULL */
    size_t left;         /* items, two for each pair */
};

/* Items that follow a head as its content. */
static size_t children(enum cbor_type type, uint64_t n)
{
    return type == CBOR_ARRAY ? (size_t)n : type == CBOR_MAP ? 2 * (size_t)n : type == CBOR_TAG ? 1 : 0;
}

/* An item of this level ended at r->p. */
static void item_done(struct reader *r, struct level *l)
{
    struct slice item = slice_of(l->item, (size_t)(r->p - l->item));
    if (l->last.p && l->left % 2 == 0) {
        if (slice_cmp(l->last, item) >= 0)
            reader_fail(r);
        l->last = item;
    }
    l->left--;
    l->item = r->p;
}

void cbor_skip(struct reader *r)
{
    struct level stack[CBOR_DEPTH_MAX];
    size_t depth = 0, max = r->depth < CBOR_DEPTH_MAX ? r->depth : CBOR_DEPTH_MAX;
    do {
        enum cbor_type type;
        uint64_t n = cbor_get_head(r, &type);
        bool nests = type == CBOR_ARRAY || type == CBOR_MAP || type == CBOR_TAG;
        if (nests && depth == max)
            reader_fail(r);
        else if (nests)
            stack[depth++] = (struct level){r->p, {type == CBOR_MAP ? r->p : NULL, 0}, children(type, n)};
        else if (type == CBOR_BSTR)
            reader_take(r, (size_t)n);
        else if (type == CBOR_TSTR && !utf8_valid(reader_take(r, (size_t)n)))
            reader_fail(r);
        if (!nests && depth)
            item_done(r, &stack[depth - 1]);
        while (depth && stack[depth - 1].left == 0)
            if (--depth)
                item_done(r, &stack[depth - 1]);
    } while (depth && reader_ok(r));
}

struct slice cbor_take_raw(struct reader *r)
{
    const uint8_t *start = r->p;
    cbor_skip(r);
    return reader_ok(r) ? slice_of(start, (size_t)(r->p - start)) : (struct slice){0};
}

bool cbor_valid(struct slice s)
{
    struct reader r = reader_of(s);
    cbor_skip(&r);
    return reader_end(&r);
}

void cbor_put_head(struct writer *w, enum cbor_type type, uint64_t arg)
{
    uint8_t major = (uint8_t)(type << 5);
    if (arg < 24) {
        writer_u8(w, (uint8_t)(major | arg));
    } else if (arg <= UINT8_MAX) {
        writer_u8(w, major | 24);
        writer_u8(w, (uint8_t)arg);
    } else if (arg <= UINT16_MAX) {
        writer_u8(w, major | 25);
        writer_u16(w, (uint16_t)arg);
    } else if (arg <= UINT32_MAX) {
        writer_u8(w, major | 26);
        writer_u32(w, (uint32_t)arg);
    } else {
        writer_u8(w, major | 27);
        writer_u64(w, arg);
    }
}

void cbor_put_uint(struct writer *w, uint64_t v)
{
    cbor_put_head(w, CBOR_UINT, v);
}

void cbor_put_int(struct writer *w, int64_t v)
{
    if (v >= 0)
        cbor_put_head(w, CBOR_UINT, (uint64_t)v);
    else
        cbor_put_head(w, CBOR_NINT, (uint64_t)(-1 - v));
}

void cbor_put_bstr(struct writer *w, struct slice s)
{
    cbor_put_head(w, CBOR_BSTR, s.n);
    writer_put(w, s);
}

void cbor_put_tstr(struct writer *w, struct slice s)
{
    if (!utf8_valid(s))
        writer_fail(w);
    cbor_put_head(w, CBOR_TSTR, s.n);
    writer_put(w, s);
}

void cbor_put_text(struct writer *w, const char *s)
{
    cbor_put_tstr(w, slice_str(s));
}

void cbor_put_bool(struct writer *w, bool v)
{
    cbor_put_head(w, CBOR_SIMPLE, v ? SIMPLE_TRUE : SIMPLE_FALSE);
}

void cbor_put_null(struct writer *w)
{
    cbor_put_head(w, CBOR_SIMPLE, SIMPLE_NULL);
}

void cbor_put_array(struct writer *w, size_t n)
{
    cbor_put_head(w, CBOR_ARRAY, n);
}

void cbor_put_map(struct writer *w, size_t n)
{
    cbor_put_head(w, CBOR_MAP, n);
}

void cbor_put_tag(struct writer *w, uint64_t tag)
{
    cbor_put_head(w, CBOR_TAG, tag);
}

void cbor_put_raw(struct writer *w, struct slice item)
{
    writer_put(w, item);
}

size_t cbor_open_bstr(struct writer *w)
{
    return w->n;
}

void cbor_close_bstr(struct writer *w, size_t mark)
{
    if (w->bad)
        return;
    size_t len = w->n - mark;
    uint8_t head[9];
    struct writer h = WRITER_ARRAY(head);
    cbor_put_head(&h, CBOR_BSTR, len);
    if (!writer_space(w, h.n) || !w->buf)
        return;
    memmove(w->buf + mark + h.n, w->buf + mark, len);
    memcpy(w->buf + mark, head, h.n);
}
