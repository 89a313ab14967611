#include <stdio.h>

#include "../mutate.h"
#include "../test.h"
#include "core/cose.h"
#include "core/oid.h"
#include "evp.h"

#define PAYLOAD SLICE_LIT("This is the content.")

/* The example of RFC 9052 appendix C.2.1: one ECDSA signature, kid "11". */
static const char rfc_message[] = "d28443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c46"
                                  "5ab05aac34cc6b23d58fef5c083106c4"
                                  "d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36";
/* Its key, from the same document (appendix C.7.1, kid "11"), as SubjectPublicKeyInfo. */
static const char rfc_spki[] = "3059301306072a8648ce3d020106082a8648ce3d03010703420004bac5b11cad8f99f9c72b05cf4b9e26d24"
                               "4dc189f745228255a219a86d6a09e"
                               "ff20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e";

static struct slice unhex(const char *hex, uint8_t *buf)
{
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        unsigned v;
        sscanf(hex + 2 * i, "%2x", &v);
        buf[i] = (uint8_t)v;
    }
    return slice_of(buf, n);
}

static void verifies_the_example_of_the_rfc(void **state)
{
    (void)state;
    struct err e = {0};
    uint8_t message[256], spki[128];
    struct cose_sign1 m;
    struct slice s = unhex(rfc_message, message), key = unhex(rfc_spki, spki);
    assert_ok(cose_read_sign1(s, &m, &e), e);
    assert_slice(m.kid, SLICE_LIT("11"));
    assert_slice(m.payload, PAYLOAD);
    assert_int_equal(m.alg, SIG_ES256);
    assert_ok(cose_verify_sign1(&m, &evp_crypto, key, SIG_ES256, SLICE_LIT(""), SLICE_LIT(""), &e), e);
    assert_err(cose_verify_sign1(&m, &evp_crypto, key, SIG_EDDSA, SLICE_LIT(""), SLICE_LIT(""), &e), e, ERR_COSE);
    assert_err(cose_verify_sign1(&m, &evp_crypto, key, SIG_ES256, SLICE_LIT("x"), SLICE_LIT(""), &e), e, ERR_CRYPTO);
}

static const struct cose_opts variants[] = {
    {.detached = false},
    {.kid = {(const uint8_t *)"key-1", 5}},
    {.content_type = "application/cbor"},
    {.content_format = 60, .external_aad = {(const uint8_t *)"aad", 3}},
    {.detached = true, .kid = {(const uint8_t *)"key-1", 5}},
    {.protected_more = {{(const uint8_t *)"\x19\x01\x8b\x01", 4}, 1},
     .unprotected_more = {{(const uint8_t *)"\x19\x01\x8c\xa0", 4}, 1},
     .kid = {(const uint8_t *)"k", 1}},
};

static void verifies_what_it_signed(void **state)
{
    (void)state;
    static const enum sig_alg algs[] = {SIG_ES256, SIG_EDDSA};
    for (size_t a = 0; a < ARRAY_LEN(algs); a++)
        for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
            const struct cose_opts *o = &variants[i];
            struct err e = {0};
            struct evp_key k;
            evp_key_make(&k, algs[a]);
            struct slice spki = slice_of(k.spki, k.spki_n), none = {0};
            struct signer signer = evp_signer(&k, algs[a]);
            uint8_t buf[1024];
            struct writer w = WRITER_ARRAY(buf), count = writer_counting();
            assert_ok(cose_write_sign1(&w, &signer, o, PAYLOAD, &e), e);
            assert_ok(cose_write_sign1(&count, &signer, o, PAYLOAD, &e), e);
            assert_true(count.n >= w.n);
            assert_true(cbor_valid(writer_slice(&w)));

            struct cose_sign1 m;
            assert_ok(cose_read_sign1(writer_slice(&w), &m, &e), e);
            assert_int_equal(m.detached, o->detached);
            assert_slice(m.kid, o->kid);
            assert_slice(m.content_type, o->content_type ? slice_str(o->content_type) : none);
            assert_int_equal(m.content_format, o->content_format);
            struct slice given = o->detached ? PAYLOAD : none;
            assert_ok(cose_verify_sign1(&m, &evp_crypto, spki, algs[a], o->external_aad, given, &e), e);
            assert_err(cose_verify_sign1(&m, &evp_crypto, spki, algs[a], SLICE_LIT("other"), given, &e), e, ERR_CRYPTO);
            assert_err(cose_verify_sign1(&m, &evp_crypto, spki, algs[a], o->external_aad, SLICE_LIT("other"), &e), e,
                       o->detached ? ERR_CRYPTO : ERR_COSE);
            struct slice value;
            assert_int_equal(cose_find(m.protected_map, COSE_LABEL_VDS, &value), o->protected_more.n);
            assert_true(cose_find(m.protected_map, COSE_LABEL_ALG, &value));
            evp_key_clear(&k);
        }
}

