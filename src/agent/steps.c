#include "agent/steps.h"

#include <stdio.h>

#include "agent/mend.h"
#include "agent/root_file.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/rfc3339.h"
#include "keys/crypto.h"
#include "x509/csr.h"
#include "x509/name.h"

#define CLAIM_MAX  64
#define CLAIM_USED "claim-used"

static void reached(struct agent *a, enum agent_step step)
{
    if (a->reached)
        a->reached(a->reached_ctx, step);
}

static bool has(const struct agent *a, const char *name)
{
    char path[STATE_PATH_MAX];
    return file_exists(state_path(a->state, name, path));
}

bool agent_is_retired(const struct agent *a)
{
    return has(a, "retired");
}

/* --- the token --- */

/* A key that was made for one device never asks for another. */
static bool forget_other_device(struct agent *a, const struct token *t, struct err *e)
{
    uint8_t root[SHA256_SIZE];
    if (!conf_is_enrolled(a->conf, root) ||
        (strcmp(a->conf->device, t->device) == 0 && slice_eq(SLICE_ARRAY(root), SLICE_ARRAY(t->root_sha256))))
        return true;
    if (state_slot(a->state, STATE_CURRENT)) {
        err_set(e, ERR_AGENT_ENROLLED, "%s is enrolled as %s, and the token is for %s", a->state->dir, a->conf->device,
                t->device);
        return err_try(e, "use another --dir, or remove this one if the device has a new identity");
    }
    unsigned next = state_slot(a->state, STATE_NEXT);
    return (!next || (state_unlink(a->state, STATE_NEXT, e) && credential_destroy(a->state, &a->keys, next, e)));
}

static bool claim_digest(struct slice claim, char hex[2 * SHA256_SIZE + 1])
{
    uint8_t digest[SHA256_SIZE];
    sha256(claim, digest);
    return codec_encode(CODEC_HEX, SLICE_ARRAY(digest), hex, 2 * SHA256_SIZE + 1);
}

/* A claim of ours that is shown again, with a new key, is to the platform as good as a copy in other hands: it raises an alarm. */
static bool refuse_used_claim(const struct agent *a, const struct token *t, struct err *e)
{
    char path[STATE_PATH_MAX], hex[2 * SHA256_SIZE + 1];
    AUTO(buf_clear) struct buf used = {0};
    buf_init(&used, sizeof hex);
    if (!file_exists(state_path(a->state, CLAIM_USED, path)) || !file_read(path, sizeof hex, &used, NULL) ||
        !claim_digest(slice_str(t->claim), hex) || !slice_eq(buf_slice(&used), slice_str(hex)))
        return true;
    err_set(e, ERR_CLAIM_USED, "%s has used the claim of this token itself, and nothing was sent", a->state->dir);
    err_why(e, "a claim serves once: with another key it would raise an alarm at the platform, as a stolen copy does");
    return err_try(
        e,
        "kith-agent run --once --renew --dir %s gets a new certificate by the one that is there; if that is lost, "
        "kith device token %s, on the platform, makes a new token",
        ERR_QUOTE_PATH(slice_str(a->state->dir)), t->device);
}

bool agent_take_token(struct agent *a, const struct token *t, struct err *e)
{
    char path[STATE_PATH_MAX], hex[2 * SHA256_SIZE + 1];
    if (!forget_other_device(a, t, e) || !refuse_used_claim(a, t, e))
        return false;
    if (!codec_encode(CODEC_HEX, SLICE_ARRAY(t->root_sha256), hex, sizeof hex))
        return err_set(e, ERR_INTERNAL, "a fingerprint");
    a->conf->url = arena_str(a->arena, slice_str(t->url));
    a->conf->device = arena_str(a->arena, slice_str(t->device));
    a->conf->root_sha256 = arena_str(a->arena, slice_str(hex));
    if (!arena_ok(a->arena, e))
        return false;
    if (!conf_write(state_path(a->state, CONF_FILE, path), a->conf, e))
        return false;
    reached(a, STEP_CONF);
    /* Last, so that a claim is never there without the platform that it is for. */
    if (!file_write_atomic(state_path(a->state, "claim", path), 0600, slice_str(t->claim), e))
        return false;
    reached(a, STEP_CLAIM);
    return true;
}

/* --- one credential --- */

