#include "agent/pem.h"

#include "base/codec.h"

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

void pem_put_cert(struct buf *b, struct slice der)
{
    buf_put_str(b, BEGIN "\n");
    codec_put_lines(b, der);
    if (b->n && b->p[b->n - 1] != '\n')
        buf_put_char(b, '\n');
    buf_put_str(b, END "\n");
}

bool pem_next_cert(struct slice *text, struct buf *der, bool *found, struct err *e)
{
    *found = false;
    const char *begin = text->n ? memmem(text->p, text->n, BEGIN, sizeof BEGIN - 1) : NULL;
    if (!begin)
        return true;
    const char *body = begin + sizeof BEGIN - 1, *stop = (const char *)text->p + text->n;
    const char *end = memmem(body, (size_t)(stop - body), END, sizeof END - 1);
    struct slice lines = slice_of(body, end ? (size_t)(end - body) : 0);
    size_t cap = codec_bytes_max(CODEC_BASE64, lines.n), n = 0;
    char *p = end && cap ? buf_space(der, cap) : NULL;
    if (!p) {
        err_set(e, ERR_SYNTAX, "a PEM certificate is cut, empty or too long");
        return err_why(e, "RFC 7468 section 3");
    }
    if (!codec_decode_lines(lines, p, cap, &n, e))
        return err_ctx(e, "a PEM certificate");
    buf_added(der, n);
    *text = slice_of(end + sizeof END - 1, (size_t)(stop - end) - (sizeof END - 1));
    *found = true;
    return true;
}
