#include "agent/credential.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/pem.h"
#include "base/rfc3339.h"
#include "keys/crypto.h"
#include "keys/p11_uri.h"
#include "keys/provider.h"
#include "x509/certs_only.h"
#include "x509/chain.h"
#include "x509/name.h"

#define RECEIVED "Received: "
#define REF_MAX  1024
#define POOL_MAX 16

void credential_init(struct credential *c)
{
    *c = (struct credential){0};
    buf_init(&c->der, STATE_CERT_MAX);
}

void credential_clear(struct credential *c)
{
    EVP_PKEY_free(c->evp);
    key_free(c->key);
    buf_clear(&c->der);
    credential_init(c);
}

/* --- keys --- */

static bool take_key(struct credential *c, struct key *k, struct err *e)
{
    c->key = k;
    return key_to_evp(k, &c->evp, e);
}

/* A file's reference is relative to its slot, so that the state directory may be moved. */
static bool full_ref(const struct state *s, const char *ref, unsigned slot, char out[STATE_PATH_MAX])
{
    char path[STATE_PATH_MAX];
    int n = strncmp(ref, "file:", 5) == 0
                ? snprintf(out, STATE_PATH_MAX, "file:%s", state_slot_path(s, slot, ref + 5, path))
                : snprintf(out, STATE_PATH_MAX, "%s", ref);
    return n > 0 && n < STATE_PATH_MAX;
}

static bool open_key(const struct state *s, const struct key_env *env, unsigned slot, bool make, enum key_type type,
                     struct credential *out, struct err *e)
{
    char full[STATE_PATH_MAX];
    struct buf ref;
    struct key *k = NULL;
    credential_init(out);
    buf_init(&ref, REF_MAX);
    bool ok = state_slot_ref(s, slot, &ref, &out->found, e);
    ok = ok && (full_ref(s, buf_str(&ref), slot, full) || err_set(e, ERR_LIMIT, "the path of a key is too long"));
    buf_clear(&ref);
    if (ok && !key_open(env, full, &k, e))
        ok = make && !out->found && err_class_of(e->code) == ERR_CLASS_NOTFOUND && key_generate(env, full, type, &k, e);
    out->slot = slot;
    ok = ok && take_key(out, k, e);
    if (!ok)
        credential_clear(out);
    return ok;
}

bool credential_damaged(const struct state *s, struct err *e)
{
    enum err_class c = err_class_of(e->code);
    if (e->hint[0] || c == ERR_CLASS_UNAVAILABLE || c == ERR_CLASS_RATE)
        return false;
    if (!e->why[0])
        err_why(e, "the credential is not as the agent left it; nothing of it is removed");
    return err_try(e,
                   "restore the file; or kith-agent enroll --again --dir %s with a token of `kith device token DEVICE`",
                   ERR_QUOTE(slice_str(s->dir)));
}

bool credential_open_key(const struct state *s, const struct key_env *env, unsigned slot, struct credential *out,
                         struct err *e)
{
    return open_key(s, env, slot, false, KEY_NONE, out, e) || credential_damaged(s, e);
}

bool credential_make_key(const struct state *s, const struct key_env *env, unsigned slot, enum key_type type,
                         struct credential *out, struct err *e)
{
    return open_key(s, env, slot, true, type, out, e);
}

static void put_value(struct buf *b, const struct p11_uri_value *v)
{
    char text[3 * P11_URI_VALUE_MAX];
    struct writer w = WRITER_ARRAY(text);
    p11_uri_put(&w, slice_of(v->bytes, v->n));
    buf_put(b, writer_slice(&w));
}

bool credential_ref(const struct state *s, const struct conf *conf, unsigned slot, struct buf *out, struct err *e)
{
    struct p11_uri u;
    struct slice done;
    (void)s;
    if (strcmp(conf->store, "file") == 0) {
        buf_put_str(out, conf->passphrase_file ? "file:key.pem" : "file:key.pem?plain");
        return buf_done(out, &done, e);
    }
    if (!p11_uri_read(conf->store, &u, e))
        return false;
    if (slot == 1) {
        buf_put_str(out, conf->store);
        return buf_done(out, &done, e);
    }
    if (!u.object.given) {
        err_set(e, ERR_KEY_REF, "\"%s\" has no object, so a second key cannot be named",
                ERR_QUOTE(slice_str(conf->store)));
        return err_try(e, "add ;object=NAME to store in agent.conf, or set rekey = no");
    }
    buf_put_str(out, "pkcs11:");
    if (u.token.given) {
        buf_put_str(out, "token=");
        put_value(out, &u.token);
        buf_put_char(out, ';');
    }
    if (u.serial.given) {
        buf_put_str(out, "serial=");
        put_value(out, &u.serial);
        buf_put_char(out, ';');
    }
    buf_put_str(out, "object=");
    put_value(out, &u.object);
    buf_printf(out, "-%u", slot);
    return buf_done(out, &done, e);
}

