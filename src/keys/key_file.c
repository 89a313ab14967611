/* Keys in files: one PEM block with PKCS#8 (RFC 5958), sealed by PBES2 with scrypt and AES-256-CBC (RFC 8018 section 6.2,
 * RFC 7914 section 7) as `openssl pkcs8` writes and reads it, and one block with the public key.  CBC does not authenticate:
 * a changed byte may well decrypt to another private key, so the opened key must prove itself against the public one. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "keys/crypto_impl.h"
#include "keys/key_impl.h"
#include "keys/secret.h"

/* The largest N whose memory (128 * N * r = 16 MiB) OpenSSL accepts by default when it reads.  Passphrase files made by
 * `kith init` hold 256 random bits, which need no stretching at all; this is for those that people choose. */
#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1

#define KEY_FILE_MAX 16384
#define PATH_MAX_    4096

/* Ready signing contexts, one for each thread that signs at the moment.  Making one costs more than a P-256 signature. */
#define POOL_MAX 32

struct file_key {
    EVP_PKEY *pkey;
    pthread_mutex_t lock;
    struct pooled {
        EVP_PKEY_CTX *ctx;
        enum sig_alg alg;
    } pool[POOL_MAX];
    size_t pooled;
};

/* --- signing --- */

static EVP_PKEY_CTX *pool_take(struct file_key *f, enum sig_alg alg)
{
    EVP_PKEY_CTX *ctx = NULL;
    pthread_mutex_lock(&f->lock);
    for (size_t i = f->pooled; i-- > 0;)
        if (f->pool[i].alg == alg) {
            ctx = f->pool[i].ctx;
            f->pool[i] = f->pool[--f->pooled];
            break;
        }
    pthread_mutex_unlock(&f->lock);
    return ctx;
}

static void pool_give(struct file_key *f, EVP_PKEY_CTX *ctx, enum sig_alg alg)
{
    pthread_mutex_lock(&f->lock);
    if (f->pooled < POOL_MAX) {
        f->pool[f->pooled++] = (struct pooled){ctx, alg};
        ctx = NULL;
    }
    pthread_mutex_unlock(&f->lock);
    EVP_PKEY_CTX_free(ctx);
}

static EVP_PKEY_CTX *ctx_make(struct file_key *f, const struct sig_row *row)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, f->pkey, NULL);
    if (ctx && EVP_PKEY_sign_init(ctx) > 0 && (row->family != SPKI_RSA || crypto_set_rsa(ctx, row)))
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

static bool sign_digest(struct file_key *f, const struct sig_row *row, const struct slice *parts, size_t n,
                        uint8_t *sig, size_t *sig_n, struct err *e)
{
    uint8_t md[DIGEST_MAX], out[SIG_MAX];
    size_t md_n, out_n = sizeof out;
    if (!crypto_digest(row, parts, n, md, &md_n, e))
        return false;
    EVP_PKEY_CTX *ctx = pool_take(f, row->alg);
    if (!ctx && !(ctx = ctx_make(f, row)))
        return crypto_fail(e, ERR_INTERNAL, "signing is not possible with this key");
    if (EVP_PKEY_sign(ctx, out, &out_n, md, md_n) <= 0) {
        EVP_PKEY_CTX_free(ctx);
        return crypto_fail(e, ERR_CRYPTO, "signing failed");
    }
    pool_give(f, ctx, row->alg);
    return sig_from_der(row->alg, slice_of(out, out_n), sig, SIG_MAX, sig_n, e);
}

static bool sign_message(struct file_key *f, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n,
                         struct err *e)
{
    struct slice msg;
    uint8_t *heap;
    if (!crypto_join(parts, n, &msg, &heap, e))
        return false;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    size_t k = SIG_MAX;
    bool ok = c && EVP_DigestSignInit_ex(c, NULL, NULL, NULL, NULL, f->pkey, NULL) == 1 &&
              EVP_DigestSign(c, sig, &k, msg.p, msg.n) == 1;
    EVP_MD_CTX_free(c);
    free(heap);
    if (!ok)
        return crypto_fail(e, ERR_CRYPTO, "signing failed");
    *sig_n = k;
    return true;
}

