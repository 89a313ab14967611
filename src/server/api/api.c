#include "server/api/api.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/queue.h"
#include "server/records.h"
#include "server/refusals.h"

#define THREADS   2
#define QUEUE_MAX 1024

struct work {
    struct app *app;
    struct http_request *req;
    const struct api_row *row;
};

static struct {
    struct queue *queue;
    pthread_t threads[THREADS];
    size_t n;
} pool;

static bool read_body(struct call *c, struct err *e)
{
    struct slice body = http_body(c->req);
    if (body.n == 0 || !http_is_type(c->req, "application/json"))
        return true;
    return json_read(body, API_BODY_MAX, &c->in, e);
}

static void run(const struct work *w)
{
    struct err e = {0};
    struct call c = {.app = w->app, .req = w->req, .who = app_who(w->req), .db = app_db(w->app), .status = 200};
    buf_init(&c.text, API_OUT_MAX);
    c.out = json_out_of(&c.text);
    bool ok = c.db || err_set(&e, ERR_UNAVAILABLE, "the database cannot be opened");
    ok = ok && ((w->row->auth & API_LINES) || read_body(&c, &e));
    if (ok) {
        json_out_map(&c.out, NULL);
        json_out_int(&c.out, "v", 1);
        ok = w->row->handler(&c, &e);
    }
    if (c.answered) {
        /* by the handler */
    } else if (!ok) {
        refusal_note(w->app, w->req, "api", &e);
        http_error(w->req, &e);
    } else if (c.type) {
        http_answer(w->req, c.status, c.type, buf_slice(&c.text), NULL, 0);
    } else {
        json_out_end(&c.out);
        buf_put_char(&c.text, '\n');
        if (buf_ok(&c.text))
            http_answer(w->req, c.status, "application/json", buf_slice(&c.text), NULL, 0);
        else if (!err_set(&e, ERR_LIMIT, "an answer of more than %u bytes", API_OUT_MAX))
            http_error(w->req, &e);
    }
    json_free(c.in);
    buf_clear(&c.text);
}

static void *api_thread(void *arg)
{
    (void)arg;
    void *item;
    while (queue_wait(pool.queue, &item, 1, -1) == 1) {
        run(item);
        free(item);
    }
    return NULL;
}

static void dispatch(struct http_request *req, void *arg)
{
    struct work *w = malloc(sizeof *w);
    struct err e;
    if (w)
        *w = *(const struct work *)arg;
    if (w)
        w->req = req;
    if (w && queue_put(pool.queue, w))
        return;
    free(w);
    err_set(&e, ERR_UNAVAILABLE, "too many requests of operators at once");
    http_error(req, &e);
}

bool api_start(struct app *app, struct err *e)
{
    (void)app;
    if (!queue_new(QUEUE_MAX, &pool.queue, e))
        return false;
    for (; pool.n < THREADS; pool.n++)
        if (pthread_create(&pool.threads[pool.n], NULL, api_thread, NULL) != 0)
            return err_set(e, ERR_IO, "API thread");
    return true;
}

void api_stop(void)
{
    if (!pool.queue)
        return;
    queue_close(pool.queue);
    for (size_t i = 0; i < pool.n; i++)
        pthread_join(pool.threads[i], NULL);
}

static bool add_rows(struct app *app, const struct api_row *rows, size_t n, struct err *e)
{
    struct http_route *routes = arena_array(&app->arena, n, sizeof *routes);
    struct work *work = arena_array(&app->arena, n, sizeof *work);
    if (!routes || !work)
        return err_set(e, ERR_NOMEM, "routes");
    for (size_t i = 0; i < n; i++) {
        work[i] = (struct work){.app = app, .row = &rows[i]};
        routes[i] = (struct http_route){.method = rows[i].method,
                                        .path = rows[i].path,
                                        .handler = dispatch,
                                        .arg = &work[i],
                                        .auth = rows[i].auth & ~(unsigned)API_LINES};
    }
    return http_server_add(app->http, routes, n, e);
}

bool api_add_routes(struct app *app, struct err *e)
{
    return add_rows(app, api_devices, api_devices_n, e) && add_rows(app, api_models, api_models_n, e) &&
           add_rows(app, api_certs, api_certs_n, e) && add_rows(app, api_parties, api_parties_n, e) &&
           add_rows(app, api_ledger, api_ledger_n, e) && add_rows(app, api_status, api_status_n, e) &&
           add_rows(app, api_topics, api_topics_n, e);
}

bool call_text(const struct call *c, const char *name, size_t max, const char *def, const char **out, struct err *e)
{
    *out = def;
    if (!c->in || !json_has(c->in, name))
        return def || err_set(e, ERR_USAGE, "\"%s\" is missing", name);
    return json_get_text(c->in, name, max, out, e);
}

bool call_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def, int64_t *out,
              struct err *e)
{
    *out = def;
    return !c->in || !json_has(c->in, name) || json_get_int(c->in, name, min, max, out, e);
}

const char *call_owner(const struct call *c)
{
    return (c->who->rights & ACCESS_READ) ? NULL : c->who->subject;
}

bool call_device(const struct call *c, struct device_row *out, struct err *e)
{
    return device_find(c->db, http_param(c->req, "id"), NULL, call_owner(c), out, e);
}

bool call_list(struct call *c, const char *key, const struct sql *q, const struct value *args, size_t args_n,
               void (*put)(struct call *c, const struct rows *r), int64_t *n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    int64_t own;
    n = n ? n : &own;
    *n = 0;
    if (!db_query(c->db, q, args, args_n, &r, e))
        return false;
    json_out_list(&c->out, key);
    for (; rows_next(&r, e); ++*n) {
        json_out_map(&c->out, NULL);
        put(c, &r);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    return e->code == ERR_NONE;
}

bool call_query(const struct call *c, const char *name, char *dst, size_t cap, struct err *e)
{
    dst[0] = 0;
    if (http_query(c->req, name, dst, cap) || !http_has_query(c->req, name))
        return true;
    err_set(e, ERR_USAGE, "\"%s\" of the query is longer than %zu characters, or badly escaped", name, cap - 1);
    return err_why(e, "without it the answer would be of everything");
}

int64_t call_query_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def)
{
    char text[24], *end;
    if (!http_query(c->req, name, text, sizeof text))
        return def;
    long long v = strtoll(text, &end, 10);
    return *end || end == text || v < min || v > max ? def : v;
}
