#include "signer/domain.h"

#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "signer/snapshot.h"

#define SNAPSHOT_EVERY (16u << 20) /* bytes of journal */
#define TOKEN_CHECK_MS 5000
#define ARENA_MAX      (1u << 20)

static const char *path_of(struct domain *d, const char *file)
{
    return arena_printf(&d->arena, "%s/" PATH_SIGNERS "/%s/%s", d->settings->dir, d->name, file);
}

/* A secret that is the same whenever it is asked for: Ed25519 is deterministic (RFC 8032), and what signs here signs nothing
 * else that begins like this. */
static bool derive(struct key *k, const char *label, uint8_t out[SHA256_SIZE], struct err *e)
{
    uint8_t sig[SIG_MAX];
    size_t n;
    struct slice parts[] = {SLICE_LIT("kith-derive-v1\n"), slice_str(label)};
    if (key_type_of(k) != KEY_ED25519)
        return err_set(e, ERR_POLICY, "the derive_key has to be Ed25519");
    if (!key_sign(k, SIG_EDDSA, parts, ARRAY_LEN(parts), sig, &n, e))
        return false;
    sha256(slice_of(sig, n), out);
    return true;
}

static bool read_issuer(struct domain *d, struct err *e)
{
    AUTO(buf_clear) struct buf b;
    buf_init(&b, CERT_MAX);
    const char *path = settings_path(d->settings, &d->arena, PATH_ISSUING_CERT);
    if (!file_read(path, CERT_MAX, &b, e)) {
        err_try(e, "kith ca install FILE, once the offline root has signed the request");
        return false;
    }
    d->ca_der = arena_dup(&d->arena, buf_slice(&b));
    if (!cert_read(d->ca_der, &d->ca, e))
        return err_ctx(e, "%s", path);
    if (!slice_eq(d->ca.spki, key_get0_spki(d->ca_key)))
        return err_set(e, ERR_POLICY, "%s is not the certificate of the issuing key", path);
    const struct settings *s = d->settings;
    d->issuer = (struct profile_issuer){
        .subject = d->ca.subject,
        .key_id = d->ca.ski,
        .sig_alg = key_sig_alg(d->ca_key),
        .not_after = d->ca.not_after,
        .crl_url =
            slice_str(arena_printf(&d->arena, "%s/crl/issuing-%02x-%%{shard}.crl", s->plain_url, (unsigned)s->node)),
        .aia_issuers = slice_str(arena_printf(&d->arena, "%s/ca/issuing.cer", s->plain_url)),
    };
    return arena_ok(&d->arena, e);
}

static bool open_issuing(struct domain *d, const struct key_env *keys, struct err *e)
{
    AUTO(key_free_auto) struct key *derive_key = NULL;
    const struct settings *s = d->settings;
    if (!roster_read(path_of(d, "roster"), settings_path(s, &d->arena, PATH_PROFILES), d->crypto, &d->roster, e))
        return false;
    memcpy(d->roster_digest, d->roster.digest, SHA256_SIZE);
    return key_open(keys, s->issuing_key, &d->ca_key, e) && key_open(keys, s->cosign_key, &d->vouch_key, e) &&
           key_open(keys, s->derive_key, &derive_key, e) && derive(derive_key, "claim", d->claim_key, e) &&
           derive(derive_key, "serial", d->serial_key, e) && read_issuer(d, e);
}

