/* A mutual TLS handshake in memory with one key at both ends. */
#ifndef KITH_TESTS_UNIT_KEYS_TLS_PAIR_H
#define KITH_TESTS_UNIT_KEYS_TLS_PAIR_H

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "keys/provider.h"

/* A certificate for the key's public part; who signed it does not matter here. */
static inline X509 *make_cert(const struct key *k)
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

static inline int let_pass(X509_STORE_CTX *c, void *arg)
{
    (void)c;
    (void)arg;
    return 1;
}

static inline void handshake(struct key *k, int version, const char *sigalgs)
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

#endif
