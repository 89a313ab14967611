/* Paths: certificates in a row, the leaf first and anchors last.  What is found leads from leaf to an anchor by names that
 * chain, and holds at that time only.
 *
 *   flags u8 (1 real signatures, else any verifies; 2 an expired leaf will do; 4 client authentication; 8 digitalSignature),
 *   at u32, anchors u8, then certificates as length u16 and DER */
#include "fuzz.h"
#include "keys/crypto.h"
#include "x509/chain.h"

#define CERTS_MAX 10

/* Structure is what mutations should reach, so a signature holds unless its last byte says otherwise. */
static bool any_verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                       struct err *e)
{
    (void)alg, (void)spki, (void)parts, (void)n;
    return (sig.n && sig.p[sig.n - 1] != 0xff) || err_set(e, ERR_CRYPTO, "signature");
}

static void look_at(const struct cert *c)
{
    if (c->exts.n)
        HOLDS(c->exts.p > c->der.p && c->exts.p + c->exts.n <= c->der.p + c->der.n);
    if (cert_allows(c, KU_DIGITAL_SIGNATURE, EKU_CLIENT_AUTH) && c->has_key_usage)
        HOLDS(c->key_usage & KU_DIGITAL_SIGNATURE);
}

static void check_path(const struct chain *path, const struct cert *certs, size_t n, size_t anchors,
                       const struct chain_rules *rules)
{
    HOLDS(path->n >= 1 && path->n <= CHAIN_DEPTH_MAX && path->path[0] == certs);
    for (size_t i = 1; i < path->n; i++) {
        const struct cert *ca = path->path[i];
        HOLDS(slice_eq(ca->subject, path->path[i - 1]->issuer));
        HOLDS(ca->is_ca && rules->at >= ca->not_before && rules->at <= ca->not_after);
    }
    const struct cert *top = path->path[path->n - 1];
    bool is_anchor = false;
    for (size_t i = n - anchors; i < n; i++)
        is_anchor |= slice_eq(certs[i].der, top->der);
    HOLDS(is_anchor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct crypto any = {.verify = any_verify};
    struct err e = {0};
    struct reader r = reader_of(slice_of(data, n));
    struct cert certs[CERTS_MAX];
    struct chain path;
    size_t certs_n = 0;
    if (!any.sha256) {
        HOLDS(crypto_init(&e));
        any.sha256 = crypto_openssl.sha256;
    }
    uint8_t flags = reader_u8(&r);
    struct chain_rules rules = {.at = reader_u32(&r),
                                .eku = flags & 4 ? EKU_CLIENT_AUTH : 0,
                                .key_usage = flags & 8 ? KU_DIGITAL_SIGNATURE : 0,
                                .leaf_may_be_expired = flags & 2};
    size_t anchors = reader_u8(&r);
    while (reader_left(&r) && certs_n < CERTS_MAX) {
        struct slice der = reader_take(&r, reader_u16(&r));
        if (!cert_read(der, &certs[certs_n], &e))
            return 0;
        look_at(&certs[certs_n++]);
    }
    if (!certs_n || anchors > certs_n)
        return 0;
    size_t pool_n = certs_n - anchors ? certs_n - anchors - 1 : 0;
    if (chain_verify(flags & 1 ? &crypto_openssl : &any, certs, certs + 1, pool_n, certs + certs_n - anchors, anchors,
                     &rules, &path, &e))
        check_path(&path, certs, certs_n, anchors, &rules);
    else
        HOLDS(e.code != ERR_NONE && path.n == 0);
    return 0;
}
