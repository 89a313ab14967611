/* A request from its head on, and what it says. */
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/codec.h"
#include "base/http_conn.h"
#include "base/mono.h"

/* The path with its escapes undone, for people and for {name...}. */
static void join_path(struct http_request *req)
{
    char *p = req->path;
    for (size_t i = 0; i < req->segs.n; i++) {
        *p++ = '/';
        size_t n = strlen(req->segs.seg[i]);
        memcpy(p, req->segs.seg[i], n);
        p += n;
    }
    *p = 0;
}

static void read_basic(struct http_request *req, char *dst, size_t cap)
{
    const char *v = http_header(req, "Authorization");
    if (!v || strncasecmp(v, "Basic ", 6) != 0)
        return;
    v += 6;
    v += strspn(v, " ");
    size_t n;
    if (!codec_decode(CODEC_BASE64, slice_str(v), dst, cap - 1, &n, NULL))
        return;
    dst[n] = 0;
    char *colon = strchr(dst, ':');
    if (!colon || strlen(dst) != n) /* a NUL inside would cut the password */
        return;
    *colon = 0;
    req->user = dst;
    req->password = colon + 1;
}

static struct http_request *make_room(struct http_conn *c, size_t head_n)
{
    /* head, joined path, segments, credentials (shorter than their field), certificate */
    size_t room = 4 * head_n + 8 + c->cert_n;
    struct http_request *req = malloc(sizeof(*req) + room);
    if (!req)
        return NULL;
    memset(req, 0, offsetof(struct http_request, head));
    memset(&req->route, 0, sizeof(*req) - offsetof(struct http_request, route));
    req->s = c->w->s;
    req->w = c->w;
    req->conn = c;
    req->door = c->door;
    req->uid = c->uid;
    req->gid = c->gid;
    req->pid = c->pid;
    memcpy(req->peer, c->peer, sizeof(req->peer));
    return req;
}

bool http_request_new(struct http_conn *c, size_t head_n, struct http_request **out, struct err *e)
{
    struct http_request *req = make_room(c, head_n);
    *out = req;
    if (!req)
        return err_set(e, ERR_NOMEM, "out of memory for a request");
    evbuffer_remove(bufferevent_get_input(c->bev), req->text, head_n);
    req->text[head_n] = 0;
    req->began_us = mono_us();
    req->body_max = req->s->o.limits.body_max;
    if (!http1_read_head(req->text, head_n, &req->head, e))
        return false;
    req->path = req->text + head_n + 1;
    char *segs = req->path + head_n + 1, *basic = segs + head_n + 1;
    req->path[0] = 0;
    if (!http1_read_path(req->head.target, segs, &req->segs, e))
        return false;
    join_path(req);
    req->is_head = strcmp(req->head.method, "HEAD") == 0;
    req->keep_alive = req->head.keep_alive;
    read_basic(req, basic, head_n);
    if (c->cert_n) {
        uint8_t *cert = (uint8_t *)basic + head_n + 1;
        memcpy(cert, c->cert, c->cert_n);
        req->cert = slice_of(cert, c->cert_n);
    }
    return true;
}

static bool add_body(struct http_request *req, const void *p, size_t n, struct err *e)
{
    if (n > req->body_max - req->body_n)
        return err_set(e, ERR_HTTP_TOO_LARGE, "the body is larger than the %zu bytes that %s takes", req->body_max,
                       req->path);
    if (req->body_n + n > req->body_cap) {
        size_t cap = req->body_cap ? req->body_cap : 1024;
        while (cap < req->body_n + n)
            cap *= 2;
        uint8_t *more = realloc(req->body, cap);
        if (!more)
            return err_set(e, ERR_NOMEM, "out of memory for a body");
        req->body = more;
        req->body_cap = cap;
    }
    memcpy(req->body + req->body_n, p, n);
    req->body_n += n;
    return true;
}

bool http_request_read_body(struct http_request *req, struct evbuffer *in, bool *done, struct err *e)
{
    struct evbuffer_iovec v;
    *done = false;
    while (evbuffer_peek(in, -1, NULL, &v, 1) > 0 && v.iov_len > 0) {
        size_t used = v.iov_len;
        struct slice data = slice_of(v.iov_base, used);
        if (req->head.chunked) {
            if (!http1_read_chunks(&req->chunks, data, &used, &data, e))
                return false;
        } else {
            size_t left = (size_t)req->head.length - req->body_n;
            data.n = used = used < left ? used : left;
        }
        if (data.n && !add_body(req, data.p, data.n, e))
            return false;
        evbuffer_drain(in, used);
        *done = req->head.chunked ? req->chunks.done : req->body_n == (size_t)req->head.length;
        if (*done)
            return true;
    }
    return true;
}

void http_request_free(struct http_request *req)
{
    if (!req)
        return;
    if (req->who_free)
        req->who_free(req->who);
    if (req->password)
        explicit_bzero(req->password, strlen(req->password));
    http_answer_free(req->answer);
    free(req->body);
    free(req);
}

