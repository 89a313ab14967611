#include "../test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/child.h"
#include "base/problem.h"

static void waits_double_up_to_ten_seconds(void **state)
{
    (void)state;
    static const int64_t want[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    struct child c = {.name = "x"};
    int64_t now = 1000;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        c.pid = 1;
        c.started_ms = now;
        child_ended(&c, now + 5);
        assert_int_equal(c.pid, 0);
        assert_int_equal(c.restart_ms - (now + 5), want[i]);
        now = c.restart_ms;
    }
}

static void a_long_life_forgives(void **state)
{
    (void)state;
    struct child c = {.name = "x", .pid = 1, .backoff_ms = 6400, .started_ms = 0};
    child_ended(&c, CHILD_GOOD_LIFE_MS - 1);
    assert_int_equal(c.backoff_ms, 10000);
    c.pid = 1;
    c.started_ms = 100000;
    child_ended(&c, 100000 + CHILD_GOOD_LIFE_MS);
    assert_int_equal(c.backoff_ms, CHILD_BACKOFF_MS);
}

static void passes_only_what_a_child_reads(void **state)
{
    (void)state;
    static const struct {
        const char *assignment;
        bool passed;
    } rows[] = {
        {"SOFTHSM2_CONF=/x", true},
        {"SOFTHSM2_CONFIG=/x", false},
        {"SOFTHSM2=/x", false},
        {"NFAST_HOME=/x", true},
        {"CREDENTIALS_DIRECTORY=/c", true},
        {"LD_PRELOAD=/x.so", false},
        {"PATH=/evil", false},
        {"HOME=/root", false},
        {"OPENSSL_CONF=/x", false},
        {"NOTIFY_SOCKET=/n", false},
        {"", false},
        {"TZ=UTC", true},
        {"TZDIR=/x", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", rows[i].assignment);
        char *ours[] = {text, NULL};
        struct arena a;
        arena_init(&a, 8192);
        char **out = child_environment(ours, &a);
        assert_non_null(out);
        bool found = false;
        for (size_t n = 0; out[n]; n++)
            found = found || strcmp(out[n], text) == 0;
        if (found != rows[i].passed)
            fail_msg("%s: %d", text, found);
        arena_clear(&a);
    }
}

/* Runs `script` in a shell; what it says goes to `said`. */
static bool check_shell(const char *path, const char *script, int *status, char said[512], struct err *e)
{
    char *envp[] = {NULL};
    struct child c = {.name = "child", .path = path, .argv = {"sh", "-c", script}, .envp = envp, .fd = -1};
    c.said = memfd_create("said", MFD_CLOEXEC);
    assert_true(c.said >= 0);
    bool ok = child_check(&c, status, e);
    ssize_t n = pread(c.said, said, 511, 0);
    assert_true(n >= 0);
    said[n] = 0;
    close(c.said);
    return ok;
}

static void a_check_tells_how_it_ended_and_what_was_said(void **state)
{
    (void)state;
    struct err e, told;
    int status;
    char said[512];
    assert_ok(check_shell("/bin/sh", "exit 0", &status, said, &e), e);
    assert_int_equal(status, 0);
    assert_string_equal(said, "");
    assert_ok(check_shell("/bin/sh", "echo wrong >&2; exit 3", &status, said, &e), e);
    assert_int_equal(status, 3);
    assert_string_equal(said, "wrong\n");
    assert_err(check_shell("/bin/sh", "kill -9 $$", &status, said, &e), e, ERR_CHILD_START);
    assert_non_null(strstr(e.what, "signal 9"));
    /* A program that cannot be run says so as any other would that fails. */
    assert_ok(check_shell("/nowhere", "", &status, said, &e), e);
    assert_int_equal(status, 127);
    struct slice rest = slice_str(said);
    assert_true(problem_read(&rest, "error", &told));
    assert_int_equal(told.code, ERR_CHILD_START);
    assert_non_null(strstr(told.what, "child: cannot run its program: No such file"));
    assert_true(told.hint[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_ten_seconds),
        cmocka_unit_test(a_long_life_forgives),
        cmocka_unit_test(passes_only_what_a_child_reads),
        cmocka_unit_test(a_check_tells_how_it_ended_and_what_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
