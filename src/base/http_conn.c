/* One connection: accepted, counted, read request by request, and dropped when a deadline has passed.
 * http_conn_close() is called from libevent's callbacks only, never below conn_process(). */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/http_conn.h"

#define TURN_MAX       64          /* requests of one connection before others have their turn */
#define OUTPUT_MAX     (256 << 10) /* answers that a pipelining client does not take, before it is read on */
#define READ_AHEAD_MAX (64 << 10)  /* bytes behind the request that is handled */
#define PROGRESS_MIN   (64 << 10)  /* bytes of an answer to be taken in each answer_ms */
#define LINGER_MS      2000

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t wait_ms(const struct http_limits *l, enum http_wait wait)
{
    switch (wait) {
    case WAIT_HANDSHAKE:
        return l->handshake_ms;
    case WAIT_IDLE:
        return l->idle_ms;
    case WAIT_HEADER:
        return l->header_ms;
    case WAIT_BODY:
        return l->body_ms;
    case WAIT_TAKEN:
        return l->answer_ms;
    case WAIT_LINGER:
        return LINGER_MS;
    case WAIT_NOTHING:
    case WAIT_N:
        break;
    }
    return INT64_MAX / 4;
}

static size_t output_n(const struct http_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void http_conn_wait(struct http_conn *c, enum http_wait wait)
{
    TAILQ_REMOVE(&c->w->waits[c->wait], c, link);
    c->wait = wait;
    c->deadline_ms = now_ms() + wait_ms(&c->w->s->o.limits, wait);
    if (wait == WAIT_TAKEN)
        c->taken = c->given - output_n(c);
    TAILQ_INSERT_TAIL(&c->w->waits[wait], c, link);
}

void http_conn_close(struct http_conn *c)
{
    struct http_request *req = c->req;
    TAILQ_REMOVE(&c->w->waits[c->wait], c, link);
    if (c->counted)
        address_table_give(c->w->s->addresses, c->key);
    atomic_fetch_sub(&c->w->s->open, 1);
    __atomic_fetch_sub(&c->w->counts.open, 1, __ATOMIC_RELAXED);
    bufferevent_setcb(c->bev, NULL, NULL, NULL, NULL);
    bufferevent_free(c->bev);
    enum conn_state state = c->state;
    free(c->cert);
    free(c);
    if (!req)
        return;
    req->conn = NULL;
    if (state == CONN_BODY) {
        http_request_free(req);
        return;
    }
    atomic_store(&req->gone, true);
    if (req->streaming && req->stream.on_close)
        req->stream.on_close(req, req->stream.arg);
}

/* The last answer was taken.  Closing now, with input unread, would make the kernel send a reset that can overtake the
 * answer: says that nothing follows and waits a moment for the client to close. */
static void linger(struct http_conn *c)
{
    if (c->ssl)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
    c->state = CONN_LINGER;
    http_conn_wait(c, WAIT_LINGER);
    bufferevent_enable(c->bev, EV_READ);
}

static void refuse_request(struct http_conn *c, const struct err *e)
{
    if (e->code == ERR_HTTP_TOO_LARGE)
        HTTP_COUNT(c->w, too_large);
    else
        HTTP_COUNT(c->w, bad_request);
    http_refuse(c, err_http_status(e->code), e);
}

static void refuse_header(struct http_conn *c)
{
    struct err e = {0};
    err_set(&e, ERR_HTTP_TOO_LARGE, "the header is larger than %zu bytes", c->w->s->o.limits.header_max);
    err_why(&e, "RFC 6585 section 5");
    HTTP_COUNT(c->w, too_large);
    http_refuse(c, 431, &e);
}

/* Bytes from the request line to the empty line; 0 if they are not all there. */
static size_t find_head(struct http_conn *c, struct evbuffer *in, size_t len)
{
    struct evbuffer_ptr from;
    size_t back = c->scanned > 3 ? c->scanned - 3 : 0;
    if (evbuffer_ptr_set(in, &from, back, EVBUFFER_PTR_SET) != 0)
        return 0;
    struct evbuffer_ptr at = evbuffer_search(in, "\r\n\r\n", 4, &from);
    c->scanned = at.pos < 0 ? len : 0;
    return at.pos < 0 ? 0 : (size_t)at.pos + 4;
}

/* RFC 9112 section 2.2: an empty line before a request is ignored. */
static size_t skip_empty_lines(struct evbuffer *in)
{
    char two[2];
    while (evbuffer_copyout(in, two, 2) == 2 && two[0] == '\r' && two[1] == '\n')
        evbuffer_drain(in, 2);
    return evbuffer_get_length(in);
}

static void begin_body(struct http_conn *c, struct http_request *req)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (req->head.expects_continue && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0)
        bufferevent_write(c->bev, go_on, sizeof(go_on) - 1);
    c->state = CONN_BODY;
    http_conn_wait(c, WAIT_BODY);
}

