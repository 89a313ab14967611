#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define END_MS 8000

static int setup(void **state)
{
    static struct fixture f;
    fixture_init(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_clear(*state);
    return 0;
}

static void start(struct fixture *f)
{
    f->kithd = fixture_spawn(f, NULL, "--stop", "300ms");
    assert_true(f->kithd > 0);
}

static void start_all(struct fixture *f)
{
    start(f);
    fixture_until(f, "ready", "server", 1);
    fixture_until(f, "start", "issuing", 1);
    fixture_until(f, "start", "ledger", 1);
}

static void stop(struct fixture *f)
{
    kill(f->kithd, SIGTERM);
    assert_int_equal(fixture_wait(f->kithd, END_MS), 0);
    f->kithd = 0;
}

static pid_t pid_of(const struct fixture *f, const char *who, int n)
{
    long pid = 0;
    assert_true(fixture_at(f, "start", who, n, &pid) >= 0);
    return (pid_t)pid;
}

/* Connects to a signer's socket and reads who answers. */
static void ask(const struct fixture *f, const char *name, char *answer, size_t cap)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/run/%s", f->dir, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&p, 1, 8000) == 1 ? read(fd, answer, cap - 1) : 0;
    answer[n > 0 ? n : 0] = 0;
    close(fd);
}

static void each_signer_answers_on_its_socket(void **state)
{
    struct fixture *f = *state;
    char answer[32], pid[32];
    start_all(f);
    ask(f, "signer-issuing.sock", answer, sizeof answer);
    assert_string_equal(answer, "issuing");
    ask(f, "signer-ledger.sock", answer, sizeof answer);
    assert_string_equal(answer, "ledger");
    snprintf(pid, sizeof pid, "%ld\n", (long)f->kithd);
    assert_string_equal(fixture_read(f, "signers/kithd.lock"), pid);
    stop(f);
}

static void children_get_only_what_is_theirs(void **state)
{
    struct fixture *f = *state;
    static const char *const seen[] = {"seen.server", "seen.issuing", "seen.ledger"};
    start_all(f);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        const char *text = fixture_read(f, seen[i]);
        assert_non_null(strstr(text, "env PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"));
        assert_non_null(strstr(text, "env SOFTHSM2_CONF=/nowhere\n"));
        assert_null(strstr(text, "KITH_SECRET_OF_THE_SHELL"));
        assert_non_null(strstr(text, "fd 0 /dev/null\n"));
        assert_non_null(strstr(text, i ? "fd 3 other\n" : "fd 4 other\n"));
        assert_null(strstr(text, i ? "fd 4 " : "fd 3 other"));
        for (int fd = 5; fd < 100; fd++) {
            char line[24];
            snprintf(line, sizeof line, "\nfd %d ", fd);
            assert_null(strstr(text, line));
        }
        assert_non_null(strstr(text, "leader 1\n"));
        assert_non_null(strstr(text, "blocked 0\n"));
    }
}

static void starts_again_with_growing_waits(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "fake.ledger", 0600, "exit");
    start(f);
    fixture_until(f, "start", "ledger", 5);
    for (int i = 0; i < 4; i++) {
        long long gap = fixture_at(f, "start", "ledger", i + 1, NULL) - fixture_at(f, "start", "ledger", i, NULL);
        if (gap < (100LL << i) - 20)
            fail_msg("wait %d was %lld ms", i, gap);
    }
    assert_true(fixture_until_log(f, "child=\"signer ledger\""));
    assert_true(fixture_until_log(f, "status=7 name=exit"));
    assert_int_equal(fixture_count(f, "start", "server"), 1);
    stop(f);
}

static void logs_the_signal_that_ended_a_child(void **state)
{
    struct fixture *f = *state;
    start_all(f);
    kill(pid_of(f, "server", 0), SIGUSR1);
    fixture_until(f, "ready", "server", 2);
    assert_true(fixture_until_log(f, "signal=10 name=USR1"));
    stop(f);
}

static void connections_wait_while_a_signer_starts_again(void **state)
{
    struct fixture *f = *state;
    char answer[32];
    start_all(f);
    kill(pid_of(f, "issuing", 0), SIGKILL);
    assert_true(fixture_is_gone(pid_of(f, "issuing", 0)));
    assert_int_equal(fixture_count(f, "start", "issuing"), 1);
    ask(f, "signer-issuing.sock", answer, sizeof answer);
    assert_string_equal(answer, "issuing");
    assert_int_equal(fixture_count(f, "start", "issuing"), 2);
    stop(f);
}

static int run_shell(const struct fixture *f, const char *command)
{
    char text[256];
    snprintf(text, sizeof text, "cd %s && %s", f->dir, command);
    return system(text);
}

