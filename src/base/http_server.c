/* The server as a whole: its listeners, its workers' parts, its counters. */
#include "base/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/http_conn.h"

#define SWEEP_MS 100 /* how late a deadline may be */
#define PAUSE_MS 100 /* without file descriptors, nobody is accepted for so long */

void http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .handshake_ms = 10000,
        .header_ms = 10000,
        .body_ms = 60000,
        .answer_ms = 60000,
        .idle_ms = 75000,
        .header_max = 16 << 10,
        .body_max = 1 << 20,
        .per_address = 512,
        .connections = 20000,
        .requests = 100000,
        .stream_queue_max = 4 << 20,
    };
}

static void set_listeners(struct http_worker *w, bool on)
{
    struct http_listener *l;
    SLIST_FOREACH(l, &w->listeners, link)
    {
        if (on)
            evconnlistener_enable(l->ev);
        else
            evconnlistener_disable(l->ev);
    }
}

static void end_pause(void *arg)
{
    set_listeners(arg, true);
}

static void init_worker(struct http_server *s, unsigned i)
{
    struct http_worker *w = &s->w[i];
    w->s = s;
    w->number = i;
    SLIST_INIT(&w->listeners);
    for (int k = 0; k < WAIT_N; k++)
        TAILQ_INIT(&w->waits[k]);
}

static void start_sweep(void *arg)
{
    struct http_worker *w = arg;
    loop_timer_set(w->sweep, SWEEP_MS, SWEEP_MS);
}

bool http_server_new(const struct http_server_opts *opts, struct http_server **out, struct err *e)
{
    *out = NULL;
    unsigned n = loop_workers(opts->loop);
    struct http_server *s = calloc(1, sizeof(*s) + n * sizeof(s->w[0]));
    if (!s)
        return err_set(e, ERR_NOMEM, "out of memory for the HTTP server");
    s->o = *opts;
    s->n = n;
    for (unsigned i = 0; i < n; i++)
        init_worker(s, i);
    s->addresses = address_table_new();
    bool ok = s->addresses || err_set(e, ERR_NOMEM, "out of memory for the HTTP server");
    for (unsigned i = 0; ok && i < n; i++) {
        struct http_worker *w = &s->w[i];
        ok = loop_timer_new(opts->loop, i, http_worker_sweep, w, &w->sweep, e) &&
             loop_timer_new(opts->loop, i, end_pause, w, &w->pause, e) &&
             (loop_call(opts->loop, i, start_sweep, w) || err_set(e, ERR_NOMEM, "out of memory for a timer"));
    }
    if (!ok) {
        http_server_free(s);
        return false;
    }
    *out = s;
    return true;
}

bool http_server_add(struct http_server *s, const struct http_route *rows, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (!http_routes_add(&s->routes, &rows[i], e))
            return false;
    return true;
}

void http_server_set0_tls(struct http_server *s, struct tls_server *tls)
{
    s->tls = tls;
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa, int n, void *arg)
{
    (void)ev, (void)n;
    struct http_listener *l = arg;
    http_conn_accept(l->w, fd, sa, l->door);
}

static void on_accept_error(struct evconnlistener *ev, void *arg)
{
    (void)ev;
    struct http_listener *l = arg;
    HTTP_COUNT(l->w, refused_descriptors);
    set_listeners(l->w, false);
    loop_timer_set(l->w->pause, PAUSE_MS, 0);
}

struct opening {
    struct http_worker *w;
    enum http_door door;
    int fd;
    bool ok;
};

static void open_listener(void *arg)
{
    struct opening *o = arg;
    struct http_listener *l = calloc(1, sizeof(*l));
    if (!l)
        return;
    *l = (struct http_listener){.w = o->w, .door = o->door};
    struct event_base *base = loop_get0_base(o->w->s->o.loop, o->w->number);
    l->ev = evconnlistener_new(base, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, o->fd);
    if (!l->ev) {
        free(l);
        return;
    }
    evconnlistener_set_error_cb(l->ev, on_accept_error);
    SLIST_INSERT_HEAD(&o->w->listeners, l, link);
    o->ok = true;
}

