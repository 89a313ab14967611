/* kith-signer: the process that holds one domain's keys.  Started by kithd with a listening socket; needs nothing but its own
 * directory, its keys and that socket, and gives up all else. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/manual.h"
#include "base/problem.h"
#include "base/sandbox.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "keys/secret.h"
#include "model/settings_check.h"
#include "signer/crl.h"
#include "signer/domain.h"

struct options {
    const char *config, *domain;
    int64_t fd;
    bool check;
    bool accept_clock;
};

static const struct opt rows[] = {
    {NULL, "config", OPT_PATH, .arg = "FILE", .help = "kith.conf", .offset = offsetof(struct options, config),
     .required = true},
    {NULL, "domain", OPT_TEXT, .arg = "NAME", .help = "issuing or ledger", .offset = offsetof(struct options, domain),
     .required = true},
    {NULL, "fd", OPT_INT, 3, 1023, "3", .arg = "N", .help = "the listening socket",
     .offset = offsetof(struct options, fd)},
    {NULL, "check", OPT_BOOL, .help = "try what the start needs, say what is wrong, change nothing and end",
     .offset = offsetof(struct options, check)},
    {NULL, "accept-clock", OPT_BOOL, .help = "the clock is right, whatever was signed last",
     .offset = offsetof(struct options, accept_clock)},
};

static const struct manual_program program = {
    .name = "kith-signer",
    .synopsis = "--config FILE --domain NAME [--check]",
    .about = "holds the keys of one domain of an installation of Kith; kithd starts it",
    .rows = rows,
    .rows_n = ARRAY_LEN(rows),
};

static volatile bool stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = true;
}

static bool open_token(const struct settings *s, struct arena *a, struct p11 **out, struct err *e)
{
    *out = NULL;
    if (!s->hsm_module)
        return true;
    struct p11_config cfg = {.sessions_max = (unsigned)s->hsm_sessions,
                             .template = s->hsm_template,
                             .mark_file = settings_path(s, a, PATH_PIN_MARK)};
    return arena_ok(a, e) && p11_open(s->hsm_module, s->hsm_token, s->hsm_pin_file, &cfg, out, e);
}

/* In the sandbox.  Told, and no reason to end: a module may keep open what it needs. */
static bool may_use_token(const struct settings *s, struct err *e)
{
    for (size_t i = 0; s->hsm_module && i < s->hsm_paths.n; i++) {
        const char *path = s->hsm_paths.v[i];
        if (access(path, R_OK) == 0 || errno != EACCES)
            continue;
        err_set(e, ERR_IO, "[keys] hsm_paths: no right to \"%s\"", ERR_QUOTE_PATH(slice_str(path)));
        err_why(e, "in its sandbox root is a user like others: a token of another user's is out of reach");
        return err_try(e, "run kithd as its owner, or chown it");
    }
    return true;
}

/* The keys signed when they were opened, outside.  What stopped them since is the sandbox, as far as can be told from here. */
static bool blame_sandbox(const struct settings *s, struct err *e)
{
    struct err rights;
    AUTO(buf_clear) struct buf paths = {0};
    const char *conf = getenv("SOFTHSM2_CONF"); /* banned: SoftHSM2 reads it in this process */
    if (e->code == ERR_P11_PIN)
        return false;
    err_ctx(e, "in the signer's sandbox");
    if (!may_use_token(s, &rights)) {
        err_why(e, "%s; %s", rights.what, rights.why);
        return err_try(e, "%s", rights.hint);
    }
    buf_init(&paths, 65536);
    for (size_t i = 0; i < s->hsm_paths.n; i++)
        buf_printf(&paths, "%s%s", i ? ", " : "", s->hsm_paths.v[i]);
    err_why(e, "it signed outside; the sandbox lets the module at nothing but hsm_network and hsm_paths: %s",
            buf_str(&paths));
    return err_try(e, "hsm_paths = PATH,... in [keys] of kith.conf: all that the module reads and writes%s%s",
                   strstr(s->hsm_module, "softhsm") ? "; of SoftHSM2 its directories.tokendir, and " : "",
                   strstr(s->hsm_module, "softhsm") ? ERR_QUOTE_PATH(slice_str(conf ? conf : "/etc/softhsm")) : "");
}

/* In the sandbox: what a module opens only when it is used is missed here, before anybody waits for it. */
static bool prove_keys(const struct domain *d, const struct settings *s, struct err *e)
{
    struct key *const keys[] = {d->ca_key, d->vouch_key};
    for (size_t i = 0; s->sandbox && s->hsm_module && i < ARRAY_LEN(keys); i++)
        if (keys[i] && !key_prove(keys[i], e))
            return blame_sandbox(s, e);
    return true;
}