/* Whoever lost its file is started again with another socket; the others go on. */
static void sockets_that_are_gone_are_made_again(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *command;
        int server, issuing, ledger; /* of them start again */
    } rows[] = {
        {"rm -r run", 1, 1, 1},
        {"mv run away", 1, 1, 1},
        {"rm run/kith.sock", 1, 0, 0},
        {"rm run/signer-issuing.sock", 0, 1, 0},
        {"mv run/signer-issuing.sock run/signer-ledger.sock", 0, 1, 1},
    };
    int server = 1, issuing = 1, ledger = 1;
    char answer[32];
    start_all(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(run_shell(f, rows[i].command), 0);
        fixture_until(f, "start", "issuing", issuing += rows[i].issuing);
        fixture_until(f, "start", "ledger", ledger += rows[i].ledger);
        fixture_until(f, "ready", "server", server += rows[i].server);
        ask(f, "signer-issuing.sock", answer, sizeof answer);
        assert_string_equal(answer, "issuing");
        ask(f, "signer-ledger.sock", answer, sizeof answer);
        assert_string_equal(answer, "ledger");
        assert_int_equal(access(fixture_path(f, "run/kith.sock"), F_OK), 0);
    }
    assert_int_equal(fixture_count(f, "start", "server"), server);
    assert_int_equal(fixture_count(f, "start", "issuing"), issuing);
    assert_int_equal(fixture_count(f, "start", "ledger"), ledger);
    assert_int_equal(fixture_count(f, "end", "server"), server - 1); /* in order */
    assert_true(fixture_at(f, "term", "issuing", 0, NULL) >= fixture_at(f, "end", "server", 0, NULL));
    stop(f);
}

/* Nobody ends for a socket that could not be made again, and one that does not end for it is killed. */
static void a_socket_that_cannot_be_made_ends_nobody(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "fake.ledger", 0600, "deaf");
    start_all(f);
    assert_int_equal(run_shell(f, "rm -r run && touch run"), 0);
    assert_true(fixture_until_log(f, "a socket is gone and cannot be made again"));
    poll(NULL, 0, 2500);
    assert_int_equal(fixture_count(f, "start", "server") + fixture_count(f, "start", "issuing"), 2);
    assert_null(strstr(strstr(fixture_read(f, "log"), "cannot be made") + 1, "cannot be made")); /* said once */
    assert_int_equal(run_shell(f, "rm run"), 0);
    fixture_until(f, "ready", "server", 2);
    fixture_until(f, "start", "issuing", 2);
    fixture_until(f, "start", "ledger", 2);
    assert_non_null(strstr(fixture_read(f, "log"), "does not end; killed"));
    stop(f);
}

static void ends_the_server_before_the_signers(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "fake.server", 0600, "ready slow");
    f->kithd = fixture_spawn(f, NULL, NULL, NULL);
    fixture_until(f, "ready", "server", 1);
    fixture_until(f, "start", "issuing", 1);
    fixture_until(f, "start", "ledger", 1);
    stop(f);
    long long server = fixture_at(f, "end", "server", 0, NULL);
    assert_true(server >= 0);
    assert_true(fixture_at(f, "term", "issuing", 0, NULL) >= server);
    assert_true(fixture_at(f, "term", "ledger", 0, NULL) >= server);
    assert_int_equal(fixture_count(f, "start", "server"), 1); /* nothing is started again at the end */
}

static void kills_what_does_not_end(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "fake.server", 0600, "ready deaf");
    fixture_write(f, "fake.issuing", 0600, "deaf");
    start_all(f);
    stop(f);
    assert_true(fixture_is_gone(pid_of(f, "server", 0)));
    assert_true(fixture_is_gone(pid_of(f, "issuing", 0)));
    assert_int_equal(fixture_count(f, "end", "ledger"), 1);
    assert_non_null(strstr(fixture_read(f, "log"), "does not end; killed"));
}

static void what_a_child_started_ends_with_it(void **state)
{
    struct fixture *f = *state;
    long helper;
    fixture_write(f, "fake.issuing", 0600, "helper");
    start_all(f);
    fixture_until(f, "helper", "issuing", 1);
    assert_true(fixture_at(f, "helper", "issuing", 0, &helper) >= 0);
    kill(pid_of(f, "issuing", 0), SIGKILL);
    assert_true(fixture_is_gone((pid_t)helper));
}

static void kill_9_takes_the_children_down(void **state)
{
    struct fixture *f = *state;
    start_all(f);
    kill(f->kithd, SIGKILL);
    assert_int_equal(fixture_wait(f->kithd, END_MS), -SIGKILL);
    f->kithd = 0;
    assert_true(fixture_is_gone(pid_of(f, "server", 0)));
    assert_true(fixture_is_gone(pid_of(f, "issuing", 0)));
    assert_true(fixture_is_gone(pid_of(f, "ledger", 0)));
    assert_int_equal(fixture_count(f, "end", "server"), 1); /* in order, not by the axe */
}

