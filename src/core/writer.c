#include "core/writer.h"

struct writer writer_of(void *buf, size_t cap)
{
    return (struct writer){.buf = buf, .cap = cap};
}

struct writer writer_counting(void)
{
    return (struct writer){.cap = SIZE_MAX};
}

bool writer_ok(const struct writer *w)
{
    return !w->bad;
}

void writer_fail(struct writer *w)
{
    w->bad = true;
}

bool writer_done(const struct writer *w, struct slice *out)
{
    *out = writer_slice(w);
    return !w->bad;
}

struct slice writer_slice(const struct writer *w)
{
    return w->bad ? (struct slice){0} : slice_of(w->buf, w->n);
}

uint8_t *writer_space(struct writer *w, size_t n)
{
    if (w->bad || n > w->cap - w->n) {
        w->bad = true;
        return NULL;
    }
    uint8_t *at = w->buf ? w->buf + w->n : NULL;
    w->n += n;
    return at;
}

void writer_put(struct writer *w, struct slice s)
{
    uint8_t *at = writer_space(w, s.n);
    if (at && s.n)
        memcpy(at, s.p, s.n);
}

static void put_be(struct writer *w, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    writer_put(w, slice_of(b, n));
}

void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *at = writer_space(w, 1);
    if (at)
        *at = v;
}

void writer_u16(struct writer *w, uint16_t v)
{
    put_be(w, v, 2);
}

void writer_u32(struct writer *w, uint32_t v)
{
    put_be(w, v, 4);
}

void writer_u64(struct writer *w, uint64_t v)
{
    put_be(w, v, 8);
}
