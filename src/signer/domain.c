#include "signer/domain.h"

#include <stdio.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "ca/ca_cert.h"
#include "ca/own_key.h"
#include "keys/crypto.h"
#include "ledger/note.h"
#include "signer/crl.h"
#include "signer/snapshot.h"

#define SNAPSHOT_EVERY  (16u << 20) /* bytes of journal */
#define SNAPSHOT_LEAVES 200000      /* are read again at most after a crash */
#define TOKEN_CHECK_MS  1000        /* /readyz is not older than twice this */
#define VERIFY_AT_ONCE  (64u << 20) /* bytes of journal at the start; ... */
#define VERIFY_PART     (4u << 20)  /* ... then so much, every so often: 1.2 GB of it in half a minute */
#define VERIFY_EVERY_MS 100
#define ARENA_MAX       (1u << 20)
#define STEPS_MAX       (128u << 20)

static const char *path_of(struct domain *d, const char *file)
{
    return arena_printf(&d->arena, "%s/" PATH_SIGNERS "/%s/%s", d->settings->dir, d->name, file);
}

static bool read_issuer(struct domain *d, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    if (!ca_cert_read(d->settings, PATH_ISSUING_CERT, &b, &d->ca, e))
        return false;
    const char *path = settings_path(d->settings, &d->arena, PATH_ISSUING_CERT);
    d->ca_der = arena_dup(&d->arena, buf_slice(&b));
    if (!cert_read(d->ca_der, &d->ca, e) || !own_key_is_of(d->ca_key, &d->ca, "issuing key", path, e))
        return false;
    const struct settings *s = d->settings;
    d->issuer = (struct profile_issuer){
        .subject = d->ca.subject,
        .key_id = d->ca.ski,
        .sig_alg = key_sig_alg(d->ca_key),
        .not_after = d->ca.not_after,
        .plain_url = s->plain_url,
        .node = (uint8_t)s->node,
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
    memcpy(d->set_up, d->roster.digest, SHA256_SIZE);
    return key_open(keys, s->issuing_key, &d->ca_key, e) && key_open(keys, s->cosign_key, &d->vouch_key, e) &&
           key_open(keys, s->derive_key, &derive_key, e) && own_key_is_derive(derive_key, &d->roster, e) &&
           own_key_derive(derive_key, OWN_KEY_CLAIM, d->claim_key, e) &&
           own_key_derive(derive_key, OWN_KEY_SERIAL, d->serial_key, e) && read_issuer(d, e) && domain_read_root(d, e);
}

/* A ledger's journal is of the log that its first checkpoint was to be of. */
static bool pin_log(struct domain *d, struct err *e)
{
    struct note_key log;
    if (!note_key_make(d->crypto, d->settings->origin, NOTE_ED25519, key_get0_spki(d->vouch_key), &log, e))
        return false;
    note_key_digest(d->crypto, &log, d->set_up);
    return true;
}

static bool make_names(struct domain *d, bool issuing, struct err *e)
{
    const char *origin = d->settings->origin;
    d->state_path = path_of(d, "state");
    d->vouch_name = issuing ? arena_printf(&d->arena, "%s/%s", origin, d->name) : origin;
    return arena_ok(&d->arena, e);
}

static void verify_more(struct domain *d)
{
    struct err e = {0};
    int64_t now = env_mono_ms(d->env);
    if (d->damage.code || d->verified.at >= d->verify_to.at || now - d->verified_ms < VERIFY_EVERY_MS)
        return;
    d->verified_ms = now;
    if (journal_verify(d->journal, &d->verify_to, VERIFY_PART, &d->verified, &e))
        return;
    d->damage = e;
    LOG(d->env, ERROR, "signer", "the journal is damaged; nothing is signed any more", log_str("domain", d->name),
        log_err(&e));
}

static bool open_journal(struct domain *d, bool only_look, struct err *e)
{
    uint64_t torn = 0;
    const char *path = path_of(d, "journal");
    d->verify_to = d->snapshot_at;
    if (only_look)
        return journal_check(path, d->crypto, &d->snapshot_at, snapshot_replay, d, e);
    if (!journal_open(path, d->crypto, &d->snapshot_at, snapshot_replay, d, &d->journal, &torn, e))
        return false;
    if (d->verify_to.at && !journal_verify(d->journal, &d->verify_to, VERIFY_AT_ONCE, &d->verified, e))
        return false;
    domain_start_clock(d);
    if (torn)
        LOG(d->env, NOTICE, "signer", "cut off a batch that was never answered", log_int("bytes", (int64_t)torn));
    return true;
}

static void domain_close(struct domain *d)
{
    key_free(d->vouch_key);
    key_free(d->ca_key);
    cover_clear(&d->cover);
    shards_clear(&d->shards);
    roster_clear(&d->roster);
    journal_free(d->journal);
    buf_clear(&d->pending);
    buf_clear(&d->steps);
    crl_build_free(d->crl);
    arena_clear(&d->arena);
    explicit_bzero(d, sizeof *d);
}

static bool open_all(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                     const struct env *env, const struct crypto *crypto, bool only_look, struct err *e)
{
    *d = (struct domain){.name = name, .settings = s, .env = env, .crypto = crypto, .token = keys->p11};
    arena_init(&d->arena, ARENA_MAX);
    buf_init(&d->pending, STEPS_MAX);
    buf_init(&d->steps, STEPS_MAX);
    cover_init(&d->cover, crypto);
    bool found, issuing = strcmp(name, "issuing") == 0;
    if (!issuing && strcmp(name, "ledger") != 0)
        return err_set(e, ERR_USAGE, "\"%s\" is no domain of keys: issuing or ledger", name);
    bool ok = issuing ? open_issuing(d, keys, e) : key_open(keys, s->ledger_key, &d->vouch_key, e);
    ok = ok && make_names(d, issuing, e);
    if (ok && key_type_of(d->vouch_key) != KEY_ED25519)
        ok = err_set(e, ERR_POLICY, "keys that sign checkpoints have to be Ed25519");
    const char *vkeys = settings_path(s, &d->arena, PATH_VKEYS);
    ok = ok && (issuing || pin_log(d, e)) && arena_ok(&d->arena, e) &&
         own_key_vouches(crypto, d->vouch_key, issuing ? NOTE_KEY_COSIGNER : NOTE_KEY_LOG, vkeys, e) &&
         snapshot_read(d, d->state_path, &found, e) && open_journal(d, only_look, e);
    d->snapshot_leaves = d->cover.tree.size;
    if (!ok) {
        if (!e->hint[0])
            err_try(e, "restore what is named from its copy; kith explain %s says more", err_slug(e->code));
        err_ctx(e, "signer %s", name);
        domain_close(d);
    }
    return ok;
}

bool domain_open(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                 const struct env *env, const struct crypto *crypto, struct err *e)
{
    if (!open_all(d, name, s, keys, env, crypto, false, e))
        return false;
    domain_idle(d);
    return true;
}

bool domain_look(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                 const struct env *env, const struct crypto *crypto, struct err *e)
{
    return open_all(d, name, s, keys, env, crypto, true, e);
}

bool domain_snapshot(struct domain *d, struct err *e)
{
    /* A tree that forked is not what anything was signed for: the next start reads the right one. */
    if (d->damage.code) {
        *e = d->damage;
        return false;
    }
    if (d->cover.forked)
        return err_set(e, ERR_PROOF, "the leaves that came are not those of the tree that was vouched for");
    crash_point("signer.snapshot");
    if (!snapshot_write(d, d->state_path, e))
        return false;
    crash_point("signer.snapshot-written");
    d->snapshot_at = journal_end(d->journal);
    d->snapshot_leaves = d->cover.tree.size;
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

bool domain_step(struct domain *d, const struct domain_step *step, struct err *e)
{
    if (step->kind !=
        JOURNAL_ROOT_LIST) { /* a list that is being streamed was checked against what was revoked before */
        crl_build_free(d->crl);
        d->crl = NULL;
    }
    buf_put(&d->steps, slice_of(step, sizeof *step));
    return buf_ok(&d->steps) || err_set(e, ERR_NOMEM, "batch");
}

static void undo_step(struct domain *d, const struct domain_step *step)
{
    bool ok = true; /* the bit had its place before */
    if (step->kind == JOURNAL_HEAD) {
        d->head_seq = step->seq;
        memcpy(d->head_prev, step->prev, SHA256_SIZE);
        for (size_t i = 0; i < d->shards.n; i++) /* the next head says it all again */
            d->shards.v[i].head_universe = 0;
        return;
    }
    if (step->kind == JOURNAL_ROOT_LIST) {
        d->root_list.number = step->seq;
        memcpy(d->root_list.digest, step->prev, SHA256_SIZE);
        d->root_looked = false; /* nothing is said by a list that is not recorded */
        return;
    }
    struct shard *s = shards_find(&d->shards, step->node, step->shard);
    if (!s)
        return;
    s->stale = true;
    if (step->kind == JOURNAL_REVOKE)
        bits_unset(&s->revoked, step->index);
    else if (step->kind == JOURNAL_HOLD)
        bits_unset(&s->held, step->index);
    else
        bits_set(&s->held, step->index, &ok);
}

/* Takes back all that was done since there were so many digests and steps. */
static void undo(struct domain *d, size_t refs, size_t steps)
{
    struct slice r = buf_slice(&d->pending);
    for (size_t i = refs; i + SHA256_SIZE <= r.n; i += SHA256_SIZE)
        cover_remove(&d->cover, r.p + i);
    for (size_t end = d->steps.n; end >= steps + sizeof(struct domain_step); end -= sizeof(struct domain_step)) {
        struct domain_step s;
        memcpy(&s, d->steps.p + end - sizeof s, sizeof s);
        undo_step(d, &s);
    }
    buf_cut(&d->pending, refs);
    buf_cut(&d->steps, steps);
}

bool domain_handle(struct domain *d, request_handler *handler, uint64_t id, struct reader *r, size_t n, struct buf *out,
                   struct err *e)
{
    struct slice answer;
    if (handler == signer_issue) /* before it, for what is found stays found, also if the request is refused */
        domain_watch_root(d);
    size_t refs = d->pending.n, steps = d->steps.n, batch = journal_batch(d->journal);
    if (d->damage.code && handler != signer_status) {
        *e = d->damage;
        return false;
    }
    if (handler(d, id, r, n, out, e) && buf_done(out, &answer, e))
        return true;
    undo(d, refs, steps);
    journal_cut(d->journal, batch);
    return false;
}

bool domain_sync(struct domain *d, struct err *e)
{
    bool ok = journal_sync(d->journal, e);
    if (!ok) /* what could not be recorded was never given away */
        undo(d, 0, 0);
    buf_reset(&d->pending);
    buf_reset(&d->steps);
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
    domain_clock(d);
    check_token(d);
    verify_more(d);
    domain_watch_root(d);
    if (!domain_sync(d, &e))
        LOG(d->env, WARN, "signer", "the root's list is not recorded", log_err(&e));
    if (journal_end(d->journal).at - d->snapshot_at.at < SNAPSHOT_EVERY &&
        d->cover.tree.size - d->snapshot_leaves < SNAPSHOT_LEAVES)
        return;
    if (domain_snapshot(d, &e))
        return;
    LOG(d->env, WARN, "signer", "no snapshot; the next start reads more of the journal", log_err(&e));
    d->snapshot_leaves = d->cover.tree.size; /* not again at once */
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
