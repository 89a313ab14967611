/* Answers: made on any thread, written on the worker's. */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <time.h>

#include "base/http_conn.h"
#include "base/json_out.h"
#include "base/mono.h"

#define HEAD_MAX    (16 << 10)
#define PROBLEM_MAX (8 << 10)
#define RECORD_MAX  (16 << 10) /* of TLS */

/* Everything of an answer but Date, Connection and the empty line, which the worker adds. */
struct answer {
    int status;
    enum http_framing framing;
    bool no_body; /* HEAD, 204, 304 */
    size_t head_n, body_n;
    char bytes[];
};

void http_answer_free(struct answer *a)
{
    free(a);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Status";
}

/* A field that would end its line is left out: an answer must not be split by what a handler was given. */
static void put_field(struct buf *b, const char *name, const char *value)
{
    if (http1_is_token(name, strlen(name)) && http1_is_value(value, strlen(value)))
        buf_printf(b, "%s: %s\r\n", name, value);
}

static struct answer *answer_new(const struct http_shape *s)
{
    struct buf b;
    char room[64];
    buf_init(&b, HEAD_MAX);
    buf_printf(&b, "HTTP/1.1 %d %s\r\n", s->status, reason(s->status));
    if (s->type)
        put_field(&b, "Content-Type", s->type);
    for (size_t i = 0; i < s->n; i++)
        put_field(&b, s->fields[i].name, s->fields[i].value);
    bool bodyless = s->status == 204 || s->status == 304;
    if (s->framing == HTTP_CHUNKED) {
        buf_put_str(&b, "Transfer-Encoding: chunked\r\n");
    } else if (!bodyless && s->framing == HTTP_SIZED) {
        snprintf(room, sizeof(room), "Content-Length: %zu\r\n", s->body.n);
        buf_put_str(&b, room);
    }
    struct slice head;
    struct answer *a = NULL;
    if (buf_done(&b, &head, NULL) && (a = malloc(sizeof(*a) + head.n + s->body.n))) {
        *a = (struct answer){
            .status = s->status, .framing = s->framing, .no_body = bodyless || s->is_head, .head_n = head.n};
        a->body_n = a->no_body ? 0 : s->body.n;
        memcpy(a->bytes, head.p, head.n);
        if (a->body_n)
            memcpy(a->bytes + head.n, s->body.p, a->body_n);
    }
    buf_clear(&b);
    return a;
}

