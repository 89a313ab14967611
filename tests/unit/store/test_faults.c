/* Each statement fails in turn, the process is killed before each, the answer to each is lost, the disk is full: what was
 * reported done is there, once; what was not is not half there; the next job works. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_test.h"

#define JOBS 4

struct add_job {
    struct job job;
    int n;
    struct err err;
    int done, runs;
    int ack_fd; /* a byte goes here when it is done; -1: none */
};

/* One row, one scratch row, one entry, one tile. */
static bool add_job_run(struct tx *tx, struct job *job, struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    char key[24];
    snprintf(key, sizeof key, "k%d", j->n);
    const struct value ack[GATEWAY_ACK_COLS] = {value_text(key), value_int(1), value_int(2)};
    j->runs++;
    return record_setting(tx, key, "v", e) &&
           tx_scratch(tx, &(struct change){.table = &table_gateway_ack, .cols = ack}, e);
}

static void add_job_done(struct job *job, const struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    if (e)
        j->err = *e;
    else if (j->ack_fd >= 0 && write(j->ack_fd, "+", 1) != 1)
        abort();
    __atomic_add_fetch(&j->done, 1, __ATOMIC_RELEASE);
}

struct arm {
    unsigned after;
    enum db_fault fault;
    bool open;
};

static bool arm_fn(struct tx *tx, void *arg, struct err *e)
{
    struct arm *a = arg;
    (void)e;
    while (!__atomic_load_n(&a->open, __ATOMIC_ACQUIRE))
        usleep(50);
    db_test_fault(tx_db(tx), a->after, a->fault);
    a->after = 0; /* once, also when the batch runs again */
    return true;
}

static void arm_done(struct job *job, const struct err *e)
{
    (void)job, (void)e;
}

static bool disarm_fn(struct tx *tx, void *arg, struct err *e)
{
    (void)e;
    *(unsigned *)arg = tx_db(tx)->fault_in;
    db_test_fault(tx_db(tx), 0, DB_FAULT_FAIL);
    return true;
}

/* Runs n jobs after a job that arms the fault; with `one` they make one batch with it.  True if the fault came. */
static bool run_armed(struct commit *c, struct add_job *jobs, int n, int first, unsigned after, enum db_fault fault,
                      int ack_fd)
{
    struct arm a = {after, fault, false};
    struct fn_job arm = {.job = {.run = fn_job_run, .done = arm_done}, .fn = arm_fn, .arg = &a};
    struct err e = {0};
    unsigned left = 0;
    commit_submit(c, &arm.job);
    while (__atomic_load_n(&arm.runs, __ATOMIC_ACQUIRE) == 0)
        usleep(50);
    for (int i = 0; i < n; i++) {
        jobs[i] = (struct add_job){.job = {.run = add_job_run, .done = add_job_done}, .n = first + i, .ack_fd = ack_fd};
        commit_submit(c, &jobs[i].job);
    }
    __atomic_store_n(&a.open, true, __ATOMIC_RELEASE);
    for (int i = 0; i < n; i++)
        while (__atomic_load_n(&jobs[i].done, __ATOMIC_ACQUIRE) == 0)
            usleep(50);
    /* If even this job met the fault, the others had not. */
    return test_do(c, disarm_fn, &left, &e) && left == 0;
}

static void counts_are(struct env_test *t, int64_t want)
{
    static const char *const tables[] = {"setting", "gateway_ack", "entry", "tile"};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (test_count(t->where, tables[i]) != want)
            fail_msg("%s: %lld rows, not %lld", tables[i], (long long)test_count(t->where, tables[i]), (long long)want);
}

/* The batch is rolled back and its jobs run one by one: nobody is refused for another's failure. */
static void each_fault_is_survived(void **state, enum db_fault fault)
{
    struct env_test *t = *state;
    struct add_job jobs[JOBS];
    t->tile_each = true;
    struct commit *c = test_start(t);
    int total = 0;
    unsigned after = 1;
    bool came = true;
    for (; came && after < 100; after++, total += JOBS) {
        came = run_armed(c, jobs, JOBS, total, after, fault, -1);
        for (int i = 0; i < JOBS; i++) {
            if (jobs[i].err.code)
                fail_msg("statement %u, job %d: %s", after, i, jobs[i].err.what);
            assert_int_equal(jobs[i].done, 1);
        }
    }
    assert_false(came);
    assert_true(after > JOBS * 4);
    commit_stop(c);
    assert_int_equal(t->committed, total);
    assert_int_equal(t->leaves, total);
    counts_are(t, total);
}

static void a_batch_survives_the_failure_of_any_statement(void **state)
{
    each_fault_is_survived(state, DB_FAULT_FAIL);
}

