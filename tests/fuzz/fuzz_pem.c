/* Certificates in PEM: what is found decodes to bytes that encode and decode to themselves. */
#include "fuzz.h"

#include "agent/pem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), again;
    struct buf der, pem, back;
    struct err e = {0};
    bool found = true, ok = true;
    buf_init(&der, 1 << 20);
    buf_init(&pem, 1 << 20);
    buf_init(&back, 1 << 20);
    while (ok && found) {
        size_t before = der.n;
        ok = pem_next_cert(&text, &der, &found, &e);
        if (!ok || !found || der.n == before)
            continue;
        struct slice one = slice_of(der.p + before, der.n - before);
        buf_reset(&pem);
        buf_reset(&back);
        pem_put_cert(&pem, one);
        again = buf_slice(&pem);
        HOLDS(pem_next_cert(&again, &back, &found, &e) && found && slice_eq(buf_slice(&back), one));
    }
    buf_clear(&der);
    buf_clear(&pem);
    buf_clear(&back);
    return 0;
}
