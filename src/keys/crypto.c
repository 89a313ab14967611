#include "keys/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdlib.h>

#include "keys/crypto_impl.h"

/* Fetched once: an implicit fetch on each use costs more than a small digest. */
static struct {
    EVP_MD *sha1, *sha256, *sha384;
    pthread_key_t key;
    bool ok;
} g;

/* What a thread keeps between calls.  The EC keys are public keys that are given a new point for each verification: making
 * an EVP_PKEY afresh costs a third of the verification itself. */
struct per_thread {
    EVP_MD_CTX *md;
    EVP_PKEY *ec[2];
    EVP_PKEY_CTX *ec_ctx[2];
};

static __thread struct per_thread *mine;

static void per_thread_free(void *p)
{
    struct per_thread *t = p;
    if (!t)
        return;
    EVP_MD_CTX_free(t->md);
    for (size_t i = 0; i < ARRAY_LEN(t->ec); i++) {
        EVP_PKEY_CTX_free(t->ec_ctx[i]);
        EVP_PKEY_free(t->ec[i]);
    }
    free(t);
    mine = NULL;
}

static struct per_thread *per_thread_make(void)
{
    struct per_thread *t = calloc(1, sizeof *t);
    if (!t || !(t->md = EVP_MD_CTX_new()) || pthread_setspecific(g.key, t) != 0) {
        per_thread_free(t);
        return NULL;
    }
    return mine = t;
}

static inline struct per_thread *per_thread(void)
{
    return mine ? mine : per_thread_make();
}

static void init_once(void)
{
    g.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    g.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    g.sha384 = EVP_MD_fetch(NULL, "SHA384", NULL);
    g.ok = g.sha1 && g.sha256 && g.sha384 && pthread_key_create(&g.key, per_thread_free) == 0;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

bool crypto_init(struct err *e)
{
    pthread_once(&once, init_once);
    return g.ok || crypto_fail(e, ERR_INTERNAL, "OpenSSL gives no SHA-2");
}

bool crypto_fail(struct err *e, enum err_code code, const char *what)
{
    char why[160] = "";
    unsigned long last = ERR_peek_last_error();
    if (last)
        ERR_error_string_n(last, why, sizeof why);
    ERR_clear_error();
    err_set(e, code, "%s", what);
    return why[0] ? err_why(e, "%s", why) : false;
}

/* --- digests --- */

EVP_MD *crypto_md(unsigned digest_bits)
{
    return digest_bits == 256 ? g.sha256 : digest_bits == 384 ? g.sha384 : NULL;
}

static bool digest(EVP_MD *md, const struct slice *parts, size_t n, uint8_t *out)
{
    struct per_thread *t = per_thread();
    if (!t || !EVP_DigestInit_ex2(t->md, md, NULL))
        return false;
    for (size_t i = 0; i < n; i++)
        if (parts[i].n && !EVP_DigestUpdate(t->md, parts[i].p, parts[i].n))
            return false;
    return EVP_DigestFinal_ex(t->md, out, NULL);
}

/* A digest cannot fail but for lack of memory; going on with a wrong value is not an option. */
static void digest_or_die(EVP_MD **md, const struct slice *parts, size_t n, uint8_t *out)
{
    pthread_once(&once, init_once);
    if (!g.ok || !digest(*md, parts, n, out))
        abort();
}

void sha256_parts(const struct slice *parts, size_t n, uint8_t out[SHA256_SIZE])
{
    digest_or_die(&g.sha256, parts, n, out);
}

void sha256(struct slice s, uint8_t out[SHA256_SIZE])
{
    digest_or_die(&g.sha256, &s, 1, out);
}

void sha1_key_id(struct slice bit_string, uint8_t out[20])
{
    digest_or_die(&g.sha1, &bit_string, 1, out);
}

/* RFC 2104, by hand: EVP_MAC needs a fresh context for each key. */
void hmac_sha256(struct slice key, struct slice msg, uint8_t out[SHA256_SIZE])
{
    uint8_t k[64] = {0}, inner[SHA256_SIZE];
    if (key.n > sizeof k)
        sha256(key, k);
    else if (key.n)
        memcpy(k, key.p, key.n);
    for (size_t i = 0; i < sizeof k; i++)
        k[i] ^= 0x36;
    sha256_parts((struct slice[]){SLICE_ARRAY(k), msg}, 2, inner);
    for (size_t i = 0; i < sizeof k; i++)
        k[i] ^= 0x36 ^ 0x5c;
    sha256_parts((struct slice[]){SLICE_ARRAY(k), SLICE_ARRAY(inner)}, 2, out);
    OPENSSL_cleanse(k, sizeof k);
    OPENSSL_cleanse(inner, sizeof inner);
}

bool random_bytes(void *p, size_t n, struct err *e)
{
    uint8_t *at = p;
    while (n > 0) {
        int k = n > 1 << 20 ? 1 << 20 : (int)n;
        if (RAND_bytes(at, k) != 1)
            return crypto_fail(e, ERR_INTERNAL, "no random bytes");
        at += k;
        n -= (size_t)k;
    }
    return true;
}

/* --- signature algorithms --- */

static const struct sig_row rows[] = {
    {SIG_ES256, SPKI_P256, 256, false, "ES256"},  {SIG_ES384, SPKI_P384, 384, false, "ES384"},
    {SIG_EDDSA, SPKI_ED25519, 0, false, "EdDSA"}, {SIG_PS256, SPKI_RSA, 256, true, "PS256"},
    {SIG_PS384, SPKI_RSA, 384, true, "PS384"},    {SIG_RS256, SPKI_RSA, 256, false, "RS256"},
    {SIG_RS384, SPKI_RSA, 384, false, "RS384"},
};

const struct sig_row *sig_row_of(enum sig_alg alg)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].alg == alg)
            return &rows[i];
    return NULL;
}

