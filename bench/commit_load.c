#include "commit_load.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "keys/crypto.h"
#include "kit.h"

#define POLL_US 200

struct runner {
    const struct commit_load *load;
    struct commit *commit;
    uint64_t next, finished; /* touched in the commit thread only, once it runs */
    atomic_bool over;
};

struct load_job {
    struct job job;
    struct runner *r;
    uint64_t i;
};

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static bool give_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return random_bytes(p, n, NULL);
}

static void must(bool ok, const struct err *e)
{
    if (ok)
        return;
    fprintf(stderr, "bench: %s (%s)\n", e->what, e->why);
    exit(1);
}

static bool run_job(struct tx *tx, struct job *job, struct err *e)
{
    struct load_job *j = (struct load_job *)job;
    return j->r->load->record(j->r->load->arg, tx, j->i, e);
}

static void job_done(struct job *job, const struct err *e)
{
    struct load_job *j = (struct load_job *)job;
    struct runner *r = j->r;
    must(!e, e);
    r->finished++;
    if (r->next < r->load->n) {
        j->i = r->next++;
        commit_submit(r->commit, job);
    } else if (r->finished == r->load->n) {
        r->over = true;
    }
}

double commit_load_run(const struct commit_load *load)
{
    const struct commit_config cfg = {.where = load->where,
                                      .node = load->node,
                                      .origin = load->origin,
                                      .batch_max = load->batch,
                                      .crypto = &crypto_openssl,
                                      .now_ms = now_ms,
                                      .random = give_random,
                                      .hooks = load->hooks};
    struct runner r = {.load = load};
    size_t first = load->n < load->inflight ? (size_t)load->n : load->inflight;
    struct load_job *jobs = calloc(first, sizeof *jobs);
    struct err e = {0};
    if (first && !jobs)
        kit_die("memory");
    must(commit_start(&cfg, &r.commit, &e), &e);
    r.next = first;
    double start = kit_now_s();
    for (size_t i = 0; i < first; i++) {
        jobs[i] = (struct load_job){.job = {.run = run_job, .done = job_done}, .r = &r, .i = i};
        commit_submit(r.commit, &jobs[i].job);
    }
    while (first && !r.over)
        usleep(POLL_US);
    double took = kit_now_s() - start;
    commit_stop(r.commit);
    free(jobs);
    return took;
}
