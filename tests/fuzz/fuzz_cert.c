/* Certificates: what is accepted has sound parts; a path of it with itself ends. */
#include "fuzz.h"
#include "x509/chain.h"
#include "x509/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cert c;
    struct chain path;
    struct err e = {0};
    if (!cert_read(slice_of(data, n), &c, &e)) {
        HOLDS(e.code == ERR_CERT && c.der.p == NULL);
        return 0;
    }
    HOLDS(c.der.n == n && c.tbs.n < n && c.not_before <= c.not_after && c.serial.n > 0);
    HOLDS(name_valid(c.issuer) && name_valid(c.subject));
    if (c.san.n) {
        struct reader r = reader_of(c.san);
        (void)reader_take(&r, c.san.n);
        HOLDS(reader_end(&r));
    }
    struct chain_rules rules = {.at = c.not_before, .eku = EKU_CLIENT_AUTH};
    struct cert pool[2] = {c, c};
    pool[1].der.n--; /* counts as another certificate of the same name */
    (void)!chain_verify(&fuzz_crypto, &c, pool, 2, NULL, 0, &rules, &path, &e);
    pool[1].ski = (struct slice){0};
    (void)!chain_verify(&fuzz_crypto, &c, pool, 1, pool + 1, 1, &rules, &path, &e);
    return 0;
}
