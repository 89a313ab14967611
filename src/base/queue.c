#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    pthread_mutex_t lock;
    int fd;
    bool closed;
    size_t cap, n, first;
    void *items[];
};

bool queue_new(size_t cap, struct queue **out, struct err *e)
{
    *out = NULL;
    if (cap == 0 || cap > SIZE_MAX / 2 / sizeof(void *))
        return err_set(e, ERR_INTERNAL, "a queue for %zu", cap);
    struct queue *q = calloc(1, sizeof *q + cap * sizeof q->items[0]);
    if (!q)
        return err_set(e, ERR_NOMEM, "no memory for a queue of %zu", cap);
    q->cap = cap;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (q->fd < 0 || pthread_mutex_init(&q->lock, NULL) != 0) {
        err_set(e, ERR_UNAVAILABLE, "cannot make a queue: %m");
        if (q->fd >= 0)
            close(q->fd);
        free(q);
        return false;
    }
    *out = q;
    return true;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    close(q->fd);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* The descriptor is readable exactly while there is something to take, or the queue is closed.  Under the lock. */
static void raise_flag(struct queue *q)
{
    uint64_t one = 1;
    ssize_t n = write(q->fd, &one, sizeof one); /* can only fail when it is readable anyway */
    (void)n;
}

static void lower_flag(struct queue *q)
{
    uint64_t count;
    ssize_t n = read(q->fd, &count, sizeof count);
    (void)n;
}

bool queue_put(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    bool ok = !q->closed && q->n < q->cap;
    if (ok) {
        q->items[(q->first + q->n) % q->cap] = item;
        if (q->n++ == 0)
            raise_flag(q);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

size_t queue_take(struct queue *q, void **items, size_t n)
{
    size_t got = 0;
    pthread_mutex_lock(&q->lock);
    for (; got < n && q->n; got++, q->n--) {
        items[got] = q->items[q->first];
        q->first = (q->first + 1) % q->cap;
    }
    if (got && q->n == 0 && !q->closed)
        lower_flag(q);
    pthread_mutex_unlock(&q->lock);
    return got;
}

size_t queue_wait(struct queue *q, void **items, size_t n, int timeout_ms)
{
    size_t got = queue_take(q, items, n);
    if (got || queue_is_closed(q))
        return got;
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    /* A signal ends the wait early; the caller's loop comes back. */
    poll(&p, 1, timeout_ms);
    return queue_take(q, items, n);
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    if (!q->closed) {
        q->closed = true;
        raise_flag(q);
    }
    pthread_mutex_unlock(&q->lock);
}

bool queue_is_closed(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
}