/* The reference of the slot's key: that of the current key if it is to be kept. */
static bool next_ref(struct agent *a, unsigned slot, struct buf *ref, bool *found, struct err *e)
{
    unsigned current = state_slot(a->state, STATE_CURRENT);
    struct key *k;
    *found = false;
    if (current && !a->conf->rekey && strcmp(a->conf->store, "file") != 0)
        return state_slot_ref(a->state, current, ref, found, e);
    if (!credential_ref(a->state, a->conf, slot, ref, e))
        return false;
    /* A key on a token that was there before us belongs to whoever made it. */
    if (strncmp(buf_str(ref), "file:", 5) != 0) {
        struct err ignored;
        *found = key_open(&a->keys, buf_str(ref), &k, &ignored);
        if (*found)
            key_free(k);
        else if (err_class_of(ignored.code) != ERR_CLASS_NOTFOUND) {
            *e = ignored;
            return false;
        }
    }
    return true;
}

/* A key in a file that is kept is copied, before `next` points to the slot: destroying the old one overwrites its file. */
static bool keep_key(struct agent *a, unsigned slot, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct buf key;
    unsigned current = state_slot(a->state, STATE_CURRENT);
    if (!current || a->conf->rekey || strcmp(a->conf->store, "file") != 0)
        return true;
    buf_init(&key, STATE_CERT_MAX);
    bool ok = file_read_private(state_slot_path(a->state, current, "key.pem", path), STATE_CERT_MAX, &key, e) &&
              file_write_atomic(state_slot_path(a->state, slot, "key.pem", path), 0600, buf_slice(&key), e);
    buf_wipe(&key);
    return ok;
}

static bool make_slot(struct agent *a, unsigned *slot, struct err *e)
{
    struct buf ref;
    bool found = false;
    *slot = state_slot_fresh(a->state);
    buf_init(&ref, STATE_PATH_MAX);
    bool ok = next_ref(a, *slot, &ref, &found, e) && state_slot_make(a->state, *slot, buf_str(&ref), found, e) &&
              keep_key(a, *slot, e);
    buf_clear(&ref);
    if (!ok)
        return false;
    reached(a, STEP_SLOT);
    if (!state_link(a->state, STATE_NEXT, *slot, e))
        return false;
    reached(a, STEP_NEXT);
    return true;
}

/* Who asks, with which key. */
struct asking {
    struct agent *a;
    const struct credential *next;
};

static bool make_csr(void *arg, struct slice challenge, struct writer *w, struct err *e)
{
    char text[64];
    uint8_t name[NAME_DER_MAX];
    const struct asking *as = arg;
    struct writer subject = WRITER_ARRAY(name);
    snprintf(text, sizeof text, "CN=%s", as->a->conf->device);
    struct csr_template t = {.spki = key_get0_spki(as->next->key), .challenge = challenge};
    const struct signer s = key_signer(as->next->key);
    if (!name_write(&subject, slice_str(text), e))
        return false;
    t.subject = writer_slice(&subject);
    return csr_write(&t, &s, w, e);
}

static bool read_claim(struct agent *a, struct buf *claim, struct err *e)
{
    char path[STATE_PATH_MAX];
    state_path(a->state, "claim", path);
    return !file_exists(path) || file_read_private(path, CLAIM_MAX, claim, e);
}

/* Only what the platform says to the device's own certificate may have its keys destroyed: not to a claim, which others may
 * have seen, nor to nobody in particular. */
static bool heard(struct agent *a, bool ok, const struct err *e)
{
    a->told_to_wipe = !ok && e->code == ERR_DEVICE_RETIRED;
    return ok;
}

static bool open_current(const struct agent *a, unsigned slot, struct credential *c, struct err *e)
{
    return credential_open(a->state, &a->keys, slot, c, e) && credential_is_of(c, a->conf->device, e);
}

/* Asks with the claim, or with the current credential. */
static bool ask_by(struct agent *a, const struct credential *next, struct platform_answer *answer, struct err *e)
{
    struct buf claim;
    struct credential current;
    struct asking as = {a, next};
    struct platform_request want = {.device = a->conf->device, .make_csr = make_csr, .arg = &as};
    unsigned slot = state_slot(a->state, STATE_CURRENT);
    credential_init(&current);
    buf_init(&claim, CLAIM_MAX);
    bool ok = read_claim(a, &claim, e);
    if (ok && claim.n) {
        want.claim = buf_str(&claim);
        ok = a->platform.enroll(a->platform.ctx, &want, answer, e);
    } else if (ok && slot) {
        want.by = &current;
        ok = open_current(a, slot, &current, e) && heard(a, a->platform.enroll(a->platform.ctx, &want, answer, e), e);
    } else if (ok) {
        ok = err_set(e, ERR_AGENT_NOT_ENROLLED, "%s has neither a credential nor a claim", a->state->dir);
        err_try(e, "kith-agent enroll --dir %s, with a token of `kith device add --token`", a->state->dir);
    }
    buf_wipe(&claim);
    credential_clear(&current);
    return ok;
}

