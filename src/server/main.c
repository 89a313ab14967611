/* kith-server: everything that talks to the network.  It holds no key that lasts: what it wants signed it asks of the signers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "base/problem.h"
#include "base/sandbox.h"
#include "base/tls.h"
#include "ca/root_list.h"
#include "keys/crypto.h"
#include "keys/secret.h"
#include "model/settings_check.h"
#include "server/access.h"
#include "server/adopt.h"
#include "server/anteroom.h"
#include "server/api/api.h"
#include "server/birth.h"
#include "server/check.h"
#include "server/clock.h"
#include "server/crls.h"
#include "server/doors/device.h"
#include "server/entry_filter.h"
#include "server/feed_hub.h"
#include "server/gateways.h"
#include "server/identity.h"
#include "server/issuer.h"
#include "server/notary.h"
#include "server/recover.h"
#include "server/refusals.h"
#include "server/signers.h"
#include "server/unanswered.h"

#define SIGNER_WAIT_MS    30000
#define IDENTITY_EVERY_S  43200
#define TICK_MS           1000
#define ANTEROOM_AFTER_MS 2000
#define HOLD_S            60

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

static int64_t now_ms(void *ctx)
{
    return env_now_ms(&((struct app *)ctx)->env);
}

static bool random_of(void *ctx, void *p, size_t n)
{
    struct err e;
    return env_random(&((struct app *)ctx)->env, p, n, &e);
}

static bool read_cert(struct app *app, const char *name, struct slice *der, struct cert *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    const char *path = settings_path(&app->settings, &app->arena, name);
    buf_init(&b, CERT_MAX);
    if (!path || !file_read(path, CERT_MAX, &b, e))
        return err_try(e, "%s", settings_try_ca(&app->settings));
    *der = arena_dup(&app->arena, buf_slice(&b));
    return cert_read(*der, out, e) || err_ctx(e, "%s", path);
}

static bool open_store(struct app *app, struct err *e)
{
    if (!tree_new(app->crypto, (uint8_t)app->settings.node, &app->tree, e))
        return false;
    const struct commit_config cfg = {
        .where = app->settings.database,
        .node = (uint8_t)app->settings.node,
        .origin = app->settings.origin,
        .crypto = app->crypto,
        .now_ms = now_ms,
        .random = random_of,
        .ctx = app,
        .hooks = tree_hooks(app->tree),
    };
    if (!commit_start(&cfg, &app->commit, e))
        return false;
    app->entries_at_start = tree_size(app->tree);
    return true;
}

static bool open_clients(struct app *app, struct err *e)
{
    const char *issuing = settings_path(&app->settings, &app->arena, PATH_RUN "/signer-issuing.sock");
    const char *ledger = settings_path(&app->settings, &app->arena, PATH_RUN "/signer-ledger.sock");
    return client_new(issuing, &app->env, NULL, NULL, &app->issuing, e) &&
           client_new(issuing, &app->env, NULL, NULL, &app->urgent, e) &&
           client_new(ledger, &app->env, NULL, NULL, &app->ledger, e);
}

static bool split_listen(const char *text, char *host, size_t cap, uint16_t *port, struct err *e)
{
    return opt_split_address(slice_str(text), host, cap, port) ||
           err_set(e, ERR_CONFIG, "\"%s\" is not ADDRESS:PORT", ERR_QUOTE(slice_str(text)));
}

static bool find_place(const struct app *app, int local, struct anteroom_place *out, struct err *e)
{
    *out = (struct anteroom_place){.local = local};
    return split_listen(app->settings.plain_listen, out->host, sizeof out->host, &out->port, e);
}

/* A start is quick or it is held up, and then who asks is told by what. */
/* kithd listens for the signers, so a connection says nothing: one that does not come up never answers. */
enum asking { ASK_NOT, ASK_ASKED, ASK_ANSWERED };
static _Atomic enum asking asking;

static void on_status(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    (void)arg;
    (void)fields;
    (void)n;
    asking = e ? ASK_NOT : ASK_ANSWERED;
}

static void ask_signer(struct app *app)
{
    struct err ignored;
    if (asking != ASK_NOT || !client_is_connected(app->issuing) || !client_is_connected(app->urgent))
        return;
    asking = ASK_ASKED;
    if (!client_send(app->issuing, REQUEST_STATUS, (struct slice){0}, 0, on_status, NULL, &ignored))
        asking = ASK_NOT;
}

