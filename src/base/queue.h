/* A bounded queue of pointers between threads: many put, many take.  The queue does not own what it holds. */
#ifndef KITH_BASE_QUEUE_H
#define KITH_BASE_QUEUE_H

#include "core/err.h"

struct queue;

MUST_USE bool queue_new(size_t cap, struct queue **out, struct err *e);
void queue_free(struct queue *q); /* must be empty or its items dealt with */
AUTO_FREE_FN(struct queue *, queue_free);

/* False if it is full or closed: the caller keeps the item (and tells its client to come back). */
MUST_USE bool queue_put(struct queue *q, void *item);
/* Waits for an item; NULL once the queue is closed and empty. */
void *queue_take(struct queue *q);
void queue_close(struct queue *q); /* puts fail from now on; what is in it can be taken */

#endif
