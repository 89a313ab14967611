#include "../test.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/spki.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const enum key_type all[] = {KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048};

static char dir[64];
static struct key *keys[ARRAY_LEN(all)];

static int make_keys(void **state)
{
    (void)state;
    struct err e = {0};
    struct key_env env = {0};
    strcpy(dir, "/tmp/kith-crypto-XXXXXX");
    if (!mkdtemp(dir) || !crypto_init(&e))
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char ref[128];
        snprintf(ref, sizeof ref, "file:%s/%zu?plain", dir, i);
        assert_ok(key_generate(&env, ref, all[i], &keys[i], &e), e);
        assert_ok(key_destroy(&env, ref, &e), e); /* lives on in memory */
    }
    return rmdir(dir);
}

static int drop_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        key_free(keys[i]);
    return 0;
}

static void hashes_as_the_standards_say(void **state)
{
    (void)state;
    uint8_t got[32];
    static const uint8_t abc[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                                    0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                                    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad}; /* FIPS 180-2 B.1 */
    sha256(SLICE_LIT("abc"), got);
    assert_memory_equal(got, abc, 32);
    struct slice parts[] = {SLICE_LIT("a"), {0}, SLICE_LIT("bc")};
    sha256_parts(parts, 3, got);
    assert_memory_equal(got, abc, 32);
    static const uint8_t mac[32] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                    0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                    0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43}; /* RFC 4231 4.3 */
    hmac_sha256(SLICE_LIT("Jefe"), SLICE_LIT("what do ya want for nothing?"), got);
    assert_memory_equal(got, mac, 32);
    static const uint8_t sha1[20] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                                     0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
    sha1_key_id(SLICE_LIT("abc"), got);
    assert_memory_equal(got, sha1, 20);
}

static const enum sig_alg algs[] = {SIG_ES256, SIG_ES384, SIG_EDDSA, SIG_PS256, SIG_PS384, SIG_RS256, SIG_RS384};

static bool fits(enum sig_alg alg, enum key_type t)
{
    return t == KEY_P256      ? alg == SIG_ES256
           : t == KEY_P384    ? alg == SIG_ES384
           : t == KEY_ED25519 ? alg == SIG_EDDSA
                              : alg <= SIG_PS256 && alg != SIG_EDDSA && alg != SIG_ES384;
}

static void signs_and_verifies_with_each_algorithm(void **state)
{
    (void)state;
    struct slice msg[] = {SLICE_LIT("to be "), SLICE_LIT("signed")}, one = SLICE_LIT("to be signed");
    for (size_t k = 0; k < ARRAY_LEN(all); k++)
        for (size_t a = 0; a < ARRAY_LEN(algs); a++) {
            uint8_t sig[SIG_MAX];
            size_t n;
            struct err e = {0};
            struct slice spki = key_get0_spki(keys[k]);
            if (!fits(algs[a], all[k])) {
                assert_err(key_sign(keys[k], algs[a], msg, 2, sig, &n, &e), e, ERR_KEY_TYPE);
                assert_err(crypto_openssl.verify(algs[a], spki, msg, 2, slice_of(sig, 64), &e), e, ERR_KEY_TYPE);
                continue;
            }
            for (int round = 0; round < 3; round++) {
                assert_ok(key_sign(keys[k], algs[a], msg, 2, sig, &n, &e), e);
                assert_ok(crypto_openssl.verify(algs[a], spki, &one, 1, slice_of(sig, n), &e), e);
            }
            assert_err(crypto_openssl.verify(algs[a], spki, msg, 1, slice_of(sig, n), &e), e, ERR_SIGNATURE);
            assert_err(crypto_openssl.verify(algs[a], spki, msg, 2, slice_of(sig, n - 1), &e), e, ERR_SIGNATURE);
            assert_err(crypto_openssl.verify(algs[a], spki, msg, 2, slice_of(sig, 0), &e), e, ERR_SIGNATURE);
            for (size_t i = 0; i < n; i += n / 8) {
                sig[i] ^= 0x40;
                assert_err(crypto_openssl.verify(algs[a], spki, msg, 2, slice_of(sig, n), &e), e, ERR_SIGNATURE);
                sig[i] ^= 0x40;
            }
        }
}

