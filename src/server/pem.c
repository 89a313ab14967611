#include "server/pem.h"

#include <stdio.h>

#include "base/codec.h"

void pem_put(struct buf *b, const char *label, struct slice der)
{
    buf_printf(b, "-----BEGIN %s-----\n", label);
    codec_put_lines(b, der);
    buf_printf(b, "-----END %s-----\n", label);
}

bool pem_get(struct slice text, const char *label, uint8_t *der, size_t cap, size_t *n, struct err *e)
{
    char begin[64], end[64];
    snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    snprintf(end, sizeof end, "-----END %s-----", label);
    const uint8_t *from = memmem(text.p, text.n, begin, strlen(begin));
    const uint8_t *to = from ? memmem(from, text.n - (size_t)(from - text.p), end, strlen(end)) : NULL;
    if (!to)
        return err_set(e, ERR_SYNTAX, "no PEM block \"%s\"", label) || err_why(e, "RFC 7468 section 2");
    from += strlen(begin);
    return codec_decode_lines(slice_of(from, (size_t)(to - from)), der, cap, n, e);
}
