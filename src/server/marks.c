#include "server/marks.h"

#include <stdlib.h>
#include <string.h>

#include "core/cbor.h"
#include "core/crl_reason.h"

bool marks_add(struct marks *m, const struct feed_mark *mark, struct err *e)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 8;
        struct feed_mark *v = reallocarray(m->v, cap, sizeof *v);
        if (!v)
            return err_set(e, ERR_NOMEM, "%zu marks", cap);
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = *mark;
    return true;
}

void marks_clear(struct marks *m)
{
    free(m->v);
    *m = (struct marks){0};
}

struct settling {
    const struct feed_mark *m;
    size_t i;
};

static int by_serial(const void *a, const void *b)
{
    const struct settling *x = a, *y = b;
    int c = memcmp(x->m->serial, y->m->serial, SERIAL_SIZE);
    return c ? c : (x->i > y->i) - (x->i < y->i);
}

size_t marks_settle(struct feed_mark *m, size_t *taken)
{
    size_t kept = 0, n = *taken;
    struct settling *s = calloc(n + 1, sizeof *s);
    struct feed_mark *out = calloc(n + 1, sizeof *out);
    if (!s || !out) { /* one at a time is right too */
        free(s);
        free(out);
        return *taken = n ? 1 : 0;
    }
    for (size_t i = 0; i < n; i++)
        s[i] = (struct settling){&m[i], i};
    qsort(s, n, sizeof *s, by_serial);
    for (size_t i = 0; i < n; i++) {
        bool same = kept && memcmp(out[kept - 1].serial, s[i].m->serial, SERIAL_SIZE) == 0;
        if (!same)
            out[kept++] = *s[i].m;
        else if (out[kept - 1].kind != MARK_REVOKE)
            out[kept - 1] = *s[i].m;
    }
    if (kept)
        memcpy(m, out, kept * sizeof *m);
    free(s);
    free(out);
    return kept;
}

void marks_put(struct buf *out, const struct feed_mark *m, size_t n, enum mark_kind kind)
{
    uint8_t item[64];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += m[i].kind == kind;
    struct writer w = WRITER_ARRAY(item);
    cbor_put_array(&w, count);
    buf_put(out, writer_slice(&w));
    for (size_t i = 0; i < n; i++) {
        if (m[i].kind != kind)
            continue;
        w = WRITER_ARRAY(item);
        if (kind == MARK_REVOKE)
            cbor_put_array(&w, 2);
        cbor_put_bstr(&w, SLICE_ARRAY(m[i].serial));
        if (kind == MARK_REVOKE)
            cbor_put_int(&w, crl_reason_is_final(m[i].reason) ? m[i].reason : 0);
        buf_put(out, writer_slice(&w));
    }
}

bool marks_have(const struct feed_mark *m, size_t n, bool revoke)
{
    for (size_t i = 0; i < n; i++)
        if ((m[i].kind == MARK_REVOKE) == revoke)
            return true;
    return false;
}