bool credential_destroy(const struct state *s, const struct key_env *env, unsigned slot, struct err *e)
{
    char full[STATE_PATH_MAX];
    struct buf ref;
    bool found;
    buf_init(&ref, REF_MAX);
    bool ok = true;
    /* Without key.ref there never was a key, or it is gone already. */
    if (file_exists(state_slot_path(s, slot, "key.ref", full)) && state_slot_ref(s, slot, &ref, &found, e)) {
        ok = full_ref(s, buf_str(&ref), slot, full) || err_set(e, ERR_LIMIT, "the path of a key is too long");
        if (ok && !found && !key_destroy(env, full, e))
            ok = err_class_of(e->code) == ERR_CLASS_NOTFOUND || strncmp(full, "file:", 5) == 0;
    }
    buf_clear(&ref);
    return ok && state_slot_remove(s, slot, e);
}

/* --- certificates --- */

/* The certificates of c->der, which stand end to end, as slices. */
static bool split(struct credential *c, struct err *e)
{
    struct slice left = buf_slice(&c->der), one;
    c->chain_n = 0;
    while (c->chain_n < CREDENTIAL_CHAIN_MAX && certs_only_next(&left, &one))
        c->chain[c->chain_n++] = one;
    return left.n == 0 || err_set(e, ERR_AGENT_CERT, "not a run of at most %d certificates", CREDENTIAL_CHAIN_MAX);
}

static int64_t received_at(struct slice text, int64_t otherwise)
{
    char when[RFC3339_MAX] = {0};
    int64_t at;
    const size_t prefix = sizeof RECEIVED - 1;
    const uint8_t *eol = text.n ? memchr(text.p, '\n', text.n) : NULL;
    size_t n = eol ? (size_t)(eol - text.p) : 0;
    if (n <= prefix || n - prefix >= sizeof when || memcmp(text.p, RECEIVED, prefix) != 0)
        return otherwise;
    memcpy(when, text.p + prefix, n - prefix);
    return rfc3339_parse(when, &at, NULL) ? at : otherwise;
}

bool credential_read_cert(const struct state *s, struct credential *c, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct buf pem;
    bool more = true, ok;
    state_slot_path(s, c->slot, "cert.pem", path);
    buf_reset(&c->der);
    c->chain_n = 0;
    if (!file_exists(path))
        return true;
    buf_init(&pem, STATE_CERT_MAX);
    ok = file_read(path, STATE_CERT_MAX, &pem, e);
    struct slice text = buf_slice(&pem);
    while (ok && more)
        ok = pem_next_of(&text, PEM_CERT, &c->der, &more, e);
    ok = ok && split(c, e);
    if (ok && c->chain_n == 0)
        ok = err_set(e, ERR_AGENT_STATE, "no certificate in it");
    ok = ok && cert_read(c->chain[0], &c->cert, e);
    if (ok && c->key && !slice_eq(c->cert.spki, key_get0_spki(c->key)))
        ok = err_set(e, ERR_AGENT_CERT, "the certificate is not for the key beside it");
    if (ok)
        c->received_at = received_at(buf_slice(&pem), c->cert.not_before);
    else
        c->chain_n = 0;
    buf_clear(&pem);
    if (ok)
        return true;
    err_ctx(e, "%s", path);
    return credential_damaged(s, e);
}

bool credential_open(const struct state *s, const struct key_env *env, unsigned slot, struct credential *out,
                     struct err *e)
{
    char path[STATE_PATH_MAX];
    if (!credential_open_key(s, env, slot, out, e) || !credential_read_cert(s, out, e))
        return false;
    if (out->chain_n)
        return true;
    err_set(e, ERR_AGENT_STATE, "%s is not there", state_slot_path(s, slot, "cert.pem", path));
    return credential_damaged(s, e);
}

bool credential_is_of(const struct credential *c, const char *device, struct err *e)
{
    struct slice cn = name_get0_cn(c->cert.subject);
    if (!c->chain_n || !device || cn.n < 4 || memcmp(cn.p, "dev_", 4) != 0 || slice_eq(cn, slice_str(device)))
        return true;
    err_set(e, ERR_AGENT_CERT, "key and certificate are those of \"%s\", and agent.conf says %s", ERR_QUOTE(cn),
            device);
    err_why(e, "one device would act under the name of another");
    return err_try(e, "restore this directory from its own copy, or enrol in a new one: kith-agent enroll --dir DIR");
}