static bool wait_signer(struct app *app, int local, struct err *e)
{
    int64_t now, begin = env_mono_ms(&app->env);
    AUTO(anteroom_close_auto) struct anteroom *room = NULL;
    struct anteroom_place at;
    struct err why;
    err_set(&why, ERR_SIGNER_GONE, "the issuing signer does not come up");
    err_try(&why, "look at the log of kithd, or ask kithd -t: token, PIN file, passphrase file, journal");
    while (!stop && (now = env_mono_ms(&app->env)) < begin + SIGNER_WAIT_MS) {
        ask_signer(app);
        if (asking == ASK_ANSWERED)
            return true;
        if (!room && now > begin + ANTEROOM_AFTER_MS &&
            (!find_place(app, local, &at, e) || !anteroom_open(&at, "signer-issuing", &why, &room, e)))
            return false;
        usleep(10000);
    }
    *e = why;
    return false;
}

static bool listen_all(struct app *app, int local, struct err *e)
{
    char host[128];
    uint16_t port;
    const struct settings *s = &app->settings;
    http_server_set0_tls(app->http, app->tls);
    return http_server_adopt(app->http, HTTP_DOOR_LOCAL, local, e) &&
           split_listen(s->listen, host, sizeof host, &port, e) &&
           http_server_listen(app->http, HTTP_DOOR_TLS, host, port, NULL, e) &&
           split_listen(s->plain_listen, host, sizeof host, &port, e) &&
           http_server_listen(app->http, HTTP_DOOR_PLAIN, host, port, NULL, e);
}

static struct http_route *with_app(struct app *app, const struct http_route *from, size_t n)
{
    struct http_route *r = arena_array(&app->arena, n, sizeof *r);
    for (size_t i = 0; r && i < n; i++) {
        r[i] = from[i];
        r[i].arg = app;
    }
    return r;
}

static bool add_routes(struct app *app, struct err *e)
{
    const struct {
        const struct http_route *rows;
        size_t n;
    } tables[] = {{est_routes, est_routes_n},
                  {public_routes, public_routes_n},
                  {gateway_routes, gateway_routes_n},
                  {device_routes, device_routes_n}};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct http_route *r = with_app(app, tables[i].rows, tables[i].n);
        if (!r || !http_server_add(app->http, r, tables[i].n, e))
            return false;
    }
    return api_add_routes(app, e);
}

static bool admit(struct http_request *req, const struct http_route *route, void *arg, struct err *e)
{
    if (access_admit(req, route, arg, e))
        return true;
    refusal_note(arg, req, NULL, "http", e);
    return false;
}

static bool open_http(struct app *app, struct err *e)
{
    const struct settings *s = &app->settings;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = s->workers ? (unsigned)s->workers : cores > 0 ? (unsigned)cores : 1;
    struct http_server_opts opts = {.realm = "kith", .admit = admit, .arg = app};
    if (!loop_new(workers, &app->loop, e))
        return false;
    opts.loop = app->loop;
    http_limits_default(&opts.limits);
    opts.limits.handshake_ms = s->handshake_ms;
    opts.limits.header_ms = s->header_ms;
    opts.limits.body_ms = s->body_ms;
    opts.limits.idle_ms = s->idle_ms;
    opts.limits.connections = (unsigned)s->connections_max;
    opts.limits.per_address = (unsigned)s->connections_per_address;
    return http_server_new(&opts, &app->http, e) && add_routes(app, e) && loop_start(app->loop, e);
}

/* Looked at before it is made, too: an empty file in its place would be in the way of the lost one. */
static bool open_log(struct app *app, struct err *e)
{
    bool there;
    return settings_check_lost(&app->settings, &app->arena, &there, e) && (there || signers_check_empty(app, e)) &&
           open_store(app, e) && (tree_size(app->tree) > 0 || signers_check_empty(app, e)) &&
           signers_check_behind(app, e);
}

static bool record_started(struct app *app, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_PLATFORM_STARTED);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "version", KITH_VERSION);
    event_set_int(&d, "node", app->settings.node);
    return app_record(app, &d, e);
}

/* In this order: nothing is signed before what was lost is entered, nothing answered before there is a feed. */
static bool start(struct app *app, int local, struct err *e)
{
    size_t found;
    if (!read_cert(app, PATH_ROOT_CERT, &app->root_der, &app->root, e) ||
        !read_cert(app, PATH_ISSUING_CERT, &app->ca_der, &app->ca, e) ||
        !root_check_issuing(app->crypto, &app->root, &app->ca, e) || !open_clients(app, e) ||
        !wait_signer(app, local, e) || !open_log(app, e) || !adopt_tail(app, e) || !recover_journal(app, &found, e) ||
        !birth_record(app, e) || !birth_record_ca(app, e) || !record_started(app, e))
        return false;
    if (found)
        LOG(&app->env, NOTICE, "server", "entered what was signed and never answered",
            log_int("things", (int64_t)found));
    return der_store_new(&app->ders, e) && issuer_new(app, &app->issuer, e) && feed_hub_new(app, &app->feed, e) &&
           notary_new(app, &app->notary, e) && identity_renew(app, e) && api_start(e) && crls_start(app, e) &&
           open_http(app, e) && listen_all(app, local, e);
}

