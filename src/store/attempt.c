#include "store/attempt.h"

#include <time.h>

#include "store/log_name.h"
#include "store/tables.h"

#define RECONNECT_TRIES 10
#define RECONNECT_MS    100
#define CLOCK_SET_MS    60000 /* a step back of less is the clock being adjusted */

bool attempt_open(struct attempts *a, const struct commit_config *cfg, struct err *e)
{
    const struct commit_hooks *h = &cfg->hooks;
    *a = (struct attempts){.cfg = cfg};
    if (!db_open_raw(cfg->where, true, &a->db, e) || !tables_migrate(a->db, e) ||
        !log_name_open(a->db, cfg->node, cfg->origin, cfg->now_ms(cfg->ctx), e) ||
        !log_size_load(a->db, cfg->node, &a->size, e))
        return false;
    a->doubt_size = a->size;
    a->tx = (struct tx){.db = a->db, .cfg = cfg};
    return !h->opened || h->opened(h->ctx, a->db, a->size, e);
}

void attempt_close(struct attempts *a)
{
    tx_clear(&a->tx);
    db_free(a->db);
}

static void tell_committed(struct attempts *a, uint64_t size)
{
    uint64_t from = a->size;
    a->size = a->doubt_size = size;
    if (size > from && a->cfg->hooks.committed)
        a->cfg->hooks.committed(a->cfg->hooks.ctx, from, size);
}

static void tell_rolled_back(struct attempts *a, uint64_t written)
{
    a->doubt_size = a->size;
    if (written > a->size && a->cfg->hooks.rolled_back)
        a->cfg->hooks.rolled_back(a->cfg->hooks.ctx, a->size);
}

/* Another process that appends as the same node shows in the log's size; going on would fork the log. */
static bool size_is(struct attempts *a, uint64_t size, struct err *e)
{
    if (size == a->size)
        return true;
    err_set(e, ERR_STORE_WRITER, "the log has %llu entries, not %llu as this process left it", (unsigned long long)size,
            (unsigned long long)a->size);
    return err_try(e, "see that one process only writes as node %u, and restart", a->cfg->node);
}

/* A key that exists may be the entry's: then not the job is to blame. */
static void writer_check(struct attempts *a, struct err *e)
{
    uint64_t size;
    struct err other;
    if (log_size_load(a->db, a->cfg->node, &size, &other) && !size_is(a, size, &other))
        *e = other;
}

bool attempt_settle(struct attempts *a, struct err *e)
{
    uint64_t size;
    if (!db_is_lost(a->db) && a->doubt_size == a->size)
        return true;
    if ((db_is_lost(a->db) && !db_reopen(a->db, e)) || !log_size_load(a->db, a->cfg->node, &size, e))
        return false;
    if (a->doubt_size == a->size)
        return size_is(a, size, e);
    if (size == a->doubt_size) {
        tell_committed(a, size);
        return true;
    }
    tell_rolled_back(a, a->doubt_size);
    return size_is(a, size, e);
}

bool attempt_settle_patiently(struct attempts *a, struct err *e)
{
    for (int i = 0; i < RECONNECT_TRIES; i++) {
        if (attempt_settle(a, e))
            return true;
        if (err_class_of(e->code) != ERR_CLASS_UNAVAILABLE)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = RECONNECT_MS * 1000000L}, NULL);
    }
    return false;
}

static bool tx_start(struct attempts *a, struct err *e)
{
    int64_t now = a->cfg->now_ms(a->cfg->ctx);
    /* Entries are in order of time; a clock that was set back far is followed, or what it said would hold for ever. */
    a->last_ms = now > a->last_ms || now < a->last_ms - CLOCK_SET_MS ? now : a->last_ms;
    a->tx.now_ms = a->last_ms;
    a->tx.size = a->size;
    return db_begin(a->db, e);
}

/* True: the job is done, or refused without a trace, and the transaction is whole. */
static bool job_run(struct attempts *a, struct job *job, struct err *refused, struct err *e)
{
    a->tx.wrote = a->tx.broken = false;
    err_clear(refused);
    bool ok = job->run(&a->tx, job, refused);
    if (job->looks && a->tx.wrote)
        ok = err_set(refused, ERR_INTERNAL, "a job that only looks wrote something");
    if (ok && a->tx.broken)
        *refused = a->tx.why;
    else if (ok)
        err_clear(refused);
    else if (!refused->code)
        err_set(refused, ERR_INTERNAL, "a job failed and did not say why");
    if (!db_in_tx(a->db))
        return refused->code ? (*e = *refused, false) : err_set(e, ERR_STORE, "the transaction was lost");
    if (!refused->code || !a->tx.wrote)
        return true;
    *e = *refused;
    return false;
}

bool attempt_run(struct attempts *a, struct job **jobs, size_t n, struct err *errs, struct err *e)
{
    if (!tx_start(a, e)) {
        a->was_lost = db_is_lost(a->db);
        db_rollback(a->db);
        return false;
    }
    size_t i = 0;
    while (i < n && job_run(a, jobs[i], &errs[i], e))
        i++;
    if (i == n && db_commit(a->db, e)) {
        tell_committed(a, a->tx.size);
        return true;
    }
    a->was_lost = db_is_lost(a->db);
    if (i == n && a->was_lost && a->tx.size > a->size) {
        uint64_t written = a->tx.size;
        a->doubt_size = written;
        struct err again;
        return attempt_settle_patiently(a, &again) && a->size == written;
    }
    db_rollback(a->db);
    tell_rolled_back(a, a->tx.size);
    if (e->code == ERR_STORE_EXISTS)
        writer_check(a, e);
    return false;
}

bool attempt_may_repeat(const struct attempts *a, const struct err *e)
{
    return a->was_lost || e->code == ERR_STORE_CONFLICT;
}
