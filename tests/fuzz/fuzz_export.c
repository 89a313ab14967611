/* An export without findings has all the entries that its checkpoint signs; nothing else is asked of what is refused. */
#include "fuzz.h"
#include "keys/crypto.h"
#include "ledger/verify.h"

/* Signatures hold, so that mutations reach what stands behind them; hashes are real, for the seeds were made with them. */
static bool verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                   struct err *e)
{
    (void)alg, (void)spki, (void)parts, (void)n, (void)sig, (void)e;
    return true;
}

static bool read_slice(void *ctx, void *p, size_t cap, size_t *n, struct err *e)
{
    struct slice *s = ctx;
    (void)e;
    *n = s->n < cap ? s->n : cap;
    if (*n)
        memcpy(p, s->p, *n);
    *s = slice_of(s->p + *n, s->n - *n);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct crypto crypto = {.verify = verify};
    struct slice s = slice_of(data, n);
    struct verify_opts o = {.crypto = &crypto};
    struct verify_report r;
    struct err e = {0};
    if (!crypto.sha256) {
        HOLDS(crypto_init(&e));
        crypto.sha256 = crypto_openssl.sha256;
    }
    HOLDS(verify_export(read_slice, &s, &o, &r, &e));
    HOLDS(r.findings || (r.entries == r.signed_size && r.checkpoints == 1));
    return 0;
}