bool credential_leads_to(const struct credential *c, struct slice root, struct err *e)
{
    struct cert above[CREDENTIAL_CHAIN_MAX], anchor;
    struct chain ignored;
    struct chain_rules rules = {.leaf_may_be_expired = true};
    if (!cert_read(root, &anchor, e))
        return false;
    rules.at = anchor.not_before > c->cert.not_before ? anchor.not_before : c->cert.not_before;
    for (size_t i = 1; i < c->chain_n; i++) {
        if (!cert_read(c->chain[i], &above[i - 1], e))
            return false;
        rules.at = above[i - 1].not_before > rules.at ? above[i - 1].not_before : rules.at;
    }
    return chain_verify(&crypto_openssl, &c->cert, above, c->chain_n - 1, &anchor, 1, &rules, &ignored, e);
}

bool credential_peek(const struct state *s, unsigned slot, struct credential *out, struct err *e)
{
    credential_init(out);
    out->slot = slot;
    if (credential_read_cert(s, out, e))
        return true;
    credential_clear(out);
    return false;
}

/* Reads up to POOL_MAX certificates that stand end to end. */
static bool read_pool(struct credential *scratch, struct slice certs, struct cert *pool, size_t *n, struct err *e)
{
    *n = 0;
    buf_reset(&scratch->der);
    buf_put(&scratch->der, certs);
    if (!buf_ok(&scratch->der) || !split(scratch, e))
        return err_ctx(e, "the platform's answer");
    for (size_t i = 0; i < scratch->chain_n; i++)
        if (!cert_read(scratch->chain[i], &pool[(*n)++], e))
            return false;
    return true;
}

static bool write_cert(const struct state *s, unsigned slot, const struct chain *chain, int64_t now, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct buf pem;
    struct slice text;
    buf_init(&pem, STATE_CERT_MAX);
    buf_printf(&pem, RECEIVED "%s\n", RFC3339(now));
    for (size_t i = 0; i + 1 < chain->n; i++)
        pem_put(&pem, PEM_CERT, chain->path[i]->der);
    bool ok = buf_done(&pem, &text, e) && file_write_atomic(state_slot_path(s, slot, "cert.pem", path), 0600, text, e);
    buf_clear(&pem);
    return ok;
}

bool credential_store_cert(const struct state *s, const struct credential *c, struct slice certs, struct slice issuers,
                           struct slice root, int64_t now, struct err *e)
{
    struct cert pool[POOL_MAX], anchor, leaf;
    size_t n = 0, more = 0;
    struct credential given, cas;
    struct chain chain = {0};
    const struct chain_rules rules = {.at = now};
    credential_init(&given);
    credential_init(&cas);
    bool ok = read_pool(&given, certs, pool, &n, e) && read_pool(&cas, issuers, pool + n, &more, e);
    if (ok && n == 0)
        ok = err_set(e, ERR_AGENT_CERT, "the platform's answer has no certificate in it");
    ok = ok && cert_read(root, &anchor, e);
    if (ok) {
        leaf = pool[0];
        if (!slice_eq(leaf.spki, key_get0_spki(c->key)))
            ok = err_set(e, ERR_AGENT_CERT, "the platform's certificate is not for the key that asked");
        else if (now < anchor.not_before) {
            ok = err_set(e, ERR_AGENT_CERT, "this device's clock says %s, before the platform was made", RFC3339(now));
            err_try(e, "set the clock, then run this again");
        } else
            ok = chain_verify(&crypto_openssl, &leaf, pool + 1, n + more - 1, &anchor, 1, &rules, &chain, e) ||
                 err_ctx(e, "the platform's certificate");
    }
    ok = ok && write_cert(s, c->slot, &chain, now, e);
    credential_clear(&given);
    credential_clear(&cas);
    return ok;
}

int64_t credential_renew_at(const struct credential *c, int64_t percent)
{
    uint8_t digest[SHA256_SIZE];
    const struct cert *x = &c->cert;
    if (x->not_after >= 253402300799)
        return x->not_after;
    int64_t start = c->received_at > x->not_before && c->received_at < x->not_after ? c->received_at : x->not_before;
    int64_t life = x->not_after - start;
    sha256(x->der, digest);
    int64_t spread = life / 20 * (digest[0] << 8 | digest[1]) / 65536 - life / 40;
    return start + life / 100 * percent + life % 100 * percent / 100 + spread;
}

bool credential_is_expired(const struct credential *c, int64_t now)
{
    return now > c->cert.not_after;
}