bool crypto_digest(const struct sig_row *row, const struct slice *parts, size_t n, uint8_t out[DIGEST_MAX],
                   size_t *out_n, struct err *e)
{
    *out_n = 0;
    if (!crypto_init(e))
        return false;
    EVP_MD *md = crypto_md(row->digest_bits);
    if (!md || !digest(md, parts, n, out))
        return crypto_fail(e, ERR_INTERNAL, "digest failed");
    *out_n = row->digest_bits / 8;
    return true;
}

bool crypto_join(const struct slice *parts, size_t n, struct slice *out, uint8_t **heap, struct err *e)
{
    *heap = NULL;
    *out = n == 1 ? parts[0] : (struct slice){0};
    if (n <= 1)
        return true;
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += parts[i].n;
    uint8_t *p = malloc(total + 1);
    if (!p)
        return err_set(e, ERR_NOMEM, "message of %zu bytes", total);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    *heap = p;
    *out = slice_of(p, total);
    return true;
}

bool crypto_set_rsa(EVP_PKEY_CTX *ctx, const struct sig_row *row)
{
    EVP_MD *md = crypto_md(row->digest_bits);
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, row->pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) <= 0 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) <= 0)
        return false;
    return !row->pss || (EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0 &&
                         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0);
}

/* --- verification --- */

static bool does_not_verify(struct err *e, const struct sig_row *row)
{
    ERR_clear_error();
    return err_set(e, ERR_SIGNATURE, "%s signature does not verify", row->name);
}

static bool bad_point(struct err *e)
{
    ERR_clear_error();
    err_set(e, ERR_SPKI, "public key: not a point of its curve");
    return err_why(e, "RFC 5480 section 2.2, SEC 1 section 3.2.2.1");
}

/* The thread's own key of this curve, without a point yet. */
static EVP_PKEY *ec_blank(struct per_thread *t, int i)
{
    if (t->ec[i])
        return t->ec[i];
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *k = NULL;
    if (c && EVP_PKEY_paramgen_init(c) > 0 && EVP_PKEY_CTX_set_group_name(c, i ? "P-384" : "P-256") > 0 &&
        EVP_PKEY_paramgen(c, &k) > 0 && (t->ec_ctx[i] = EVP_PKEY_CTX_new_from_pkey(NULL, k, NULL)))
        t->ec[i] = k;
    else
        EVP_PKEY_free(k);
    EVP_PKEY_CTX_free(c);
    return t->ec[i];
}

