#include "store/commit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/mono.h"
#include "base/wake.h"
#include "store/attempt.h"
#include "store/job_queue.h"

#define BATCH_DEFAULT    256
#define CONFLICT_TRIES   10
#define CONFLICT_STEP_MS 2

struct commit {
    struct commit_config cfg;
    struct job_queue queue;
    pthread_t thread;
    pthread_mutex_t lock;
    struct err fault; /* why the last attempt to write failed, and when; under the lock */
    int64_t fault_us;
    struct probe {
        struct job job;
        atomic_bool under_way;
    } probe;
    /* From here on the thread's own. */
    struct attempts attempts;
    struct job **jobs;  /* the batch */
    struct job **later; /* room for a batch, while it is put in order */
    struct err *errs;
};

/* ---- is the store failing? ---- */

/* `e` NULL: something was written. */
static void note_write(struct commit *c, const struct err *e)
{
    if (!e && !c->fault.code)
        return;
    pthread_mutex_lock(&c->lock);
    c->fault = e ? *e : (struct err){0};
    c->fault_us = mono_us();
    pthread_mutex_unlock(&c->lock);
}

/* Not the job's own fault. */
static bool is_of_store(const struct err *e)
{
    return e->code == ERR_STORE_FULL || e->code == ERR_STORE_UNAVAILABLE || e->code == ERR_STORE_CORRUPT ||
           e->code == ERR_STORE_WRITER || e->code == ERR_IO;
}

bool commit_is_failing(struct commit *c, int64_t *age_s, struct err *why)
{
    pthread_mutex_lock(&c->lock);
    *why = c->fault;
    *age_s = (mono_us() - c->fault_us) / 1000000;
    pthread_mutex_unlock(&c->lock);
    return why->code != ERR_NONE;
}

/* Of each attempt, also of one to reach it again: what was met last is what is told. */
static bool note_outcome(struct commit *c, bool ok, const struct err *e)
{
    if (!ok && is_of_store(e))
        note_write(c, e);
    return ok;
}

static bool batch_attempt(struct commit *c, struct job **jobs, size_t n, struct err *errs, struct err *e)
{
    uint64_t before = c->attempts.size;
    if (!note_outcome(c, attempt_run(&c->attempts, jobs, n, errs, e), e))
        return false;
    /* That it is there again shows in any transaction, that it has room in one that wrote. */
    if (c->attempts.size > before || c->fault.code == ERR_STORE_UNAVAILABLE)
        note_write(c, NULL);
    return true;
}

static bool probe_run(struct tx *tx, struct job *job, struct err *e)
{
    (void)tx, (void)job, (void)e;
    return true;
}

static void probe_done(struct job *job, const struct err *e)
{
    (void)e; /* noted as of any other */
    atomic_store(&((struct probe *)job)->under_way, false);
}

void commit_probe(struct commit *c)
{
    if (atomic_exchange(&c->probe.under_way, true))
        return;
    c->probe.job = (struct job){.run = probe_run, .done = probe_done, .looks = true};
    commit_submit(c, &c->probe.job);
}

/* ---- batches ---- */

static void tell(struct job *job, const struct err *e)
{
    job->done(job, e->code ? e : NULL);
}

/* What the jobs' `done` wakes is woken once, when all are told. */
static void tell_all(struct commit *c, size_t from, size_t n, const struct err *e)
{
    wake_hold();
    for (size_t i = from; i < from + n; i++)
        tell(c->jobs[i], e ? e : &c->errs[i]);
    wake_release();
}

/* False: the database is away (and the job was told so). */
static bool one_by_one(struct commit *c, struct job *job, struct err *e)
{
    struct err refused = {0};
    bool there = true;
    err_clear(e);
    for (int i = 0; i < CONFLICT_TRIES; i++) {
        there = note_outcome(c, attempt_settle_patiently(&c->attempts, e), e);
        if (!there)
            break;
        if (e->code == ERR_STORE_CONFLICT)
            nanosleep(&(struct timespec){.tv_nsec = i * CONFLICT_STEP_MS * 1000000L}, NULL);
        if (batch_attempt(c, &job, 1, &refused, e)) {
            tell(job, &refused);
            return true;
        }
        if (!attempt_may_repeat(&c->attempts, e))
            break;
    }
    if (!e->code)
        err_set(e, ERR_STORE_UNAVAILABLE, "the database's answer was lost");
    tell(job, e);
    return there;
}