static void a_batch_survives_a_conflict_at_any_statement(void **state)
{
    each_fault_is_survived(state, DB_FAULT_CONFLICT);
}

static void a_batch_survives_a_lost_answer_to_any_statement(void **state)
{
    each_fault_is_survived(state, DB_FAULT_LOSE);
}

static bool arm_self_fn(struct tx *tx, void *arg, struct err *e)
{
    struct arm *a = arg;
    const struct value ack[GATEWAY_ACK_COLS] = {value_text("lone"), value_int(1), value_int(2)};
    if (a->after)
        db_test_fault(tx_db(tx), a->after, a->fault);
    a->after = 0;
    return record_setting(tx, "lone", "v", e) &&
           tx_scratch(tx, &(struct change){.table = &table_gateway_ack, .cols = ack}, e);
}

static void a_lone_job_fails_with_its_error_and_leaves_nothing(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    t->tile_each = true;
    struct commit *c = test_start(t);
    for (unsigned after = 1; after <= 5; after++) {
        struct arm a = {after, DB_FAULT_FAIL, false};
        assert_err(test_do(c, arm_self_fn, &a, &e), e, ERR_STORE);
        counts_are(t, 0);
        assert_int_equal(t->leaves, 0);
    }
    struct arm none = {0};
    assert_ok(test_do(c, arm_self_fn, &none, &e), e);
    commit_stop(c);
    counts_are(t, 1);
}

/* ---- kill -9 ---- */

static void child(struct env_test *t, unsigned after, int ack_fd)
{
    struct add_job jobs[JOBS];
    struct commit *c = test_start(t);
    bool came = run_armed(c, jobs, JOBS, (int)t->leaves, after, DB_FAULT_KILL, ack_fd);
    commit_stop(c);
    _exit(came ? 2 : 0);
}

static void what_was_acknowledged_survives_a_kill_at_any_step(void **state)
{
    struct env_test *t = *state;
    t->tile_each = true;
    commit_stop(test_start(t));
    bool killed = true;
    unsigned after = 1;
    for (; killed && after < 100; after++) {
        int64_t before = test_count(t->where, "entry");
        int fds[2], status, acked = 0;
        char byte;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0)
            child(t, after, fds[1]);
        close(fds[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(fds[0], &byte, 1) == 1)
            acked++;
        close(fds[0]);
        killed = WIFSIGNALED(status);
        assert_true(killed ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        commit_stop(test_start(t)); /* opens: recovers, and waits out a dying backend */
        int64_t now = test_count(t->where, "entry");
        assert_true(now - before >= acked && (now - before == 0 || now - before == JOBS));
        counts_are(t, now);
    }
    assert_false(killed);
    assert_true(after > JOBS * 4);
}

/* ---- disk full ---- */

#ifndef STORE_TEST_PG
static void limit_files(rlim_t bytes)
{
    struct rlimit l;
    getrlimit(RLIMIT_FSIZE, &l);
    l.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &l);
}

static void a_full_disk_is_said_and_overcome(void **state)
{
    struct env_test *t = *state;
    struct add_job jobs[JOBS];
    int done = 0, refused = 0;
    t->tile_each = true;
    signal(SIGXFSZ, SIG_IGN);
    struct commit *c = test_start(t);
    limit_files(300000);
    for (int round = 0; refused < 8 && round < 1000; round++) {
        run_armed(c, jobs, JOBS, round * JOBS, 0, DB_FAULT_FAIL, -1);
        for (int i = 0; i < JOBS; i++) {
            if (jobs[i].err.code && jobs[i].err.code != ERR_STORE_FULL)
                fail_msg("%s (%s)", jobs[i].err.what, jobs[i].err.why);
            refused += jobs[i].err.code != 0;
            done += jobs[i].err.code == 0;
        }
    }
    assert_true(refused >= 8 && done > 0);
    counts_are(t, done);
    limit_files(RLIM_INFINITY);
    assert_true(run_armed(c, jobs, JOBS, 100000, 0, DB_FAULT_FAIL, -1));
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(jobs[i].err.code, ERR_NONE);
    commit_stop(c);
    counts_are(t, done + JOBS);
    assert_int_equal(t->committed, done + JOBS);
}
#endif

int main(void)
{
#ifdef STORE_TEST_PG
    if (!pg_installed())
        return 1;
#endif
#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)
    const struct CMUnitTest tests[] = {
        T(a_batch_survives_the_failure_of_any_statement),
        T(a_batch_survives_a_conflict_at_any_statement),
        T(a_batch_survives_a_lost_answer_to_any_statement),
        T(a_lone_job_fails_with_its_error_and_leaves_nothing),
        T(what_was_acknowledged_survives_a_kill_at_any_step),
#ifndef STORE_TEST_PG
        T(a_full_disk_is_said_and_overcome),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
