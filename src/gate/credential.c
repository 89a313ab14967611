/* This gateway's own credential: certificates from files, the key from a file or a PKCS#11 token. */
#include "gate/gate_impl.h"

#include "base/file.h"
#include "base/pem.h"
#include "keys/p11.h"
#include "keys/provider.h"

#include <openssl/pem.h>

#define CREDENTIAL_PEM (128 << 10)

AUTO_FREE_FN(BIO *, BIO_free_all);

void credential_clear(struct credential *c)
{
    EVP_PKEY_free(c->key);
    for (size_t i = 0; i < c->chain_n; i++)
        free((void *)(uintptr_t)c->chain[i].p);
    free((void *)(uintptr_t)c->root.p);
    *c = (struct credential){0};
}

/* The certificates of a PEM file as DER; up to `max`. */
static bool certs_load(const char *path, struct slice *out, size_t max, size_t *n, struct err *e)
{
    AUTO(buf_clear) struct buf pem = {0};
    bool found;
    buf_init(&pem, CREDENTIAL_PEM);
    *n = 0;
    if (!file_read_trusted(path, pem.max, &pem, e))
        return false;
    struct slice rest = buf_slice(&pem);
    while (*n < max) {
        struct buf der;
        buf_init(&der, CREDENTIAL_PEM);
        bool ok = pem_next_of(&rest, PEM_CERT, &der, &found, e);
        if (ok && found) {
            out[(*n)++] = buf_slice(&der); /* credential_clear() frees it */
            continue;
        }
        buf_clear(&der);
        if (!ok)
            return err_ctx(e, "%s", path);
        break;
    }
    return *n ? true : err_set(e, ERR_SYNTAX, "%s: no certificate (PEM) in it", path);
}

bool gate_key_is_on_token(const struct gate *g)
{
    return g->conf.key && strncmp(g->conf.key, "pkcs11:", 7) == 0;
}

bool gate_token_open(struct gate *g, struct err *e)
{
    char mark[512];
    gate_path(g, "pin-refused", mark);
    if (!gate_key_is_on_token(g) || g->keys.p11 ||
        p11_open_for(g->conf.key, g->conf.module, g->conf.pin_file, mark, &g->keys.p11, e))
        return true;
    if (e->code == ERR_KEY_REF)
        err_try(e, "%s/gate.conf: module = /usr/lib/....so, pin-file = FILE, key = pkcs11:token=LABEL;object=NAME",
                g->dir);
    return false;
}

static bool key_load(const struct gate *g, EVP_PKEY **out, struct err *e)
{
    AUTO(buf_wipe) struct buf pem = {0};
    if (gate_key_is_on_token(g)) {
        AUTO(key_free_auto) struct key *k = NULL;
        return key_open(&g->keys, g->conf.key, &k, e) && key_to_evp(k, out, e);
    }
    buf_init(&pem, CREDENTIAL_PEM);
    if (!file_read_private(g->conf.key, pem.max, &pem, e))
        return false;
    AUTO(BIO_free_all_auto) BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    *out = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, (void *)"") : NULL;
    return *out ? true : err_set(e, ERR_SYNTAX, "%s: no private key (PEM, not encrypted) in it", g->conf.key);
}

bool credential_load(const struct gate *g, struct credential *c, struct err *e)
{
    size_t n;
    if (!g->conf.ca || !g->conf.cert || !g->conf.key)
        return err_set(e, ERR_CONFIG, "%s/gate.conf: a url needs ca, cert and key", g->dir);
    return certs_load(g->conf.ca, &c->root, 1, &n, e) &&
           certs_load(g->conf.cert, c->chain, GATE_CHAIN_MAX, &c->chain_n, e) && key_load(g, &c->key, e);
}
