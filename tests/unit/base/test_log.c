#include "../test.h"

#include "base/buf.h"
#include "base/log.h"

struct heard {
    struct buf lines;
    struct log log;
    struct env_script script;
    struct env env;
};

static void hear(void *ctx, const char *line, size_t n)
{
    buf_put(ctx, slice_of(line, n));
}

static void start(struct heard *h, enum log_level min)
{
    *h = (struct heard){.script = {.now_ms = 1795431600123, .mono_ms = 0}};
    buf_init(&h->lines, 1 << 20);
    h->log = (struct log){.min = min, .sink = hear, .ctx = &h->lines};
    env_init_script(&h->env, &h->script, &h->log);
}

#define assert_line(h, want)                                                                                           \
    do {                                                                                                               \
        assert_string_equal(buf_str(&(h)->lines), want);                                                               \
        buf_reset(&(h)->lines);                                                                                        \
    } while (0)

static void writes_one_line_a_record(void **state)
{
    (void)state;
    struct heard h;
    start(&h, LOG_LEVEL_INFO);
    LOG(&h.env, INFO, "est", "certificate issued", log_str("device", "dev_1"), log_int("ms", -4));
    assert_line(&h, "2026-11-23T11:00:00.123Z info est \"certificate issued\" device=dev_1 ms=-4\n");
    LOG(&h.env, WARN, "est", "odd", log_str("a", "x\ny\"\\\x1b\xff"), log_str("b", NULL), log_str("c", "a=b"));
    assert_line(&h, "2026-11-23T11:00:00.123Z warn est odd a=\"x\\ny\\\"\\\\\\x1b\\xff\" b=\"\" c=\"a=b\"\n");
    LOG(&h.env, ERROR, "est", "plain");
    assert_line(&h, "2026-11-23T11:00:00.123Z error est plain\n");
    LOG(&h.env, DEBUG, "est", "below the level");
    assert_line(&h, "");
    LOG(&h.env, INFO, "est", "x", log_hex("fp", SLICE_LIT("\x01\xab")));
    assert_line(&h, "2026-11-23T11:00:00.123Z info est x fp=01ab\n");
    struct err e = {0};
    err_set(&e, ERR_JSON, "no member");
    err_why(&e, "RFC 8259");
    h.log.journal = true;
    LOG(&h.env, ERROR, "api", "refused", log_err(&e));
    assert_line(&h, "<3>error api refused code=json error=\"no member\" why=\"RFC 8259\"\n");
    err_try(&e, "give it one");
    LOG(&h.env, ERROR, "api", "refused", log_err(&e));
    assert_line(&h, "<3>error api refused code=json error=\"no member\" why=\"RFC 8259\" try=\"give it one\"\n");
    buf_clear(&h.lines);
}

static void withholds_secrets(void **state)
{
    (void)state;
    struct heard h;
    start(&h, LOG_LEVEL_INFO);
    h.log.journal = true;
    LOG(&h.env, INFO, "x", "y", log_str("pin", "1234"), log_str("user_password", "hunter2"), log_int("pin", 1234),
        log_hex("claim", SLICE_LIT("ab")), log_str("pinned", "yes"));
    assert_line(&h, "<6>info x y pin=[withheld] user_password=[withheld] pin=[withheld] claim=[withheld] pinned=yes\n");
    buf_clear(&h.lines);
}

static void limits_a_call_site_that_repeats_itself(void **state)
{
    (void)state;
    struct heard h;
    start(&h, LOG_LEVEL_INFO);
    h.log.journal = true;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < LOG_BURST + 5; i++) {
            LOG(&h.env, INFO, "flood", "again");
            if (i == 0 && round == 1)
                assert_line(&h, "<6>info flood again left_out=5\n");
        }
        size_t lines = 0;
        for (size_t i = 0; i < h.lines.n; i++)
            lines += h.lines.p[i] == '\n';
        assert_int_equal(lines, round ? LOG_BURST - 1 : LOG_BURST);
        buf_reset(&h.lines);
        env_script_pass(&h.script, LOG_BURST_WINDOW_MS + 1);
    }
    buf_clear(&h.lines);
}

static void tells_what_lasts_when_it_begins_and_ends(void **state)
{
    (void)state;
    struct heard h;
    struct log_trouble t = {0};
    struct err away = {0}, full = {0};
    start(&h, LOG_LEVEL_INFO);
    h.log.journal = true;
    err_set(&away, ERR_STORE_UNAVAILABLE, "gone");
    err_set(&full, ERR_STORE_FULL, "full");
    log_trouble(&h.env, &t, "notary", "no checkpoint", NULL);
    assert_line(&h, "");
    for (int i = 0; i < 3; i++, h.script.mono_ms += 1000)
        log_trouble(&h.env, &t, "notary", "no checkpoint", &away);
    assert_line(&h, "<4>warn notary \"no checkpoint\" code=store-unavailable error=gone\n");
    for (int i = 0; i < 3; i++, h.script.mono_ms += 1000)
        log_trouble(&h.env, &t, "notary", "no checkpoint", &full);
    assert_line(&h, "<4>warn notary \"no checkpoint\" code=store-full error=full\n");
    for (int i = 0; i < 3; i++)
        log_trouble(&h.env, &t, "notary", "no checkpoint", NULL);
    assert_line(&h, "<5>notice notary over was=\"no checkpoint\" for_s=6\n");
    buf_clear(&h.lines);
}

static void cuts_a_line_that_is_too_long(void **state)
{
    (void)state;
    struct heard h;
    start(&h, LOG_LEVEL_INFO);
    char big[3 * LOG_LINE_MAX];
    memset(big, '\n', sizeof big);
    LOG(&h.env, INFO, "x", "y", log_slice("v", SLICE_ARRAY(big)));
    assert_true(h.lines.n <= LOG_LINE_MAX);
    assert_string_equal(h.lines.p + h.lines.n - 4, "...\n");
    for (size_t i = 0; i + 1 < h.lines.n; i++)
        assert_true(h.lines.p[i] != '\n');
    buf_clear(&h.lines);
}

static void gives_the_same_randomness_for_the_same_seed(void **state)
{
    (void)state;
    struct err e = {0};
    struct env_script s = {.seed = 5}, t = {.seed = 5};
    struct env a, b;
    uint8_t x[16], y[16], z[16];
    env_init_script(&a, &s, NULL);
    env_init_script(&b, &t, NULL);
    assert_ok(env_random(&a, x, sizeof x, &e), e);
    assert_ok(env_random(&b, y, sizeof y, &e), e);
    assert_memory_equal(x, y, sizeof x);
    assert_ok(env_random(&a, z, sizeof z, &e), e);
    assert_memory_not_equal(x, z, sizeof x);
    s.random_fails = true;
    assert_err(env_random(&a, z, sizeof z, &e), e, ERR_UNAVAILABLE);
    env_init_real(&a, NULL);
    assert_ok(env_random(&a, x, sizeof x, &e), e);
    assert_ok(env_random(&a, z, sizeof z, &e), e);
    assert_memory_not_equal(x, z, sizeof x);
    assert_true(env_now_s(&a) > 1700000000);
    assert_true(env_mono_ms(&a) <= env_mono_ms(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_one_line_a_record),
        cmocka_unit_test(withholds_secrets),
        cmocka_unit_test(limits_a_call_site_that_repeats_itself),
        cmocka_unit_test(tells_what_lasts_when_it_begins_and_ends),
        cmocka_unit_test(cuts_a_line_that_is_too_long),
        cmocka_unit_test(gives_the_same_randomness_for_the_same_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