static bool ask(struct agent *a, struct credential *next, struct err *e)
{
    struct platform_answer cas = {0}, answer = {0};
    struct slice root;
    buf_init(&cas.certs, STATE_CERT_MAX);
    buf_init(&answer.certs, STATE_CERT_MAX);
    bool ok = mend_fetch_root(a, &cas, &root, e) && root_file_write(a->state, root, e);
    if (ok) {
        reached(a, STEP_ROOT);
        ok = ask_by(a, next, &answer, e);
        a->retry_after_s = answer.retry_after_s;
    }
    if (ok)
        reached(a, STEP_ASKED);
    if (ok && answer.certs.n == 0) {
        ok = err_set(e, ERR_AGENT_PENDING, "the platform has not decided about %s yet", a->conf->device);
        err_why(e, "RFC 7030 section 4.2.3: answer 202");
        err_try(e, "approve it there; the agent asks again by itself");
    }
    ok = ok && credential_store_cert(a->state, next, buf_slice(&answer.certs), buf_slice(&cas.certs), root,
                                     env_now_s(a->env), e);
    buf_clear(&cas.certs);
    buf_clear(&answer.certs);
    if (!ok || !credential_read_cert(a->state, next, e))
        return false;
    reached(a, STEP_CERT);
    return true;
}

/* A device that was retired destroys its keys; a dead claim would stand in the way of a new one, and of renewal by the
 * credential that works. */
static bool judge(struct agent *a, struct err *e)
{
    char path[STATE_PATH_MAX];
    struct err wiped;
    bool used_up = e->code == ERR_CLAIM || e->code == ERR_CLAIM_USED || e->code == ERR_CLAIM_OTHER_KEY;
    bool dead_claim = used_up || e->code == ERR_TOMBSTONE;
    if (dead_claim && !file_remove(state_path(a->state, "claim", path), &wiped))
        LOG(a->env, WARN, "agent", "the claim is not removed", log_err(&wiped));
    if (used_up && !e->hint[0])
        err_try(e, "kith device token %s, on the platform, makes a new token", a->conf->device);
    if (!a->told_to_wipe)
        return false;
    if (!agent_wipe(a, e->what, &wiped))
        LOG(a->env, ERROR, "agent", "the keys could not be wiped", log_err(&wiped));
    return false;
}

static bool prove(struct agent *a, const struct credential *c, struct err *e)
{
    return heard(a, a->platform.hello(a->platform.ctx, c, &a->hello, e), e);
}

static bool remember_claim(struct agent *a, struct err *e)
{
    char path[STATE_PATH_MAX], hex[2 * SHA256_SIZE + 1];
    struct buf claim;
    buf_init(&claim, CLAIM_MAX);
    bool ok = read_claim(a, &claim, e);
    if (ok && claim.n)
        ok = claim_digest(buf_slice(&claim), hex) &&
             file_write_atomic(state_path(a->state, CLAIM_USED, path), 0600, slice_str(hex), e);
    buf_wipe(&claim);
    return ok;
}

/* Installs what has proven itself.  Repeats of any part do no harm. */
static bool install(struct agent *a, unsigned next, struct err *e)
{
    char path[STATE_PATH_MAX];
    if (!state_link(a->state, STATE_CURRENT, next, e))
        return false;
    reached(a, STEP_CURRENT);
    if (!remember_claim(a, e))
        return false;
    reached(a, STEP_CLAIM_USED);
    if (!file_remove(state_path(a->state, "claim", path), e))
        return false;
    reached(a, STEP_CLAIM_GONE);
    if (!state_unlink(a->state, STATE_NEXT, e))
        return false;
    reached(a, STEP_NEXT_GONE);
    /* The new credential counts, whatever becomes of the old one; the next start tries again. */
    struct err old;
    if (!agent_tidy(a, &old))
        LOG(a->env, WARN, "agent", "the old credential is not destroyed yet", log_err(&old));
    return true;
}

/* The slot with which install() was stopped; 0: none. */
static unsigned half_installed(const struct agent *a)
{
    unsigned next = state_slot(a->state, STATE_NEXT);
    return next == state_slot(a->state, STATE_CURRENT) ? next : 0;
}

static bool obtain(struct agent *a, struct credential *next, unsigned slot, struct err *e)
{
    if (!credential_make_key(a->state, &a->keys, slot, conf_key_type(a->conf), next, e))
        return err_ctx(e, "the new key");
    reached(a, STEP_KEY);
    if (!credential_read_cert(a->state, next, e))
        return false;
    bool stale = next->chain_n && credential_is_expired(next, env_now_s(a->env));
    if ((!next->chain_n || stale) && !ask(a, next, e))
        return false;
    if (!prove(a, next, e))
        return false;
    reached(a, STEP_PROVEN);
    return install(a, slot, e);
}

