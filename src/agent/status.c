/* kith-agent status: what the state directory says, without touching it. */
#include <stdio.h>

#include "agent/hook.h"
#include "agent/mend.h"
#include "agent/verbs.h"
#include "base/json.h"
#include "base/rfc3339.h"

struct view {
    struct session s;
    struct credential current;
    struct report report;
    const char *state;
    int64_t renew_at;  /* 0: there is nothing to renew */
    struct err damage; /* of what is there */
};

static const char *state_name(const struct view *v, const struct agent *a, int64_t now)
{
    if (agent_is_retired(a))
        return "retired";
    if (v->damage.code)
        return "damaged";
    if (v->current.chain_n)
        return credential_is_expired(&v->current, now) ? "expired" : "enrolled";
    return agent_is_half_way(a) ? "enrolling" : "empty";
}

static const char *slot_path(const struct view *v, unsigned slot, const char *name)
{
    static char path[STATE_PATH_MAX];
    return state_slot_path(&v->s.state, slot, name, path);
}

/* A key in a file is opened as `run` would; a token is not asked.  What is wrong is part of the answer. */
static void look(struct view *v)
{
    struct credential c;
    struct err *e = &v->damage;
    const struct key_env env = {.passphrase_file = v->s.conf.passphrase_file};
    unsigned slot = state_slot(&v->s.state, STATE_CURRENT);
    if (!slot) {
        if (state_slot_lost(&v->s.state)) {
            err_set(e, ERR_AGENT_STATE, "%s has a credential, but the link to it is gone", v->s.state.dir);
            err_try(e, "kith-agent run --once --dir %s finds it again", v->s.state.dir);
        }
        return;
    }
    if (!credential_peek(&v->s.state, slot, &v->current, e) || !credential_is_of(&v->current, v->s.conf.device, e))
        return;
    if (!file_exists(slot_path(v, slot, "cert.pem"))) {
        err_set(e, ERR_AGENT_STATE, "%s is not there", slot_path(v, slot, "cert.pem"));
        (void)credential_damaged(&v->s.state, e);
        return;
    }
    if (!conf_check(&v->s.conf, v->s.state.dir, e) || strcmp(v->s.conf.store, "file") != 0)
        return;
    credential_init(&c);
    (void)!credential_open(&v->s.state, &env, slot, &c, e);
    credential_clear(&c);
}

/* What others could do here, or what others use. */
static void look_around(struct view *v)
{
    struct err *e = &v->damage;
    if (state_check_private(&v->s.state, e))
        look(v);
    if (!e->code)
        (void)!mend_check(&v->s.state, &v->s.conf, e);
}

static bool collect(struct view *v, const char *dir, int64_t now, struct err *e)
{
    credential_init(&v->current);
    if (!state_peek(dir, &v->s.state, e) || !session_read_conf(&v->s, e))
        return false;
    const struct agent a = {.state = &v->s.state, .conf = &v->s.conf};
    look_around(v);
    report_read(&v->s.state, &v->report);
    v->state = state_name(v, &a, now);
    if (v->current.chain_n)
        v->renew_at = credential_renew_at(&v->current, v->s.conf.at_percent);
    return true;
}

static void put_json(const struct view *v)
{
    struct buf b;
    char path[STATE_PATH_MAX];
    const struct cert *c = &v->current.cert;
    buf_init(&b, 16 << 10);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "state", v->state);
    json_out_text(&o, "device", v->s.conf.device);
    json_out_text(&o, "url", v->s.conf.url);
    json_out_text(&o, "root_sha256", v->s.conf.root_sha256);
    json_out_text(&o, "key_store", v->s.conf.store);
    if (v->current.chain_n) {
        json_out_map(&o, "certificate");
        json_out_bytes(&o, "serial", CODEC_HEX, c->serial);
        json_out_text(&o, "key_type", key_type_name(key_type_of_spki(c->spki)));
        json_out_time(&o, "not_before", c->not_before);
        json_out_time(&o, "not_after", c->not_after);
        json_out_time(&o, "received_at", v->current.received_at);
        json_out_text(&o, "file", state_path(&v->s.state, STATE_CURRENT "/cert.pem", path));
        json_out_end(&o);
        json_out_time(&o, "renew_at", v->renew_at);
        json_out_bool(&o, "hook_due", hook_is_due(&v->s.state, &v->s.conf));
    }
    if (v->report.ok_at)
        json_out_time(&o, "ok_at", v->report.ok_at);
    if (v->report.error.code) {
        json_out_map(&o, "error");
        json_out_time(&o, "at", v->report.failed_at);
        json_out_text(&o, "code", err_slug(v->report.error.code));
        json_out_text(&o, "what", v->report.error.what);
        json_out_text(&o, "why", v->report.error.why[0] ? v->report.error.why : NULL);
        json_out_text(&o, "try", v->report.error.hint[0] ? v->report.error.hint : NULL);
        json_out_end(&o);
    }
    json_out_end(&o);
    printf("%s\n", buf_str(&b));
    buf_clear(&b);
}

static void put_row(const char *name, const char *value)
{
    if (value)
        printf("%-12s %s\n", name, value);
}

/* Of a device that has no credential yet. */
static void put_next(const struct view *v)
{
    const char *dir = ERR_QUOTE_PATH(slice_str(v->s.state.dir));
    if (strcmp(v->state, "enrolling") == 0)
        printf("%-12s kith-agent run --once --dir %s goes on with what is there\n", "next", dir);
    if (strcmp(v->state, "empty") == 0)
        printf("%-12s kith-agent enroll --dir %s, with a token of `kith device add --token`\n", "next", dir);
}

static void put_text(const struct view *v)
{
    char path[STATE_PATH_MAX];
    const struct err *e = &v->report.error;
    put_row("state", v->state);
    put_row("device", v->s.conf.device);
    put_row("platform", v->s.conf.url);
    put_row("keys", v->s.conf.store);
    put_next(v);
    if (v->current.chain_n) {
        put_row("certificate", state_path(&v->s.state, STATE_CURRENT "/cert.pem", path));
        put_row("expires", RFC3339(v->current.cert.not_after));
        put_row("renewal", RFC3339(v->renew_at));
        if (hook_is_due(&v->s.state, &v->s.conf))
            put_row("hook", "has not ended well for this certificate yet; kith-agent run tries it again");
    }
    if (v->report.ok_at)
        put_row("last success", RFC3339(v->report.ok_at));
    if (e->code) {
        printf("%-12s %s: error[%s]: %s\n", "last error", RFC3339(v->report.failed_at), err_slug(e->code), e->what);
        put_row("", e->why[0] ? e->why : NULL);
        put_row("", e->hint[0] ? e->hint : NULL);
    }
}

bool status_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct status_opts *o = opts;
    const struct program *p = ctx;
    struct view v = {.s.state.lock = -1};
    (void)words;
    bool ok = collect(&v, o->dir, env_now_s(&p->env), e);
    if (ok && o->json)
        put_json(&v);
    else if (ok)
        put_text(&v);
    if (ok && v.damage.code) {
        *e = v.damage;
        ok = false;
    }
    credential_clear(&v.current);
    session_close(&v.s);
    return ok;
}

bool status_tell(void *ctx, const char *dir, struct err *e)
{
    const struct status_opts o = {.dir = dir, .json = true};
    const struct args_words none = {0};
    return status_verb(ctx, &o, &none, e);
}
