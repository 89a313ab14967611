#include "store/commit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/mono.h"
#include "base/wake.h"
#include "store/log_name.h"
#include "store/tables.h"
#include "store/tx.h"

#define BATCH_DEFAULT    256
#define CONFLICT_TRIES   10
#define CONFLICT_STEP_MS 2
#define RECONNECT_TRIES  10
#define RECONNECT_MS     100
/* Under load batches begin some time apart, so that more jobs are in each: the pages that all of them change are then written
 * once, and synced once.  The more there is to do, the longer: then all wait for a processor anyway, and time is best saved.
 * Who is alone, or one of a few, never waits. */
#define GATHER_MIN     24 /* jobs of late, see `lately` */
#define GATHER_JOB_US  30 /* for each of those jobs */
#define GATHER_MIN_US  4000
#define GATHER_MAX_US  6000
#define LATELY_HALF_US 16384
#define CLOCK_SET_MS   60000 /* a step back of less is the clock being adjusted */

struct commit {
    struct commit_config cfg;
    struct db *db;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *head, **tail; /* under the lock, like the two below */
    size_t queued;
    bool stop, sealed;
    struct err fault; /* why the last attempt to write failed, and when; under the lock */
    int64_t fault_us;
    /* From here on the thread's own. */
    uint64_t size;       /* of the log, durable */
    uint64_t doubt_size; /* what it is if a commit whose answer was lost went through; == size: no doubt */
    int64_t last_ms;
    bool was_lost; /* the last attempt failed because the connection went away: it may be tried again */
    struct tx tx;
    struct job **jobs;  /* the batch */
    struct job **later; /* room for a batch, while it is put in order */
    size_t lately;      /* jobs, each counted half after every LATELY_HALF_US */
    int64_t lately_us, taken_us;
    struct err *errs;
};

/* ---- one transaction ---- */

static void tell_committed(struct commit *c, uint64_t size)
{
    uint64_t from = c->size;
    c->size = c->doubt_size = size;
    if (size > from && c->cfg.hooks.committed)
        c->cfg.hooks.committed(c->cfg.hooks.ctx, from, size);
}

static void tell_rolled_back(struct commit *c, uint64_t written)
{
    c->doubt_size = c->size;
    if (written > c->size && c->cfg.hooks.rolled_back)
        c->cfg.hooks.rolled_back(c->cfg.hooks.ctx, c->size);
}

/* Another process that appends as the same node shows in the log's size; going on would fork the log. */
static bool size_is(struct commit *c, uint64_t size, struct err *e)
{
    if (size == c->size)
        return true;
    err_set(e, ERR_STORE_WRITER, "the log has %llu entries, not %llu as this process left it", (unsigned long long)size,
            (unsigned long long)c->size);
    return err_try(e, "see that one process only writes as node %u, and restart", c->cfg.node);
}

/* A key that exists may be the entry's: then not the job is to blame. */
static void writer_check(struct commit *c, struct err *e)
{
    uint64_t size;
    struct err other;
    if (log_size_load(c->db, c->cfg.node, &size, &other) && !size_is(c, size, &other))
        *e = other;
}

/* After a lost connection: connects, and settles whether the last commit went through. */
static bool reconnect(struct commit *c, struct err *e)
{
    uint64_t size;
    if (!db_is_lost(c->db) && c->doubt_size == c->size)
        return true;
    if ((db_is_lost(c->db) && !db_reopen(c->db, e)) || !log_size_load(c->db, c->cfg.node, &size, e))
        return false;
    if (c->doubt_size == c->size)
        return size_is(c, size, e);
    if (size == c->doubt_size) {
        tell_committed(c, size);
        return true;
    }
    tell_rolled_back(c, c->doubt_size);
    return size_is(c, size, e);
}

static bool reconnect_patiently(struct commit *c, struct err *e)
{
    for (int i = 0; i < RECONNECT_TRIES; i++) {
        if (reconnect(c, e))
            return true;
        if (err_class_of(e->code) != ERR_CLASS_UNAVAILABLE)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = RECONNECT_MS * 1000000L}, NULL);
    }
    return false;
}

