#include "server/start_waits.h"

#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/anteroom.h"

#define SIGNER_WAIT_MS    30000
#define ANTEROOM_AFTER_MS 2000
#define HOLD_S            60
#define LOOK_MS           1000

static bool find_place(const struct app *app, int local, struct anteroom_place *out, struct err *e)
{
    *out = (struct anteroom_place){.local = local};
    return app_listen_at(app->settings.plain_listen, out->host, sizeof out->host, &out->port, e);
}

/* kithd listens for the signers, so a connection says nothing: one that does not come up never answers.  (Of the process, for an
 * answer may come when nobody waits any more.) */
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

/* A start is quick or it is held up, and then who asks is told by what. */
bool start_await_signer(struct app *app, int local, struct err *e)
{
    int64_t now, begin = env_mono_ms(&app->env);
    AUTO(anteroom_close_auto) struct anteroom *room = NULL;
    struct anteroom_place at;
    struct err why;
    err_set(&why, ERR_SIGNER_GONE, "the issuing signer does not come up");
    err_try(&why, "look at the log of kithd, or ask kithd -t: token, PIN file, passphrase file, journal");
    while ((now = env_mono_ms(&app->env)) < begin + SIGNER_WAIT_MS) {
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

bool start_await_ca(struct app *app, int local, struct err *e)
{
    AUTO(anteroom_close_auto) struct anteroom *room = NULL;
    struct anteroom_place at;
    struct err why;
    bool to_come;
    const char *path = settings_path(&app->settings, &app->arena, PATH_ISSUING_CERT);
    if (settings_check_ca(&app->settings, &app->arena, PATH_ISSUING_CERT, &to_come, &why))
        return true;
    LOG(&app->env, NOTICE, "server", "waits", log_err(&why));
    if (!find_place(app, local, &at, e) || !anteroom_open(&at, "ca", &why, &room, e))
        return false;
    while (!file_exists(path))
        usleep(LOOK_MS * 1000);
    return true;
}

void start_hold(struct app *app, int local, const struct err *why)
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
