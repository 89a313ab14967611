/* What an EST server answers: certificates are taken one by one, lie inside the message, and are written again the same. */
#include "fuzz.h"
#include "x509/certs_only.h"

#define CERTS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice rest, cert, certs[CERTS_MAX];
    size_t count = 0, total = 0;
    struct err e = {0};
    if (!certs_only_read(slice_of(data, n), &rest, &e)) {
        HOLDS(e.code != ERR_NONE && rest.n == 0);
        return 0;
    }
    size_t all = rest.n;
    while (certs_only_next(&rest, &cert)) {
        HOLDS(cert.p >= data && cert.p + cert.n <= data + n);
        total += cert.n;
        if (count < CERTS_MAX)
            certs[count++] = cert;
    }
    HOLDS(total <= all);
    if (total != all || count == CERTS_MAX)
        return 0; /* what follows is no certificate, or there are more */
    uint8_t *buf = malloc(n + 64);
    HOLDS(buf != NULL);
    struct writer w = writer_of(buf, n + 64);
    certs_only_write(&w, certs, count);
    HOLDS(writer_ok(&w) && certs_only_read(writer_slice(&w), &rest, &e) && rest.n == all);
    free(buf);
    return 0;
}
