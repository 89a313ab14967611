/* A bounded queue of pointers: many threads put, one takes.  The queue does not own what it holds. */
#ifndef KITH_BASE_QUEUE_H
#define KITH_BASE_QUEUE_H

#include "core/err.h"

struct queue;

MUST_USE bool queue_new(size_t cap, struct queue **out, struct err *e);
void queue_free(struct queue *q); /* must be empty or its items dealt with */
AUTO_FREE_FN(struct queue *, queue_free);

/* False if it is full or closed: the caller keeps the item (and tells its client to come back). */
MUST_USE bool queue_put(struct queue *q, void *item);
/* Never waits; takes up to n items, returns how many. */
size_t queue_take(struct queue *q, void **items, size_t n);
/* Waits until there is an item, the queue is closed, or the time is over (-1: no limit). */
size_t queue_wait(struct queue *q, void **items, size_t n, int timeout_ms);
void queue_close(struct queue *q); /* puts fail from now on; what is in it can be taken */
bool queue_is_closed(struct queue *q);

#endif
