/* kith-server: everything that talks to the network.  It holds no key that lasts: what it wants signed it asks of the signers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/manual.h"
#include "base/problem.h"
#include "base/sandbox.h"
#include "keys/crypto.h"
#include "keys/secret.h"
#include "model/settings_check.h"
#include "server/check.h"
#include "server/clock.h"
#include "server/entry_filter.h"
#include "server/gateways.h"
#include "server/identity.h"
#include "server/parts.h"
#include "server/refusals.h"
#include "server/signers.h"
#include "server/unanswered.h"

#define IDENTITY_EVERY_S 43200
#define TICK_MS          1000

struct options {
    const char *config;
    int64_t ready_fd;
    bool check;
};

static const struct opt rows[] = {
    {NULL, "config", OPT_PATH, .arg = "FILE", .help = "kith.conf", .offset = offsetof(struct options, config),
     .required = true},
    {NULL, "ready-fd", OPT_INT, 0, 1023, "0", .arg = "N", .help = "where to write a line when ready; 0: nowhere",
     .offset = offsetof(struct options, ready_fd)},
    {NULL, "check", OPT_BOOL, .help = "try what the start needs, say what is wrong, change nothing and end",
     .offset = offsetof(struct options, check)},
};

static const struct manual_program program = {
    .name = "kith-server",
    .synopsis = "--config FILE [--check]",
    .about = "serves an installation of Kith; kithd starts it",
    .rows = rows,
    .rows_n = ARRAY_LEN(rows),
};

static volatile sig_atomic_t stop;

static volatile sig_atomic_t starting = 1;

/* Until we are ready nothing is under way that an end could cut. */
static void on_signal(int sig)
{
    (void)sig;
    if (starting)
        _exit(0);
    stop = 1;
}

/* Its own data and sockets, the public certificates, and the two ports that it listens on: not the keys, not what the signers
 * keep.  Where the database is another server, that has to be reached too. */
static bool sandbox(struct app *app, bool rehearse, struct err *e)
{
    const struct settings *s = &app->settings;
    struct arena *a = &app->arena;
    char host[128];
    uint16_t ports[2];
    if (!s->sandbox) {
        if (!rehearse)
            LOG(&app->env, WARN, "server", "the sandbox is off by configuration");
        return true;
    }
    if (!app_listen_at(s->listen, host, sizeof host, &ports[0], e) ||
        !app_listen_at(s->plain_listen, host, sizeof host, &ports[1], e))
        return false;
    bool sqlite = settings_database_file(&app->settings) != NULL;
    const char *data = settings_database_dir(s, a);
    const struct sandbox_path paths[] = {
        {settings_path(s, a, PATH_RUN), SANDBOX_READ | SANDBOX_WRITE},
        {settings_path(s, a, PATH_CA), SANDBOX_READ},
        {settings_path(s, a, PATH_PROFILES), SANDBOX_READ},
        {settings_path(s, a, PATH_SIGNERS "/issuing/roster"), SANDBOX_READ},
        {settings_path(s, a, PATH_VKEYS), SANDBOX_READ},
        {"/etc", SANDBOX_READ},
        {"/usr", SANDBOX_READ},
        {"/lib", SANDBOX_READ},
        {"/dev/urandom", SANDBOX_READ},
        {data ? data : "/dev/null", SANDBOX_READ | SANDBOX_WRITE},
    };
    const struct sandbox_policy policy = {.paths = paths,
                                          .paths_n = ARRAY_LEN(paths),
                                          .bind_ports = ports,
                                          .bind_n = ARRAY_LEN(ports),
                                          .any_connect = !sqlite,
                                          .inet = true,
                                          .listen = true,
                                          .local = true};
    struct sandbox_report report;
    return rehearse ? sandbox_drop_capabilities(&policy, e) : sandbox_enter(&policy, &report, e);
}

/* Each connection takes a descriptor. */
static void raise_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

#define FILTERS_AT_ONCE 20 /* transactions of a tick: 160,000 entries */

static void make_filters(struct app *app)
{
    static struct log_trouble trouble;
    struct err e = {0};
    bool ok = true, more = true;
    for (int i = 0; ok && more && i < FILTERS_AT_ONCE; i++)
        ok = entry_filter_build(app, &more, &e);
    log_trouble(&app->env, &trouble, "history", "no filters of the ledger", ok ? NULL : &e);
}

static bool run(struct app *app, const struct options *o, struct err *e)
{
    app->crypto = &crypto_openssl;
    raise_descriptors();
    int local; /* its file's mode is set by path, which the sandbox does not allow */
    if (!settings_load(o->config, &app->arena, &app->settings, e) || !crypto_init(e) ||
        !loop_listen_unix(app->settings.socket, 0600, &local, e) || !sandbox(app, false, e) ||
        !parts_start(app, local, e))
        return false;
    if (app->settings.sandbox && !sandbox_end_listening(!settings_database_file(&app->settings), e))
        return false;
    signers_poll(app);
    starting = 0;
    LOG(&app->env, INFO, "server", "ready", log_str("url", app->settings.url),
        log_int("entries", (int64_t)tree_size(app->tree)));
    if (o->ready_fd && write((int)o->ready_fd, "ready\n", 6) != 6)
        LOG(&app->env, WARN, "server", "nobody takes the word that we are ready");
    int64_t identity_at = app_now(app);
    while (!stop) {
        struct err ignored;
        usleep(TICK_MS * 1000);
        commit_probe(app->commit);
        refusals_flush(app, false);
        signers_poll(app);
        make_filters(app);
        unanswered_sweep(app);
        clock_watch(app);
        gateways_watch(app);
        if (app_now(app) - identity_at < IDENTITY_EVERY_S)
            continue;
        if (identity_renew(app, &ignored))
            identity_at = app_now(app);
        else
            LOG(&app->env, WARN, "server", "the TLS certificate is not renewed", log_err(&ignored));
    }
    parts_stop(app);
    return true;
}

static int check(struct app *app, const struct options *o)
{
    struct err e = {0};
    app->crypto = &crypto_openssl;
    if (settings_load(o->config, &app->arena, &app->settings, &e) && crypto_init(&e) && sandbox(app, true, &e))
        return server_check(app);
    problem_print(stderr, "error", &e);
    return err_exit_code(e.code);
}

int main(int argc, char **argv)
{
    static struct app app;
    struct log log;
    struct err e = {0};
    struct options o = {0};
    AUTO(buf_clear) struct buf said = {0};
    log_init_fd(&log, STDERR_FILENO, LOG_LEVEL_INFO, false);
    env_init_real(&app.env, &log);
    arena_init(&app.arena, 8u << 20);
    struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (!secret_harden_process(&e))
        LOG(&app.env, WARN, "server", "core dumps are not off", log_err(&e));
    bool ok = manual_read_args(&program, argc - 1, argv + 1, &app.arena, &o, &said, &e);
    if (ok && said.n)
        _exit(fputs(buf_str(&said), stdout) < 0 || fflush(stdout) != 0);
    if (ok && o.check)
        _exit(check(&app, &o));
    ok = ok && run(&app, &o, &e);
    if (!ok)
        LOG(&app.env, ERROR, "server", "stopped", log_err(&e));
    /* Threads may still run after a failed start; nothing of theirs is worth waiting for. */
    _exit(ok ? 0 : err_exit_code(e.code));
}
