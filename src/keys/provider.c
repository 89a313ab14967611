#include "keys/provider_impl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <pthread.h>

#include "keys/crypto_impl.h"

static const OSSL_ALGORITHM keymgmts[] = {{"EC:id-ecPublicKey", "provider=kith", provider_key_ec, "keys of Kith"},
                                          {"ED25519", "provider=kith", provider_key_ed, "keys of Kith"},
                                          {"RSA:rsaEncryption", "provider=kith", provider_key_rsa, "keys of Kith"},
                                          {NULL, NULL, NULL, NULL}};
static const OSSL_ALGORITHM signatures[] = {{"ECDSA", "provider=kith", provider_sign, "keys of Kith"},
                                            {"ED25519", "provider=kith", provider_sign, "keys of Kith"},
                                            {"RSA:rsaEncryption", "provider=kith", provider_sign, "keys of Kith"},
                                            {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *prov, int op, int *no_cache)
{
    (void)prov;
    *no_cache = 0;
    return op == OSSL_OP_KEYMGMT ? keymgmts : op == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    static const OSSL_DISPATCH fns[] = {FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), {0, NULL}};
    (void)in;
    *out = fns;
    *ctx = (void *)(uintptr_t)core;
    return 1;
}

/* --- the door --- */

static OSSL_LIB_CTX *libctx;

static void load_once(void)
{
    OSSL_LIB_CTX *c = OSSL_LIB_CTX_new();
    if (c && OSSL_PROVIDER_add_builtin(c, "kith", provider_init) && OSSL_PROVIDER_load(c, "kith"))
        libctx = c;
    else
        OSSL_LIB_CTX_free(c);
}

bool key_to_evp(struct key *k, EVP_PKEY **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    pthread_once(&once, load_once);
    if (!libctx)
        return crypto_fail(e, ERR_INTERNAL, "the key provider cannot be loaded");
    enum key_type t = key_type_of(k);
    const char *name = t == KEY_P256 || t == KEY_P384 ? "EC" : t == KEY_ED25519 ? "ED25519" : "RSA";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(KEY_PARAM, (void *)&k, sizeof k),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(libctx, name, NULL);
    bool ok = c && EVP_PKEY_fromdata_init(c) > 0 && EVP_PKEY_fromdata(c, out, EVP_PKEY_KEYPAIR, params) > 0;
    EVP_PKEY_CTX_free(c);
    if (ok)
        return true;
    *out = NULL;
    return crypto_fail(e, ERR_INTERNAL, "the key cannot be shown to OpenSSL");
}