static bool file_sign(struct key *k, enum sig_alg alg, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n,
                      struct err *e)
{
    const struct sig_row *row = sig_row_of(alg);
    return row->digest_bits ? sign_digest(k->impl, row, parts, n, sig, sig_n, e)
                            : sign_message(k->impl, parts, n, sig, sig_n, e);
}

static void file_key_free(struct file_key *f)
{
    for (size_t i = 0; i < f->pooled; i++)
        EVP_PKEY_CTX_free(f->pool[i].ctx);
    EVP_PKEY_free(f->pkey);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static void file_free(struct key *k)
{
    file_key_free(k->impl);
}

static const struct key_ops file_ops = {.sign = file_sign, .free = file_free};

/* Takes pkey, always.  spki: the public key that pkey must prove to belong to; empty: its own. */
static bool wrap(EVP_PKEY *pkey, struct slice spki, const char *ref, struct key **out, struct err *e)
{
    struct file_key *f = calloc(1, sizeof *f);
    uint8_t *own = NULL;
    if (!f) {
        EVP_PKEY_free(pkey);
        return err_set(e, ERR_NOMEM, "key");
    }
    f->pkey = pkey;
    pthread_mutex_init(&f->lock, NULL);
    if (spki.n == 0) {
        int n = i2d_PUBKEY(pkey, &own);
        spki = slice_of(own, n > 0 ? (size_t)n : 0);
    }
    bool ok = key_new(&file_ops, f, spki, ref, out, e);
    if (!ok)
        file_key_free(f);
    OPENSSL_free(own);
    return ok;
}

/* --- references and passphrases --- */

struct where {
    char path[PATH_MAX_];
    bool plain;
};

static bool ref_parse(const char *ref, struct where *w, struct err *e)
{
    const char *path = ref + strlen("file:"), *q = strchr(path, '?');
    size_t n = q ? (size_t)(q - path) : strlen(path);
    *w = (struct where){.plain = q != NULL};
    if (n == 0 || n >= sizeof w->path - 32 || path[n - 1] == '/' || (q && strcmp(q, "?plain") != 0)) {
        err_set(e, ERR_KEY_REF, "key \"%s\": not a file", ERR_QUOTE(slice_str(ref)));
        return err_try(e, "write file:PATH, or file:PATH?plain for a key without passphrase");
    }
    memcpy(w->path, path, n);
    return true;
}

static bool passphrase(const struct key_env *env, const struct where *w, struct secret **out, struct err *e)
{
    *out = NULL;
    if (w->plain)
        return true;
    if (!env || !env->passphrase_file) {
        err_set(e, ERR_KEY_PASSPHRASE, "%s: a sealed key needs a passphrase file", w->path);
        return err_try(e, "name one in the configuration, or add ?plain to the reference");
    }
    return secret_read_file(env->passphrase_file, out, e) || err_ctx(e, "passphrase");
}

/* --- reading --- */

static bool read_file(const struct where *w, struct secret **out, struct err *e)
{
    struct stat st;
    *out = NULL;
    int fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_set(e, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "key %s: %s", w->path, strerror(errno));
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!ok)
        err_set(e, ERR_KEY_FILE, "key %s: not a regular file", w->path);
    else if (!file_check_private_stat(w->path, &st, 077, e))
        ok = err_ctx(e, "key");
    else if (st.st_size < 1 || st.st_size > KEY_FILE_MAX)
        ok = err_set(e, ERR_KEY_FILE, "key %s has %lld bytes; at most %d are taken", w->path, (long long)st.st_size,
                     KEY_FILE_MAX);
    struct secret *s = NULL;
    ok = ok && secret_new((size_t)st.st_size, &s, e);
    if (ok && read(fd, secret_bytes(s), (size_t)st.st_size) != st.st_size)
        ok = err_set(e, ERR_IO, "key %s: cannot be read whole", w->path);
    close(fd);
    if (!ok) {
        secret_free(s);
        s = NULL;
    }
    *out = s;
    return ok;
}

