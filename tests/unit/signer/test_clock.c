/* The signer's count of time against a wall clock that a script moves. */
#include "../test.h"

#include <stdlib.h>

#include "signer/domain.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define BEGIN  INT64_C(1800000000)

struct bench {
    struct env_script script;
    struct env env;
    struct domain d;
};

static void begin(struct bench *b)
{
    *b = (struct bench){.script = {.now_ms = BEGIN * 1000, .mono_ms = 5000}};
    env_init_script(&b->env, &b->script, NULL);
    b->d = (struct domain){.name = "issuing", .env = &b->env};
    domain_start_clock(&b->d);
}

static void step(struct bench *b, int64_t seconds)
{
    b->script.now_ms += seconds * 1000;
}

/* Looks as often as the signer's loop does, and oftener than a step of the tests. */
static void pass(struct bench *b, int64_t seconds)
{
    for (int64_t i = 0; i < seconds; i += MINUTE) {
        env_script_pass(&b->script, MINUTE * 1000);
        domain_clock(&b->d);
    }
}

static void follows_a_clock_that_is_set_right(void **state)
{
    (void)state;
    struct bench b;
    struct err e;
    begin(&b);
    static const int64_t steps[] = {30, -20, 50 * MINUTE, -100 * MINUTE, 50 * MINUTE};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        step(&b, steps[i]);
        pass(&b, HOUR);
        assert_ok(domain_check_clock(&b.d, &e), e);
        assert_int_equal(domain_clock(&b.d), env_now_s(&b.env));
    }
}

static void goes_no_further_in_a_day_by_small_steps(void **state)
{
    (void)state;
    static const int64_t steps[] = {10 * MINUTE, -10 * MINUTE, 59 * MINUTE};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct bench b;
        struct err e;
        begin(&b);
        int64_t passed = 0, furthest = 0;
        for (; passed < 20 * HOUR; passed += HOUR) {
            step(&b, steps[i]);
            pass(&b, HOUR);
            int64_t off = domain_clock(&b.d) - BEGIN - passed - HOUR;
            furthest = llabs(off) > furthest ? llabs(off) : furthest;
        }
        assert_in_range(furthest, 1, HOUR);
        assert_err(domain_check_clock(&b.d, &e), e, ERR_CLOCK);
    }
}

/* A clock that drifts, as one without a time server may, is followed for as long as it takes. */
static void follows_a_drift_for_months(void **state)
{
    (void)state;
    struct bench b;
    struct err e;
    begin(&b);
    for (int day = 0; day < 90; day++) {
        step(&b, 10 * MINUTE);
        pass(&b, DAY);
        assert_ok(domain_check_clock(&b.d, &e), e);
        assert_int_equal(domain_clock(&b.d), env_now_s(&b.env));
    }
}

static void is_back_when_the_clock_is(void **state)
{
    (void)state;
    struct bench b;
    struct err e;
    begin(&b);
    step(&b, 2 * HOUR);
    pass(&b, 2 * DAY); /* wrong for long: it is not taken meanwhile */
    assert_err(domain_check_clock(&b.d, &e), e, ERR_CLOCK);
    assert_int_equal(domain_clock(&b.d), BEGIN + 2 * DAY);
    step(&b, -2 * HOUR);
    assert_ok(domain_check_clock(&b.d, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_clock_that_is_set_right),
        cmocka_unit_test(goes_no_further_in_a_day_by_small_steps),
        cmocka_unit_test(follows_a_drift_for_months),
        cmocka_unit_test(is_back_when_the_clock_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
