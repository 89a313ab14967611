#include "base/queue.h"

#include <pthread.h>
#include <stdlib.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t change; /* an item came, or the end */
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
    pthread_mutex_init(&q->lock, NULL); /* these two cannot fail on Linux */
    pthread_cond_init(&q->change, NULL);
    *out = q;
    return true;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->change);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

bool queue_put(struct queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    bool ok = !q->closed && q->n < q->cap;
    if (ok) {
        q->items[(q->first + q->n++) % q->cap] = item;
        pthread_cond_signal(&q->change);
    }
    pthread_mutex_unlock(&q->lock);
    return ok;
}

void *queue_take(struct queue *q)
{
    void *item = NULL;
    pthread_mutex_lock(&q->lock);
    while (q->n == 0 && !q->closed)
        pthread_cond_wait(&q->change, &q->lock);
    if (q->n) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->cap;
        q->n--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->change);
    pthread_mutex_unlock(&q->lock);
}
