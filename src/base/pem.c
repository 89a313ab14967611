#include "base/pem.h"

#include "base/codec.h"

#define BEGIN  "-----BEGIN "
#define END    "-----END "
#define DASHES "-----"

void pem_put(struct buf *b, const char *label, struct slice der)
{
    buf_printf(b, BEGIN "%s" DASHES "\n", label);
    codec_put_lines(b, der);
    buf_printf(b, END "%s" DASHES "\n", label);
}

/* What is before the next `word`; *text goes past it.  False, and nothing is changed, if it does not come. */
static bool take_to(struct slice *text, const char *word, struct slice *before)
{
    const uint8_t *at = text->n ? memmem(text->p, text->n, word, strlen(word)) : NULL;
    if (!at)
        return false;
    *before = slice_of(text->p, (size_t)(at - text->p));
    size_t gone = before->n + strlen(word);
    *text = slice_of(text->p + gone, text->n - gone);
    return true;
}

bool pem_next(struct slice *text, struct pem_block *out, bool *found, struct err *e)
{
    struct pem_block b = {.before = *text};
    struct slice rest = *text, label;
    *out = b;
    *found = take_to(&rest, BEGIN, &b.before);
    if (!*found)
        return true;
    b.whole.p = b.before.p + b.before.n;
    bool ends = take_to(&rest, DASHES, &b.label) && take_to(&rest, END, &b.base64) && take_to(&rest, DASHES, &label) &&
                slice_eq(label, b.label);
    if (!ends || memmem(b.base64.p, b.base64.n, DASHES, strlen(DASHES))) {
        *found = false;
        err_set(e, ERR_SYNTAX, "a PEM block \"%s\" is cut", ERR_QUOTE(b.label));
        return err_why(e, "RFC 7468 section 3: from -----BEGIN label----- to -----END label----- with the same label");
    }
    b.whole.n = (size_t)(rest.p - b.whole.p);
    *text = rest;
    *out = b;
    return true;
}

bool pem_is(const struct pem_block *b, const char *label)
{
    return slice_eq(b->label, slice_str(label));
}

bool pem_decode(const struct pem_block *b, struct buf *der, struct err *e)
{
    size_t n, room = codec_bytes_max(CODEC_BASE64, b->base64.n); /* line ends count, too: more than there will be */
    if (room > der->max - der->n)
        room = der->max - der->n;
    struct slice all;
    char *space = buf_space(der, room);
    if (!space)
        return buf_done(der, &all, e);
    if (!codec_decode_lines(b->base64, space, room, &n, e))
        return err_ctx(e, "PEM \"%s\"", ERR_QUOTE(b->label));
    buf_added(der, n);
    return true;
}

bool pem_next_of(struct slice *text, const char *label, struct buf *der, bool *found, struct err *e)
{
    struct pem_block b;
    do {
        if (!pem_next(text, &b, found, e))
            return false;
    } while (*found && !pem_is(&b, label));
    return !*found || pem_decode(&b, der, e);
}

bool pem_get(struct slice text, const char *label, struct buf *der, struct err *e)
{
    bool found;
    if (!pem_next_of(&text, label, der, &found, e))
        return false;
    if (found)
        return true;
    err_set(e, ERR_SYNTAX, "no PEM block \"%s\"", label);
    return err_why(e, "RFC 7468 section 2");
}

bool pem_is_der(struct slice file)
{
    return file.n && file.p[0] == 0x30;
}

bool pem_or_der_get(struct slice file, const char *label, struct buf *der, struct err *e)
{
    struct slice all;
    if (!pem_is_der(file))
        return pem_get(file, label, der, e);
    buf_put(der, file);
    return buf_done(der, &all, e);
}
