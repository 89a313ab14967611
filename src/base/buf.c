#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_FIRST 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->bad = false;
    if (b->p)
        b->p[0] = 0;
}

void buf_wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_clear(b);
}

/* Room for `more` bytes and the NUL. */
static bool buf_grow(struct buf *b, size_t more)
{
    if (b->bad || more > b->max - b->n) {
        b->bad = true;
        return false;
    }
    size_t need = b->n + more + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : CAP_FIRST;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    /* Not realloc: what a buffer held may be secret, and buf_wipe() reaches only the last storage. */
    char *p = malloc(cap);
    if (!p) {
        b->bad = true;
        return false;
    }
    if (b->p) {
        memcpy(p, b->p, b->n);
        explicit_bzero(b->p, b->cap);
        free(b->p);
    }
    b->p = p;
    b->cap = cap;
    b->p[b->n] = 0;
    return true;
}

void buf_put(struct buf *b, struct slice s)
{
    if (!s.n || !buf_grow(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
    b->p[b->n] = 0;
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, slice_str(s));
}

void buf_put_char(struct buf *b, char c)
{
    buf_put(b, slice_of(&c, 1));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    /* Mostly it fits at the first try; what did not is cut off again. */
    size_t spare = b->p && !b->bad ? b->cap - b->n : 0;
    int n = vsnprintf(spare ? b->p + b->n : NULL, spare, fmt, ap);
    bool fits = n >= 0 && (size_t)n < spare && (size_t)n <= b->max - b->n;
    if (!fits && spare)
        b->p[b->n] = 0;
    if (n < 0)
        b->bad = true;
    else if (n > 0 && (fits || buf_grow(b, (size_t)n))) {
        if (!fits)
            vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

char *buf_space(struct buf *b, size_t n)
{
    return buf_grow(b, n) ? b->p + b->n : NULL;
}

void buf_added(struct buf *b, size_t n)
{
    if (b->bad || !b->p || n > b->cap - 1 - b->n) {
        b->bad = b->bad || n > 0;
        return;
    }
    b->n += n;
    b->p[b->n] = 0;
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
    } else {
        memmove(b->p, b->p + n, b->n - n);
        b->n -= n;
    }
    if (b->p)
        b->p[b->n] = 0;
}

void buf_cut(struct buf *b, size_t n)
{
    if (n >= b->n)
        return;
    b->n = n;
    b->p[n] = 0;
}

bool buf_ok(const struct buf *b)
{
    return !b->bad;
}

struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->p, b->n);
}

const char *buf_str(const struct buf *b)
{
    return b->p ? b->p : "";
}

bool buf_done(const struct buf *b, struct slice *out, struct err *e)
{
    *out = (struct slice){0};
    if (b->bad)
        return err_set(e, ERR_TOO_BIG, "more than %zu bytes, or no memory for them", b->max);
    *out = buf_slice(b);
    return true;
}