static void keeps_keys_apart_when_they_alternate(void **state)
{
    (void)state;
    struct err e = {0};
    struct key_env env = {0};
    struct key *other;
    char ref[128];
    strcpy(dir, "/tmp/kith-crypto-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(ref, sizeof ref, "file:%s/k?plain", dir);
    assert_ok(key_generate(&env, ref, KEY_P256, &other, &e), e);
    assert_ok(key_destroy(&env, ref, &e), e);
    assert_int_equal(rmdir(dir), 0);
    uint8_t sig[2][SIG_MAX];
    size_t n[2];
    struct slice msg = SLICE_LIT("m");
    struct key *two[2] = {keys[0], other};
    for (int i = 0; i < 2; i++)
        assert_ok(key_sign(two[i], SIG_ES256, &msg, 1, sig[i], &n[i], &e), e);
    for (int i = 0; i < 20; i++)
        for (int k = 0; k < 2; k++) {
            struct slice spki = key_get0_spki(two[i & 1]);
            assert_int_equal(crypto_openssl.verify(SIG_ES256, spki, &msg, 1, slice_of(sig[k], n[k]), &e), k == (i & 1));
        }
    uint8_t bad[91]; /* a point off the curve must not leave the last key in use */
    memcpy(bad, key_get0_spki(other).p, sizeof bad);
    bad[90] ^= 1;
    assert_err(crypto_openssl.verify(SIG_ES256, SLICE_ARRAY(bad), &msg, 1, slice_of(sig[1], n[1]), &e), e, ERR_SPKI);
    assert_ok(crypto_openssl.verify(SIG_ES256, key_get0_spki(keys[0]), &msg, 1, slice_of(sig[0], n[0]), &e), e);
    key_free(other);
}

static void writes_public_keys_as_it_reads_them(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        struct slice der = key_get0_spki(keys[k]);
        struct spki s;
        struct err e = {0};
        uint8_t out[SPKI_MAX];
        size_t n;
        assert_ok(spki_read(der, &s, &e), e);
        assert_int_equal(spki_key_type(&s), all[k]);
        assert_int_equal(key_type_of_spki(der), all[k]);
        assert_ok(spki_write(&s, out, &n, &e), e);
        assert_slice(slice_of(out, n), der);
    }
}

/* Whatever is done to the bytes: refused, or read and written back the same. */
static void takes_only_canonical_public_keys(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        struct slice der = key_get0_spki(keys[k]);
        uint8_t buf[SPKI_MAX + 1], out[SPKI_MAX];
        size_t n;
        struct spki s;
        for (size_t cut = 0; cut < der.n; cut++)
            assert_false(spki_read(slice_of(der.p, cut), &s, NULL));
        memcpy(buf, der.p, der.n);
        buf[der.n] = 0;
        assert_false(spki_read(slice_of(buf, der.n + 1), &s, NULL));
        for (size_t i = 0; i < der.n; i++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(buf, der.p, der.n);
                buf[i] ^= (uint8_t)(1 << bit);
                if (!spki_read(slice_of(buf, der.n), &s, NULL))
                    continue;
                assert_true(spki_write(&s, out, &n, NULL));
                assert_slice(slice_of(out, n), slice_of(buf, der.n));
            }
    }
}