static bool tx_start(struct commit *c, struct err *e)
{
    int64_t now = c->cfg.now_ms(c->cfg.ctx);
    /* Entries are in order of time; a clock that was set back far is followed, or what it said would hold for ever. */
    c->last_ms = now > c->last_ms || now < c->last_ms - CLOCK_SET_MS ? now : c->last_ms;
    c->tx.now_ms = c->last_ms;
    c->tx.size = c->size;
    return db_begin(c->db, e);
}

/* True: the job is done, or refused without a trace, and the transaction is whole. */
static bool job_run(struct commit *c, struct job *job, struct err *refused, struct err *e)
{
    c->tx.wrote = c->tx.broken = false;
    err_clear(refused);
    bool ok = job->run(&c->tx, job, refused);
    if (job->looks && c->tx.wrote)
        ok = err_set(refused, ERR_INTERNAL, "a job that only looks wrote something");
    if (ok && c->tx.broken)
        *refused = c->tx.why;
    else if (ok)
        err_clear(refused);
    else if (!refused->code)
        err_set(refused, ERR_INTERNAL, "a job failed and did not say why");
    if (!db_in_tx(c->db))
        return refused->code ? (*e = *refused, false) : err_set(e, ERR_STORE, "the transaction was lost");
    if (!refused->code || !c->tx.wrote)
        return true;
    *e = *refused;
    return false;
}

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

/* Not the job's own fault, nor that of another writer. */
static bool is_of_store(const struct err *e)
{
    return e->code == ERR_STORE_FULL || e->code == ERR_STORE_UNAVAILABLE || e->code == ERR_STORE_CORRUPT ||
           e->code == ERR_IO;
}

bool commit_is_failing(struct commit *c, int64_t *age_s, struct err *why)
{
    pthread_mutex_lock(&c->lock);
    *why = c->fault;
    *age_s = (mono_us() - c->fault_us) / 1000000;
    pthread_mutex_unlock(&c->lock);
    return why->code != ERR_NONE;
}

/* Runs jobs in one transaction.  True: committed, errs has each one's refusal.  False: nothing of it happened, or it is in
 * doubt because the connection is gone. */
static bool attempt_once(struct commit *c, struct job **jobs, size_t n, struct err *errs, struct err *e)
{
    if (!tx_start(c, e)) {
        c->was_lost = db_is_lost(c->db);
        db_rollback(c->db);
        return false;
    }
    size_t i = 0;
    while (i < n && job_run(c, jobs[i], &errs[i], e))
        i++;
    if (i == n && db_commit(c->db, e)) {
        tell_committed(c, c->tx.size);
        return true;
    }
    c->was_lost = db_is_lost(c->db);
    if (i == n && c->was_lost && c->tx.size > c->size) {
        uint64_t written = c->tx.size;
        c->doubt_size = written;
        struct err again;
        return reconnect_patiently(c, &again) && c->size == written;
    }
    db_rollback(c->db);
    tell_rolled_back(c, c->tx.size);
    if (e->code == ERR_STORE_EXISTS)
        writer_check(c, e);
    return false;
}