static bool sandbox(const struct settings *s, const char *domain, const struct env *env, struct arena *a, struct err *e)
{
    if (!s->sandbox) {
        LOG(env, WARN, "signer", "the sandbox is off by configuration", log_str("domain", domain));
        return true;
    }
    struct sandbox_path paths[3 + SETTINGS_HSM_PATHS_MAX] = {
        {arena_printf(a, "%s/" PATH_SIGNERS "/%s", s->dir, domain), SANDBOX_READ | SANDBOX_WRITE},
        {settings_path(s, a, PATH_CA), SANDBOX_READ}, /* the root's list, which may be another one tomorrow */
        {"/dev/urandom", SANDBOX_READ},
    };
    struct hsm_peer peer;
    if (!settings_hsm_peer(s, &peer, e))
        return false;
    /* A signer's only socket is the one that it was given; a module that speaks to its device gets one more. */
    struct sandbox_policy policy = {.paths = paths,
                                    .paths_n = 3,
                                    .connect_ports = &peer.port,
                                    .connect_n = peer.given && !peer.local,
                                    .inet = s->hsm_module && peer.given && !peer.local,
                                    .local = s->hsm_module && peer.local};
    for (size_t i = 0; s->hsm_module && i < s->hsm_paths.n; i++)
        paths[policy.paths_n++] = (struct sandbox_path){s->hsm_paths.v[i], SANDBOX_READ | SANDBOX_WRITE};
    struct sandbox_report report;
    struct err token;
    if (!sandbox_enter(&policy, &report, e))
        return false;
    if (!may_use_token(s, &token))
        LOG(env, WARN, "signer", "the token may be out of reach", log_err(&token));
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, 512);
    sandbox_put_status(&text, &report);
    LOG(env, INFO, "signer", "sandboxed", log_str("domain", domain), log_str("limits", buf_str(&text)),
        log_str("peer", policy.inet || policy.local ? s->hsm_network : "none"));
    return true;
}

/* What the start does, sandbox and all, until it would be ready. */
static bool rehearse(struct domain *d, const struct settings *s, const struct key_env *keys, const char *domain,
                     const struct env *env, struct arena *a, struct err *e)
{
    struct err token;
    if (!domain_look(d, domain, s, keys, env, &crypto_openssl, e) || !sandbox(s, domain, env, a, e))
        return false;
    if (s->sandbox && !may_use_token(s, &token))
        problem_print(stderr, "warning", &token);
    if (!prove_keys(d, s, e))
        return err_ctx(e, "signer %s", domain);
    domain_watch_root(d);
    return domain_check_root(d, e) || err_ctx(e, "signer %s", domain);
}

static bool run(const struct options *o, const struct env *env, struct err *e)
{
    struct arena arena;
    struct settings s;
    struct domain d;
    struct p11 *token;
    arena_init(&arena, 1u << 20);
    if (!settings_load(o->config, &arena, &s, e) || !crypto_init(e) || !open_token(&s, &arena, &token, e))
        return false;
    struct key_env keys = {.passphrase_file = s.passphrase_file, .p11 = token};
    if (o->check)
        return rehearse(&d, &s, &keys, o->domain, env, &arena, e);
    if (!domain_open(&d, o->domain, &s, &keys, env, &crypto_openssl, e) || !sandbox(&s, o->domain, env, &arena, e) ||
        !prove_keys(&d, &s, e))
        return false;
    if (o->accept_clock && !domain_accept_clock(&d, e))
        return false;
    struct serve serve = {.env = env,
                          .listener = (int)o->fd,
                          .allowed_uid = getuid(),
                          .domain = &d,
                          .handlers = d.ca_key ? issuing_handlers : ledger_handlers,
                          .handle = domain_handle,
                          .sync = domain_sync,
                          .idle = domain_idle,
                          .stop = &stop};
    LOG(env, INFO, "signer", "ready", log_str("domain", o->domain), log_int("entries", (int64_t)d.cover.tree.size));
    bool ok = serve_run(&serve, e);
    struct err ignored;
    if (!domain_snapshot(&d, &ignored))
        LOG(env, WARN, "signer", "no snapshot; the next start reads more of the journal", log_err(&ignored));
    return ok;
}

int main(int argc, char **argv)
{
    struct log log;
    struct env env;
    struct err e = {0};
    struct arena a;
    struct options o = {0};
    AUTO(buf_clear) struct buf said = {0};
    log_init_fd(&log, STDERR_FILENO, LOG_LEVEL_INFO, false);
    env_init_real(&env, &log);
    if (!secret_harden_process(&e))
        LOG(&env, WARN, "signer", "core dumps are not off", log_err(&e));
    arena_init(&a, 64 * 1024);
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    bool ok = manual_read_args(&program, argc - 1, argv + 1, &a, &o, &said, &e);
    if (ok && said.n)
        _exit(fputs(buf_str(&said), stdout) < 0 || fflush(stdout) != 0);
    if (o.check)
        log.min = LOG_LEVEL_ERROR; /* the rest is the start's to tell */
    ok = ok && run(&o, &env, &e);
    if (!ok && o.check)
        problem_print(stderr, "error", &e);
    else if (!ok)
        LOG(&env, ERROR, "signer", "stopped", log_str("domain", o.domain), log_err(&e));
    /* PKCS#11 modules crash in their exit handlers; nothing is left to do. */
    _exit(ok ? 0 : e.code == ERR_P11_PIN && !o.check ? SIGNER_EXIT_PIN : err_exit_code(e.code));
}