static EVP_PKEY *unseal(BIO *in, const struct where *w, struct slice pass, struct err *e)
{
    X509_SIG *sealed = PEM_read_bio_PKCS8(in, NULL, NULL, NULL);
    if (!sealed) {
        crypto_fail(e, ERR_KEY_FILE, "");
        err_set(e, ERR_KEY_FILE, "key %s: no sealed PKCS#8 key in it", w->path);
        err_why(e, "RFC 5958 section 3");
        return NULL;
    }
    PKCS8_PRIV_KEY_INFO *p8 = PKCS8_decrypt(sealed, (const char *)pass.p, (int)pass.n);
    EVP_PKEY *k = p8 ? EVP_PKCS82PKEY(p8) : NULL;
    if (!k) {
        ERR_clear_error();
        err_set(e, ERR_KEY_PASSPHRASE, "key %s: wrong passphrase, or the file was changed", w->path);
        err_try(e, "check the passphrase file; restore the key from its backup");
    }
    PKCS8_PRIV_KEY_INFO_free(p8);
    X509_SIG_free(sealed);
    return k;
}

static EVP_PKEY *read_plain(BIO *in, const struct where *w, struct err *e)
{
    PKCS8_PRIV_KEY_INFO *p8 = PEM_read_bio_PKCS8_PRIV_KEY_INFO(in, NULL, NULL, NULL);
    EVP_PKEY *k = p8 ? EVP_PKCS82PKEY(p8) : NULL;
    ERR_clear_error();
    if (!k) {
        err_set(e, ERR_KEY_FILE, "key %s: no plain PKCS#8 key in it", w->path);
        err_why(e, "RFC 5958 section 2");
    }
    PKCS8_PRIV_KEY_INFO_free(p8);
    return k;
}

/* The public key beside it: empty if the file came from elsewhere and has none.  One that is there and cannot be read is no
 * such file: what is sealed has no check of its own, and a flipped bit in it is another key (ca/own_key.h finds that, too). */
static bool read_public(BIO *in, const struct where *w, uint8_t **der, long *n, struct err *e)
{
    *der = NULL;
    *n = 0;
    if (PEM_bytes_read_bio(der, n, NULL, "PUBLIC KEY", in, NULL, NULL))
        return true;
    bool none = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    *n = 0;
    if (none)
        return true;
    err_set(e, ERR_KEY_FILE, "key %s: the public key in it is damaged", w->path);
    return err_try(e, "restore the key from its backup");
}

bool key_file_open(const struct key_env *env, const char *ref, struct key **out, struct err *e)
{
    struct where w;
    AUTO(secret_free_auto) struct secret *file = NULL, *pass = NULL;
    if (!ref_parse(ref, &w, e) || !read_file(&w, &file, e) || !passphrase(env, &w, &pass, e))
        return false;
    struct slice text = secret_get0(file);
    BIO *in = BIO_new_mem_buf(text.p, (int)text.n), *again = BIO_new_mem_buf(text.p, (int)text.n);
    EVP_PKEY *pkey = NULL;
    uint8_t *public = NULL;
    long public_n = 0;
    if (!in || !again)
        err_set(e, ERR_NOMEM, "key %s", w.path);
    else
        pkey = w.plain ? read_plain(in, &w, e) : unseal(in, &w, secret_get0(pass), e);
    bool ok = pkey && read_public(again, &w, &public, &public_n, e);
    BIO_free(in);
    BIO_free(again);
    if (ok)
        ok = wrap(pkey, slice_of(public, (size_t)public_n), ref, out, e) || err_ctx(e, "key %s", w.path);
    else
        EVP_PKEY_free(pkey);
    OPENSSL_free(public);
    return ok;
}

/* --- writing --- */

