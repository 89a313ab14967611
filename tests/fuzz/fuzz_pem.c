/* PEM: what is found lies in the text, and decodes to bytes that encode and decode to themselves. */
#include "fuzz.h"

#include "base/pem.h"

static void decode(const struct pem_block *b)
{
    struct buf der, pem, back;
    struct err e = {0};
    buf_init(&der, 1 << 20);
    buf_init(&pem, 1 << 21);
    buf_init(&back, 1 << 20);
    if (pem_decode(b, &der, &e)) {
        pem_put(&pem, PEM_CERT, buf_slice(&der));
        HOLDS(pem_get(buf_slice(&pem), PEM_CERT, &back, &e) && slice_eq(buf_slice(&back), buf_slice(&der)));
    } else {
        HOLDS(e.code != ERR_NONE && der.n == 0);
    }
    buf_clear(&der);
    buf_clear(&pem);
    buf_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct pem_block b;
    struct buf der;
    struct err e = {0};
    bool found = true;
    while (found) {
        struct slice before = text;
        if (!pem_next(&text, &b, &found, &e)) {
            HOLDS(e.code == ERR_SYNTAX && !found);
            break;
        }
        HOLDS(b.before.n + b.whole.n + (found ? text.n : 0) == before.n);
        if (found)
            decode(&b);
    }
    buf_init(&der, 1 << 20);
    (void)!pem_or_der_get(slice_of(data, size), PEM_CSR, &der, &e);
    buf_clear(&der);
    return 0;
}
