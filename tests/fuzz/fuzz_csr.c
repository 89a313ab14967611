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

/* What the agent writes of the same wishes says the same. */
static void write_again(const struct csr *c, const struct san *names, size_t n)
{
    uint8_t buf[CSR_MAX];
    struct writer w = WRITER_ARRAY(buf);
    struct signer s = {.alg = SIG_EDDSA, .sign = fuzz_sign};
    struct csr_template t = {.subject = c->subject,
                             .spki = c->spki,
                             .san = names,
                             .san_n = n,
                             .key_usage = c->key_usage,
                             .eku = c->eku & ~EKU_OTHER,
                             .challenge = c->challenge};
    struct csr back;
    if (!csr_write(&t, &s, &w, NULL))
        return;
    HOLDS(csr_read(writer_slice(&w), &back, NULL));
    HOLDS(csr_verify(&fuzz_crypto, &back, NULL));
    HOLDS(slice_eq(back.subject, c->subject) && slice_eq(back.spki, c->spki) && slice_eq(back.san, c->san));
    HOLDS(back.key_usage == c->key_usage && back.eku == t.eku && slice_eq(back.challenge, c->challenge));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct csr c;
    struct san names[SAN_COUNT_MAX];
    size_t names_n = 0;
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
    write_again(&c, names, names_n);
    (void)!csr_verify(&fuzz_crypto, &c, &e);
    return 0;
}
