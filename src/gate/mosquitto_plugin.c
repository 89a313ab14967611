/* The plugin for mosquitto 2.0 (API version 5): who may connect, what a session may do, and the end of sessions whose device
 * was withdrawn.  All callbacks run on the broker's one thread; they read the gate's snapshot and never wait.  The gate's
 * helper threads never call the broker.
 *
 * What a plugin cannot see (settings by which the broker admits clients without asking it) is met thus: a session that the
 * connect check did not admit may do nothing, and when ticks stop, by which withdrawn sessions are found, nobody may. */
#include <mosquitto.h>
#include <mosquitto_broker.h>
#include <mosquitto_plugin.h>

#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gate/gate.h"
#include "gate/sessions.h"

#define TICK_SILENCE_MS   5000
#define STATUS_EVERY_MS   1000
#define SWEEP_CHANGED_MAX 20000 /* sessions judged again in one tick after a change: about 4 ms */
#define SWEEP_QUIET_MAX   500   /* and without one: certificates expire, feeds go stale */
#define LOG_LINES_S       20
#define DER_MAX           8192
#define SUFFIX_MAX        64

struct plugin {
    mosquitto_plugin_id_t *id;
    struct env env;
    struct gate *gate;
    struct sessions *sessions;
    int64_t tick_ms, status_ms, log_ms; /* monotonic */
    unsigned log_lines, log_dropped;
    uint64_t swept, sweeping; /* generations */
    size_t sweep_at;
    enum gate_health health;
    char why[320];
};

/* ---- log ---- */

static void log_refusal(struct plugin *p, const char *act, const char *client, const struct err *e)
{
    int64_t now = env_mono_ms(&p->env);
    if (now - p->log_ms >= 1000) {
        if (p->log_dropped)
            mosquitto_log_printf(MOSQ_LOG_NOTICE, "kith: %u more refusals in this second", p->log_dropped);
        p->log_ms = now;
        p->log_lines = p->log_dropped = 0;
    }
    if (p->log_lines++ >= LOG_LINES_S) {
        p->log_dropped++;
        return;
    }
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "kith: refused %s by %s: %s [%s]", act,
                         client ? ERR_QUOTE(slice_str(client)) : "(no client id)", e->what, err_slug(e->code));
}

/* ---- connect ---- */

static bool ticks_go_on(struct plugin *p, struct err *e)
{
    int64_t now = env_mono_ms(&p->env);
    if (!p->tick_ms)
        p->tick_ms = now;
    if (now - p->tick_ms <= TICK_SILENCE_MS)
        return true;
    return err_set(e, ERR_GATE_BROKER, "the broker has not called the plugin's tick for %lld ms: %s",
                   (long long)(now - p->tick_ms), "is per_listener_settings on?");
}

static bool cert_der(struct mosquitto *client, uint8_t der[DER_MAX], size_t *n, struct err *e)
{
    X509 *x = mosquitto_client_certificate(client);
    *n = 0;
    if (!x)
        return err_set(e, ERR_GATE_CERT, "no client certificate");
    int len = i2d_X509(x, NULL);
    uint8_t *at = der;
    bool ok = len > 0 && len <= DER_MAX && i2d_X509(x, &at) == len;
    X509_free(x);
    if (!ok)
        return err_set(e, ERR_GATE_CERT, "a client certificate of %d bytes; the most is %d", len, DER_MAX);
    *n = (size_t)len;
    return true;
}

