#include "../../unit/test.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/p11.h"

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "token.h"

#define KEY_REF "pkcs11:object=signer"
#define THREADS 4

static const char *shim;
static const struct p11_config cfg = {.sessions_max = 8, .wait_ms = 2000, .reload_min_ms = 50};

struct fixture {
    struct p11 *p11;
    struct key_env env;
    struct key *key;
};
static struct fixture fx;

static void nap(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void open_all(const struct p11_config *c)
{
    struct err e = {0};
    assert_ok(p11_open(shim, TOKEN_LABEL, token_pin, c, &fx.p11, &e), e);
    fx.env = (struct key_env){.p11 = fx.p11};
    if (!key_open(&fx.env, KEY_REF, &fx.key, &e))
        assert_ok(key_generate(&fx.env, KEY_REF, KEY_P256, &fx.key, &e), e);
}

static int set_up(void **state)
{
    (void)state;
    token_plan("");
    unlink(token_log);
    open_all(&cfg);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    key_free(fx.key);
    p11_free(fx.p11);
    fx = (struct fixture){0};
    return 0;
}

static bool sign_once(struct err *e)
{
    static _Atomic unsigned nth;
    unsigned i = nth++;
    struct slice msg = slice_of(&i, sizeof i);
    uint8_t sig[SIG_MAX];
    size_t n;
    if (!key_sign(fx.key, SIG_ES256, &msg, 1, sig, &n, e))
        return false;
    struct err bad = {0};
    if (!crypto_openssl.verify(SIG_ES256, key_get0_spki(fx.key), &msg, 1, slice_of(sig, n), &bad)) {
        fprintf(stderr, "a wrong signature was given out\n");
        abort();
    }
    return true;
}

static struct p11_health health(void)
{
    struct p11_health h;
    p11_health(fx.p11, &h);
    return h;
}

/* --- load --- */

static struct {
    _Atomic bool stop;
    _Atomic unsigned done, failed, by[THREADS];
    struct err last;
    pthread_mutex_t lock;
} load = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *keep_signing(void *arg)
{
    _Atomic unsigned *mine = arg;
    while (!load.stop) {
        struct err e = {0};
        bool ok = sign_once(&e);
        ++*mine;
        if (ok) {
            load.done++;
            continue;
        }
        load.failed++;
        pthread_mutex_lock(&load.lock);
        load.last = e;
        pthread_mutex_unlock(&load.lock);
        nap(1);
    }
    return NULL;
}

static void load_start(pthread_t t[THREADS])
{
    load.stop = false;
    load.done = load.failed = 0;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, keep_signing, &load.by[i]), 0);
}

