/* Chunked answers that go on for long: written from any thread, held back by what the client takes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/http_conn.h"

struct part {
    struct http_request *req;
    size_t n;
    uint8_t bytes[];
};

/* True if the worker calls and nothing that came before is still on its way to it. */
static bool is_direct(const struct http_request *req)
{
    return loop_self(req->s->o.loop) == (int)req->w->number && req->streaming && atomic_load(&req->stream_queued) == 0;
}

static void begin(void *arg)
{
    struct http_request *req = arg;
    struct http_conn *c = req->conn;
    req->streaming = true;
    if (!c) {
        if (req->stream.on_close)
            req->stream.on_close(req, req->stream.arg);
        return;
    }
    req->status = http_answer_write(c, req->answer);
    bufferevent_setwatermark(c->bev, EV_WRITE, req->stream.low, 0);
    http_conn_wait(c, WAIT_TAKEN);
}

void http_stream_start(struct http_request *req, int status, const char *type, const struct http_field *fields,
                       size_t n, const struct http_stream *events)
{
    struct http_shape s = {.status = status, .type = type, .fields = fields, .n = n, .is_head = req->is_head};
    req->stream = *events;
    s.framing = req->head.minor ? HTTP_CHUNKED : HTTP_TO_THE_END;
    req->answer = http_answer_make(&s);
    if (loop_self(req->s->o.loop) == (int)req->w->number)
        begin(req);
    else
        http_post(req, begin, req);
}

static void drop_client(struct http_conn *c)
{
    HTTP_COUNT(c->w, dropped_streams);
    c->dropped = true;
    shutdown(c->fd, SHUT_RDWR); /* the closing comes back as an event, outside of whoever writes now */
}

static void add_part(void *arg)
{
    struct part *p = arg;
    struct http_request *req = p->req;
    struct http_conn *c = req->conn;
    atomic_fetch_sub(&req->stream_queued, p->n);
    if (c && !req->is_head && !c->dropped) {
        struct evbuffer *out = bufferevent_get_output(c->bev);
        char size[24];
        size_t size_n = (size_t)snprintf(size, sizeof(size), "%zx\r\n", p->n);
        if (req->head.minor)
            evbuffer_add(out, size, size_n);
        evbuffer_add(out, p->bytes, p->n);
        if (req->head.minor)
            evbuffer_add(out, "\r\n", 2);
        c->given += p->n;
        size_t pending = evbuffer_get_length(out);
        atomic_store(&req->stream_out, pending);
        req->stream_high |= pending > req->stream.low;
        if (c->wait == WAIT_NOTHING)
            http_conn_wait(c, WAIT_TAKEN);
        if (pending > req->s->o.limits.stream_queue_max)
            drop_client(c);
    }
    free(p);
}

bool http_stream_write(struct http_request *req, struct slice bytes)
{
    if (bytes.n == 0 || http_gone(req))
        return !http_gone(req);
    struct part *p = malloc(sizeof(*p) + bytes.n);
    if (!p)
        return false;
    *p = (struct part){.req = req, .n = bytes.n};
    memcpy(p->bytes, bytes.p, bytes.n);
    bool direct = is_direct(req);
    atomic_fetch_add(&req->stream_queued, bytes.n);
    if (direct) {
        add_part(p);
    } else if (!loop_post(req->s->o.loop, req->w->number, add_part, p)) {
        atomic_fetch_sub(&req->stream_queued, bytes.n);
        free(p);
        return false;
    }
    return true;
}

size_t http_stream_pending(const struct http_request *req)
{
    return atomic_load(&req->stream_queued) + atomic_load(&req->stream_out);
}

void http_stream_written(struct http_conn *c)
{
    struct http_request *req = c->req;
    size_t pending = evbuffer_get_length(bufferevent_get_output(c->bev));
    atomic_store(&req->stream_out, pending);
    if (pending == 0)
        http_conn_wait(c, WAIT_NOTHING);
    if (req->stream_high && http_stream_pending(req) <= req->stream.low) {
        req->stream_high = false;
        if (req->stream.on_drain)
            req->stream.on_drain(req, req->stream.arg);
    }
}

static void finish(void *arg)
{
    struct http_request *req = arg;
    struct http_conn *c = req->conn;
    http_report(req);
    if (c) {
        c->last |= c->w->draining;
        if (req->head.minor && !req->is_head)
            evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5);
        bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
        c->req = NULL;
        req->conn = NULL;
    }
    http_request_free(req);
    if (c)
        http_conn_answered(c);
}

void http_stream_end(struct http_request *req)
{
    if (is_direct(req))
        finish(req);
    else
        http_post(req, finish, req);
}

static void cut(void *arg)
{
    struct http_request *req = arg;
    struct http_conn *c = req->conn;
    http_report(req);
    if (c)
        c->req = NULL;
    req->conn = NULL;
    http_request_free(req);
    if (c)
        http_conn_close(c);
}

void http_stream_cut(struct http_request *req)
{
    http_post(req, cut, req); /* never from within the connection's own events */
}