static bool take_head(struct http_conn *c)
{
    const struct http_limits *l = &c->w->s->o.limits;
    struct evbuffer *in = bufferevent_get_input(c->bev);
    if (output_n(c) > OUTPUT_MAX)
        return false;
    size_t len = skip_empty_lines(in);
    if (len == 0)
        return false;
    char first;
    evbuffer_copyout(in, &first, 1);
    size_t n = find_head(c, in, len);
    if (n > l->header_max || (n == 0 && len > l->header_max)) {
        refuse_header(c);
        return false;
    }
    if (n == 0 && (http1_is_token(&first, 1) || first == '\r')) {
        if (c->wait != WAIT_HEADER)
            http_conn_wait(c, WAIT_HEADER);
        return false;
    }
    struct err e = {0};
    struct http_request *req = NULL;
    if (n == 0)
        err_set(&e, ERR_HTTP_REQUEST, "what came is not HTTP");
    if (n == 0 || !http_request_new(c, n, &req, &e)) {
        http_request_free(req);
        refuse_request(c, &e);
        return false;
    }
    c->req = req;
    c->state = CONN_HANDLER;
    c->last = !req->keep_alive || ++c->served >= l->requests || c->w->draining;
    HTTP_COUNT(c->w, requests);
    if (!http_precheck(req))
        return true;
    if (req->head.chunked || req->head.length > 0) {
        begin_body(c, req);
        return true;
    }
    http_conn_wait(c, WAIT_NOTHING);
    http_dispatch(req);
    return true;
}

static bool take_body(struct http_conn *c)
{
    struct http_request *req = c->req;
    struct err e = {0};
    bool done;
    if (!http_request_read_body(req, bufferevent_get_input(c->bev), &done, &e)) {
        c->req = NULL;
        http_request_free(req);
        refuse_request(c, &e);
        return false;
    }
    if (!done)
        return false;
    c->state = CONN_HANDLER;
    http_conn_wait(c, WAIT_NOTHING);
    http_dispatch(req);
    return true;
}

void http_conn_process(struct http_conn *c)
{
    if (c->processing)
        return;
    c->processing = true;
    bool more = true;
    for (int i = 0; more && i < 2 * TURN_MAX; i++)
        more = c->state == CONN_HEADER ? take_head(c) : c->state == CONN_BODY && take_body(c);
    c->processing = false;
    if (more)
        bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

void http_conn_answered(struct http_conn *c)
{
    c->state = c->last ? CONN_LAST : CONN_HEADER;
    if (c->paused) {
        c->paused = false;
        bufferevent_enable(c->bev, EV_READ);
    }
    http_conn_wait(c, output_n(c) ? WAIT_TAKEN : WAIT_IDLE);
    if (!c->last)
        http_conn_process(c);
    else if (output_n(c) == 0)
        linger(c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct http_conn *c = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    if (c->state == CONN_LAST || c->state == CONN_LINGER) {
        evbuffer_drain(in, evbuffer_get_length(in));
    } else if (c->state == CONN_HANDLER && evbuffer_get_length(in) > READ_AHEAD_MAX) {
        c->paused = true;
        bufferevent_disable(bev, EV_READ);
    } else {
        http_conn_process(c);
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct http_conn *c = arg;
    if (c->req && c->req->streaming) {
        http_stream_written(c);
        return;
    }
    if (output_n(c) != 0)
        return;
    if (c->state == CONN_LAST) {
        linger(c);
    } else if (c->state == CONN_HEADER) {
        if (c->wait == WAIT_TAKEN)
            http_conn_wait(c, WAIT_IDLE);
        http_conn_process(c); /* what came while there was too much output */
    }
}

static bool greet(struct http_conn *c)
{
    struct err e = {0};
    HTTP_COUNT(c->w, handshakes);
    if (SSL_session_reused(c->ssl))
        HTTP_COUNT(c->w, resumed);
    if (!tls_peer_cert(c->ssl, &c->cert, &c->cert_n, &e)) {
        HTTP_COUNT(c->w, handshake_failures);
        return false;
    }
    c->state = CONN_HEADER;
    http_conn_wait(c, WAIT_IDLE);
    return true;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct http_conn *c = arg;
    (void)bev;
    if (what & BEV_EVENT_CONNECTED) {
        if (!greet(c))
            http_conn_close(c);
        return;
    }
    if (c->state == CONN_HANDSHAKE)
        HTTP_COUNT(c->w, handshake_failures);
    /* A plain client that has said all may still read; TLS connections are done when either side is. */
    bool may_read = !c->ssl && (what & BEV_EVENT_EOF) && output_n(c) > 0;
    if (may_read && (c->state == CONN_HEADER || c->state == CONN_LAST)) {
        c->state = CONN_LAST;
        return;
    }
    http_conn_close(c);
}

static void expire(struct http_conn *c)
{
    switch (c->wait) {
    case WAIT_HANDSHAKE:
        HTTP_COUNT(c->w, timeout_handshake);
        break;
    case WAIT_IDLE:
        HTTP_COUNT(c->w, timeout_idle);
        break;
    case WAIT_HEADER:
        HTTP_COUNT(c->w, timeout_header);
        break;
    case WAIT_BODY:
        HTTP_COUNT(c->w, timeout_body);
        break;
    case WAIT_TAKEN:
        if (c->given - output_n(c) >= c->taken + PROGRESS_MIN) {
            http_conn_wait(c, WAIT_TAKEN);
            return;
        }
        HTTP_COUNT(c->w, timeout_answer);
        break;
    default:
        break;
    }
    http_conn_close(c);
}

void http_worker_sweep(void *arg)
{
    struct http_worker *w = arg;
    int64_t now = now_ms();
    for (int i = 0; i < WAIT_NOTHING; i++) {
        struct http_conn *c;
        while ((c = TAILQ_FIRST(&w->waits[i])) && c->deadline_ms <= now)
            expire(c);
    }
}

/* IPv4 addresses, also those that come through IPv6, by themselves; IPv6 by the /64 that one customer has. */
static void address_key(struct http_conn *c, const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)sa;
        memcpy(c->key + 4, &v4->sin_addr, 4);
        inet_ntop(AF_INET, &v4->sin_addr, c->peer, sizeof(c->peer));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)sa;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            memcpy(c->key + 4, v6->sin6_addr.s6_addr + 12, 4);
            inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, c->peer, sizeof(c->peer));
        } else {
            memcpy(c->key, v6->sin6_addr.s6_addr, 8);
            inet_ntop(AF_INET6, &v6->sin6_addr, c->peer, sizeof(c->peer));
        }
    }
}