static void load_stop(pthread_t t[THREADS])
{
    load.stop = true;
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

/* More requests are answered now, within two seconds. */
static void load_goes_on(void)
{
    unsigned from = load.done;
    for (int i = 0; i < 200 && load.done < from + 20; i++)
        nap(10);
    assert_true(load.done >= from + 20);
}

/* Each thread ends two requests more, so that no request meets two faults, however slow this machine is. */
static void load_goes_round(void)
{
    unsigned from[THREADS];
    for (int i = 0; i < THREADS; i++)
        from[i] = load.by[i];
    for (int i = 0; i < THREADS; i++)
        for (int waits = 0; load.by[i] - from[i] < 2; waits++) {
            assert_true(waits < 2000);
            nap(5);
        }
}

/* The fault comes `times` times while threads sign, and no request fails. */
static void fault_under_load(const char *fault, int times)
{
    pthread_t t[THREADS];
    load_start(t);
    for (int i = 1; i <= times; i++) {
        char plan[32];
        snprintf(plan, sizeof plan, "%s=%d", fault, i);
        token_plan(plan);
        load_goes_round();
    }
    load_goes_on();
    load_stop(t);
    if (load.failed)
        fail_msg("%u requests failed, last: %s", load.failed, load.last.what);
}

static void loses_no_request_when_sessions_drop_under_load(void **state)
{
    (void)state;
    fault_under_load("drop", 15);
    assert_true(health().relogins >= 5);
    assert_int_equal(health().state, P11_HEALTHY);
}

/* The sessions are as good as ever: new ones would not help. */
static void logs_in_again_when_the_token_logged_it_out(void **state)
{
    (void)state;
    struct err e;
    for (int i = 1; i <= 3; i++) {
        char plan[32];
        unsigned reloads = health().reloads;
        assert_ok(sign_once(&e), e);
        snprintf(plan, sizeof plan, "logout=%d", i);
        token_plan(plan);
        assert_ok(sign_once(&e), e);
        assert_int_equal(health().reloads, reloads);
    }
    assert_true(health().relogins >= 3);
    assert_int_equal(health().state, P11_HEALTHY);
}

static void loses_no_request_when_handles_are_forgotten_under_load(void **state)
{
    (void)state;
    fault_under_load("forget", 15);
    assert_true(health().replays >= 5);
}

static void serves_again_when_the_token_returns(void **state)
{
    (void)state;
    for (int sticky = 0; sticky < 2; sticky++) {
        pthread_t t[THREADS];
        load_start(t);
        load_goes_on();
        token_plan(sticky ? "absent=1\nsticky=1" : "absent=1");
        nap(300);
        unsigned before = load.done;
        nap(50);
        assert_int_equal(load.done, before);
        assert_true(load.failed > 0);
        assert_int_equal(err_class_of(load.last.code), ERR_CLASS_UNAVAILABLE);
        assert_int_equal(health().state, P11_DOWN);
        token_plan(sticky ? "sticky=1" : "");
        load_goes_on();
        load_stop(t);
        assert_int_equal(health().state, P11_HEALTHY);
        if (sticky)
            assert_true(health().reloads > 0);
    }
    assert_int_equal(token_count("login a"), 0); /* no PIN error among the log-ins */
}

static void refuses_at_once_while_the_token_is_away(void **state)
{
    (void)state;
    struct err e = {0};
    token_plan("absent=1");
    for (int i = 0; i < 5; i++)
        assert_false(sign_once(&e));
    assert_int_equal(health().state, P11_DOWN);
    unsigned closed = 0;
    for (int i = 0; i < 1000; i++) {
        assert_false(sign_once(&e));
        closed += e.code == ERR_P11_CLOSED;
        assert_true(e.why[0] && e.hint[0]);
    }
    assert_true(closed >= 900);
    assert_true(health().last_fault[0]);
    assert_true(token_count("initialize") < 20);
}

static void keeps_trying_a_device_that_fails_now_and_then(void **state)
{
    (void)state;
    struct err e = {0};
    token_plan("fail_every=3\nfail_rv=0x30");
    for (int i = 0; i < 60; i++)
        assert_ok(sign_once(&e), e);
    token_plan("fail_every=1\nfail_rv=0x80000042");
    assert_err(sign_once(&e), e, ERR_P11_DEVICE);
    assert_true(e.why[0] && e.hint[0] && strncmp(e.hint, "kith ", 5) != 0); /* an agent's host has none */
    assert_non_null(strstr(e.what, "0x80000042"));
    assert_int_equal(health().state, P11_DEGRADED);
    token_plan("");
    assert_ok(sign_once(&e), e);
    assert_int_equal(health().state, P11_HEALTHY);
}

static void does_not_blame_the_token_for_a_bad_request(void **state)
{
    (void)state;
    struct err e = {0};
    token_plan("fail_every=1\nfail_rv=0x21");
    for (int i = 0; i < 10; i++)
        assert_err(sign_once(&e), e, ERR_P11_REFUSED);
    assert_true(e.why[0] && e.hint[0] && strncmp(e.hint, "kith ", 5) != 0);
    assert_int_equal(health().state, P11_HEALTHY);
    assert_int_equal(health().replays, 0);
}

static void waits_for_a_key_that_the_token_shows_later(void **state)
{
    (void)state;
    struct err e = {0};
    token_plan("drop=1\nhidden=1");
    assert_err(sign_once(&e), e, ERR_P11_TOKEN);
    token_plan("drop=1");
    bool ok = false;
    for (int i = 0; i < 100 && !(ok = sign_once(&e)); i++)
        nap(20);
    assert_ok(ok, e);
}

static void shares_few_sessions_among_many_threads(void **state)
{
    (void)state;
    static const int limits[] = {1, 2, 3};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        tear_down(NULL);
        char plan[64];
        snprintf(plan, sizeof plan, "max_sessions=%d", limits[i]);
        token_plan(plan);
        open_all(&cfg);
        pthread_t t[THREADS];
        load_start(t);
        load_goes_on();
        snprintf(plan, sizeof plan, "max_sessions=%d\ndrop=%d", limits[i], limits[i]);
        token_plan(plan);
        load_goes_on();
        load_stop(t);
        if (load.failed)
            fail_msg("%u requests failed, last: %s", load.failed, load.last.what);
        assert_true(health().sessions <= (unsigned)limits[i]);
    }
}

