#include "../test.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/provider.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
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

/* A certificate for the key's public part; who signed it does not matter here. */
static X509 *make_cert(const struct key *k)
{
    X509 *x = X509_new();
    struct slice spki = key_get0_spki(k);
    const unsigned char *p = spki.p;
    EVP_PKEY *pub = d2i_PUBKEY(NULL, &p, (long)spki.n), *ca = EVP_EC_gen("P-256");
    assert_true(X509_set_version(x, 2) && ASN1_INTEGER_set(X509_get_serialNumber(x), 7));
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_NAME *n = X509_get_subject_name(x);
    assert_true(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0));
    assert_true(X509_set_issuer_name(x, n) && X509_set_pubkey(x, pub) && X509_sign(x, ca, EVP_sha256()));
    EVP_PKEY_free(pub);
    EVP_PKEY_free(ca);
    return x;
}

static int let_pass(X509_STORE_CTX *c, void *arg)
{
    (void)c;
    (void)arg;
    return 1;
}

static void handshake(struct key *k, int version, const char *sigalgs)
{
    struct err e = {0};
    EVP_PKEY *pkey;
    assert_ok(key_to_evp(k, &pkey, &e), e);
    X509 *cert = make_cert(k);
    SSL_CTX *sc = SSL_CTX_new(TLS_server_method()), *cc = SSL_CTX_new(TLS_client_method());
    SSL_CTX *both[] = {sc, cc};
    for (int i = 0; i < 2; i++) { /* the key serves at both ends */
        assert_int_equal(SSL_CTX_use_certificate(both[i], cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(both[i], pkey), 1);
        assert_int_equal(SSL_CTX_check_private_key(both[i]), 1);
        SSL_CTX_set_min_proto_version(both[i], version);
        SSL_CTX_set_max_proto_version(both[i], version);
        if (sigalgs)
            assert_int_equal(SSL_CTX_set1_sigalgs_list(both[i], sigalgs), 1);
    }
    SSL_CTX_set_verify(sc, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(sc, let_pass, NULL);
    SSL *s = SSL_new(sc), *c = SSL_new(cc);
    BIO *a, *b;
    assert_true(BIO_new_bio_pair(&a, 0, &b, 0));
    SSL_set_bio(s, a, a);
    SSL_set_bio(c, b, b);
    int done = 0;
    for (int i = 0; i < 50 && !done; i++) {
        int x = SSL_connect(c), y = SSL_accept(s);
        done = x == 1 && y == 1;
    }
    if (!done)
        ERR_print_errors_fp(stderr);
    assert_true(done);
    SSL_free(s);
    SSL_free(c);
    SSL_CTX_free(sc);
    SSL_CTX_free(cc);
    X509_free(cert);
    EVP_PKEY_free(pkey);
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
