/* Requests: what is accepted has sound parts, and its names can be shown and written again. */
#include "fuzz.h"
#include "x509/csr.h"
#include "x509/name.h"

static void show(struct slice name)
{
    uint8_t text[4 * NAME_TEXT_MAX], again[4 * NAME_TEXT_MAX], der[NAME_DER_MAX + 64];
    struct writer t = WRITER_ARRAY(text), d = WRITER_ARRAY(der), a = WRITER_ARRAY(again);
    HOLDS(name_valid(name));
    if (!name_text(name, &t, NULL) || !name_write(&d, writer_slice(&t), NULL))
        return; /* values that are no strings, or too long: shown, not written */
    HOLDS(name_valid(writer_slice(&d)));
    HOLDS(name_text(writer_slice(&d), &a, NULL));
    HOLDS(slice_eq(writer_slice(&t), writer_slice(&a)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct csr c;
    struct san names[SAN_COUNT_MAX];
    size_t names_n;
    struct err e = {0};
    if (!csr_read(slice_of(data, n), &c, &e)) {
        HOLDS(e.code != ERR_NONE && c.der.p == NULL);
        return 0;
    }
    HOLDS(c.der.n == n && c.info.n < n && c.key_bits >= 256);
    show(c.subject);
    if (c.san.n) {
        uint8_t *buf = malloc(n);
        HOLDS(buf != NULL);
        struct writer w = writer_of(buf, n);
        HOLDS(san_read(c.san, names, SAN_COUNT_MAX, &names_n, &e));
        san_put_all(&w, names, names_n);
        HOLDS(slice_eq(writer_slice(&w), c.san));
        free(buf);
    }
    (void)!csr_verify(&fuzz_crypto, &c, &e);
    return 0;
}
