/* The jobs that wait for the commit thread: put from any thread, taken by that one.  Internal to src/store. */
#ifndef KITH_STORE_JOB_QUEUE_H
#define KITH_STORE_JOB_QUEUE_H

#include <pthread.h>

#include "store/commit.h"

struct job_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *head, **tail;
    size_t n;
    bool closed, sealed;
    /* The taker's, who decides by them how long to gather: */
    size_t lately; /* jobs, each counted half after a while */
    int64_t lately_us, taken_us;
};

void job_queue_init(struct job_queue *q);
void job_queue_clear(struct job_queue *q);
/* False: it is closed, or only what is marked `last` comes in any more. */
MUST_USE bool job_queue_put(struct job_queue *q, struct job *job);
/* Waits for jobs; under load a little longer, so that more are taken at once.  0: it is closed, and nothing is left. */
size_t job_queue_take(struct job_queue *q, struct job **jobs, size_t max);
bool job_queue_close(struct job_queue *q); /* false: it was closed before */

#endif