/* DEVICE or DEVICE/SUFFIX, so that one device may hold several sessions. */
static bool client_id_fits(const char *client, const char *device)
{
    size_t n = strlen(device);
    if (!client || strncmp(client, device, n) != 0)
        return false;
    if (!client[n])
        return true;
    const char *suffix = client + n + 1;
    size_t len = strspn(suffix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return client[n] == '/' && len && len <= SUFFIX_MAX && !suffix[len];
}

static bool admit(struct plugin *p, struct mosquitto *client, const char *username, struct err *e)
{
    uint8_t der[DER_MAX];
    size_t der_n;
    struct gate_peer peer;
    const char *id = mosquitto_client_id(client);
    if (!ticks_go_on(p, e) || !cert_der(client, der, &der_n, e) ||
        !gate_verdict(p->gate, slice_of(der, der_n), env_now_s(&p->env), &peer, e))
        return false;
    if (!client_id_fits(id, peer.device))
        return err_set(e, ERR_GATE_CERT, "client id is not %s, whom the certificate names", peer.device);
    if (username && strcmp(username, peer.device) != 0)
        return err_set(e, ERR_GATE_CERT, "user name \"%s\" is not %s, whom the certificate names",
                       ERR_QUOTE(slice_str(username)), peer.device);
    /* Without a user name the broker drops the session at its next SIGHUP. */
    if (mosquitto_set_username(client, peer.device) != MOSQ_ERR_SUCCESS)
        return err_set(e, ERR_GATE_BROKER, "the broker did not take the user name");
    sessions_drop_away(p->sessions, id, client);
    struct session *s = sessions_add(p->sessions, client, id);
    if (!s)
        return err_set(e, ERR_LIMIT, "%zu sessions: no room for another", sessions_count(p->sessions));
    s->peer = peer;
    return true;
}

static int on_basic_auth(int event, void *data, void *ctx)
{
    (void)event;
    struct mosquitto_evt_basic_auth *d = data;
    struct plugin *p = ctx;
    struct err e = {0};
    if (admit(p, d->client, d->username, &e))
        return MOSQ_ERR_SUCCESS;
    sessions_remove(p->sessions, d->client);
    log_refusal(p, "connection", mosquitto_client_id(d->client), &e);
    return MOSQ_ERR_AUTH;
}

static int on_disconnect(int event, void *data, void *ctx)
{
    (void)event;
    struct mosquitto_evt_disconnect *d = data;
    struct plugin *p = ctx;
    struct session *s = sessions_find(p->sessions, d->client);
    if (!s)
        return MOSQ_ERR_SUCCESS;
    /* The will is published, and for a lasting session messages are queued, after this event. */
    if (s->kicked || !mosquitto_client_id(d->client)) {
        sessions_remove(p->sessions, d->client);
    } else {
        s->state = SESSION_AWAY;
        s->passing = mosquitto_client_clean_session(d->client);
    }
    return MOSQ_ERR_SUCCESS;
}

/* ---- access ---- */

static bool right_of(int access, enum gate_right *right)
{
    static const struct {
        int access;
        enum gate_right right;
    } rows[] = {{MOSQ_ACL_READ, GATE_READ}, {MOSQ_ACL_WRITE, GATE_PUBLISH}, {MOSQ_ACL_SUBSCRIBE, GATE_SUBSCRIBE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].access == access) {
            *right = rows[i].right;
            return true;
        }
    return false;
}

static bool same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

/* The broker asks in the name of who is not connected: for what a client left as retained, and for lasting sessions that it
 * read from its own disk.  No connection is without an address. */
static bool allow_absent(struct plugin *p, const struct mosquitto_evt_acl_check *d, enum gate_right right,
                         struct err *e)
{
    const char *device = mosquitto_client_username(d->client);
    if (!device || !client_id_fits(mosquitto_client_id(d->client), device))
        return err_set(e, ERR_GATE_BROKER, "somebody absent who has no device's name");
    return gate_lists(p->gate, device, e) && gate_may(p->gate, device, slice_str(d->topic), right, e);
}

static bool allow(struct plugin *p, const struct mosquitto_evt_acl_check *d, struct err *e)
{
    enum gate_right right;
    const struct session *s = d->client ? sessions_find(p->sessions, d->client) : NULL;
    if (!ticks_go_on(p, e))
        return false;
    if (!s && d->client && !mosquitto_client_address(d->client) && right_of(d->access, &right))
        return allow_absent(p, d, right, e);
    /* The names are compared because the broker may reuse the pointer for a session that it did not show us. */
    if (!s || !same(mosquitto_client_id(d->client), s->client) ||
        !same(mosquitto_client_username(d->client), s->peer.device))
        return err_set(e, ERR_GATE_BROKER, "a session that the broker admitted without asking this plugin");
    if (s->kicked)
        return err_set(e, ERR_GATE_REVOKED, "%s was cut off", s->peer.device);
    if (d->access == MOSQ_ACL_UNSUBSCRIBE)
        return true;
    if (!right_of(d->access, &right))
        return err_set(e, ERR_GATE_TOPIC, "access of kind %d is not known", d->access);
    return gate_still(p->gate, &s->peer, env_now_s(&p->env), e) &&
           gate_may(p->gate, s->peer.device, slice_str(d->topic), right, e);
}

static int on_acl_check(int event, void *data, void *ctx)
{
    (void)event;
    struct mosquitto_evt_acl_check *d = data;
    struct plugin *p = ctx;
    struct err e = {0};
    if (d->topic && allow(p, d, &e))
        return MOSQ_ERR_SUCCESS;
    log_refusal(p, "access", d->client ? mosquitto_client_id(d->client) : NULL, &e);
    return MOSQ_ERR_ACL_DENIED;
}

/* ---- tick ---- */

/* The broker kicks by client id: only if that still means this session. */
static void kick(struct plugin *p, struct session *s, const struct err *e)
{
    bool newest = sessions_by_client(p->sessions, s->client) == s;
    char client[GATE_CLIENT_MAX];
    memcpy(client, s->client, sizeof client);
    s->kicked = true;
    log_refusal(p, "live session", client, e);
    if (newest) /* the event of its disconnection may come before this returns: s is not touched any more */
        mosquitto_kick_client_by_clientid(client, false);
}

static void sweep(struct plugin *p)
{
    uint64_t generation = gate_generation(p->gate);
    int64_t now = env_now_s(&p->env);
    size_t budget = generation != p->swept ? SWEEP_CHANGED_MAX : SWEEP_QUIET_MAX;
    if (!p->sweep_at)
        p->sweeping = generation;
    while (budget--) {
        struct err e = {0};
        struct session *s = sessions_step(p->sessions, &p->sweep_at);
        if (!s) {
            p->sweep_at = 0;
            if (p->swept != p->sweeping)
                gate_swept(p->gate, p->sweeping);
            p->swept = p->sweeping;
            return;
        }
        bool passing = s->state == SESSION_AWAY && s->passing;
        if (!passing && (s->kicked || gate_still(p->gate, &s->peer, now, &e)))
            continue;
        if (s->state == SESSION_AWAY)
            sessions_remove(p->sessions, s->key);
        else
            kick(p, s, &e);
    }
}

static void watch_health(struct plugin *p, int64_t now_ms)
{
    struct gate_status st;
    p->status_ms = now_ms;
    gate_status(p->gate, env_now_s(&p->env), &st);
    if (st.health == p->health && !strcmp(st.why, p->why))
        return;
    p->health = st.health;
    memcpy(p->why, st.why, sizeof p->why);
    mosquitto_log_printf(st.health == GATE_OK ? MOSQ_LOG_NOTICE : MOSQ_LOG_WARNING,
                         "kith: feed %s, head %llu, %llu devices%s%s", st.health_name, (unsigned long long)st.seq,
                         (unsigned long long)st.devices, st.why[0] ? ": " : "", st.why);
}

static int on_tick(int event, void *data, void *ctx)
{
    (void)event;
    (void)data;
    struct plugin *p = ctx;
    p->tick_ms = env_mono_ms(&p->env);
    sweep(p);
    if (p->tick_ms - p->status_ms >= STATUS_EVERY_MS)
        watch_health(p, p->tick_ms);
    return MOSQ_ERR_SUCCESS;
}

/* Options are not read again (the broker does not hand new ones over); being registered keeps the event handled. */
static int on_reload(int event, void *data, void *ctx)
{
    (void)event;
    (void)data;
    (void)ctx;
    return MOSQ_ERR_SUCCESS;
}

/* ---- begin and end ---- */

static const struct {
    int event;
    MOSQ_FUNC_generic_callback fn;
} callbacks[] = {
    {MOSQ_EVT_BASIC_AUTH, on_basic_auth}, {MOSQ_EVT_ACL_CHECK, on_acl_check}, {MOSQ_EVT_TICK, on_tick},
    {MOSQ_EVT_DISCONNECT, on_disconnect}, {MOSQ_EVT_RELOAD, on_reload},
};

static void plugin_free(struct plugin *p)
{
    gate_close(p->gate);
    sessions_free(p->sessions);
    free(p);
}

int mosquitto_plugin_version(int count, const int *versions)
{
    for (int i = 0; i < count; i++)
        if (versions[i] == 5)
            return 5;
    return -1;
}

/* Started by root, the broker has given up root before plugins begin. */
static void log_reach(const char *dir)
{
    if (access(dir, R_OK | W_OK | X_OK) != 0 && errno == EACCES)
        mosquitto_log_printf(
            MOSQ_LOG_ERR,
            "kith: user %ld, as whom the broker runs, may not read and write in %s: give the directory "
            "to that user (chown -R), let it pass the directories above (chmod o+x), or see "
            "`kith gateway config --check mosquitto.conf`",
            (long)geteuid(), dir);
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *id, void **user_data, struct mosquitto_opt *options, int count)
{
    struct err e = {0};
    const char *dir = NULL;
    for (int i = 0; i < count; i++)
        if (!strcmp(options[i].key, "dir"))
            dir = options[i].value;
    if (!dir) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "kith: mosquitto.conf lacks plugin_opt_dir DIR (where gate.conf is)");
        return MOSQ_ERR_INVAL;
    }
    struct plugin *p = calloc(1, sizeof *p);
    if (!p)
        return MOSQ_ERR_NOMEM;
    env_init_real(&p->env, NULL);
    p->id = id;
    p->sessions = sessions_new(SESSIONS_MAX);
    const struct gate_opts opts = {.env = &p->env, .sweeps = true};
    if (!p->sessions || !gate_open(dir, &opts, &p->gate, &e)) {
        mosquitto_log_printf(MOSQ_LOG_ERR, "kith: %s%s%s%s%s", p->sessions ? e.what : "out of memory",
                             e.why[0] ? "; " : "", e.why, e.hint[0] ? "; try: " : "", e.hint);
        if (p->sessions)
            log_reach(dir);
        plugin_free(p);
        return MOSQ_ERR_UNKNOWN;
    }
    for (size_t i = 0; i < ARRAY_LEN(callbacks); i++)
        if (mosquitto_callback_register(id, callbacks[i].event, callbacks[i].fn, NULL, p) != MOSQ_ERR_SUCCESS) {
            mosquitto_log_printf(MOSQ_LOG_ERR, "kith: the broker refused a callback (event %d)", callbacks[i].event);
            while (i--)
                mosquitto_callback_unregister(id, callbacks[i].event, callbacks[i].fn, NULL);
            plugin_free(p);
            return MOSQ_ERR_UNKNOWN;
        }
    p->health = GATE_WAITING;
    *user_data = p;
    mosquitto_log_printf(MOSQ_LOG_NOTICE, "kith: plugin ready, state in %s", dir);
    return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *user_data, struct mosquitto_opt *options, int count)
{
    (void)options;
    (void)count;
    struct plugin *p = user_data;
    if (!p)
        return MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < ARRAY_LEN(callbacks); i++)
        mosquitto_callback_unregister(p->id, callbacks[i].event, callbacks[i].fn, NULL);
    plugin_free(p);
    return MOSQ_ERR_SUCCESS;
}