static bool find_peer(struct http_conn *c, const struct sockaddr *sa)
{
    struct http_server *s = c->w->s;
    if (c->door == HTTP_DOOR_LOCAL) {
        struct ucred cred;
        socklen_t n = sizeof(cred);
        snprintf(c->peer, sizeof c->peer, "local");
        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
            return false;
        c->uid = cred.uid;
        c->gid = cred.gid;
        c->pid = cred.pid;
        return true;
    }
    address_key(c, sa);
    c->counted = address_table_take(s->addresses, c->key, s->o.limits.per_address);
    if (!c->counted)
        HTTP_COUNT(c->w, refused_address);
    return c->counted;
}

static bool open_bev(struct http_conn *c)
{
    struct event_base *base = loop_get0_base(c->w->s->o.loop, c->w->number);
    if (c->door == HTTP_DOOR_TLS) {
        c->ssl = c->w->s->tls ? tls_server_accept(c->w->s->tls) : NULL;
        if (!c->ssl)
            return false;
        c->bev = bufferevent_openssl_socket_new(base, c->fd, c->ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
        if (!c->bev)
            SSL_free(c->ssl);
        else
            bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    } else {
        c->bev = bufferevent_socket_new(base, c->fd, BEV_OPT_CLOSE_ON_FREE);
    }
    return c->bev != NULL;
}

static void undo(struct http_conn *c, struct http_server *s, int fd)
{
    if (c && c->counted)
        address_table_give(s->addresses, c->key);
    free(c);
    close(fd);
    atomic_fetch_sub(&s->open, 1);
}

void http_conn_accept(struct http_worker *w, int fd, const struct sockaddr *sa, enum http_door door)
{
    struct http_server *s = w->s;
    HTTP_COUNT(w, accepted);
    if (atomic_fetch_add(&s->open, 1) >= s->o.limits.connections) {
        HTTP_COUNT(w, refused_total);
        undo(NULL, s, fd);
        return;
    }
    struct http_conn *c = calloc(1, sizeof(*c));
    if (c)
        *c = (struct http_conn){.w = w, .fd = fd, .door = door};
    if (!c || !find_peer(c, sa) || !open_bev(c)) {
        undo(c, s, fd);
        return;
    }
    __atomic_fetch_add(&w->counts.open, 1, __ATOMIC_RELAXED);
    c->state = c->ssl ? CONN_HANDSHAKE : CONN_HEADER;
    c->wait = c->ssl ? WAIT_HANDSHAKE : WAIT_IDLE;
    TAILQ_INSERT_TAIL(&w->waits[c->wait], c, link);
    http_conn_wait(c, c->wait);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}