bool domain_open(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                 const struct env *env, const struct crypto *crypto, volatile bool *stop, struct err *e)
{
    *d = (struct domain){.name = name, .settings = s, .env = env, .crypto = crypto, .stop = stop, .token = keys->p11};
    arena_init(&d->arena, ARENA_MAX);
    buf_init(&d->pending, 64u << 20);
    cover_init(&d->cover, crypto);
    bool found, issuing = strcmp(name, "issuing") == 0;
    uint64_t torn;
    if (!issuing && strcmp(name, "ledger") != 0)
        return err_set(e, ERR_USAGE, "\"%s\" is no domain of keys: issuing or ledger", name);
    bool ok = issuing ? open_issuing(d, keys, e) : key_open(keys, s->ledger_key, &d->vouch_key, e);
    ok = ok && snapshot_read(d, path_of(d, "state"), &found, e) &&
         journal_open(path_of(d, "journal"), crypto, &d->snapshot_at, snapshot_replay, d, &d->journal, &torn, e);
    if (ok && key_type_of(d->vouch_key) != KEY_ED25519)
        ok = err_set(e, ERR_POLICY, "keys that sign checkpoints have to be Ed25519");
    if (ok && torn)
        LOG(env, NOTICE, "signer", "cut off a batch that was never answered", log_int("bytes", (int64_t)torn));
    if (ok)
        domain_idle(d);
    if (!ok) {
        err_ctx(e, "signer %s", name);
        domain_close(d);
    }
    return ok;
}

void domain_close(struct domain *d)
{
    key_free(d->vouch_key);
    key_free(d->ca_key);
    cover_clear(&d->cover);
    shards_clear(&d->shards);
    roster_clear(&d->roster);
    journal_free(d->journal);
    buf_clear(&d->pending);
    arena_clear(&d->arena);
    explicit_bzero(d, sizeof *d);
}

bool domain_snapshot(struct domain *d, struct err *e)
{
    if (!snapshot_write(d, path_of(d, "state"), e))
        return false;
    d->snapshot_at = journal_end(d->journal);
    return true;
}

bool domain_record(struct domain *d, struct slice record, const uint8_t *ref, struct err *e)
{
    if (!journal_append(d->journal, record, e))
        return false;
    if (!ref)
        return true;
    if (!cover_add(&d->cover, ref, e))
        return false;
    buf_put(&d->pending, slice_of(ref, SHA256_SIZE));
    return buf_ok(&d->pending) || err_set(e, ERR_NOMEM, "batch");
}

bool domain_sync(struct domain *d, struct err *e)
{
    struct slice refs = buf_slice(&d->pending);
    bool ok = journal_sync(d->journal, e);
    /* What could not be recorded was never given away. */
    for (size_t i = 0; !ok && i < refs.n; i += SHA256_SIZE)
        cover_remove(&d->cover, refs.p + i);
    buf_reset(&d->pending);
    /* Sets and heads in memory are now ahead of the journal: start again from what is durable. */
    if (!ok && d->marked)
        *d->stop = true;
    d->marked = false;
    return ok;
}

/* A sign of life keeps the token's sessions, and finds a lost token before a request does. */
static void check_token(struct domain *d)
{
    struct err e;
    int64_t now = env_mono_ms(d->env);
    if (!d->token || now - d->token_checked_ms < TOKEN_CHECK_MS)
        return;
    d->token_checked_ms = now;
    if (!p11_check(d->token, &e))
        LOG(d->env, WARN, "signer", "the token does not answer", log_err(&e));
}

void domain_idle(struct domain *d)
{
    struct err e;
    check_token(d);
    if (journal_end(d->journal).at - d->snapshot_at.at < SNAPSHOT_EVERY)
        return;
    if (!domain_snapshot(d, &e))
        LOG(d->env, WARN, "signer", "no snapshot; the next start reads more of the journal", log_err(&e));
}

int64_t domain_now(struct domain *d)
{
    int64_t now = env_now_s(d->env);
    if (now > d->last_time)
        d->last_time = now;
    return d->last_time;
}

void serial_fill_tail(const struct domain *d, struct serial *s)
{
    uint8_t bytes[SERIAL_SIZE], mac[SHA256_SIZE];
    struct serial bare = *s;
    memset(bare.tail, 0, sizeof bare.tail);
    serial_put(&bare, bytes);
    hmac_sha256(SLICE_ARRAY(d->serial_key), SLICE_ARRAY(bytes), mac);
    memcpy(s->tail, mac, sizeof s->tail);
}

bool serial_is_ours(const struct domain *d, const struct serial *s)
{
    struct serial right = *s;
    serial_fill_tail(d, &right);
    return slice_eq_ct(SLICE_ARRAY(right.tail), SLICE_ARRAY(s->tail));
}
