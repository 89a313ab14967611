#include "server/gateways.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "server/access.h"
#include "server/feed_hub.h"
#include "store/row.h"

#define POLL_MS      5
#define SILENT_HEADS 3

struct ack_job {
    struct job job;
    char name[64];
    uint64_t seq;
};

static bool run_ack(struct tx *tx, struct job *job, struct err *e)
{
    const struct ack_job *j = (const struct ack_job *)job;
    const struct value cols[GATEWAY_ACK_COLS] = {
        [GATEWAY_ACK_GATEWAY] = value_text(j->name),
        [GATEWAY_ACK_SEQ] = value_int((int64_t)j->seq),
        [GATEWAY_ACK_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    return tx_scratch(tx, &(struct change){.table = &table_gateway_ack, .cols = cols}, e);
}

static void ack_done(struct job *job, const struct err *e)
{
    (void)e; /* the next acknowledgement says the same or more */
    free(job);
}

void gateway_acked(struct app *app, const char *name, uint64_t seq)
{
    struct ack_job *j = calloc(1, sizeof *j);
    if (!j)
        return;
    j->job = (struct job){.run = run_ack, .done = ack_done};
    strncpy(j->name, name, sizeof j->name - 1);
    j->seq = seq;
    commit_submit(app->commit, &j->job);
}

static const struct sql sql_silent = {"SELECT g.name FROM gateway g LEFT JOIN gateway_ack a ON a.gateway = g.name "
                                      "WHERE COALESCE(a.seq, 0) < $1 ORDER BY g.name"};
static const struct sql sql_count = {"SELECT COUNT(*) FROM gateway"};

static bool count_silent(struct db *db, uint64_t seq, int64_t *n, struct err *e)
{
    const struct value args[] = {value_int((int64_t)seq)};
    AUTO(rows_close) struct rows r = {0};
    *n = 0;
    if (!db_query(db, &sql_silent, args, 1, &r, e))
        return false;
    while (rows_next(&r, e))
        ++*n;
    return e->code == ERR_NONE;
}

static bool put_silent(struct call *c, uint64_t seq, struct err *e)
{
    const struct value args[] = {value_int((int64_t)seq)};
    AUTO(rows_close) struct rows all = {0}, r = {0};
    int64_t silent = 0;
    if (!db_query_row(c->db, &sql_count, NULL, 0, &all, e) || !db_query(c->db, &sql_silent, args, 1, &r, e))
        return false;
    json_out_map(&c->out, "gateways");
    json_out_list(&c->out, "silent");
    for (; rows_next(&r, e); silent++)
        json_out_text(&c->out, NULL, rows_text(&r, 0));
    json_out_end(&c->out);
    json_out_int(&c->out, "acknowledged", rows_int(&all, 0) - silent);
    json_out_end(&c->out);
    return e->code == ERR_NONE;
}

static bool say_who_acts(struct call *c, struct err *e)
{
    uint64_t seq;
    int64_t silent = 1, left = c->until_ms - env_mono_ms(&c->app->env);
    if (!feed_hub_wait(c->app->feed, c->ticket, left > 0 ? (int)left : 0, &seq, e))
        return false;
    json_out_int(&c->out, "feed_seq", (int64_t)seq);
    while (silent && env_mono_ms(&c->app->env) < c->until_ms && !api_is_stopping()) {
        if (!count_silent(c->db, seq, &silent, e))
            return false;
        if (silent)
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000l}, NULL);
    }
    return put_silent(c, seq, e);
}

void gateways_wait(struct call *c, uint64_t ticket, int64_t timeout_ms)
{
    c->then = say_who_acts;
    c->ticket = ticket;
    c->until_ms = env_mono_ms(&c->app->env) + timeout_ms;
}

static const struct sql sql_fell_silent = {
    "SELECT g.name, COALESCE(a.seq, 0), COALESCE(a.acked_at, g.added_at) FROM gateway g LEFT JOIN gateway_ack a "
    "ON a.gateway = g.name WHERE COALESCE(a.acked_at, g.added_at) > $1 AND COALESCE(a.acked_at, g.added_at) <= $2 "
    "ORDER BY g.name"};

static bool record_silent(struct app *app, const struct rows *r, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_GATEWAY_SILENT);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "gateway", rows_text(r, 0));
    event_set_int(&d, "seq", rows_int(r, 1));
    event_set_int(&d, "since_at", rows_int(r, 2));
    return app_record(app, &d, e);
}

/* Whose last word came to be too old since the look before: the moment passes once in each silence. */
void gateways_watch(struct app *app)
{
    static int64_t began, told; /* last words up to `told` were looked at */
    int64_t now = app_now(app), old = now - SILENT_HEADS * app->settings.feed_interval_s;
    const struct value args[] = {value_int(told), value_int(old)};
    AUTO(rows_close) struct rows r = {0};
    struct err e = {0};
    began = began ? began : now;
    if (old < began || old == told) /* while the platform was away nobody could acknowledge */
        return;
    bool ok = db_query(app_db(app), &sql_fell_silent, args, 2, &r, &e);
    while (ok && rows_next(&r, &e)) {
        LOG(&app->env, WARN, "gateways", "silent", log_str("gateway", rows_text(&r, 0)));
        ok = record_silent(app, &r, &e);
    }
    if (e.code)
        LOG(&app->env, WARN, "gateways", "not entered", log_err(&e));
    else
        told = old;
}

static void get_feed(struct http_request *req, void *arg)
{
    feed_hub_serve(((struct app *)arg)->feed, req);
}

/* Who is said to act on a head that was never made would be counted among those that know of every later revocation. */
static bool was_made(struct app *app, uint64_t seq, struct err *e)
{
    struct feed_hub_status s;
    feed_hub_status(app->feed, &s);
    if (s.seq == 0)
        return err_set(e, ERR_NOT_READY, "the feed has no head yet");
    if (seq <= s.seq)
        return true;
    err_set(e, ERR_CONFLICT, "head %llu is acknowledged, but the newest is %llu", (unsigned long long)seq,
            (unsigned long long)s.seq);
    err_why(e, "doc/spec/feed.md: a gateway acknowledges a head that it was sent");
    return err_try(e, "get the feed again without since and prev, and acknowledge the head that comes with it");
}

static void post_ack(struct http_request *req, void *arg)
{
    struct err e;
    AUTO(json_free_auto) struct json *j = NULL;
    int64_t seq;
    if (!json_read(http_body(req), 1024, &j, &e) || !json_get_int(j, "seq", 0, INT64_MAX, &seq, &e) ||
        !was_made(arg, (uint64_t)seq, &e)) {
        http_error(req, &e);
        return;
    }
    gateway_acked(arg, access_who(req)->subject, (uint64_t)seq);
    http_answer(req, 204, NULL, (struct slice){0}, NULL, 0);
}

const struct http_route gateway_routes[] = {
    {"GET", "/gate/v1/feed", get_feed, .doors = HTTP_DOOR_TLS, .flags = HTTP_NEED_CERT, .auth = ACCESS_GATEWAY},
    {"POST", "/gate/v1/ack", post_ack, .doors = HTTP_DOOR_TLS, .flags = HTTP_NEED_CERT, .auth = ACCESS_GATEWAY,
     .body_max = 1024},
};
const size_t gateway_routes_n = ARRAY_LEN(gateway_routes);