/* Jobs [from, from + n) of the batch in one transaction, or if that fails each in its own. */
static void part_run(struct commit *c, size_t from, size_t n)
{
    struct err e = {0};
    struct job **jobs = c->jobs + from;
    if (!note_outcome(c, attempt_settle(&c->attempts, &e), &e)) {
        tell_all(c, from, n, &e);
        return;
    }
    if (batch_attempt(c, jobs, n, c->errs + from, &e)) {
        tell_all(c, from, n, NULL);
        return;
    }
    /* A lone job that was not disturbed from outside would fail in the same way again. */
    if (n == 1 && !attempt_may_repeat(&c->attempts, &e)) {
        tell(jobs[0], &e);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!one_by_one(c, jobs[i], &e)) {
            tell_all(c, from + i + 1, n - i - 1, &e);
            return;
        }
}

/* Those that only look come first: they need not wait until the others are durable, and see nothing that is not. */
static void batch_run(struct commit *c, size_t n)
{
    size_t looks = 0, writes = 0;
    for (size_t i = 0; i < n; i++)
        if (!c->jobs[i]->looks)
            c->later[writes++] = c->jobs[i];
        else
            c->jobs[looks++] = c->jobs[i];
    memcpy(c->jobs + looks, c->later, writes * sizeof *c->jobs);
    if (looks)
        part_run(c, 0, looks);
    if (writes)
        part_run(c, looks, writes);
}

static void *thread_main(void *arg)
{
    struct commit *c = arg;
    size_t n;
    while ((n = job_queue_take(&c->queue, c->jobs, c->cfg.batch_max)) > 0)
        batch_run(c, n);
    return NULL;
}

/* ---- from other threads ---- */

void commit_submit(struct commit *c, struct job *job)
{
    struct err e;
    if (job_queue_put(&c->queue, job))
        return;
    err_set(&e, ERR_STORE_UNAVAILABLE, "the server is stopping");
    job->done(job, &e);
}

struct waiter {
    struct job job, *inner;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over;
    struct err err;
};

static bool waiter_run(struct tx *tx, struct job *job, struct err *e)
{
    struct waiter *w = (struct waiter *)job;
    return w->inner->run(tx, w->inner, e);
}

static void waiter_done(struct job *job, const struct err *e)
{
    struct waiter *w = (struct waiter *)job;
    pthread_mutex_lock(&w->lock);
    if (e)
        w->err = *e;
    w->over = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

bool commit_run(struct commit *c, struct job *job, struct err *e)
{
    struct waiter w = {.job = {.run = waiter_run, .done = waiter_done, .last = job->last},
                       .inner = job,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .wake = PTHREAD_COND_INITIALIZER};
    commit_submit(c, &w.job);
    pthread_mutex_lock(&w.lock);
    while (!w.over)
        pthread_cond_wait(&w.wake, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.lock);
    if (w.err.code && e)
        *e = w.err;
    return w.err.code == ERR_NONE;
}

/* ---- start and stop ---- */

static void commit_free(struct commit *c)
{
    attempt_close(&c->attempts);
    job_queue_clear(&c->queue);
    pthread_mutex_destroy(&c->lock);
    free(c->jobs);
    free(c->later);
    free(c->errs);
    free(c);
}

/* Signals are for the threads that want them. */
static bool thread_start(struct commit *c, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, NULL, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 || err_set(e, ERR_NOMEM, "commit thread: %s", strerror(rc));
}

bool commit_start(const struct commit_config *cfg, struct commit **out, struct err *e)
{
    struct err own;
    *out = NULL;
    e = e ? e : &own;
    if (cfg->node < 1 || cfg->node > 127)
        return err_set(e, ERR_USAGE, "node %u is not from 1 to 127", cfg->node);
    struct commit *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ERR_NOMEM, "commit thread");
    c->cfg = *cfg;
    c->cfg.batch_max = cfg->batch_max ? cfg->batch_max : BATCH_DEFAULT;
    job_queue_init(&c->queue);
    pthread_mutex_init(&c->lock, NULL);
    c->jobs = calloc(c->cfg.batch_max, sizeof *c->jobs);
    c->later = calloc(c->cfg.batch_max, sizeof *c->later);
    c->errs = calloc(c->cfg.batch_max, sizeof *c->errs);
    if (!c->jobs || !c->later || !c->errs)
        err_set(e, ERR_NOMEM, "a batch of %zu jobs", c->cfg.batch_max);
    else if (attempt_open(&c->attempts, &c->cfg, e) && thread_start(c, e)) {
        *out = c;
        return true;
    }
    commit_free(c);
    return false;
}

void commit_close(struct commit *c)
{
    if (c && job_queue_close(&c->queue))
        pthread_join(c->thread, NULL);
}

void commit_stop(struct commit *c)
{
    if (!c)
        return;
    commit_close(c);
    commit_free(c);
}