static bool verify_ec(const struct sig_row *row, const struct spki *key, const struct slice *parts, size_t n,
                      struct slice sig, struct err *e)
{
    struct per_thread *t = per_thread();
    int i = row->family == SPKI_P384;
    uint8_t md[DIGEST_MAX], der[112];
    size_t md_n, der_n;
    if (!t || !ec_blank(t, i))
        return crypto_fail(e, ERR_INTERNAL, "no EC key");
    if (!sig_to_der(row->alg, sig, der, sizeof der, &der_n, e) || !crypto_digest(row, parts, n, md, &md_n, e))
        return false;
    if (EVP_PKEY_set1_encoded_public_key(t->ec[i], key->point.p, key->point.n) <= 0)
        return bad_point(e);
    if (EVP_PKEY_verify_init(t->ec_ctx[i]) <= 0)
        return crypto_fail(e, ERR_INTERNAL, "ECDSA not available");
    return EVP_PKEY_verify(t->ec_ctx[i], der, der_n, md, md_n) == 1 || does_not_verify(e, row);
}

static bool verify_ed25519(const struct sig_row *row, const struct spki *key, const struct slice *parts, size_t n,
                           struct slice sig, struct err *e)
{
    struct per_thread *t = per_thread();
    struct slice msg;
    uint8_t *heap;
    if (!t)
        return err_set(e, ERR_NOMEM, "Ed25519");
    EVP_PKEY *k = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key->point.p, key->point.n);
    if (!k)
        return crypto_fail(e, ERR_SPKI, "Ed25519 public key refused");
    bool ok = false;
    if (crypto_join(parts, n, &msg, &heap, e)) {
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        ok = c && EVP_DigestVerifyInit_ex(c, NULL, NULL, NULL, NULL, k, NULL) == 1 &&
             EVP_DigestVerify(c, sig.p, sig.n, msg.p, msg.n) == 1;
        EVP_MD_CTX_free(c);
        free(heap);
        if (!ok)
            does_not_verify(e, row);
    }
    EVP_PKEY_free(k);
    return ok;
}

/* A number in an OSSL_PARAM has the machine's byte order. */
static bool native(struct slice big_endian, uint8_t *out)
{
    BIGNUM *b = BN_bin2bn(big_endian.p, (int)big_endian.n, NULL);
    bool ok = b && BN_bn2nativepad(b, out, (int)big_endian.n) > 0;
    BN_free(b);
    return ok;
}

static EVP_PKEY *rsa_import(const struct spki *key)
{
    uint8_t mod[RSA_BITS_MAX / 8], exp[8];
    if (!native(key->modulus, mod) || !native(key->exp, exp))
        return NULL;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, mod, key->modulus.n),
                           OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, exp, key->exp.n), OSSL_PARAM_construct_end()};
    EVP_PKEY *k = NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!c || EVP_PKEY_fromdata_init(c) <= 0 || EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        k = NULL;
    EVP_PKEY_CTX_free(c);
    return k;
}

static bool verify_rsa(const struct sig_row *row, const struct spki *key, const struct slice *parts, size_t n,
                       struct slice sig, struct err *e)
{
    uint8_t md[DIGEST_MAX];
    size_t md_n;
    if (!crypto_digest(row, parts, n, md, &md_n, e))
        return false;
    EVP_PKEY *k = rsa_import(key);
    EVP_PKEY_CTX *c = k ? EVP_PKEY_CTX_new_from_pkey(NULL, k, NULL) : NULL;
    bool ready = c && EVP_PKEY_verify_init(c) > 0 && crypto_set_rsa(c, row);
    bool ok = ready && EVP_PKEY_verify(c, sig.p, sig.n, md, md_n) == 1;
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(k);
    if (!ready)
        return crypto_fail(e, ERR_SPKI, "RSA public key refused");
    return ok || does_not_verify(e, row);
}

static bool verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                   struct err *e)
{
    struct spki key;
    const struct sig_row *row = sig_row_of(alg);
    if (!row) {
        err_set(e, ERR_KEY_TYPE, "signature algorithm %d is not known", (int)alg);
        return err_why(e, "IANA COSE algorithms registry");
    }
    if (!crypto_init(e) || !spki_read(spki, &key, e))
        return false;
    if (row->family != key.family)
        return err_set(e, ERR_KEY_TYPE, "signature algorithm %s does not fit the key", row->name);
    if (row->family == SPKI_RSA)
        return verify_rsa(row, &key, parts, n, sig, e);
    return row->family == SPKI_ED25519 ? verify_ed25519(row, &key, parts, n, sig, e)
                                       : verify_ec(row, &key, parts, n, sig, e);
}

const struct crypto crypto_openssl = {.sha256 = sha256_parts, .verify = verify};