static EVP_PKEY *make(enum key_type type)
{
    switch (type) {
    case KEY_P256:
        return EVP_EC_gen("P-256");
    case KEY_P384:
        return EVP_EC_gen("P-384");
    case KEY_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case KEY_RSA2048:
        return EVP_RSA_gen(2048);
    case KEY_RSA3072:
        return EVP_RSA_gen(3072);
    case KEY_RSA4096:
        return EVP_RSA_gen(4096);
    default:
        return NULL;
    }
}

static bool seal(PKCS8_PRIV_KEY_INFO *p8, struct slice pass, BIO *out)
{
    X509_ALGOR *alg = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 16, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);
    X509_SIG *sealed = alg ? PKCS8_set0_pbe((const char *)pass.p, (int)pass.n, p8, alg) : NULL;
    if (alg && !sealed)
        X509_ALGOR_free(alg);
    bool ok = sealed && PEM_write_bio_PKCS8(out, sealed) == 1;
    X509_SIG_free(sealed);
    return ok;
}

static bool encode(EVP_PKEY *pkey, const struct secret *pass, BIO *out, struct err *e)
{
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(pkey);
    bool ok = p8 && (pass ? seal(p8, secret_get0(pass), out) : PEM_write_bio_PKCS8_PRIV_KEY_INFO(out, p8) == 1) &&
              PEM_write_bio_PUBKEY(out, pkey) == 1;
    PKCS8_PRIV_KEY_INFO_free(p8);
    return ok || crypto_fail(e, ERR_INTERNAL, "the new key cannot be encoded");
}

static bool exists(const struct where *w, struct err *e)
{
    err_set(e, ERR_KEY_EXISTS, "%s exists already", w->path);
    return err_try(e, "choose another name; a private key is never overwritten");
}

/* Mode 0600, and there already means there for good. */
static bool write_new(const struct where *w, struct slice text, struct err *e)
{
    if (file_write_new(w->path, 0600, text, e))
        return true;
    return e->code == ERR_CONFLICT ? exists(w, e) : err_ctx(e, "key %s", w->path);
}

bool key_file_generate(const struct key_env *env, const char *ref, enum key_type type, struct key **out, struct err *e)
{
    struct where w;
    AUTO(secret_free_auto) struct secret *pass = NULL;
    if (!ref_parse(ref, &w, e) || !passphrase(env, &w, &pass, e))
        return false;
    if (access(w.path, F_OK) == 0) /* before an RSA key is made for nothing; write_new() decides */
        return exists(&w, e);
    EVP_PKEY *pkey = make(type);
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    if (!pkey || !bio) {
        EVP_PKEY_free(pkey);
        BIO_free(bio);
        return crypto_fail(e, ERR_INTERNAL, "the key cannot be made");
    }
    char *text;
    bool ok = encode(pkey, pass, bio, e);
    long n = BIO_get_mem_data(bio, &text);
    ok = ok && write_new(&w, slice_of(text, n > 0 ? (size_t)n : 0), e);
    BIO_free(bio);
    if (!ok) {
        EVP_PKEY_free(pkey);
        return false;
    }
    return wrap(pkey, (struct slice){0}, ref, out, e) || err_ctx(e, "key %s", w.path);
}

bool key_file_destroy(const struct key_env *env, const char *ref, struct err *e)
{
    (void)env;
    struct where w;
    AUTO(secret_free_auto) struct secret *file = NULL;
    if (!ref_parse(ref, &w, e) || !read_file(&w, &file, e))
        return false;
    struct slice text = secret_get0(file);
    if (!memmem(text.p, text.n, "PRIVATE KEY-----", 16)) /* a mistyped path must not cost another file */
        return err_set(e, ERR_KEY_FILE, "%s is not a key file; nothing was removed", w.path);
    int fd = open(w.path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) { /* of use where the file system writes in place */
        struct err ignored;
        memset(secret_bytes(file), 0, text.n);
        (void)!(file_write_all(fd, text, &ignored) && fsync(fd) == 0);
        close(fd);
    }
    return file_remove(w.path, e) || err_ctx(e, "key %s", w.path);
}
