/* kill -9 behind each step of each thing that the agent does; the next start must carry on, and there must never be a
 * moment without a working credential once there was one. */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../test.h"
#include "agent/verbs.h"
#include "base/file.h"
#include "ca.h"
#include "keys/crypto.h"

static struct ca ca;
/* In memory, where there is such a place: a killed process needs no disk, and hundreds of fsync calls take their time. */
static char work[64], dir[96];

static const char *const step_names[] = {
#define STEP_NAME(id, text) #id,
    AGENT_STEPS(STEP_NAME)
#undef STEP_NAME
};

enum flow { ENROL, RENEW, RENEW_SAME_KEY, RETIRE };

struct bench {
    struct env env;
    struct env_script script;
    struct arena arena;
    struct state state;
    struct conf conf;
    struct agent agent;
};

static void on_step(void *ctx, enum agent_step step)
{
    (void)ctx;
    ca.book->reached[step]++;
    if (ca.book->kill_at == (int)step)
        raise(SIGKILL);
}

static bool set_up(struct bench *b, struct err *e)
{
    char path[STATE_PATH_MAX];
    *b = (struct bench){.script = {.now_ms = CA_NOW * 1000, .seed = 1}, .state.lock = -1};
    env_init_script(&b->env, &b->script, NULL);
    arena_init(&b->arena, 1 << 20);
    if (!state_open(dir, true, &b->state, e) ||
        !conf_read(state_path(&b->state, CONF_FILE, path), &b->arena, &b->conf, e))
        return false;
    b->agent = (struct agent){.env = &b->env,
                              .state = &b->state,
                              .conf = &b->conf,
                              .arena = &b->arena,
                              .platform = ca_platform(&ca),
                              .reached = on_step};
    return agent_tidy(&b->agent, e);
}

static void tear_down(struct bench *b)
{
    state_close(&b->state);
    arena_clear(&b->arena);
}

/* What one start of the agent does.  `fresh`: the user gives a token, or it is time to renew. */
static bool work_once(struct bench *b, enum flow flow, bool fresh, struct err *e)
{
    if (flow == RETIRE)
        return !agent_say_hello(&b->agent, e) && e->code == ERR_DEVICE_RETIRED && agent_is_retired(&b->agent);
    if (flow == ENROL && fresh) {
        struct token t = ca_token(&ca);
        if (!agent_take_token(&b->agent, &t, e))
            return false;
    }
    b->conf.rekey = flow != RENEW_SAME_KEY;
    return (!fresh && !agent_is_half_way(&b->agent)) || agent_obtain(&b->agent, e);
}