/* Another process logs in, and the module takes what it stores for blank, or cannot read it: SoftHSM2 under load. */
static void looks_again_before_it_takes_a_token_for_absent(void **state)
{
    (void)state;
    static const char *const plans[][2] = {{"blank=3", "blank=4\ndrop=100"}, {"blank=1003", "blank=1004\ndrop=101"}};
    for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
        struct err e = {0};
        tear_down(NULL);
        token_plan(plans[i][0]);
        open_all(&cfg);
        assert_int_equal(health().reloads, 0);
        token_plan(plans[i][1]);
        assert_ok(sign_once(&e), e);
        assert_int_equal(health().reloads, 0);
        assert_int_equal(health().failures, 0);
    }
    static const char *const reloaded[] = {"late=1", "unset=1"};
    for (size_t i = 0; i < ARRAY_LEN(reloaded); i++) {
        tear_down(NULL);
        token_plan(reloaded[i]);
        open_all(&cfg);
        assert_int_equal(health().reloads, 1);
    }
    struct p11 *p;
    struct err e = {0};
    tear_down(NULL);
    token_plan("unset=2"); /* and one without a PIN is away, not a refusal: no PIN was compared */
    assert_err(p11_open(shim, TOKEN_LABEL, token_pin, &cfg, &p, &e), e, ERR_P11_TOKEN);
    open_all(&cfg);
}

static void says_that_no_session_is_free(void **state)
{
    (void)state;
    tear_down(NULL);
    token_plan("");
    open_all(&(struct p11_config){.sessions_max = 1, .wait_ms = 60});
    token_plan("delay_ms=400");
    pthread_t t[THREADS];
    load_start(t);
    nap(600);
    load_stop(t);
    assert_true(load.done > 0 && load.failed > 0);
    assert_int_equal(load.last.code, ERR_P11_BUSY);
    assert_true(load.last.why[0] && load.last.hint[0]);
    assert_int_equal(health().state, P11_HEALTHY);
}

static void never_tries_a_refused_pin_again(void **state)
{
    (void)state;
    struct p11 *p;
    struct err e = {0};
    tear_down(NULL);
    token_plan("pin_lock=1");
    unlink(token_log);
    token_put(token_pin, "9999\n");
    assert_err(p11_open(shim, TOKEN_LABEL, token_pin, &cfg, &p, &e), e, ERR_P11_PIN);
    assert_int_equal(token_count("login"), 1);
    assert_err(p11_open(shim, TOKEN_LABEL, token_pin, &cfg, &p, &e), e, ERR_P11_PIN);
    assert_int_equal(token_count("login"), 2);
    /* one try is left: it is for a person, not for a program that restarts */
    for (int i = 0; i < 5; i++)
        assert_err(p11_open(shim, TOKEN_LABEL, token_pin, &cfg, &p, &e), e, ERR_P11_PIN);
    assert_int_equal(token_count("login"), 2);
    token_put(token_pin, TOKEN_PIN "\n");
    token_plan("");
    open_all(&cfg);
}

/* The PIN is changed behind our back while we run: the next log-in is refused, once, and that is all. */
static void latches_when_the_pin_was_changed_meanwhile(void **state)
{
    (void)state;
    struct err e = {0};
    tear_down(NULL);
    token_plan("pin_lock=1");
    open_all(&cfg);
    unlink(token_log);
    assert_ok(sign_once(&e), e);
    token_plan("pin_lock=1\nnew_pin=1\ndrop=77");
    pthread_t t[THREADS];
    load_start(t);
    nap(300);
    load_stop(t);
    assert_int_equal(load.done, 0);
    assert_int_equal(load.last.code, ERR_P11_PIN);
    assert_int_equal(token_count("login"), 1);
    assert_true(health().pin_refused);
    assert_int_equal(health().state, P11_DOWN);
    assert_string_equal(health().last_fault, "C_Login: CKR_PIN_INCORRECT");
}