static void refuses_options_that_make_no_sound_message(void **state)
{
    (void)state;
    static const struct cose_opts rows[] = {
        {.protected_more = {{(const uint8_t *)"\x01\x26", 2}, 1}},     /* alg twice */
        {.protected_more = {{(const uint8_t *)"\x04\x41\x31", 3}, 2}}, /* count does not fit */
        {.unprotected_more = {{(const uint8_t *)"\x01\x26", 2}, 1}},   /* alg unprotected */
        {.protected_more = {{(const uint8_t *)"\x04\x41\x31", 3}, 1}, .kid = {(const uint8_t *)"1", 1}}, /* kid twice */
        {.content_type = "\xff"},
    };
    struct err e = {0};
    struct evp_key k;
    evp_key_make(&k, SIG_EDDSA);
    struct signer signer = evp_signer(&k, SIG_EDDSA);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t buf[512];
        struct writer w = WRITER_ARRAY(buf);
        assert_err(cose_write_sign1(&w, &signer, &rows[i], PAYLOAD, &e), e, ERR_COSE);
        assert_false(writer_ok(&w));
    }
    for (size_t cap = 0; cap < 90; cap++) {
        uint8_t buf[90];
        struct writer w = writer_of(buf, cap);
        assert_err(cose_write_sign1(&w, &signer, NULL, PAYLOAD, &e), e, ERR_COSE);
    }
    evp_key_clear(&k);
}

static void refuses_messages_of_another_form(void **state)
{
    (void)state;
    static const struct slice rows[] = {
        OID_SLICE("\x84\x43\xa1\x01\x26\xa0\x40\x41s"),                                     /* untagged */
        OID_SLICE("\xd1\x84\x43\xa1\x01\x26\xa0\x40\x41s"),                                 /* tag 17 */
        OID_SLICE("\xd2\x83\x43\xa1\x01\x26\xa0\x40"),                                      /* three fields */
        OID_SLICE("\xd2\x84\x40\xa0\x40\x41s"),                                             /* no algorithm */
        OID_SLICE("\xd2\x84\x41\xa0\xa0\x40\x41s"),                                         /* no algorithm */
        OID_SLICE("\xd2\x84\x40\xa1\x01\x26\x40\x41s"),                                     /* algorithm unprotected */
        OID_SLICE("\xd2\x84\x46\xa2\x01\x26\x02\x81\x04\xa0\x40\x41s"),                     /* crit */
        OID_SLICE("\xd2\x84\x46\xa2\x01\x26\x04\x41\x31\xa1\x04\x41\x31\x40\x41s"),         /* kid in both */
        OID_SLICE("\xd2\x84\x43\xa1\x01\x26\xa0\x40\x40"),                                  /* empty signature */
        OID_SLICE("\xd2\x84\x43\xa1\x01\x26\xa0\x60\x41s"),                                 /* payload is text */
        OID_SLICE("\xd2\x84\x43\xa1\x01\x26\xa0\x40\x41s\x00"),                             /* more behind it */
        OID_SLICE("\xd2\x84\x4b\xa1\x01\x3b\x00\x00\x00\x01\x00\x00\x00\x06\xa0\x40\x41s"), /* -7 - 2^32 */
    };
    struct slice good = SLICE_LIT("\xd2\x84\x43\xa1\x01\x26\xa0\x40\x41s");
    struct cose_sign1 m;
    struct err e = {0};
    assert_ok(cose_read_sign1(good, &m, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(cose_read_sign1(rows[i], &m, &e), e, ERR_COSE);
}

static void check_variant(struct slice s, void *ctx)
{
    struct cose_sign1 m;
    struct err e = {0};
    const struct slice *spki = ctx;
    if (!cose_read_sign1(s, &m, &e))
        return;
    assert_true(cbor_valid(s));
    bool good = cose_verify_sign1(&m, &evp_crypto, *spki, SIG_ES256, SLICE_LIT(""), SLICE_LIT(""), &e);
    /* Only the unprotected header is not signed. */
    assert_true(!good || slice_eq(m.payload, PAYLOAD));
    assert_true(!good || slice_eq(m.protected_map, SLICE_LIT("\xa1\x01\x26")));
}

static void verifies_no_mutation_of_what_was_signed(void **state)
{
    (void)state;
    uint8_t message[256], spki[128];
    struct slice key = unhex(rfc_spki, spki);
    mutate_each(unhex(rfc_message, message), check_variant, &key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_example_of_the_rfc),
        cmocka_unit_test(verifies_what_it_signed),
        cmocka_unit_test(refuses_options_that_make_no_sound_message),
        cmocka_unit_test(refuses_messages_of_another_form),
        cmocka_unit_test(verifies_no_mutation_of_what_was_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
