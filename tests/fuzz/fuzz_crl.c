/* Revocation lists: what is read entry by entry can be written again and read the same. */
#include "fuzz.h"
#include "x509/crl.h"
#include "x509/name.h"

struct replay {
    struct slice entries;
    struct reader r;
};

static bool rewind_list(void *ctx, struct err *e)
{
    struct replay *p = ctx;
    (void)e;
    p->r = reader_of(p->entries);
    return true;
}

static bool next_entry(void *ctx, struct crl_entry *out, struct err *e)
{
    (void)e;
    return crl_next(&((struct replay *)ctx)->r, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct crl c, again;
    struct crl_entry a, b;
    struct err e = {0};
    if (!crl_read(slice_of(data, n), &c, &e)) {
        HOLDS(e.code == ERR_CRL && c.der.p == NULL);
        return 0;
    }
    struct reader r = reader_of(c.entries);
    bool there;
    while (crl_next(&r, &a)) {
        HOLDS(crl_find(&c, a.serial, &b, &there, &e) && there);
        HOLDS(slice_eq(a.serial, b.serial));
    }
    if (crl_find(&c, SLICE_LIT("no such serial"), &b, &there, &e))
        HOLDS(!there && reader_end(&r));
    (void)!crl_verify(&fuzz_crypto, &c, SLICE_LIT("\x30\x03\x02\x01\x00"), &e);
    struct replay replay = {.entries = c.entries};
    struct crl_source src = {rewind_list, next_entry, &replay};
    struct signer s = {.alg = SIG_EDDSA, .sign = fuzz_sign};
    struct crl_template t = {.issuer = c.issuer,
                             .this_update = c.this_update,
                             .next_update = c.next_update,
                             .number = c.number,
                             .aki = c.aki,
                             .idp_uri = c.idp_uri};
    struct slice out;
    size_t size;
    if (!reader_end(&r) || !crl_measure(&t, &src, s.alg, &size, &e))
        return 0;
    uint8_t *buf = malloc(size);
    HOLDS(buf != NULL);
    HOLDS(crl_write(&t, &src, &s, buf, size, &out, &e));
    HOLDS(crl_read(out, &again, &e));
    HOLDS(crl_verify(&fuzz_crypto, &again, (struct slice){0}, &e));
    HOLDS(again.number == c.number && slice_eq(again.idp_uri, c.idp_uri) && slice_eq(again.aki, c.aki));
    struct reader x = reader_of(c.entries), y = reader_of(again.entries);
    while (crl_next(&x, &a))
        HOLDS(crl_next(&y, &b) && slice_eq(a.serial, b.serial) && a.revoked_at == b.revoked_at && a.reason == b.reason);
    HOLDS(reader_end(&y));
    free(buf);
    return 0;
}
