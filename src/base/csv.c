#include "base/csv.h"

#include "base/buf.h"

/* Of what ends a field; strchr() would find the end of its own text too. */
static bool ends_field(uint8_t c)
{
    return c == ',' || c == '\r' || c == '\n';
}

static bool take_quoted(struct slice *rest, struct buf *out, struct err *e)
{
    size_t i = 1;
    for (;; i++) {
        if (i >= rest->n) {
            *rest = slice_of(rest->p + rest->n, 0);
            err_set(e, ERR_SYNTAX, "a quoted field does not end");
            err_why(e, "RFC 4180 section 2: all behind its quote stands in it");
            return err_try(e, "close it, or take the quote away, and begin again");
        }
        if (rest->p[i] != '"') {
            buf_put_char(out, (char)rest->p[i]);
            continue;
        }
        if (i + 1 >= rest->n || rest->p[i + 1] != '"')
            break;
        buf_put_char(out, '"');
        i++;
    }
    i++;
    if (i < rest->n && !ends_field(rest->p[i])) {
        err_set(e, ERR_SYNTAX, "something stands behind a quoted field");
        return err_why(e, "RFC 4180 section 2");
    }
    *rest = slice_of(rest->p + i, rest->n - i);
    return true;
}

static void take_bare(struct slice *rest, struct buf *out)
{
    size_t i = 0;
    while (i < rest->n && !ends_field(rest->p[i]))
        i++;
    buf_put(out, slice_of(rest->p, i));
    *rest = slice_of(rest->p + i, rest->n - i);
}

static bool take_field(struct slice *rest, struct arena *a, const char **out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 65536);
    if (rest->n && rest->p[0] == '"') {
        if (!take_quoted(rest, &b, e))
            return false;
    } else {
        take_bare(rest, &b);
    }
    if (!buf_ok(&b))
        return err_set(e, ERR_LIMIT, "a field of more than 64 KiB");
    if (b.n && memchr(b.p, 0, b.n)) /* texts end there: what stands behind it would be lost */
        return err_set(e, ERR_SYNTAX, "a field with a NUL byte");
    *out = arena_str(a, buf_slice(&b));
    return *out || err_set(e, ERR_LIMIT, "a record of more than the memory for one line");
}

bool csv_record(struct slice *rest, struct arena *a, const char **fields, size_t cap, size_t *n, struct err *e)
{
    *n = 0;
    for (;;) {
        if (*n == cap)
            return err_set(e, ERR_LIMIT, "more than %zu fields", cap);
        if (!take_field(rest, a, &fields[*n], e))
            return false;
        ++*n;
        if (!rest->n || rest->p[0] != ',')
            break;
        *rest = slice_of(rest->p + 1, rest->n - 1);
    }
    size_t end = rest->n && rest->p[0] == '\r';
    end += rest->n > end && rest->p[end] == '\n';
    *rest = slice_of(rest->p + end, rest->n - end);
    return true;
}