static char *date_of(struct http_worker *w)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    if (t.tv_sec != w->date_at) {
        struct tm tm;
        gmtime_r(&t.tv_sec, &tm);
        strftime(w->date, sizeof(w->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        w->date_at = t.tv_sec;
    }
    return w->date;
}

/* One record, past the event loop: it would ask epoll twice whether the socket takes it, which it nearly always does.  What
 * it does not take goes through the output as ever: TLS is given the same bytes again. */
static bool write_record(struct http_conn *c, const struct iovec *v, size_t n, size_t total)
{
    char record[RECORD_MAX], *p = record;
    if (!c->ssl || total > sizeof record || evbuffer_get_length(bufferevent_get_output(c->bev)) != 0)
        return false;
    for (size_t i = 0; i < n; i++)
        p = mempcpy(p, v[i].iov_base, v[i].iov_len);
    ERR_clear_error();
    return SSL_write(c->ssl, record, (int)total) == (int)total;
}

int http_answer_write(struct http_conn *c, const struct answer *a)
{
    static const char last[] = "Connection: close\r\n\r\n";
    struct evbuffer *out = bufferevent_get_output(c->bev);
    c->last |= a->framing == HTTP_TO_THE_END;
    c->given += a->head_n + a->body_n;
    char *date = date_of(c->w);
    const struct iovec v[] = {{(char *)a->bytes, a->head_n},
                              {date, strlen(date)},
                              {(char *)(c->last ? last : last + sizeof(last) - 3), c->last ? sizeof(last) - 1 : 2},
                              {(char *)a->bytes + a->head_n, a->body_n}};
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        total += v[i].iov_len;
    if (a->framing == HTTP_SIZED && write_record(c, v, ARRAY_LEN(v), total))
        return a->status;
    evbuffer_expand(out, total); /* in one piece, so that TLS makes one record of it */
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        evbuffer_add(out, v[i].iov_base, v[i].iov_len);
    return a->status;
}

static void count_status(struct http_worker *w, int status)
{
    int class = status / 100;
    if (class >= 1 && class <= 5) {
        HTTP_COUNT(w, by_class[class]);
        HTTP_COUNT(w, by_status[status]);
    }
}

void http_report(struct http_request *req)
{
    const struct http_server_opts *o = &req->s->o;
    count_status(req->w, req->status);
    if (o->done)
        o->done(req, req->status, mono_us() - req->began_us, o->arg);
}

static void finish(void *arg)
{
    struct http_request *req = arg;
    struct http_conn *c = req->conn;
    req->status = req->answer->status;
    http_report(req);
    if (c) {
        c->last |= c->w->draining;
        http_answer_write(c, req->answer);
        c->req = NULL;
        req->conn = NULL;
    }
    http_request_free(req);
    if (c)
        http_conn_answered(c);
}

void http_post(struct http_request *req, loop_fn *fn, void *arg)
{
    /* What is owed to a client must arrive even when memory is short for a moment. */
    while (!loop_post(req->s->o.loop, req->w->number, fn, arg)) {
        struct timespec t = {.tv_nsec = 1000000};
        nanosleep(&t, NULL);
    }
}

/* Never NULL: an answer that cannot be made becomes a small one that says so. */
struct answer *http_answer_make(const struct http_shape *s)
{
    static const struct http_shape sorry = {.status = 500};
    struct answer *a = answer_new(s);
    while (!a) {
        struct timespec t = {.tv_nsec = 1000000};
        nanosleep(&t, NULL);
        a = answer_new(&sorry);
    }
    return a;
}

static void give(struct http_request *req, const struct http_shape *s)
{
    req->answer = http_answer_make(s);
    if (loop_self(req->s->o.loop) == (int)req->w->number)
        finish(req);
    else
        http_post(req, finish, req);
}

void http_answer(struct http_request *req, int status, const char *type, struct slice body,
                 const struct http_field *fields, size_t n)
{
    give(req, &(struct http_shape){status, type, body, fields, n, req->is_head, HTTP_SIZED});
}

void http_answer_text(struct http_request *req, int status, const char *text)
{
    http_answer(req, status, "text/plain; charset=utf-8", slice_str(text), NULL, 0);
}

static void put_problem(struct buf *b, int status, const struct err *e)
{
    struct json_out o = json_out_of(b);
    json_out_map(&o, NULL);
    json_out_text(&o, "type", "about:blank");
    json_out_text(&o, "title", reason(status));
    json_out_int(&o, "status", status);
    json_out_text(&o, "code", err_slug(e->code));
    json_out_text(&o, "detail", e->what);
    if (e->why[0])
        json_out_text(&o, "rule", e->why);
    if (e->hint[0])
        json_out_text(&o, "try", e->hint);
    json_out_end(&o);
}

void http_problem(struct http_request *req, int status, const struct err *e, const struct http_field *fields, size_t n)
{
    struct buf b;
    struct err told = *e;
    if (req->s->o.tell)
        req->s->o.tell(req, &told, req->s->o.arg);
    buf_init(&b, PROBLEM_MAX);
    put_problem(&b, status, &told);
    struct http_field all[HTTP_FIELDS_MAX + 1];
    char challenge[160];
    size_t k = 0;
    for (; k < n && k < HTTP_FIELDS_MAX; k++)
        all[k] = fields[k];
    if (status == 401 && req->route && (req->route->flags & HTTP_NEED_AUTH)) {
        const char *realm = req->s->o.realm ? req->s->o.realm : "kith";
        snprintf(challenge, sizeof(challenge), "Basic realm=\"%s\", charset=\"UTF-8\"", realm);
        all[k++] = (struct http_field){"WWW-Authenticate", challenge};
    }
    http_answer(req, status, "application/problem+json", buf_slice(&b), all, k);
    buf_clear(&b);
}

void http_error(struct http_request *req, const struct err *e)
{
    http_problem(req, err_http_status(e->code), e, NULL, 0);
}

void http_refuse(struct http_conn *c, int status, const struct err *e)
{
    struct buf b;
    buf_init(&b, PROBLEM_MAX);
    put_problem(&b, status, e);
    struct answer *a = http_answer_make(
        &(struct http_shape){.status = status, .type = "application/problem+json", .body = buf_slice(&b)});
    buf_clear(&b);
    c->last = true;
    http_answer_write(c, a);
    free(a);
    count_status(c->w, status);
    http_conn_answered(c);
}

/* --- before the handler --- */

static bool refuse_route(struct http_request *req, enum http_found found, const char *allow)
{
    struct err e = {0};
    if (found == HTTP_NO_PATH) {
        err_set(&e, ERR_NOTFOUND, "there is no path %s here",
                ERR_QUOTE(slice_str(req->path[0] ? req->path : req->head.target)));
        http_error(req, &e);
        return false;
    }
    err_set(&e, ERR_HTTP_METHOD, "%s does not take %s", ERR_QUOTE(slice_str(req->path)), req->head.method);
    err_why(&e, "RFC 9110 section 15.5.6");
    err_try(&e, "%s", allow);
    http_problem(req, 405, &e, &(struct http_field){"Allow", allow}, 1);
    return false;
}

static bool has_auth(const struct http_request *req)
{
    unsigned flags = req->route->flags;
    if ((flags & HTTP_NEED_CERT) && !req->cert.n)
        return false;
    return !(flags & HTTP_NEED_AUTH) || req->cert.n || req->user || req->door == HTTP_DOOR_LOCAL;
}

bool http_precheck(struct http_request *req)
{
    char allow[160];
    struct err e = {0};
    struct http_conn *c = req->conn;
    bool was_last = c->last;
    /* Answered before its body: the body is not read, so the connection ends. */
    c->last |= req->head.chunked || req->head.length > 0;
    enum http_found found = http_routes_find(req->s->routes, req, allow, sizeof(allow));
    if (found != HTTP_FOUND)
        return refuse_route(req, found, allow);
    if (!has_auth(req)) {
        err_set(&e, ERR_HTTP_AUTH, "%s needs %s", ERR_QUOTE(slice_str(req->path)),
                req->route->flags & HTTP_NEED_CERT ? "a client certificate"
                                                   : "a client certificate or a user and password");
        http_error(req, &e);
        return false;
    }
    if (req->route->body_max)
        req->body_max = req->route->body_max;
    if (req->head.length > 0 && (uint64_t)req->head.length > req->body_max) {
        HTTP_COUNT(req->w, too_large);
        err_set(&e, ERR_HTTP_TOO_LARGE, "a body of %lld bytes is more than the %zu that %s takes",
                (long long)req->head.length, req->body_max, ERR_QUOTE(slice_str(req->path)));
        http_error(req, &e);
        return false;
    }
    c->last = was_last;
    return true;
}

void http_dispatch(struct http_request *req)
{
    const struct http_server_opts *o = &req->s->o;
    struct err e = {0};
    if (o->admit && !o->admit(req, req->route, o->arg, &e)) {
        http_error(req, &e);
        return;
    }
    req->route->handler(req, req->route->arg);
}
