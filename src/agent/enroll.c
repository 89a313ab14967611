/* kith-agent enroll: from a token to a credential that works. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/mend.h"
#include "agent/verbs.h"
#include "base/log.h"
#include "base/rfc3339.h"

#define TOKEN_TEXT_MAX (TOKEN_MAX + 64) /* white space around it */

static bool read_stdin(struct buf *out, struct err *e)
{
    if (isatty(STDIN_FILENO))
        fputs("paste the token, then press Enter: ", stderr);
    while (!memchr(buf_str(out), '\n', out->n)) {
        char *p = buf_space(out, 64);
        ssize_t n = p ? read(STDIN_FILENO, p, 64) : -1;
        if (!p)
            return err_set(e, ERR_TOKEN, "what came on standard input is too long for a token");
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_IO, "standard input cannot be read: %m");
        if (n == 0)
            break;
        buf_added(out, (size_t)n);
    }
    return true;
}

static struct slice trimmed(struct slice s)
{
    while (s.n && strchr(" \t\r\n", s.p[0]))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

/* *given is false if there is none, which is fine for a state that has its claim already. */
static bool read_token(const struct enroll_opts *o, bool needed, struct token *t, bool *given, struct err *e)
{
    struct buf text;
    *given = false;
    if (!needed && !o->token_file && isatty(STDIN_FILENO))
        return true;
    buf_init(&text, TOKEN_TEXT_MAX);
    bool ok = o->token_file ? file_read(o->token_file, TOKEN_TEXT_MAX, &text, e) : read_stdin(&text, e);
    struct slice s = trimmed(buf_slice(&text));
    if (ok && s.n)
        ok = *given = token_parse(s, t, e);
    else if (ok && needed) {
        ok = err_set(e, ERR_TOKEN, "there is no token %s%s", o->token_file ? "in " : "on standard input",
                     o->token_file ? o->token_file : "");
    }
    if (!ok && !e->hint[0])
        err_try(e, "kith device add --token prints one; paste it, or name a file with nothing else by --token-file");
    buf_wipe(&text);
    return ok;
}

/* Options win over what agent.conf has; the next write of agent.conf keeps them. */
static bool merge(struct session *s, const struct enroll_opts *o, struct err *e)
{
    struct conf *c = &s->conf;
    if (o->key)
        c->store = o->key;
    if (o->key_type)
        c->type = o->key_type - 1;
    if (o->module)
        c->module = o->module;
    if (o->pin_file)
        c->pin_file = o->pin_file;
    if (o->passphrase_file)
        c->passphrase_file = o->passphrase_file;
    if (strcmp(c->store, "file") != 0 && strncmp(c->store, "pkcs11:", 7) != 0) {
        err_set(e, ERR_OPTION, "--key %s", ERR_QUOTE(slice_str(c->store)));
        return err_try(e, "--key file, or --key 'pkcs11:token=LABEL;object=NAME' with --module and --pin-file");
    }
    return true;
}

/* A credential of its own that opens and holds, and no claim for another one. */
static bool works_already(struct session *s, const struct program *p)
{
    struct credential c;
    struct err ignored;
    uint8_t root[SHA256_SIZE];
    unsigned slot = state_slot(&s->state, STATE_CURRENT);
    if (!slot || agent_has_claim(&s->agent) || !conf_is_enrolled(&s->conf, root))
        return false;
    credential_init(&c);
    bool ok = credential_open(&s->state, &s->agent.keys, slot, &c, &ignored) &&
              credential_is_of(&c, s->conf.device, &ignored) && !credential_is_expired(&c, env_now_s(&p->env));
    credential_clear(&c);
    return ok;
}

static void tell(const struct session *s, const struct enroll_opts *o, const char *what)
{
    struct credential c;
    if (o->json)
        return;
    if (credential_peek(&s->state, state_slot(&s->state, STATE_CURRENT), &c, NULL) && c.chain_n)
        fprintf(stderr, "%s as %s; the certificate holds until %s\nnext: kith-agent run --dir %s\n", what,
                s->conf.device, RFC3339(c.cert.not_after), s->state.dir);
    credential_clear(&c);
    printf("%s\n", s->conf.device);
}

static bool try_until(struct session *s, struct program *p, int64_t wait_s, struct err *e)
{
    struct retry retry = {0};
    const int64_t end_ms = env_mono_ms(&p->env) + wait_s * 1000;
    for (;;) {
        if (agent_obtain(&s->agent, e))
            return true;
        retry_later(&retry, &p->env, s->agent.retry_after_s, 0);
        if (!retry_helps(e) || p->stopped() || retry.at_ms > end_ms)
            return false;
        int64_t ms = retry.at_ms - env_mono_ms(&p->env);
        LOG(&p->env, INFO, "agent", "trying again", log_int("in_ms", ms), log_err(e));
        p->wait_ms(ms);
        if (p->stopped())
            return false;
    }
}

static bool enroll(struct session *s, struct program *p, const struct enroll_opts *o, struct err *e)
{
    struct token token;
    bool given = false;
    if (!session_read_conf(s, e) || !merge(s, o, e) || !session_ready(s, p, e))
        return false;
    if (agent_is_retired(&s->agent))
        return agent_obtain(&s->agent, e); /* says so */
    if (!agent_tidy(&s->agent, e))
        return false;
    bool works = works_already(s, p);
    bool ok = read_token(o, !agent_has_claim(&s->agent) && (!works || o->again), &token, &given, e);
    if (ok && !given && !works && !conf_check(&s->conf, s->state.dir, e))
        return false;
    if (ok && works && !o->again && (!given || strcmp(token.device, s->conf.device ? s->conf.device : "") == 0)) {
        explicit_bzero(&token, sizeof token);
        if (!mend_files(&s->agent, e))
            return false;
        tell(s, o, "enrolled already");
        return true;
    }
    if (ok && given)
        ok = agent_take_token(&s->agent, &token, e);
    explicit_bzero(&token, sizeof token);
    if (!ok)
        return false;
    session_aim(s);
    struct report report = {0};
    ok = try_until(s, p, o->wait_s, e);
    if (ok)
        report.ok_at = env_now_s(&p->env);
    else
        report = (struct report){.failed_at = env_now_s(&p->env), .error = *e};
    report_write(&s->state, &p->env, &report);
    if (ok)
        tell(s, o, "enrolled");
    return ok;
}

bool enroll_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct enroll_opts *o = opts;
    struct session s = {.state.lock = -1};
    (void)words;
    bool ok = state_open(o->dir, true, &s.state, e) && enroll(&s, ctx, o, e);
    session_close(&s);
    return ok && o->json ? status_tell(ctx, o->dir, e) : ok;
}
