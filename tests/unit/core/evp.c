#include "evp.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            abort();                                                                                                   \
    } while (0)

static void evp_sha256(const struct slice *parts, size_t n, uint8_t out[SHA256_SIZE])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    MUST(c && EVP_DigestInit_ex(c, EVP_sha256(), NULL));
    for (size_t i = 0; i < n; i++)
        MUST(EVP_DigestUpdate(c, parts[i].p, parts[i].n));
    MUST(EVP_DigestFinal_ex(c, out, NULL));
    EVP_MD_CTX_free(c);
}

static uint8_t *join(const struct slice *parts, size_t n, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < n; i++)
        *total += parts[i].n;
    uint8_t *b = malloc(*total + 1), *at = b;
    MUST(b);
    for (size_t i = 0; i < n; at += parts[i].n, i++)
        if (parts[i].n)
            memcpy(at, parts[i].p, parts[i].n);
    return b;
}

static bool verify_joined(EVP_PKEY *k, enum sig_alg alg, const uint8_t *m, size_t m_n, struct slice sig)
{
    uint8_t *der = NULL;
    if (alg == SIG_ES256) {
        if (sig.n != 64)
            return false;
        ECDSA_SIG *s = ECDSA_SIG_new();
        MUST(ECDSA_SIG_set0(s, BN_bin2bn(sig.p, 32, NULL), BN_bin2bn(sig.p + 32, 32, NULL)));
        int n = i2d_ECDSA_SIG(s, &der);
        MUST(n > 0);
        ECDSA_SIG_free(s);
        sig = slice_of(der, (size_t)n);
    }
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(c, NULL, alg == SIG_ES256 ? EVP_sha256() : NULL, NULL, k) == 1 &&
                EVP_DigestVerify(c, sig.p, sig.n, m, m_n) == 1;
    EVP_MD_CTX_free(c);
    OPENSSL_free(der);
    return good;
}

static bool evp_verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                       struct err *e)
{
    const uint8_t *p = spki.p;
    EVP_PKEY *k = d2i_PUBKEY(NULL, &p, (long)spki.n);
    if (!k)
        return err_set(e, ERR_SYNTAX, "public key");
    size_t m_n;
    uint8_t *m = join(parts, n, &m_n);
    bool good = verify_joined(k, alg, m, m_n, sig);
    free(m);
    EVP_PKEY_free(k);
    return good || err_set(e, ERR_CRYPTO, "signature");
}

const struct crypto evp_crypto = {.sha256 = evp_sha256, .verify = evp_verify};

void evp_key_make(struct evp_key *k, enum sig_alg alg)
{
    *k = (struct evp_key){0};
    k->pkey = alg == SIG_EDDSA ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
    MUST(k->pkey);
    int n = i2d_PUBKEY(k->pkey, &k->spki);
    MUST(n > 0);
    k->spki_n = (size_t)n;
}

void evp_key_clear(struct evp_key *k)
{
    EVP_PKEY_free(k->pkey);
    OPENSSL_free(k->spki);
}

static bool sign(EVP_PKEY *k, bool ec, const uint8_t *m, size_t m_n, uint8_t *sig, size_t *sig_n)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    MUST(EVP_DigestSignInit(c, NULL, ec ? EVP_sha256() : NULL, NULL, k) == 1);
    MUST(EVP_DigestSign(c, sig, sig_n, m, m_n) == 1);
    EVP_MD_CTX_free(c);
    if (!ec)
        return true;
    const uint8_t *p = sig;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)*sig_n);
    MUST(s);
    MUST(BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32) == 32);
    MUST(BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32) == 32);
    ECDSA_SIG_free(s);
    *sig_n = 64;
    return true;
}

static bool evp_sign(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e)
{
    (void)e;
    const struct evp_key *k = ctx;
    size_t m_n;
    uint8_t *m = join(parts, n, &m_n);
    *sig_n = SIG_MAX;
    bool done = sign(k->pkey, EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_EC, m, m_n, sig, sig_n);
    free(m);
    return done;
}

struct signer evp_signer(struct evp_key *k, enum sig_alg alg)
{
    return (struct signer){.alg = alg, .sign = evp_sign, .ctx = k};
}
