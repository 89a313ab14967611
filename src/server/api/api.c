#include "server/api/api.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/opt.h"
#include "base/queue.h"
#include "core/crl_reason.h"
#include "server/records.h"
#include "server/refusals.h"

#define FLAGS (API_LINES | API_WAITS | API_QUERY)

struct work {
    struct call call;
    const struct api_row *row;
};

/* Threads with a queue of their own. */
struct lane {
    size_t threads_n, queue_max;
    struct queue *queue;
    pthread_t threads[8];
};
static _Atomic bool stopping;
static struct lane prompt = {.threads_n = 2, .queue_max = 1024}, patient = {.threads_n = 8, .queue_max = 256};

static const char *const nothing[] = {NULL};

static const char *const *takes(const struct work *w, bool query)
{
    bool is_get = strcmp(w->row->method, "GET") == 0;
    return w->row->takes && is_get == query ? w->row->takes : nothing;
}

/* What is not understood is refused: left out without a word, a slip in "settings" would empty a model. */
static bool read_body(struct work *w, struct err *e)
{
    struct call *c = &w->call;
    struct slice body = http_body(c->req);
    if (body.n == 0)
        return true;
    if (!http_is_type(c->req, "application/json")) {
        err_set(e, ERR_USAGE, "the body is not called application/json");
        err_why(e, "this route reads no other kind, and would act as if there were no body");
        return err_try(e, "Content-Type: application/json");
    }
    return json_read(body, API_BODY_MAX, &c->in, e) && json_only(c->in, takes(w, false), e);
}

struct params {
    const char *const *known;
    unsigned given;
};

static bool check_param(void *ctx, const char *name, const char *value, struct err *e)
{
    struct params *p = ctx;
    (void)value;
    for (size_t i = 0; p->known[i]; i++) {
        if (strcmp(p->known[i], name) != 0)
            continue;
        if (!(p->given >> i & 1)) {
            p->given |= 1u << i;
            return true;
        }
        err_set(e, ERR_USAGE, "%s comes twice", name);
        err_why(e, "it is not known which of the two is meant");
        return err_try(e, "%s once", name);
    }
    const char *near = nearest_in(slice_str(name), p->known);
    err_set(e, ERR_USAGE, "there is no parameter \"%s\"", ERR_QUOTE(slice_str(name)));
    err_why(e, "a filter that is not understood would show what nobody asked for");
    return near          ? err_try(e, "did you mean \"%s\"?", near)
           : p->known[0] ? err_try(e, "without it; \"%s\" is one that is known", p->known[0])
                         : err_try(e, "without a query");
}

static bool check_query(struct work *w, struct err *e)
{
    struct params p = {.known = takes(w, true)};
    return (w->row->auth & API_QUERY) || http_query_each(w->call.req, check_param, &p, e);
}

static bool handle(struct work *w, struct err *e)
{
    struct call *c = &w->call;
    c->db = app_db(c->app); /* a thread's own connection; NULL: each question to it says that it is away */
    if (c->then) {
        call_handler *then = c->then;
        c->then = NULL;
        return then(c, e);
    }
    if (!check_query(w, e) || (!(w->row->auth & API_LINES) && !read_body(w, e)))
        return false;
    json_out_map(&c->out, NULL);
    json_out_int(&c->out, "v", 1);
    return w->row->handler(c, e);
}

static void answer(struct call *c, bool ok, struct err *e)
{
    if (c->answered) {
        /* by the handler */
    } else if (!ok) {
        refusal_note(c->app, c->req, NULL, "api", e);
        http_error(c->req, e);
    } else {
        if (!c->type) {
            json_out_end(&c->out);
            buf_put_char(&c->text, '\n');
        }
        if (buf_ok(&c->text))
            http_answer(c->req, c->status, c->type ? c->type : "application/json", buf_slice(&c->text), NULL, 0);
        else if (!err_set(e, ERR_LIMIT, "an answer of more than %u bytes", API_OUT_MAX))
            http_error(c->req, e);
    }
}

static void work_free(struct work *w)
{
    json_free(w->call.in);
    buf_clear(&w->call.text);
    free(w);
}

static void *lane_thread(void *arg)
{
    struct lane *lane = arg;
    struct work *w;
    while ((w = queue_take(lane->queue))) {
        struct err e = {0};
        bool ok = handle(w, &e);
        if (ok && w->call.then && queue_put(patient.queue, w))
            continue;
        if (ok && w->call.then)
            ok = err_set(&e, ERR_UNAVAILABLE, "it is done, but too many requests wait already to wait for its effect");
        answer(&w->call, ok, &e);
        work_free(w);
    }
    return NULL;
}

