/* What is read as COSE_Sign1 is deterministic CBOR; signing its payload again verifies, and no longer under another AAD. */
#include "core/cose.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), none = {0}, value;
    struct cose_sign1 m, again;
    struct err e = {0};
    if (!cose_read_sign1(s, &m, &e)) {
        HOLDS(e.code == ERR_COSE);
        return 0;
    }
    HOLDS(cbor_valid(s));
    HOLDS(cose_find(m.protected_map, COSE_LABEL_ALG, &value));
    HOLDS(!cose_find(m.unprotected_map, COSE_LABEL_ALG, &value));
    (void)!cose_verify_sign1(&m, &fuzz_crypto, none, m.alg, none, none, &e);

    struct signer signer = {.alg = m.alg, .sign = fuzz_sign};
    struct cose_opts o = {
        .kid = m.kid, .content_format = m.content_format, .external_aad = SLICE_LIT("aad"), .detached = m.detached};
    uint8_t *buf = malloc(n + 2 * SIG_MAX);
    if (!buf)
        return 0;
    struct writer w = writer_of(buf, n + 2 * SIG_MAX);
    HOLDS(cose_write_sign1(&w, &signer, &o, m.payload, &e));
    HOLDS(cose_read_sign1(writer_slice(&w), &again, &e));
    HOLDS(slice_eq(again.payload, m.payload) && slice_eq(again.kid, m.kid) && again.alg == m.alg);
    HOLDS(cose_verify_sign1(&again, &fuzz_crypto, none, m.alg, SLICE_LIT("aad"), none, &e));
    HOLDS(!cose_verify_sign1(&again, &fuzz_crypto, none, m.alg, SLICE_LIT("axd"), none, &e));
    free(buf);
    return 0;
}