static void says_which_public_keys_it_does_not_take(void **state)
{
    (void)state;
    struct err e = {0};
    struct spki s;
    static const uint8_t p521_like[] = {0x30, 0x15, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                        0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x01, 0x00};
    assert_err(spki_read(SLICE_ARRAY(p521_like), &s, &e), e, ERR_SPKI); /* an empty key */
    uint8_t other[sizeof p521_like + 1];
    memcpy(other, p521_like, sizeof p521_like);
    other[1]++, other[21]++, other[23] = 4;
    assert_err(spki_read(SLICE_ARRAY(other), &s, &e), e, ERR_KEY_TYPE);
    uint8_t weak[128] = {0xc0}, e3[] = {3}, out[SPKI_MAX];
    size_t n;
    weak[127] = 1;
    struct spki rsa = {.family = SPKI_RSA, .modulus = SLICE_ARRAY(weak), .exp = slice_of((uint8_t[]){1, 0, 1}, 3)};
    assert_err(spki_write(&rsa, out, &n, &e), e, ERR_KEY_TYPE);
    assert_int_equal(n, 0);
    uint8_t strong[256] = {0xc0};
    strong[255] = 1;
    rsa.modulus = SLICE_ARRAY(strong);
    assert_ok(spki_write(&rsa, out, &n, &e), e);
    rsa.exp = SLICE_ARRAY(e3);
    assert_err(spki_write(&rsa, out, &n, &e), e, ERR_KEY_TYPE);
}

static void converts_ecdsa_signatures_both_ways(void **state)
{
    (void)state;
    struct err e = {0};
    for (size_t lead = 0; lead <= 48; lead++)
        for (int top = 0; top < 2; top++) {
            enum sig_alg alg = lead > 32 ? SIG_ES384 : SIG_ES256;
            size_t half = lead > 32 ? 48 : 32, n;
            uint8_t raw[96] = {0}, back[96], der[112];
            for (size_t i = lead < half ? lead : half - 1; i < half; i++)
                raw[i] = raw[2 * half - 1 - (i - lead < half ? i - lead : 0)] = (uint8_t)(top ? 0xff : 0x7f);
            assert_ok(sig_to_der(alg, slice_of(raw, 2 * half), der, sizeof der, &n, &e), e);
            assert_ok(sig_from_der(alg, slice_of(der, n), back, sizeof back, &n, &e), e);
            assert_slice(slice_of(back, n), slice_of(raw, 2 * half));
        }
    static const uint8_t bad[][10] = {
        {0x30, 6, 2, 1, 0x80, 2, 1, 1},    /* negative */
        {0x30, 7, 2, 2, 0, 1, 2, 1, 1},    /* padded */
        {0x30, 7, 2, 1, 1, 2, 1, 1, 0},    /* bytes behind */
        {0x30, 0x81, 6, 2, 1, 1, 2, 1, 1}, /* long form of a short length */
        {0x30, 5, 2, 0, 2, 1, 1},          /* empty */
    };
    uint8_t raw[96];
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(
            sig_from_der(SIG_ES256, slice_of(bad[i], bad[i][1] == 0x81 ? 9u : 2u + bad[i][1]), raw, sizeof raw, &n, &e),
            e, ERR_SIGNATURE);
}

static void *sign_and_verify(void *arg)
{
    struct slice msg = slice_of(&arg, sizeof arg);
    size_t bad = 0;
    for (int i = 0; i < 200; i++) {
        struct key *k = keys[i % 3];
        uint8_t sig[SIG_MAX];
        size_t n;
        bad += !key_sign(k, key_sig_alg(k), &msg, 1, sig, &n, NULL) ||
               !crypto_openssl.verify(key_sig_alg(k), key_get0_spki(k), &msg, 1, slice_of(sig, n), NULL);
    }
    return (void *)bad;
}

static void serves_several_threads_with_the_same_keys(void **state)
{
    (void)state;
    pthread_t t[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, sign_and_verify, (void *)i), 0);
    for (size_t i = 0; i < 4; i++) {
        void *bad;
        pthread_join(t[i], &bad);
        assert_null(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_the_standards_say),
        cmocka_unit_test(signs_and_verifies_with_each_algorithm),
        cmocka_unit_test(keeps_keys_apart_when_they_alternate),
        cmocka_unit_test(writes_public_keys_as_it_reads_them),
        cmocka_unit_test(takes_only_canonical_public_keys),
        cmocka_unit_test(says_which_public_keys_it_does_not_take),
        cmocka_unit_test(converts_ecdsa_signatures_both_ways),
        cmocka_unit_test(serves_several_threads_with_the_same_keys),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