bool agent_has_claim(const struct agent *a)
{
    return has(a, "claim");
}

bool agent_is_half_way(const struct agent *a)
{
    return agent_has_claim(a) || state_slot(a->state, STATE_NEXT);
}

bool agent_obtain(struct agent *a, struct err *e)
{
    struct credential next;
    unsigned slot = state_slot(a->state, STATE_NEXT);
    a->retry_after_s = 0;
    a->told_to_wipe = false;
    credential_init(&next);
    if (agent_is_retired(a)) {
        err_set(e, ERR_AGENT_RETIRED, "%s was retired", a->state->dir);
        return err_try(e, "a new identity needs a new --dir and a token for a new device");
    }
    if (half_installed(a))
        return install(a, slot, e);
    bool ok = (slot || make_slot(a, &slot, e)) && obtain(a, &next, slot, e);
    credential_clear(&next);
    return ok || judge(a, e);
}

bool agent_say_hello(struct agent *a, struct err *e)
{
    struct credential current;
    unsigned slot = state_slot(a->state, STATE_CURRENT);
    a->retry_after_s = 0;
    a->told_to_wipe = false;
    if (!slot)
        return err_set(e, ERR_AGENT_NOT_ENROLLED, "%s has no credential", a->state->dir);
    credential_init(&current);
    bool ok = open_current(a, slot, &current, e) && prove(a, &current, e);
    credential_clear(&current);
    return ok || judge(a, e);
}

bool agent_drop_next(struct agent *a, struct err *e)
{
    if (has(a, "claim") || !state_slot(a->state, STATE_CURRENT))
        return true;
    return state_unlink(a->state, STATE_NEXT, e) && agent_tidy(a, e);
}

/* --- tidying and wiping --- */

/* With a kept key on a token, the slot that goes names the key that stays. */
static bool shares_key(const struct agent *a, unsigned slot)
{
    static const char *const links[] = {STATE_CURRENT, STATE_NEXT};
    struct buf mine, other;
    bool found, same = false;
    struct err ignored;
    buf_init(&mine, STATE_PATH_MAX);
    buf_init(&other, STATE_PATH_MAX);
    if (state_slot_ref(a->state, slot, &mine, &found, &ignored) && strncmp(buf_str(&mine), "file:", 5) != 0)
        for (size_t i = 0; i < ARRAY_LEN(links) && !same; i++) {
            unsigned n = state_slot(a->state, links[i]);
            buf_reset(&other);
            same = n && n != slot && state_slot_ref(a->state, n, &other, &found, &ignored) &&
                   slice_eq(buf_slice(&mine), buf_slice(&other));
        }
    buf_clear(&mine);
    buf_clear(&other);
    return same;
}

static bool drop_slot(void *ctx, unsigned slot, struct err *e)
{
    struct agent *a = ctx;
    bool ok =
        shares_key(a, slot) ? state_slot_remove(a->state, slot, e) : credential_destroy(a->state, &a->keys, slot, e);
    if (ok)
        reached(a, agent_is_retired(a) ? STEP_WIPED : STEP_OLD_GONE);
    return ok;
}

bool agent_tidy(struct agent *a, struct err *e)
{
    char path[STATE_PATH_MAX];
    if (agent_is_retired(a) && (!file_remove(state_path(a->state, "claim", path), e) ||
                                !state_unlink(a->state, STATE_NEXT, e) || !state_unlink(a->state, STATE_CURRENT, e)))
        return false;
    unsigned mended, half = half_installed(a);
    /* First of all: a token that is taken afterwards brings another claim than the one that goes now. */
    if ((half && !install(a, half, e)) || !state_mend_links(a->state, &mended, e))
        return false;
    if (mended)
        LOG(a->env, WARN, "agent", "the link to a credential was gone; it is used again", log_int("slot", mended));
    return state_each_unused(a->state, drop_slot, a, e);
}

bool agent_wipe(struct agent *a, const char *why, struct err *e)
{
    char path[STATE_PATH_MAX], text[ERR_WHAT_MAX + 64];
    int n = snprintf(text, sizeof text, "%s %s\n", RFC3339(env_now_s(a->env)), why);
    if (n < 0 || !file_write_atomic(state_path(a->state, "retired", path), 0600, slice_of(text, (size_t)n), e))
        return false;
    reached(a, STEP_RETIRED);
    LOG(a->env, WARN, "agent", "the platform says that this device was retired: keys are wiped",
        log_str("device", a->conf->device));
    return agent_tidy(a, e);
}
