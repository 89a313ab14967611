/* How the platform is: for people (status), for doctor, and in short for load balancers (public.c). */
#include "server/alarms.h"
#include "server/health.h"
#include "server/notary.h"
#include "server/signers.h"

static const struct sql sql_devices = {"SELECT COUNT(*) FROM device"};
static const struct sql sql_certs = {"SELECT COUNT(*) FROM certificate"};
static const struct sql sql_gateways = {"SELECT COUNT(*) FROM gateway"};

/* What only a database knows that is away is left out; that it is away is among what is not well. */
static bool is_away(struct err *e)
{
    if (err_class_of(e->code) != ERR_CLASS_UNAVAILABLE)
        return false;
    err_clear(e);
    return true;
}

static bool put_count(struct call *c, const char *key, const struct sql *q, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(c->db, q, NULL, 0, &r, e))
        return is_away(e);
    json_out_int(&c->out, key, rows_int(&r, 0));
    return true;
}

static void put_finding(struct call *c, const struct health_finding *f)
{
    json_out_map(&c->out, NULL);
    json_out_text(&c->out, "name", f->name);
    json_out_bool(&c->out, "ok", f->ok);
    if (f->warns)
        json_out_bool(&c->out, "warning", true);
    json_out_text(&c->out, "detail", f->detail);
    if (!f->ok || f->warns)
        json_out_text(&c->out, "try", f->hint);
    json_out_end(&c->out);
}

static void put_signers(struct call *c)
{
    struct signer_state s[SIGNERS];
    signers_state(s);
    json_out_list(&c->out, "signers");
    for (int i = 0; i < SIGNERS; i++) {
        json_out_map(&c->out, NULL);
        json_out_text(&c->out, "domain", signer_name(i));
        json_out_bool(&c->out, "connected", s[i].answers);
        json_out_text(&c->out, "token", s[i].token);
        json_out_int(&c->out, "issued", (int64_t)s[i].issued);
        json_out_int(&c->out, "refused", (int64_t)s[i].refused);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
}

static bool status(struct call *c, struct err *e)
{
    const struct settings *s = &c->app->settings;
    struct feed_hub_status feed;
    struct health h;
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at;
    health_check(c->app, &h);
    feed_hub_status(c->app->feed, &feed);
    (void)notary_get_note(c->app->notary, note, &size, &at);
    json_out_text(&c->out, "name", s->name);
    json_out_text(&c->out, "origin", s->origin);
    json_out_text(&c->out, "url", s->url);
    json_out_text(&c->out, "plain_url", s->plain_url);
    json_out_text(&c->out, "version", KITH_VERSION);
    json_out_int(&c->out, "node", s->node);
    json_out_bool(&c->out, "ready", h.ready);
    json_out_list(&c->out, "failing");
    for (size_t i = 0; i < h.n; i++)
        if (!h.checks[i].ok)
            put_finding(c, &h.checks[i]);
    json_out_end(&c->out);
    if (!put_count(c, "devices", &sql_devices, e) || !put_count(c, "certificates", &sql_certs, e))
        return false;
    json_out_map(&c->out, "ledger");
    json_out_int(&c->out, "size", (int64_t)tree_size(c->app->tree));
    json_out_int(&c->out, "checkpoint_size", (int64_t)size);
    json_out_time(&c->out, "checkpoint_at", at);
    json_out_end(&c->out);
    json_out_map(&c->out, "feed");
    json_out_int(&c->out, "seq", (int64_t)feed.seq);
    json_out_time(&c->out, "head_at", feed.head_at);
    json_out_int(&c->out, "listening", (int64_t)feed.listening);
    json_out_int(&c->out, "pending", (int64_t)feed.pending);
    if (!put_count(c, "gateways", &sql_gateways, e))
        return false;
    json_out_end(&c->out);
    put_signers(c);
    return call_list(c, "alarms", &alarm_rows, NULL, 0, alarm_put, NULL, e) || is_away(e);
}

static bool doctor(struct call *c, struct err *e)
{
    (void)e;
    struct health h;
    health_check(c->app, &h);
    json_out_list(&c->out, "checks");
    for (size_t i = 0; i < h.n; i++)
        put_finding(c, &h.checks[i]);
    json_out_end(&c->out);
    return true;
}

const struct api_row api_status[] = {
    {"GET", "/v1/status", status, ACCESS_READ, NULL},
    {"GET", "/v1/doctor", doctor, ACCESS_READ, NULL},
};
const size_t api_status_n = ARRAY_LEN(api_status);