static void the_next_kithd_waits_for_a_slow_signer(void **state)
{
    struct fixture *f = *state;
    fixture_write(f, "fake.issuing", 0600, "slow");
    start_all(f);
    kill(f->kithd, SIGKILL);
    assert_int_equal(fixture_wait(f->kithd, END_MS), -SIGKILL);
    start(f);
    fixture_until(f, "start", "issuing", 2);
    assert_true(fixture_at(f, "start", "issuing", 1, NULL) >= fixture_at(f, "end", "issuing", 0, NULL));
    assert_non_null(strstr(fixture_read(f, "log"), "waiting for a signer of an earlier kithd"));
    stop(f);
}

static void refuses_a_second_instance(void **state)
{
    struct fixture *f = *state;
    char holder[64];
    start_all(f);
    pid_t second = fixture_spawn(f, NULL, NULL, NULL);
    assert_int_equal(fixture_wait(second, END_MS), 5);
    snprintf(holder, sizeof holder, "is locked by process %ld", (long)f->kithd);
    assert_non_null(strstr(fixture_read(f, "log"), holder));
    assert_non_null(strstr(fixture_read(f, "log"), "error[locked]"));
    assert_int_equal(fixture_count(f, "start", "server"), 1);
    stop(f); /* the first was not disturbed */
}

static void sighup_goes_to_the_server(void **state)
{
    struct fixture *f = *state;
    start_all(f);
    kill(f->kithd, SIGHUP);
    fixture_until(f, "hup", "server", 1);
    assert_int_equal(fixture_count(f, "hup", "issuing"), 0);
    stop(f);
}

/* systemd's side of sd_notify(3). */
static int notify_socket(const struct fixture *f, char *env, size_t cap)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/notify", f->dir);
    snprintf(env, cap, "NOTIFY_SOCKET=%s", sa.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

/* Reads until the word comes; false if it does not within ms. */
static bool is_told(int fd, const char *word, int ms)
{
    for (int i = 0; i < 200; i++) {
        char text[256];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, ms) != 1)
            return false;
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        text[n > 0 ? n : 0] = 0;
        if (strcmp(text, word) == 0)
            return true;
    }
    return false;
}

static void tells_systemd(void **state)
{
    struct fixture *f = *state;
    char env[160];
    int fd = notify_socket(f, env, sizeof env);
    setenv("WATCHDOG_USEC", "100000", 1);
    f->kithd = fixture_spawn(f, env, NULL, NULL);
    unsetenv("WATCHDOG_USEC");
    assert_true(is_told(fd, "READY=1", 8000));
    assert_int_equal(fixture_count(f, "start", "server"), 1);
    assert_true(is_told(fd, "WATCHDOG=1", 8000));
    assert_true(is_told(fd, "WATCHDOG=1", 8000));
    kill(pid_of(f, "server", 0), SIGKILL);
    assert_true(is_told(fd, "STATUS=server is started again", 8000));
    assert_true(is_told(fd, "STATUS=ready", 8000));
    kill(f->kithd, SIGTERM);
    assert_true(is_told(fd, "STOPPING=1", 8000));
    assert_int_equal(fixture_wait(f->kithd, END_MS), 0);
    f->kithd = 0;
    close(fd);
}

static void another_word_is_not_ready(void **state)
{
    struct fixture *f = *state;
    char env[160];
    int fd = notify_socket(f, env, sizeof env);
    fixture_write(f, "fake.server", 0600, "other-word");
    f->kithd = fixture_spawn(f, env, NULL, NULL);
    fixture_until(f, "ready", "server", 1);
    assert_true(fixture_until_log(f, "another word than ready"));
    assert_false(is_told(fd, "READY=1", 300));
    close(fd);
    stop(f);
}

int main(int argc, char **argv)
{
    fixture_programs(argc, argv);
#define ROW(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        ROW(each_signer_answers_on_its_socket),
        ROW(children_get_only_what_is_theirs),
        ROW(starts_again_with_growing_waits),
        ROW(logs_the_signal_that_ended_a_child),
        ROW(connections_wait_while_a_signer_starts_again),
        ROW(sockets_that_are_gone_are_made_again),
        ROW(a_socket_that_cannot_be_made_ends_nobody),
        ROW(ends_the_server_before_the_signers),
        ROW(kills_what_does_not_end),
        ROW(what_a_child_started_ends_with_it),
        ROW(kill_9_takes_the_children_down),
        ROW(the_next_kithd_waits_for_a_slow_signer),
        ROW(refuses_a_second_instance),
        ROW(sighup_goes_to_the_server),
        ROW(tells_systemd),
        ROW(another_word_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