static bool on_sqlite(const struct app *app)
{
    return strncmp(app->settings.database, "sqlite:", 7) == 0;
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
    if (!split_listen(s->listen, host, sizeof host, &ports[0], e) ||
        !split_listen(s->plain_listen, host, sizeof host, &ports[1], e))
        return false;
    bool sqlite = on_sqlite(app);
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

static void shut_down(struct app *app)
{
    if (app->http)
        http_server_drain(app->http);
    feed_hub_stop(app->feed);
    api_stop();
    crls_stop();
    refusals_flush(app, true);
    if (app->http)
        usleep(100000); /* what is under way gets its answer */
    struct err e;
    if (app->notary && !notary_finish(app->notary, &e))
        LOG(&app->env, WARN, "server", "the end is not signed; the next start adopts what no checkpoint covers",
            log_err(&e));
    notary_free(app->notary);
    /* What still waits for a signer or the database is refused now, while those who asked are there to be told. */
    client_close(app->issuing);
    client_close(app->urgent);
    client_close(app->ledger);
    commit_close(app->commit);
    http_server_free(app->http);
    loop_free(app->loop);
    feed_hub_free(app->feed);
    client_free(app->issuing);
    client_free(app->urgent);
    client_free(app->ledger);
    commit_stop(app->commit);
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

/* With an offline root there is no certificate at first, and any may be lost: say so, and wait. */
static bool wait_for_ca(struct app *app, int local, struct err *e)
{
    const char *path = settings_path(&app->settings, &app->arena, PATH_ISSUING_CERT);
    AUTO(anteroom_close_auto) struct anteroom *room = NULL;
    struct anteroom_place at;
    struct err why;
    if (file_exists(path))
        return true;
    err_set(&why, ERR_UNAVAILABLE, "waiting for the issuing CA's certificate: %s is not there", path);
    err_why(&why, app->settings.root_key ? "it was there since init; nothing is recorded or issued without it"
                                         : "the offline root has to sign it; until then nothing is recorded or issued");
    err_try(&why, "%s", settings_try_ca(&app->settings));
    LOG(&app->env, NOTICE, "server", "waits", log_err(&why));
    if (!find_place(app, local, &at, e) || !anteroom_open(&at, "ca", &why, &room, e))
        return false;
    while (!file_exists(path))
        usleep(TICK_MS * 1000);
    return true;
}

/* What only people can put right: say it to who asks for a while, then try again. */
static void hold(struct app *app, int local, const struct err *why)
{
    struct anteroom *room;
    struct anteroom_place at;
    struct err e;
    if (why->code != ERR_STORE_LOST && why->code != ERR_STORE_BEHIND)
        return;
    LOG(&app->env, ERROR, "server", "cannot start", log_err(why));
    if (find_place(app, local, &at, &e) && anteroom_open(&at, "database", why, &room, &e))
        sleep(HOLD_S); /* a signal ends us at once */
    else
        LOG(&app->env, WARN, "server", "cannot tell who asks", log_err(&e));
}

#define FILTERS_AT_ONCE 20 /* transactions of a tick: 160,000 entries */

static void make_filters(struct app *app)
{
    struct err e = {0};
    bool more = true;
    for (int i = 0; more && i < FILTERS_AT_ONCE; i++)
        if (!entry_filter_build(app, &more, &e)) {
            LOG(&app->env, WARN, "history", "no filters of the ledger", log_err(&e));
            return;
        }
}

static bool run(struct app *app, const struct options *o, struct err *e)
{
    app->crypto = &crypto_openssl;
    raise_descriptors();
    int local; /* its file's mode is set by path, which the sandbox does not allow */
    if (!settings_load(o->config, &app->arena, &app->settings, e) || !crypto_init(e) ||
        !loop_listen_unix(app->settings.socket, 0600, &local, e) || !sandbox(app, false, e) ||
        !wait_for_ca(app, local, e))
        return false;
    if (!start(app, local, e)) {
        hold(app, local, e);
        return false;
    }
    if (app->settings.sandbox && !sandbox_end_listening(!on_sqlite(app), e))
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
    shut_down(app);
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
    struct args_words words;
    bool help;
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
    bool ok = args_read(rows, ARRAY_LEN(rows), argc - 1, argv + 1, false, &app.arena, &o, &words, &help, &e);
    if (ok && o.check)
        _exit(check(&app, &o));
    ok = ok && run(&app, &o, &e);
    if (!ok)
        LOG(&app.env, ERROR, "server", "stopped", log_err(&e));
    /* Threads may still run after a failed start; nothing of theirs is worth waiting for. */
    _exit(ok ? 0 : err_exit_code(e.code));
}
