#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/wake.h"

struct post {
    struct post *next;
    loop_fn *fn;
    void *arg;
};

/* Posts form a stack that the worker takes whole and turns round; only the post that finds it empty has to wake. */
struct worker {
    struct loop *loop;
    unsigned number;
    struct event_base *base;
    struct event *wake;
    int fd;
    _Atomic(struct post *) posts;
    pthread_t thread;
    bool running;
};

struct loop {
    unsigned n;
    bool started;
    struct worker w[];
};

struct loop_timer {
    struct event *ev;
    loop_fn *fn;
    void *arg;
    int64_t every_ms;
};

static _Thread_local const struct worker *self;

static void run_posts(struct worker *w)
{
    struct post *p = atomic_exchange_explicit(&w->posts, NULL, memory_order_acq_rel);
    struct post *in_order = NULL;
    while (p) {
        struct post *next = p->next;
        p->next = in_order;
        in_order = p;
        p = next;
    }
    while (in_order) {
        struct post *done = in_order;
        in_order = done->next;
        done->fn(done->arg);
        free(done);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t times;
    if (read(fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        return;
    run_posts(arg);
}

static bool worker_init(struct worker *w, struct err *e)
{
    struct event_config *c = event_config_new();
    if (!c)
        return err_set(e, ERR_NOMEM, "out of memory for an event loop");
    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);
    w->base = event_base_new_with_config(c);
    event_config_free(c);
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->base && w->fd >= 0)
        w->wake = event_new(w->base, w->fd, EV_READ | EV_PERSIST, on_wake, w);
    if (!w->wake || event_add(w->wake, NULL) != 0)
        return err_set(e, ERR_IO, "an event loop cannot be made: %s", strerror(errno));
    return true;
}

bool loop_new(unsigned workers, struct loop **out, struct err *e)
{
    *out = NULL;
    if (workers < 1 || workers > LOOP_WORKERS_MAX)
        return err_set(e, ERR_USAGE, "%u worker threads: not between 1 and %d", workers, LOOP_WORKERS_MAX);
    struct loop *l = calloc(1, sizeof(*l) + workers * sizeof(l->w[0]));
    if (!l)
        return err_set(e, ERR_NOMEM, "out of memory for %u workers", workers);
    l->n = workers;
    for (unsigned i = 0; i < workers; i++)
        l->w[i] = (struct worker){.loop = l, .number = i, .fd = -1};
    for (unsigned i = 0; i < workers; i++) {
        if (!worker_init(&l->w[i], e)) {
            loop_free(l);
            return false;
        }
    }
    *out = l;
    return true;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    sigset_t pipe;
    self = w;
    /* A client that went away is an error of the write, not a signal.  (The signal goes to the thread that wrote.) */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    event_base_loop(w->base, EVLOOP_NO_EXIT_ON_EMPTY);
    run_posts(w);
    return NULL;
}

bool loop_start(struct loop *l, struct err *e)
{
    l->started = true;
    for (unsigned i = 0; i < l->n; i++) {
        int r = pthread_create(&l->w[i].thread, NULL, worker_main, &l->w[i]);
        if (r != 0) {
            loop_stop(l);
            return err_set(e, ERR_IO, "worker thread %u cannot start: %s", i, strerror(r));
        }
        l->w[i].running = true;
    }
    return true;
}

static void end_worker(void *arg)
{
    struct worker *w = arg;
    event_base_loopbreak(w->base);
}

void loop_stop(struct loop *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (!l->w[i].running)
            continue;
        while (!loop_post(l, i, end_worker, &l->w[i]))
            usleep(1000);
        pthread_join(l->w[i].thread, NULL);
        l->w[i].running = false;
    }
    l->started = false;
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    loop_stop(l);
    for (unsigned i = 0; i < l->n; i++) {
        struct worker *w = &l->w[i];
        run_posts(w);
        if (w->wake)
            event_free(w->wake);
        if (w->base)
            event_base_free(w->base);
        if (w->fd >= 0)
            close(w->fd);
    }
    free(l);
}

unsigned loop_workers(const struct loop *l)
{
    return l->n;
}

int loop_self(const struct loop *l)
{
    return self && self->loop == l ? (int)self->number : -1;
}

struct event_base *loop_get0_base(struct loop *l, unsigned worker)
{
    return l->w[worker].base;
}

bool loop_post(struct loop *l, unsigned worker, loop_fn *fn, void *arg)
{
    struct worker *w = &l->w[worker];
    struct post *p = malloc(sizeof(*p));
    if (!p)
        return false;
    *p = (struct post){.fn = fn, .arg = arg};
    struct post *head = atomic_load_explicit(&w->posts, memory_order_relaxed);
    do
        p->next = head;
    while (!atomic_compare_exchange_weak_explicit(&w->posts, &head, p, memory_order_acq_rel, memory_order_relaxed));
    /* p belongs to the worker now.  Whoever filled the empty stack wakes it for all that came on top. */
    if (!head)
        wake_fd(w->fd);
    return true;
}

struct called {
    loop_fn *fn;
    void *arg;
    sem_t done;
};

static void run_called(void *arg)
{
    struct called *c = arg;
    c->fn(c->arg);
    sem_post(&c->done);
}

bool loop_call(struct loop *l, unsigned worker, loop_fn *fn, void *arg)
{
    if (!l->w[worker].running) {
        run_posts(&l->w[worker]);
        fn(arg);
        return true;
    }
    struct called c = {.fn = fn, .arg = arg};
    sem_init(&c.done, 0, 0);
    bool ok = loop_post(l, worker, run_called, &c);
    while (ok && sem_wait(&c.done) != 0)
        ;
    sem_destroy(&c.done);
    return ok;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct loop_timer *t = arg;
    if (t->every_ms)
        loop_timer_set(t, t->every_ms, t->every_ms);
    t->fn(t->arg);
}

bool loop_timer_new(struct loop *l, unsigned worker, loop_fn *fn, void *arg, struct loop_timer **out, struct err *e)
{
    *out = NULL;
    struct loop_timer *t = calloc(1, sizeof(*t));
    if (!t)
        return err_set(e, ERR_NOMEM, "out of memory for a timer");
    *t = (struct loop_timer){.fn = fn, .arg = arg};
    t->ev = event_new(l->w[worker].base, -1, 0, on_timer, t);
    if (!t->ev) {
        free(t);
        return err_set(e, ERR_NOMEM, "out of memory for a timer");
    }
    *out = t;
    return true;
}

void loop_timer_set(struct loop_timer *t, int64_t after_ms, int64_t every_ms)
{
    struct timeval tv = {.tv_sec = after_ms / 1000, .tv_usec = after_ms % 1000 * 1000};
    t->every_ms = every_ms;
    event_add(t->ev, &tv);
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    event_free(t->ev);
    free(t);
}
