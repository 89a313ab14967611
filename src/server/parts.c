#include "server/parts.h"

#include <unistd.h>

#include "base/log.h"
#include "server/access.h"
#include "server/adopt.h"
#include "server/api/api.h"
#include "server/birth.h"
#include "server/crls.h"
#include "server/doors/device.h"
#include "server/feed_hub.h"
#include "server/gateways.h"
#include "server/health.h"
#include "server/identity.h"
#include "server/issuer.h"
#include "server/notary.h"
#include "server/recover.h"
#include "server/refusals.h"
#include "server/signers.h"
#include "server/start_waits.h"
#include "server/unanswered.h"

static int64_t now_ms(void *ctx)
{
    return env_now_ms(&((struct app *)ctx)->env);
}

static bool random_of(void *ctx, void *p, size_t n)
{
    struct err e;
    return env_random(&((struct app *)ctx)->env, p, n, &e);
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

static bool listen_all(struct app *app, int local, struct err *e)
{
    char host[128];
    uint16_t port;
    const struct settings *s = &app->settings;
    http_server_set0_tls(app->http, app->tls);
    return http_server_adopt(app->http, HTTP_DOOR_LOCAL, local, e) &&
           app_listen_at(s->listen, host, sizeof host, &port, e) &&
           http_server_listen(app->http, HTTP_DOOR_TLS, host, port, NULL, e) &&
           app_listen_at(s->plain_listen, host, sizeof host, &port, e) &&
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

static bool is_of_the_host(enum err_code code)
{
    return err_class_of(code) == ERR_CLASS_IO || code == ERR_STORE_UNAVAILABLE || code == ERR_STORE_FULL;
}

/* The words of files and of the database (paths, hosts, names) are for who runs the platform. */
static void tell(const struct http_request *req, struct err *e, void *arg)
{
    const struct app *app = arg;
    if (!is_of_the_host(e->code) || http_door(req) == HTTP_DOOR_LOCAL || (access_who(req)->rights & ACCESS_READ))
        return;
    LOG(&app->env, WARN, "http", "told without its words", log_str("path", http_path(req)), log_err(e));
    err_set(e, e->code, "the platform cannot reach, read or write its records");
    err_why(e, "nothing is answered that may be wrong or be lost");
    err_try(e, "ask again later; " HEALTH_INSIDE);
}

static bool open_http(struct app *app, struct err *e)
{
    const struct settings *s = &app->settings;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = s->workers ? (unsigned)s->workers : cores > 0 ? (unsigned)cores : 1;
    struct http_server_opts opts = {.realm = "kith", .admit = admit, .tell = tell, .arg = app};
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
           open_store(app, e) && (tree_size(app->tree) > 0 || signers_check_empty(app, e));
}

static bool record_started(struct app *app, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_PLATFORM_STARTED);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "version", KITH_VERSION);
    event_set_int(&d, "node", app->settings.node);
    return app_record(app, &d, e);
}

static bool enter_what_was_lost(struct app *app, struct err *e)
{
    size_t found;
    if (!signers_check_in_step(app, e) || !adopt_tail(app, e) || !recover_journal(app, &found, e) ||
        !birth_record(app, e) || !birth_record_ca(app, e) || !record_started(app, e))
        return false;
    if (found)
        LOG(&app->env, NOTICE, "server", "entered what was signed and never answered",
            log_int("things", (int64_t)found));
    return true;
}

bool parts_start(struct app *app, int local, struct err *e)
{
    if (!open_clients(app, e) || !start_await(app, local, e))
        return false;
    if (!open_log(app, e))
        return start_hold(app, local, "database", e);
    if (!enter_what_was_lost(app, e))
        return start_hold(app, local, "ledger", e);
    return der_store_new(&app->ders, e) && issuer_new(app, &app->issuer, e) && feed_hub_new(app, &app->feed, e) &&
           notary_new(app, &app->notary, e) && identity_renew(app, e) && api_start(e) && crls_new(&app->crls, e) &&
           open_http(app, e) && listen_all(app, local, e);
}

void parts_stop(struct app *app)
{
    if (app->http)
        http_server_drain(app->http);
    feed_hub_stop(app->feed);
    api_stop();
    crls_stop(app->crls);
    refusals_flush(app, true);
    if (app->http)
        usleep(100000); /* what is under way gets its answer */
    struct err e;
    if (app->notary && !notary_finish(app->notary, &e))
        LOG(&app->env, WARN, "server", "the end is not signed; the next start adopts what no checkpoint covers",
            log_err(&e));
    notary_free(app->notary);
    /* What still waits for a signer or the database is refused now, while those who asked are there to be told. */
    struct client *clients[] = {app->issuing, app->urgent, app->ledger};
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        client_close(clients[i]);
    commit_close(app->commit);
    http_server_free(app->http);
    loop_free(app->loop);
    feed_hub_free(app->feed);
    crls_free(app->crls);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        client_free(clients[i]);
    commit_stop(app->commit);
}