static void dispatch(struct http_request *req, void *arg)
{
    const struct work *of = arg;
    struct work *w = malloc(sizeof *w);
    struct err e;
    if (w) {
        *w = *of;
        w->call = (struct call){.app = of->call.app, .req = req, .who = access_who(req), .status = 200};
        buf_init(&w->call.text, API_OUT_MAX);
        w->call.out = json_out_of(&w->call.text);
        if (queue_put(w->row->auth & API_WAITS ? patient.queue : prompt.queue, w))
            return;
        work_free(w);
    }
    err_set(&e, ERR_UNAVAILABLE, "too many requests of operators at once");
    http_error(req, &e);
}

static bool lane_start(struct lane *l, struct err *e)
{
    if (!queue_new(l->queue_max, &l->queue, e))
        return false;
    for (size_t i = 0; i < l->threads_n; i++)
        if (pthread_create(&l->threads[i], NULL, lane_thread, l) != 0) {
            l->threads_n = i;
            return err_set(e, ERR_IO, "API thread");
        }
    return true;
}

static void lane_stop(struct lane *l)
{
    if (!l->queue)
        return;
    queue_close(l->queue);
    for (size_t i = 0; i < l->threads_n; i++)
        pthread_join(l->threads[i], NULL);
}

bool api_start(struct err *e)
{
    return lane_start(&patient, e) && lane_start(&prompt, e);
}

bool api_is_stopping(void)
{
    return stopping;
}

void api_stop(void)
{
    stopping = true;
    lane_stop(&prompt);
    lane_stop(&patient);
}

static bool add_rows(struct app *app, const struct api_row *rows, size_t n, struct err *e)
{
    struct http_route *routes = arena_array(&app->arena, n, sizeof *routes);
    struct work *work = arena_array(&app->arena, n, sizeof *work);
    if (!routes || !work)
        return err_set(e, ERR_NOMEM, "routes");
    for (size_t i = 0; i < n; i++) {
        work[i] = (struct work){.call.app = app, .row = &rows[i]};
        routes[i] = (struct http_route){.method = rows[i].method,
                                        .path = rows[i].path,
                                        .handler = dispatch,
                                        .arg = &work[i],
                                        .auth = rows[i].auth & ~(unsigned)FLAGS};
    }
    return http_server_add(app->http, routes, n, e);
}

bool api_add_routes(struct app *app, struct err *e)
{
    return add_rows(app, api_devices, api_devices_n, e) && add_rows(app, api_models, api_models_n, e) &&
           add_rows(app, api_certs, api_certs_n, e) && add_rows(app, api_parties, api_parties_n, e) &&
           add_rows(app, api_ledger, api_ledger_n, e) && add_rows(app, api_entries, api_entries_n, e) &&
           add_rows(app, api_status, api_status_n, e) && add_rows(app, api_topics, api_topics_n, e) &&
           add_rows(app, api_alarms, api_alarms_n, e);
}

bool call_member(bool ok, struct err *e)
{
    if (!ok && e->code == ERR_JSON)
        e->code = ERR_USAGE;
    return ok || (!e->hint[0] && err_try(e, "doc/openapi.json has what each member may be"));
}

bool call_text(const struct call *c, const char *name, size_t max, const char *def, const char **out, struct err *e)
{
    *out = def;
    if (c->in && json_has(c->in, name))
        return call_member(json_get_text(c->in, name, max, out, e), e);
    if (def)
        return true;
    err_set(e, ERR_USAGE, "\"%s\" is missing", name);
    err_why(e, "the body has to have it");
    return err_try(e, "{\"%s\": ...}; doc/openapi.json has all members", name);
}

bool call_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def, int64_t *out,
              struct err *e)
{
    *out = def;
    return !c->in || !json_has(c->in, name) || call_member(json_get_int(c->in, name, min, max, out, e), e);
}

bool call_reason(const struct call *c, int def, int *out, struct err *e)
{
    const char *name;
    *out = def;
    if (!c->in || !json_has(c->in, "reason"))
        return true;
    if (!call_text(c, "reason", 40, NULL, &name, e))
        return false;
    if (!nearest_check(ERR_USAGE, "reason to revoke for good", name, crl_reasons_final, e))
        return false;
    *out = crl_reason_from_name(name);
    return true;
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
    err_why(e, "without it the answer would be of everything");
    return err_try(e, "%s of at most %zu characters, others than letters and digits as %%XX", name, cap - 1);
}

bool call_query_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def, int64_t *out,
                    struct err *e)
{
    char text[24] = "";
    *out = def;
    if (!http_has_query(c->req, name))
        return true;
    struct slice value = http_query(c->req, name, text, sizeof text) ? slice_str(text) : SLICE_LIT("...");
    if (opt_parse_int(name, value, min, max, out, e))
        return true;
    return err_try(e,
                   max == INT64_MAX ? "what \"next\" of the answer before has" : "%s=%lld, and go on with after=NEXT",
                   name, (long long)max);
}