enum http_door http_door(const struct http_request *req)
{
    return req->door;
}

const char *http_method(const struct http_request *req)
{
    return req->head.method;
}

const char *http_path(const struct http_request *req)
{
    return req->path;
}

const char *http_param(const struct http_request *req, const char *name)
{
    size_t len = strlen(name);
    unsigned i = 0;
    for (const char *p = req->route ? strchr(req->route->path, '{') : NULL; p; p = strchr(p + 1, '{'), i++)
        if (strncmp(p + 1, name, len) == 0 && (p[1 + len] == '}' || p[1 + len] == '.'))
            return req->params[i];
    return NULL;
}

/* One name=value of the query, still encoded; *at goes on to the next. */
struct pair {
    const char *name, *value;
    size_t name_n, value_n;
};

static bool next_pair(const char **at, struct pair *out)
{
    const char *p = *at;
    if (!p)
        return false;
    size_t n = strcspn(++p, "&");
    out->name = p;
    out->name_n = strcspn(p, "=&");
    out->value = p + out->name_n + (out->name_n < n);
    out->value_n = n - (size_t)(out->value - p);
    *at = strchr(p, '&');
    return true;
}

static bool find_query(const struct http_request *req, const char *name, struct pair *out)
{
    size_t len = strlen(name);
    for (const char *p = strchr(req->head.target, '?'); next_pair(&p, out);)
        if (out->name_n == len && memcmp(out->name, name, len) == 0)
            return true;
    return false;
}

bool http_has_query(const struct http_request *req, const char *name)
{
    struct pair pair;
    return find_query(req, name, &pair);
}

const char *http_query(const struct http_request *req, const char *name, char *dst, size_t cap)
{
    struct pair pair;
    bool fits = find_query(req, name, &pair) && pair.value_n < cap;
    return fits && http1_unescape(pair.value, pair.value_n, true, dst) ? dst : NULL;
}

bool http_query_each(const struct http_request *req, http_query_fn *fn, void *ctx, struct err *e)
{
    char name[HTTP_QUERY_NAME_MAX + 1], value[HTTP_QUERY_VALUE_MAX + 1];
    struct pair pair;
    for (const char *p = strchr(req->head.target, '?'); next_pair(&p, &pair);) {
        if (pair.name_n + pair.value_n == 0)
            continue;
        if (pair.name_n >= sizeof name || pair.value_n >= sizeof value ||
            !http1_unescape(pair.name, pair.name_n, true, name) ||
            !http1_unescape(pair.value, pair.value_n, true, value)) {
            err_set(e, ERR_HTTP_REQUEST, "a parameter of the query is malformed: \"%s\"",
                    ERR_QUOTE(slice_of(pair.name, pair.name_n)));
            err_why(e, "RFC 3986 section 2.1: %%xx; names have up to %d bytes, values up to %d", HTTP_QUERY_NAME_MAX,
                    HTTP_QUERY_VALUE_MAX);
            return err_try(e, "name=value&name=value, with %%xx for what is no letter, digit, -, ., _ or ~");
        }
        if (!fn(ctx, name, value, e))
            return false;
    }
    return true;
}

const char *http_header(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->head.fields_n; i++)
        if (strcasecmp(req->head.fields[i].name, name) == 0)
            return req->head.fields[i].value;
    return NULL;
}

struct slice http_body(const struct http_request *req)
{
    return slice_of(req->body, req->body_n);
}

bool http_is_type(const struct http_request *req, const char *media_type)
{
    const char *v = http_header(req, "Content-Type");
    size_t n = strlen(media_type);
    return v && strncasecmp(v, media_type, n) == 0 && strchr("; \t", v[n]) != NULL;
}

bool http_basic(const struct http_request *req, const char **user, const char **password)
{
    *user = req->user;
    *password = req->password;
    return req->user != NULL;
}

struct slice http_peer_cert(const struct http_request *req)
{
    return req->cert;
}

const char *http_peer(const struct http_request *req)
{
    return req->peer;
}

bool http_peer_cred(const struct http_request *req, uid_t *uid, gid_t *gid, pid_t *pid)
{
    *uid = req->uid;
    *gid = req->gid;
    *pid = req->pid;
    return req->door == HTTP_DOOR_LOCAL;
}

unsigned http_worker(const struct http_request *req)
{
    return req->w->number;
}

SSL *http_tls(const struct http_request *req)
{
    if (loop_self(req->s->o.loop) != (int)req->w->number || !req->conn || !req->conn->processing)
        return NULL;
    return req->conn->ssl;
}

void http_set0_who(struct http_request *req, void *who, void (*fn)(void *))
{
    req->who = who;
    req->who_free = fn;
}

void *http_get0_who(const struct http_request *req)
{
    return req->who;
}

bool http_gone(const struct http_request *req)
{
    return atomic_load(&req->gone);
}
