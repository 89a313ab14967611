#include "store/job_queue.h"

#include "base/mono.h"

/* Under load batches begin some time apart, so that more jobs are in each: the pages that all of them change are then written
 * once, and synced once.  The more there is to do, the longer: then all wait for a processor anyway, and time is best saved.
 * Who is alone, or one of a few, never waits. */
#define GATHER_MIN     24 /* jobs of late, see `lately` */
#define GATHER_JOB_US  30 /* for each of those jobs */
#define GATHER_MIN_US  4000
#define GATHER_MAX_US  6000
#define LATELY_HALF_US 16384

void job_queue_init(struct job_queue *q)
{
    *q = (struct job_queue){.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
    q->tail = &q->head;
}

void job_queue_clear(struct job_queue *q)
{
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
}

bool job_queue_put(struct job_queue *q, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&q->lock);
    bool open = !q->closed && (!q->sealed || job->last), idle = !q->head;
    if (open) {
        q->sealed = q->sealed || job->last;
        *q->tail = job;
        q->tail = &job->next;
        q->n++;
    }
    if (open && idle)
        pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    return open;
}

/* How long the next batch should wait for more jobs.  A sync that took long has gathered them already. */
static int64_t gather_us(struct job_queue *q)
{
    int64_t now = mono_us(), halves = (now - q->lately_us) / LATELY_HALF_US;
    q->lately = halves < 32 ? q->lately >> halves : 0;
    q->lately_us += halves * LATELY_HALF_US;
    int64_t apart = (int64_t)q->lately * GATHER_JOB_US;
    apart = apart < GATHER_MIN_US ? GATHER_MIN_US : apart > GATHER_MAX_US ? GATHER_MAX_US : apart;
    return q->lately < GATHER_MIN ? 0 : q->taken_us + apart - now;
}

size_t job_queue_take(struct job_queue *q, struct job **jobs, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&q->lock);
    while (!q->head && !q->closed)
        pthread_cond_wait(&q->wake, &q->lock);
    int64_t wait_us = gather_us(q);
    if (wait_us > 0 && q->n < max && !q->closed) {
        pthread_mutex_unlock(&q->lock);
        nanosleep(&(struct timespec){.tv_nsec = wait_us * 1000}, NULL);
        pthread_mutex_lock(&q->lock);
    }
    while (q->head && n < max) {
        jobs[n++] = q->head;
        q->head = q->head->next;
    }
    if (!q->head)
        q->tail = &q->head;
    q->n -= n;
    q->lately += n;
    q->taken_us = mono_us();
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool job_queue_close(struct job_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool first = !q->closed;
    q->closed = true;
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
    return first;
}