/* Takes fd whatever comes. */
static bool listen_on(struct http_server *s, unsigned worker, enum http_door door, int fd, struct err *e)
{
    struct opening o = {&s->w[worker], door, fd, false};
    if (loop_call(s->o.loop, worker, open_listener, &o) && o.ok)
        return true;
    close(fd);
    return err_set(e, ERR_NOMEM, "out of memory for a listener");
}

bool http_server_listen(struct http_server *s, enum http_door door, const char *host, uint16_t port, uint16_t *bound,
                        struct err *e)
{
    if (bound)
        *bound = 0;
    if (port != 0 && !loop_listen_free(host, port, e))
        return false;
    for (unsigned i = 0; i < s->n; i++) {
        int fd;
        if (!loop_listen_tcp(host, port, &fd, e))
            return false;
        if (!listen_on(s, i, door, fd, e))
            return false;
        if (port == 0 && !loop_port(fd, &port, e))
            return false;
    }
    if (bound)
        *bound = port;
    return true;
}

/* All workers wait on the same socket; the kernel gives each connection to one of those that wake. */
static bool share(struct http_server *s, enum http_door door, int fd, struct err *e)
{
    for (unsigned i = 1; i < s->n; i++) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0) {
            err_set(e, ERR_HTTP_LISTEN, "descriptor %d cannot be shared: %s", fd, strerror(errno));
            close(fd);
            return false;
        }
        if (!listen_on(s, i, door, copy, e)) {
            close(fd);
            return false;
        }
    }
    return listen_on(s, 0, door, fd, e);
}

bool http_server_listen_unix(struct http_server *s, const char *path, unsigned mode, struct err *e)
{
    int fd;
    return loop_listen_unix(path, mode, &fd, e) && share(s, HTTP_DOOR_LOCAL, fd, e);
}

bool http_server_adopt(struct http_server *s, enum http_door door, int fd, struct err *e)
{
    if (!loop_adopt(fd, e))
        return false;
    if (evutil_make_socket_nonblocking(fd) != 0)
        return err_set(e, ERR_HTTP_LISTEN, "descriptor %d: %s", fd, strerror(errno));
    return share(s, door, fd, e);
}

static void stop_listening(struct http_worker *w)
{
    while (!SLIST_EMPTY(&w->listeners)) {
        struct http_listener *l = SLIST_FIRST(&w->listeners);
        SLIST_REMOVE_HEAD(&w->listeners, link);
        evconnlistener_free(l->ev);
        free(l);
    }
}

static void drain_worker(void *arg)
{
    struct http_worker *w = arg;
    w->draining = true;
    stop_listening(w);
    while (!TAILQ_EMPTY(&w->waits[WAIT_IDLE]))
        http_conn_close(TAILQ_FIRST(&w->waits[WAIT_IDLE]));
}

void http_server_drain(struct http_server *s)
{
    for (unsigned i = 0; i < s->n; i++)
        while (!loop_call(s->o.loop, i, drain_worker, &s->w[i]))
            usleep(1000);
}

static void close_worker(void *arg)
{
    struct http_worker *w = arg;
    stop_listening(w);
    for (int i = 0; i < WAIT_N; i++)
        while (!TAILQ_EMPTY(&w->waits[i]))
            http_conn_close(TAILQ_FIRST(&w->waits[i]));
    loop_timer_free(w->sweep);
    loop_timer_free(w->pause);
}

static void nothing(void *arg)
{
    (void)arg;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        while (!loop_call(s->o.loop, i, close_worker, &s->w[i]))
            usleep(1000);
    /* Streams that on_close ended from here posted their last step; it must run before the memory goes. */
    for (unsigned i = 0; i < s->n; i++)
        while (!loop_call(s->o.loop, i, nothing, NULL))
            usleep(1000);
    http_routes_free(s->routes);
    address_table_free(s->addresses);
    free(s);
}

void http_server_count(const struct http_server *s, struct http_counts *out)
{
    *out = (struct http_counts){0};
    uint64_t *sum = (uint64_t *)out;
    for (unsigned i = 0; i < s->n; i++) {
        const uint64_t *part = (const uint64_t *)&s->w[i].counts;
        for (size_t k = 0; k < sizeof(*out) / sizeof(uint64_t); k++)
            sum[k] += __atomic_load_n(&part[k], __ATOMIC_RELAXED);
    }
}
