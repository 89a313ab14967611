#include "../test.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/provider.h"

#include "tls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static struct key *make_key(enum key_type type)
{
    struct err e = {0};
    struct key_env env = {0};
    struct key *k;
    char ref[128];
    strcpy(dir, "/tmp/kith-prov-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(ref, sizeof ref, "file:%s/k?plain", dir);
    assert_ok(key_generate(&env, ref, type, &k, &e), e);
    assert_ok(key_destroy(&env, ref, &e), e);
    rmdir(dir);
    return k;
}

static void serves_tls_with_each_type_of_key(void **state)
{
    (void)state;
    static const struct {
        enum key_type type;
        const char *sigalgs12;
    } rows[] = {{KEY_P256, NULL},
                {KEY_P384, "ECDSA+SHA384"},
                {KEY_ED25519, NULL},
                {KEY_RSA2048, NULL},
                {KEY_RSA2048, "RSA+SHA256"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct key *k = make_key(rows[i].type);
        handshake(k, TLS1_2_VERSION, rows[i].sigalgs12);
        if (i < 4)
            handshake(k, TLS1_3_VERSION, NULL);
        key_free(k);
    }
}

static void never_gives_the_private_part_away(void **state)
{
    (void)state;
    struct key *k = make_key(KEY_P256);
    struct err e = {0};
    EVP_PKEY *pkey;
    assert_ok(key_to_evp(k, &pkey, &e), e);
    key_free(k); /* the EVP_PKEY keeps it */
    BIGNUM *d = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(pkey, "priv", &d), 0);
    assert_null(d);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    uint8_t sig[128];
    size_t n = sizeof sig;
    assert_int_equal(EVP_DigestSignInit_ex(c, NULL, "SHA256", NULL, NULL, pkey, NULL), 1);
    assert_int_equal(EVP_DigestSign(c, sig, &n, (const uint8_t *)"m", 1), 1);
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(serves_tls_with_each_type_of_key),
        cmocka_unit_test(never_gives_the_private_part_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