static void copes_with_tokens_that_refuse_to_make_keys(void **state)
{
    (void)state;
    static const struct {
        const char *plan;
        enum err_code want;
    } rows[] = {{"refuse=function", ERR_P11_REFUSED},
                {"refuse=template", ERR_P11_REFUSED},
                {"weak=1", ERR_P11_REFUSED},
                {"refuse=private", ERR_NONE}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct key *k;
        struct err e = {0};
        token_plan(rows[i].plan);
        bool ok = key_generate(&fx.env, "pkcs11:object=new", KEY_P256, &k, &e);
        assert_int_equal(e.code, rows[i].want);
        assert_int_equal(ok, rows[i].want == ERR_NONE);
        assert_int_equal(health().state, P11_HEALTHY);
        assert_ok(sign_once(&e), e); /* what is there goes on */
        token_plan("");
        if (!ok) {
            assert_err(key_open(&fx.env, "pkcs11:object=new", &k, &e), e, ERR_P11_OBJECT);
            continue;
        }
        key_free(k);
        assert_ok(key_destroy(&fx.env, "pkcs11:object=new", &e), e);
    }
}

/* What real devices want of a template or refuse in it: forbid and need are attribute types of PKCS#11. */
static void asks_for_keys_as_the_configured_device_wants_them(void **state)
{
    (void)state;
    static const struct {
        const char *plan, *template;
        enum err_code want;
    } rows[] = {
        {"", "nshield", ERR_NONE},
        {"", "luna", ERR_NONE},
        {"need_public=0x2", NULL, ERR_P11_REFUSED},
        {"need_public=0x2", "cloudhsm", ERR_NONE},
        {"forbid=0x2", NULL, ERR_NONE}, /* the shorter generic templates leave it out */
        {"forbid=0x105", NULL, ERR_NONE},
        {"forbid=0x103", NULL, ERR_P11_REFUSED},   /* it makes one that can leave; we do not take that */
        {"forbid=0x103", "luna", ERR_P11_REFUSED}, /* a device's own is sent as it is */
        {"forbid=0x108", NULL, ERR_P11_REFUSED},   /* CKA_SIGN */
        {"forbid=0x108", "generic, sign=omit", ERR_NONE},
        {"need=0x170", NULL, ERR_P11_REFUSED}, /* CKA_MODIFIABLE */
        {"need=0x170", "generic, modifiable=yes", ERR_NONE},
        {"need=0x170", "luna modifiable=yes", ERR_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p11_config c = cfg;
        struct key *k;
        struct err e = {0};
        tear_down(NULL);
        token_plan("");
        c.template = rows[i].template;
        open_all(&c);
        token_plan(rows[i].plan);
        bool ok = key_generate(&fx.env, "pkcs11:object=shaped", KEY_P256, &k, &e);
        if (ok != (rows[i].want == ERR_NONE) || e.code != rows[i].want)
            fail_msg("%s with %s: %s %s", rows[i].plan, rows[i].template ? rows[i].template : "generic",
                     ok ? "made" : "refused", e.what);
        token_plan("");
        if (!ok)
            continue;
        key_free(k);
        assert_ok(key_destroy(&fx.env, "pkcs11:object=shaped", &e), e);
    }
}

/* CKA_ALWAYS_AUTHENTICATE: the PIN before each signature, and again never once it was refused. */
static void gives_the_pin_for_each_signature_where_the_key_wants_it(void **state)
{
    (void)state;
    struct p11_config c = cfg;
    struct err e = {0};
    struct key *k;
    tear_down(NULL);
    c.template = "generic, always_authenticate=yes";
    open_all(&c);
    key_free(fx.key);
    fx.key = NULL;
    assert_ok(key_generate(&fx.env, "pkcs11:object=always", KEY_P256, &k, &e), e);
    key_free(k);
    assert_ok(key_open(&fx.env, "pkcs11:object=always", &fx.key, &e), e);
    unlink(token_log);
    for (int i = 0; i < 5; i++)
        assert_ok(sign_once(&e), e);
    assert_int_equal(token_count("context 0"), 5);
    fault_under_load("drop", 5);
    token_plan("drop=5\nnew_pin=1");
    unlink(token_log);
    for (int i = 0; i < 10; i++)
        assert_err(sign_once(&e), e, ERR_P11_PIN);
    assert_int_equal(token_count("context"), 1);
    assert_true(health().pin_refused);
    token_plan("");
    tear_down(NULL);
    open_all(&cfg);
    assert_ok(key_destroy(&fx.env, "pkcs11:object=always", &e), e);
}

/* A device that closes sessions nobody uses: a sign of life keeps the login, and what was lost is not noticed. */
static void outlives_sessions_that_idle_out(void **state)
{
    (void)state;
    for (int kept = 0; kept < 2; kept++) {
        pthread_t t[THREADS];
        struct err e = {0};
        token_plan("idle_ms=400");
        load_start(t);
        load_goes_on();
        load_stop(t);
        uint64_t before = health().relogins;
        for (int i = 0; i < 10; i++) {
            nap(100);
            if (kept)
                assert_ok(p11_check(fx.p11, &e), e);
        }
        if (kept)
            assert_int_equal(health().relogins, before);
        load_start(t);
        load_goes_on();
        load_stop(t);
        if (load.failed)
            fail_msg("%u requests failed, last: %s", load.failed, load.last.what);
        if (!kept)
            assert_true(health().relogins > before);
    }
}

/* Real modules corrupt the token's state when a child goes on with its parent's sessions; SoftHSM2 lets it. */
static void touches_the_token_in_no_child(void **state)
{
    (void)state;
    struct err e = {0};
    int status;
    assert_ok(sign_once(&e), e);
    unlink(token_log);
    pid_t pid = fork();
    if (pid == 0) {
        struct key *k;
        bool refused = !sign_once(&e) && e.code == ERR_P11_MODULE && !p11_check(fx.p11, &e) &&
                       !key_open(&fx.env, KEY_REF, &k, &e) && e.code == ERR_P11_MODULE;
        key_free(fx.key);
        p11_free(fx.p11);
        _exit(refused ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(token_count("forked"), 0);
    assert_int_equal(token_count("finalize"), 0);
    assert_ok(sign_once(&e), e);
}

static void sees_that_the_token_has_no_eddsa(void **state)
{
    (void)state;
    tear_down(NULL);
    token_plan("no_eddsa=1");
    open_all(&cfg);
    assert_false(p11_can_sign(fx.p11, KEY_ED25519));
    assert_true(p11_can_sign(fx.p11, KEY_P256));
}

static void finds_that_another_key_took_the_name(void **state)
{
    (void)state;
    struct err e = {0};
    struct key *k;
    assert_ok(key_generate(&fx.env, "pkcs11:object=swap", KEY_P256, &k, &e), e);
    struct key *other;
    assert_ok(key_destroy(&fx.env, "pkcs11:object=swap", &e), e);
    assert_ok(key_generate(&fx.env, "pkcs11:object=swap", KEY_P256, &other, &e), e);
    key_free(other);
    token_plan("forget=99");
    uint8_t sig[SIG_MAX];
    size_t n;
    struct slice msg = SLICE_LIT("m");
    assert_err(key_sign(k, SIG_ES256, &msg, 1, sig, &n, &e), e, ERR_KEY_MISMATCH);
    assert_err(key_sign(k, SIG_ES256, &msg, 1, sig, &n, &e), e, ERR_KEY_MISMATCH);
    key_free(k);
    assert_ok(key_destroy(&fx.env, "pkcs11:object=swap", &e), e);
}

int main(int argc, char **argv)
{
    (void)argc;
    shim = argv[1];
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(loses_no_request_when_sessions_drop_under_load),
        T(logs_in_again_when_the_token_logged_it_out),
        T(loses_no_request_when_handles_are_forgotten_under_load),
        T(serves_again_when_the_token_returns),
        T(refuses_at_once_while_the_token_is_away),
        T(keeps_trying_a_device_that_fails_now_and_then),
        T(does_not_blame_the_token_for_a_bad_request),
        T(waits_for_a_key_that_the_token_shows_later),
        T(shares_few_sessions_among_many_threads),
        T(looks_again_before_it_takes_a_token_for_absent),
        T(says_that_no_session_is_free),
        T(never_tries_a_refused_pin_again),
        T(latches_when_the_pin_was_changed_meanwhile),
        T(copes_with_tokens_that_refuse_to_make_keys),
        T(asks_for_keys_as_the_configured_device_wants_them),
        T(gives_the_pin_for_each_signature_where_the_key_wants_it),
        T(outlives_sessions_that_idle_out),
        T(touches_the_token_in_no_child),
        T(sees_that_the_token_has_no_eddsa),
        T(finds_that_another_key_took_the_name),
    };
    token_end(token_make() ? cmocka_run_group_tests(tests, NULL, NULL) : 77);
}
