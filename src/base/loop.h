/* A pool of worker threads with one libevent base each, and the sockets that they listen on.
 *
 * Everything that belongs to a worker (its timers, connections and requests) is touched on its thread only; loop_post()
 * is how another thread reaches it.  Many posts cost one wake-up.  A loop of 0 started threads can be driven by tests. */
#ifndef KITH_BASE_LOOP_H
#define KITH_BASE_LOOP_H

#include "core/err.h"

struct event_base;
struct loop;
struct loop_timer;

#define LOOP_WORKERS_MAX 64

typedef void loop_fn(void *arg);

/* Makes the workers; no thread runs yet. */
MUST_USE bool loop_new(unsigned workers, struct loop **out, struct err *e);
MUST_USE bool loop_start(struct loop *l, struct err *e);
/* Ends the threads and joins them; posts that came before are still run.  Not from a worker. */
void loop_stop(struct loop *l);
void loop_free(struct loop *l); /* stops first */
AUTO_FREE_FN(struct loop *, loop_free);

unsigned loop_workers(const struct loop *l);
int loop_self(const struct loop *l); /* the number of the worker that calls, or -1 */
struct event_base *loop_get0_base(struct loop *l, unsigned worker);

/* Runs fn(arg) on the worker, in the order of the posts of one thread; from any thread, never blocks.  False only when
 * memory ran out. */
MUST_USE bool loop_post(struct loop *l, unsigned worker, loop_fn *fn, void *arg);
/* The same and waits until it ran.  Not from a worker; runs at once if the threads are not started. */
MUST_USE bool loop_call(struct loop *l, unsigned worker, loop_fn *fn, void *arg);

/* On the worker's thread, or before loop_start().  every_ms 0: once.  A timer lives until loop_timer_free(). */
MUST_USE bool loop_timer_new(struct loop *l, unsigned worker, loop_fn *fn, void *arg, struct loop_timer **out,
                             struct err *e);
void loop_timer_set(struct loop_timer *t, int64_t after_ms, int64_t every_ms);
void loop_timer_free(struct loop_timer *t);

/* Listening sockets: non-blocking, close-on-exec, TCP_NODELAY (inherited by what they accept) and SO_REUSEPORT so that
 * each worker may have its own.  host is an address or NULL for all; port 0 takes a free one.
 * Errors: http-listen (with address and cause). */
MUST_USE bool loop_listen_tcp(const char *host, uint16_t port, int *fd, struct err *e);
/* Replaces a socket file behind which nobody listens; mode is the file's.  Errors: http-listen. */
MUST_USE bool loop_listen_unix(const char *path, unsigned mode, int *fd, struct err *e);
/* Makes a socket that a supervisor opened fit for use; it must be a listening stream socket. */
MUST_USE bool loop_adopt(int fd, struct err *e);
/* SO_REUSEPORT would let two servers share a port unnoticed: asks first whether anybody listens there. */
MUST_USE bool loop_listen_free(const char *host, uint16_t port, struct err *e);
MUST_USE bool loop_port(int fd, uint16_t *port, struct err *e);

#endif