static bool attempt(struct commit *c, struct job **jobs, size_t n, struct err *errs, struct err *e)
{
    uint64_t before = c->size;
    if (!attempt_once(c, jobs, n, errs, e)) {
        if (is_of_store(e))
            note_write(c, e);
        return false;
    }
    if (c->size > before)
        note_write(c, NULL);
    return true;
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
        there = reconnect_patiently(c, e);
        if (!there)
            break;
        if (e->code == ERR_STORE_CONFLICT)
            nanosleep(&(struct timespec){.tv_nsec = i * CONFLICT_STEP_MS * 1000000L}, NULL);
        if (attempt(c, &job, 1, &refused, e)) {
            tell(job, &refused);
            return true;
        }
        if (e->code != ERR_STORE_CONFLICT && !c->was_lost)
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
    if (!reconnect(c, &e)) {
        tell_all(c, from, n, &e);
        return;
    }
    if (attempt(c, jobs, n, c->errs + from, &e)) {
        tell_all(c, from, n, NULL);
        return;
    }
    /* A lone job that was not disturbed from outside would fail in the same way again. */
    if (n == 1 && e.code != ERR_STORE_CONFLICT && !c->was_lost) {
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

/* How long the next batch should wait for more jobs.  A sync that took long has gathered them already. */
static int64_t gather_us(struct commit *c)
{
    int64_t now = mono_us(), halves = (now - c->lately_us) / LATELY_HALF_US;
    c->lately = halves < 32 ? c->lately >> halves : 0;
    c->lately_us += halves * LATELY_HALF_US;
    int64_t apart = (int64_t)c->lately * GATHER_JOB_US;
    apart = apart < GATHER_MIN_US ? GATHER_MIN_US : apart > GATHER_MAX_US ? GATHER_MAX_US : apart;
    return c->lately < GATHER_MIN ? 0 : c->taken_us + apart - now;
}

static size_t batch_take(struct commit *c)
{
    size_t n = 0;
    pthread_mutex_lock(&c->lock);
    while (!c->head && !c->stop)
        pthread_cond_wait(&c->wake, &c->lock);
    int64_t wait_us = gather_us(c);
    if (wait_us > 0 && c->queued < c->cfg.batch_max && !c->stop) {
        pthread_mutex_unlock(&c->lock);
        nanosleep(&(struct timespec){.tv_nsec = wait_us * 1000}, NULL);
        pthread_mutex_lock(&c->lock);
    }
    while (c->head && n < c->cfg.batch_max) {
        c->jobs[n++] = c->head;
        c->head = c->head->next;
    }
    if (!c->head)
        c->tail = &c->head;
    c->queued -= n;
    c->lately += n;
    c->taken_us = mono_us();
    pthread_mutex_unlock(&c->lock);
    return n;
}

static void *thread_main(void *arg)
{
    struct commit *c = arg;
    size_t n;
    while ((n = batch_take(c)) > 0)
        batch_run(c, n);
    return NULL;
}

/* ---- from other threads ---- */

void commit_submit(struct commit *c, struct job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->stop || (c->sealed && !job->last)) {
        pthread_mutex_unlock(&c->lock);
        struct err e;
        err_set(&e, ERR_STORE_UNAVAILABLE, "the server is stopping");
        job->done(job, &e);
        return;
    }
    c->sealed = c->sealed || job->last;
    bool idle = !c->head;
    *c->tail = job;
    c->tail = &job->next;
    c->queued++;
    if (idle)
        pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
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

static bool commit_open(struct commit *c, struct err *e)
{
    const struct commit_hooks *h = &c->cfg.hooks;
    if (!db_open_raw(c->cfg.where, true, &c->db, e) || !tables_migrate(c->db, e) ||
        !log_name_open(c->db, c->cfg.node, c->cfg.origin, c->cfg.now_ms(c->cfg.ctx), e) ||
        !log_size_load(c->db, c->cfg.node, &c->size, e))
        return false;
    c->doubt_size = c->size;
    c->tx = (struct tx){.db = c->db, .cfg = &c->cfg};
    return !h->opened || h->opened(h->ctx, c->db, c->size, e);
}

static void commit_free(struct commit *c)
{
    tx_clear(&c->tx);
    db_free(c->db);
    pthread_cond_destroy(&c->wake);
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
    c->tail = &c->head;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    c->jobs = calloc(c->cfg.batch_max, sizeof *c->jobs);
    c->later = calloc(c->cfg.batch_max, sizeof *c->later);
    c->errs = calloc(c->cfg.batch_max, sizeof *c->errs);
    if (!c->jobs || !c->later || !c->errs)
        err_set(e, ERR_NOMEM, "a batch of %zu jobs", c->cfg.batch_max);
    else if (commit_open(c, e) && thread_start(c, e)) {
        *out = c;
        return true;
    }
    commit_free(c);
    return false;
}

void commit_close(struct commit *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    bool first = !c->stop;
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (first)
        pthread_join(c->thread, NULL);
}

void commit_stop(struct commit *c)
{
    if (!c)
        return;
    commit_close(c);
    commit_free(c);
}