/* In a child, so that it may be killed.  Returns its wait status. */
static int start(enum flow flow, bool fresh, int kill_at)
{
    int status = -1;
    ca.book->kill_at = kill_at;
    pid_t pid = fork();
    if (pid == 0) {
        struct bench b;
        struct err e = {0};
        bool ok = set_up(&b, &e) && (agent_is_retired(&b.agent) || work_once(&b, flow, fresh, &e));
        if (!ok)
            fprintf(stderr, "%s: %s (%s)\n", err_slug(e.code), e.what, e.why);
        _exit(ok ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ca.book->kill_at = -1;
    return status;
}

static bool has_working_credential(void)
{
    struct state s;
    struct credential c;
    struct err e;
    if (!state_peek(dir, &s, &e) || !state_slot(&s, STATE_CURRENT))
        return false;
    bool ok = credential_open_key(&s, NULL, state_slot(&s, STATE_CURRENT), &c, &e) &&
              credential_read_cert(&s, &c, &e) && c.chain_n;
    credential_clear(&c);
    return ok;
}

/* What `kith-agent status` says, without a word of damage. */
static void status_is(const char *want, const char *name)
{
    char path[128], state[64];
    AUTO(buf_clear) struct buf said = {0};
    struct err e = {0};
    int status = -1;
    snprintf(path, sizeof path, "%s/said", work);
    snprintf(state, sizeof state, "\"state\":\"%s\"", want);
    pid_t pid = fork();
    if (pid == 0) {
        struct program p = {0};
        struct env_script script = {.now_ms = CA_NOW * 1000, .seed = 1};
        env_init_script(&p.env, &script, NULL);
        bool ok = freopen(path, "w", stdout) && status_tell(&p, dir, &e);
        if (!ok)
            fprintf(stderr, "%s: %s (%s)\n", err_slug(e.code), e.what, e.why);
        exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    buf_init(&said, 4096);
    assert_ok(file_read(path, 4096, &said, &e), e);
    if (status != 0 || !strstr(buf_str(&said), state))
        fail_msg("%s: status says %s, not %s", name, buf_str(&said), want);
}

static int secrets, slots;

static int count(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    const char *name = path + at->base;
    if (strstr(name, ".tmp-") || strstr(name, ".new-"))
        fail_msg("a leftover: %s", path);
    secrets += strcmp(name, "key.pem") == 0 || strcmp(name, "claim") == 0;
    slots += type == FTW_D && at->level == 2;
    return 0;
}

static void look_around(void)
{
    secrets = slots = 0;
    assert_int_equal(nftw(dir, count, 8, FTW_PHYS), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

/* A device that has nothing, and a platform that never heard of it. */
static void begin_anew(void)
{
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    *ca.book = (struct ca_book){.kill_at = -1};
}

static void check_end(enum flow flow)
{
    struct state s;
    struct err e;
    assert_ok(state_peek(dir, &s, &e), e);
    look_around();
    if (flow == RETIRE) {
        assert_int_equal(slots, 0);
        assert_int_equal(secrets, 0);
        return;
    }
    assert_true(has_working_credential());
    assert_int_equal(state_slot(&s, STATE_NEXT), 0);
    assert_int_equal(slots, 1);
    assert_int_equal(secrets, 1);
    assert_int_equal(ca.book->other_keys, 0);
    assert_int_equal(ca.book->bad, 0);
}

/* Each step that a flow has, in its order. */
static const struct {
    enum flow flow;
    const char *name;
    enum agent_step steps[16];
    size_t n;
} flows[] = {
    {ENROL,
     "enrol",
     {STEP_CONF, STEP_CLAIM, STEP_SLOT, STEP_NEXT, STEP_KEY, STEP_ROOT, STEP_ASKED, STEP_CERT, STEP_PROVEN,
      STEP_CURRENT, STEP_CLAIM_USED, STEP_CLAIM_GONE, STEP_NEXT_GONE},
     13},
    {RENEW,
     "renew",
     {STEP_SLOT, STEP_NEXT, STEP_KEY, STEP_ASKED, STEP_CERT, STEP_PROVEN, STEP_CURRENT, STEP_CLAIM_USED,
      STEP_CLAIM_GONE, STEP_NEXT_GONE, STEP_OLD_GONE},
     11},
    {RENEW_SAME_KEY,
     "renew with the same key",
     {STEP_SLOT, STEP_NEXT, STEP_KEY, STEP_ASKED, STEP_CERT, STEP_PROVEN, STEP_CURRENT, STEP_CLAIM_USED,
      STEP_CLAIM_GONE, STEP_NEXT_GONE, STEP_OLD_GONE},
     11},
    {RETIRE, "retire", {STEP_RETIRED, STEP_WIPED}, 2},
};

static const char *state_behind(enum flow flow, enum agent_step step)
{
    if (flow == RETIRE)
        return "retired";
    if (flow != ENROL || step >= STEP_CURRENT)
        return "enrolled";
    return step == STEP_CONF ? "empty" : "enrolling";
}

static void run_case(enum flow flow, enum agent_step step, const char *name)
{
    begin_anew();
    if (flow != ENROL)
        assert_int_equal(start(ENROL, true, -1), 0);
    memset(ca.book->reached, 0, sizeof ca.book->reached);
    ca.book->retired = flow == RETIRE;
    int status = start(flow, true, (int)step);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s: the step %s was never reached (status %x)", name, step_names[step], (unsigned)status);
    if (flow == RENEW || flow == RENEW_SAME_KEY)
        assert_true(has_working_credential());
    status_is(state_behind(flow, step), step_names[step]);
    /* A restart goes on by itself; only a crash before the claim was kept needs the token again. */
    status = start(flow, flow == ENROL && step == STEP_CONF, -1);
    if (status != 0)
        fail_msg("%s: killed behind %s, does not go on (status %x)", name, step_names[step], (unsigned)status);
    if (flow == RENEW && step == STEP_SLOT) /* nothing points to the slot yet: renewal is simply still due */
        assert_int_equal(start(flow, true, -1), 0);
    check_end(flow);
}

static void carries_on_after_a_kill_behind_each_step(void **state)
{
    (void)state;
    unsigned total[STEP_COUNT] = {0};
    for (size_t f = 0; f < ARRAY_LEN(flows); f++)
        for (size_t i = 0; i < flows[f].n; i++) {
            run_case(flows[f].flow, flows[f].steps[i], flows[f].name);
            for (size_t s = 0; s < STEP_COUNT; s++)
                total[s] += ca.book->reached[s];
        }
    for (size_t s = 0; s < STEP_COUNT; s++)
        if (!total[s])
            fail_msg("no flow has the step %s", step_names[s]);
}

/* Two kills in one life of the state, at every pair of steps of a renewal. */
static void carries_on_after_two_kills(void **state)
{
    (void)state;
    const enum agent_step *steps = flows[1].steps;
    for (size_t i = 0; i < flows[1].n; i++)
        for (size_t j = 0; j < flows[1].n; j++) {
            begin_anew();
            assert_int_equal(start(ENROL, true, -1), 0);
            start(RENEW, true, (int)steps[i]);
            assert_true(has_working_credential());
            start(RENEW, true, (int)steps[j]);
            assert_true(has_working_credential());
            assert_int_equal(start(RENEW, true, -1), 0);
            check_end(RENEW);
        }
}

static int make_all(void **state)
{
    struct err e;
    (void)state;
    snprintf(work, sizeof work, "%s/kith-agent-crash-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!crypto_init(&e) || !mkdtemp(work))
        return -1;
    snprintf(dir, sizeof dir, "%s/state", work);
    ca_make(&ca, work);
    return 0;
}

static int end_all(void **state)
{
    (void)state;
    ca_free(&ca);
    return nftw(work, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* In this process. */
static struct token begin_here(struct bench *b)
{
    struct err e = {0};
    begin_anew();
    assert_ok(set_up(b, &e), e);
    return ca_token(&ca);
}

static void keeps_asking_with_one_key_while_undecided(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    struct token t = begin_here(&b);
    ca.book->pending = true;
    assert_ok(agent_take_token(&b.agent, &t, &e), e);
    assert_err(agent_obtain(&b.agent, &e), e, ERR_AGENT_PENDING);
    assert_int_equal(b.agent.retry_after_s, 7);
    assert_err(agent_obtain(&b.agent, &e), e, ERR_AGENT_PENDING);
    ca.book->pending = false;
    ca.book->wrong_key = true;
    assert_err(agent_obtain(&b.agent, &e), e, ERR_AGENT_CERT);
    assert_false(has_working_credential());
    ca.book->wrong_key = false;
    assert_ok(agent_obtain(&b.agent, &e), e);
    tear_down(&b);
    check_end(ENROL);
}

static void refuses_a_token_for_another_device(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    struct token t = begin_here(&b);
    assert_err(agent_obtain(&b.agent, &e), e, ERR_AGENT_NOT_ENROLLED);
    memcpy(t.device + 4, "0", 1);
    t.device[29] = '0';
    assert_ok(agent_take_token(&b.agent, &t, &e), e);
    assert_err(agent_obtain(&b.agent, &e), e, ERR_CLAIM); /* a key was made for the other device */
    assert_false(agent_has_claim(&b.agent));
    t = ca_token(&ca);
    assert_ok(agent_take_token(&b.agent, &t, &e), e);
    assert_int_equal(state_slot(&b.state, STATE_NEXT), 0);
    assert_ok(agent_obtain(&b.agent, &e), e);
    t.root_sha256[0] ^= 1;
    assert_err(agent_take_token(&b.agent, &t, &e), e, ERR_AGENT_ENROLLED);
    tear_down(&b);
    check_end(ENROL);
}

/* Stopped behind `current`, and then given another token: the claim that goes is the old one. */
static void takes_a_new_claim_after_a_kill_within_the_installation(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    begin_anew();
    assert_true(WIFSIGNALED(start(ENROL, true, STEP_CURRENT)));
    assert_ok(set_up(&b, &e), e);
    struct token t = ca_token(&ca);
    assert_err(agent_take_token(&b.agent, &t, &e), e, ERR_CLAIM_USED);
    t.claim[0] ^= 1;
    assert_ok(agent_take_token(&b.agent, &t, &e), e);
    assert_true(agent_has_claim(&b.agent));
    assert_err(agent_obtain(&b.agent, &e), e, ERR_CLAIM); /* it was shown, not thrown away */
    assert_ok(agent_drop_next(&b.agent, &e), e);
    tear_down(&b);
    check_end(ENROL);
}

/* The root goes into the trust of everything on the device: what the platform calls so is held against the token, too. */
static void refuses_a_platform_whose_root_is_not_the_tokens(void **state)
{
    (void)state;
    struct bench b;
    struct err e = {0};
    struct token t = begin_here(&b);
    char path[STATE_PATH_MAX];
    t.root_sha256[SHA256_SIZE - 1] ^= 1;
    assert_ok(agent_take_token(&b.agent, &t, &e), e);
    assert_err(agent_obtain(&b.agent, &e), e, ERR_AGENT_ROOT);
    assert_false(file_exists(state_path(&b.state, "root.pem", path)));
    assert_false(file_exists(state_path(&b.state, "root.cer", path)));
    assert_int_equal(ca.book->asked, 0); /* and the claim was shown to nobody */
    tear_down(&b);
}

static void spreads_renewals_around_two_thirds_of_life(void **state)
{
    (void)state;
    int64_t first = 0;
    bool differ = false;
    for (uint8_t i = 0; i < 16; i++) {
        struct credential c = {.cert = {.der = slice_of(&i, 1), .not_before = 1000, .not_after = 1000000 + 500000},
                               .received_at = 500000};
        int64_t at = credential_renew_at(&c, 66) - 500000;
        assert_in_range(at, 660000 - 25000, 660000 + 25000);
        differ |= i && at != first;
        first = at;
    }
    assert_true(differ);
    struct credential never = {.cert = {.not_before = 1000, .not_after = 253402300799}};
    assert_true(credential_renew_at(&never, 66) == 253402300799);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_on_after_a_kill_behind_each_step),
        cmocka_unit_test(carries_on_after_two_kills),
        cmocka_unit_test(keeps_asking_with_one_key_while_undecided),
        cmocka_unit_test(refuses_a_token_for_another_device),
        cmocka_unit_test(takes_a_new_claim_after_a_kill_within_the_installation),
        cmocka_unit_test(refuses_a_platform_whose_root_is_not_the_tokens),
        cmocka_unit_test(spreads_renewals_around_two_thirds_of_life),
    };
    return cmocka_run_group_tests(tests, make_all, end_all);
}
