#include "server/start_waits.h"

#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "ca/ca_cert.h"
#include "ca/root_list.h"
#include "model/settings_check.h"
#include "server/anteroom.h"
#include "server/signers.h"

#define QUIET_MS 2000 /* a start is quick, or it is held up and then who asks is told by what */
#define LOOK_MS  10
#define AGAIN_MS 200 /* once it is told */
#define HOLD_S   60  /* a good life, as kithd counts it: the next start is at once */

static bool has_ca(struct app *app, struct err *why)
{
    AUTO(buf_clear) struct buf root_der = {0}, ca_der = {0};
    struct cert root, ca;
    if (!ca_cert_read(&app->settings, PATH_ISSUING_CERT, &ca_der, &ca, why) ||
        !ca_cert_read(&app->settings, PATH_ROOT_CERT, &root_der, &root, why) ||
        !root_list_check_issuing(app->crypto, &root, &ca, why))
        return false;
    app->root_der = arena_dup(&app->arena, buf_slice(&root_der));
    app->ca_der = arena_dup(&app->arena, buf_slice(&ca_der));
    return cert_read(app->root_der, &app->root, why) && cert_read(app->ca_der, &app->ca, why);
}

/* kithd listens for the signers, so a connection says nothing: one that does not come up never answers.  (Of the process, for an
 * answer may come when nobody waits any more.) */
enum asking { ASK_NOT, ASK_ASKED, ASK_ANSWERED };
static struct asked {
    _Atomic enum asking asking;
    _Atomic bool tokenless;
    char
        fault[200]; /* of its token; written when it becomes tokenless, which takes an answer to what was asked since */
} asked[SIGNERS];

/* A signer without its token signs nothing: a start would enter what no checkpoint covers, fail, and so again and again. */
static void on_status(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    struct signer_status s = {0};
    struct asked *a = arg;
    (void)n;
    if (!e)
        signer_status_get(fields, &s);
    bool tokenless = !e && reader_ok(fields) && slice_eq(s.token, SLICE_LIT("down"));
    if (tokenless && !a->tokenless)
        str_copy_slice(a->fault, sizeof a->fault, s.fault);
    a->tokenless = tokenless;
    a->asking = e || tokenless ? ASK_NOT : ASK_ANSWERED;
}

static bool answers(struct client *c, int which, struct err *why)
{
    struct err ignored;
    struct asked *a = &asked[which];
    if (a->asking == ASK_NOT && client_is_connected(c)) {
        a->asking = ASK_ASKED;
        if (!client_send(c, REQUEST_STATUS, (struct slice){0}, 0, on_status, a, &ignored))
            a->asking = ASK_NOT;
    }
    if (a->asking == ASK_ANSWERED)
        return true;
    if (a->tokenless) {
        err_set(why, ERR_SIGNER_GONE, "the token of the %s signer does not answer", signer_name(which));
        err_why(why, "%s", a->fault);
        return err_try(why, "look at the token; Kith logs in again by itself once it is back");
    }
    err_set(why, ERR_SIGNER_GONE, "the %s signer does not come up", signer_name(which));
    err_why(why, "without it nothing can be signed, so nothing is answered");
    return err_try(why, "look at the log of kithd, or ask kithd -t: token, PIN file, passphrase file, journal");
}

static bool has_issuing(struct app *app, struct err *why)
{
    return answers(app->issuing, SIGNER_ISSUING, why) && client_is_connected(app->urgent);
}

static bool has_ledger(struct app *app, struct err *why)
{
    return answers(app->ledger, SIGNER_LEDGER, why);
}

static bool has_room(struct app *app, struct err *why)
{
    AUTO(arena_clear) struct arena a; /* of its own: it is asked for as long as it takes */
    arena_init(&a, 16384);
    return settings_check_room(&app->settings, &a, why);
}

/* Only whether it answers: what else is wrong with it no waiting mends. */
static bool has_database(struct app *app, struct err *why)
{
    AUTO(db_free_auto) struct db *db = NULL;
    if (db_open(app->settings.database, false, &db, why) || err_class_of(why->code) != ERR_CLASS_UNAVAILABLE)
        return true;
    if (!why->hint[0])
        err_try(why, "look at the database server; the start goes on by itself once it answers");
    return false;
}

static bool open_room(struct app *app, int local, const char *part, const struct err *why, struct anteroom **out,
                      struct err *e)
{
    struct anteroom_place at = {.local = local};
    *out = NULL;
    return app_listen_at(app->settings.plain_listen, at.host, sizeof at.host, &at.port, e) &&
           anteroom_open(&at, part, why, out, e);
}

struct need {
    const char *part; /* as in /readyz */
    bool (*is_there)(struct app *app, struct err *why);
};

struct waiting {
    struct app *app;
    int local;
    int64_t quiet_ms;      /* until then nobody is told */
    struct anteroom *room; /* NULL: nobody was told yet */
    struct err told;
};

static bool tell(struct waiting *w, const char *part, const struct err *why, struct err *e)
{
    if (w->room && strcmp(why->what, w->told.what) == 0)
        return true;
    LOG(&w->app->env, NOTICE, "server", "waits", log_str("for", part), log_err(why));
    anteroom_close(w->room);
    w->told = *why;
    return open_room(w->app, w->local, part, why, &w->room, e);
}

static bool await(struct waiting *w, const struct need *need, struct err *e)
{
    struct err why = {0};
    while (!need->is_there(w->app, &why)) {
        bool quiet = env_mono_ms(&w->app->env) < w->quiet_ms;
        if (!quiet && !tell(w, need->part, &why, e))
            return false;
        usleep((quiet ? LOOK_MS : AGAIN_MS) * 1000);
    }
    return true;
}

bool start_await(struct app *app, int local, struct err *e)
{
    static const struct need needs[] = {{"ca", has_ca},
                                        {"signer-issuing", has_issuing},
                                        {"signer-ledger", has_ledger},
                                        {"store", has_room},
                                        {"database", has_database}};
    struct waiting w = {.app = app, .local = local, .quiet_ms = env_mono_ms(&app->env) + QUIET_MS};
    bool ok = true;
    for (size_t i = 0; ok && i < ARRAY_LEN(needs); i++) {
        ok = await(&w, &needs[i], e);
        if (w.room) /* the next has not been asked yet */
            w.quiet_ms = env_mono_ms(&app->env) + AGAIN_MS;
    }
    anteroom_close(w.room);
    return ok;
}

bool start_hold(struct app *app, int local, const char *part, const struct err *why)
{
    struct anteroom *room;
    struct err e;
    if (why->code == ERR_SIGNER_GONE || why->code == ERR_STORE_UNAVAILABLE)
        return false; /* the next start waits for it */
    LOG(&app->env, ERROR, "server", "cannot start", log_err(why));
    if (open_room(app, local, part, why, &room, &e))
        sleep(HOLD_S); /* a signal ends us at once */
    else
        LOG(&app->env, WARN, "server", "cannot tell who asks", log_err(&e));
    return false;
}
