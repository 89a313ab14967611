#include "../test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/frame.h"
#include "base/notify.h"

static char dir[64], sock[80];
static struct env env;

static int setup(void **state)
{
    (void)state;
    env_init_real(&env, NULL);
    strcpy(dir, "/tmp/kith-frame-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(sock, sizeof sock, "%s/s", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(sock);
    return rmdir(dir);
}

static void finds_frames_however_the_stream_is_cut(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    buf_init(&b, 1000);
    static const char *const texts[] = {"a", "hello", "a longer one", "z"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_ok(frame_put(&b, slice_str(texts[i]), 100, &e), e);
    for (size_t step = 1; step <= b.n; step++) {
        struct frame_in f;
        size_t seen = 0;
        frame_in_init(&f, 100);
        for (size_t at = 0; at < b.n; at += step) {
            struct slice in = slice_of(b.p + at, b.n - at < step ? b.n - at : step);
            while (in.n) {
                struct slice frame;
                bool have;
                assert_ok(frame_feed(&f, &in, &frame, &have, &e), e);
                if (have)
                    assert_slice(frame, slice_str(texts[seen++]));
            }
        }
        assert_int_equal(seen, ARRAY_LEN(texts));
        assert_false(frame_in_is_partial(&f));
        frame_in_clear(&f);
    }
    buf_clear(&b);
}

static void refuses_lengths_that_are_zero_or_too_long(void **state)
{
    (void)state;
    static const struct {
        uint8_t head[4];
        bool ok;
    } rows[] = {
        {{0, 0, 0, 0}, false}, {{0, 0, 0, 101}, false}, {{0xff, 0xff, 0xff, 0xff}, false}, {{0, 0, 0, 100}, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct frame_in f;
        struct slice in = SLICE_ARRAY(rows[i].head), frame;
        bool have;
        frame_in_init(&f, 100);
        assert_int_equal(frame_feed(&f, &in, &frame, &have, &e), rows[i].ok);
        assert_false(have);
        if (!rows[i].ok) {
            assert_int_equal(e.code, ERR_FRAME);
            in = SLICE_LIT("more");
            assert_err(frame_feed(&f, &in, &frame, &have, &e), e, ERR_FRAME);
        }
        frame_in_clear(&f);
    }
    struct err e = {0};
    struct buf b;
    buf_init(&b, 10);
    assert_err(frame_put(&b, SLICE_LIT(""), 100, &e), e, ERR_FRAME);
    assert_err(frame_put(&b, SLICE_LIT("abc"), 2, &e), e, ERR_FRAME);
    assert_err(frame_put(&b, SLICE_LIT("too long"), 100, &e), e, ERR_TOO_BIG);
    buf_clear(&b);
}

/* Flip, cut and double bytes of a good stream: nothing is read out of bounds, no frame is longer than allowed. */
static void survives_damaged_streams(void **state)
{
    (void)state;
    srand(11);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        struct buf b;
        buf_init(&b, sizeof bytes);
        for (int i = 0; i < 3; i++)
            assert_true(frame_put(&b, SLICE_LIT("some bytes"), 100, NULL));
        size_t n = (size_t)rand() % (b.n + 1);
        memcpy(bytes, b.p, b.n);
        for (int i = rand() % 4; i > 0; i--)
            bytes[rand() % (int)b.n] ^= (uint8_t)(1 << rand() % 8);
        struct frame_in f;
        frame_in_init(&f, 32);
        for (struct slice in = slice_of(bytes, n); in.n;) {
            struct slice frame;
            bool have;
            if (!frame_feed(&f, &in, &frame, &have, NULL))
                break;
            if (have)
                assert_in_range(frame.n, 1, 32);
        }
        frame_in_clear(&f);
        buf_clear(&b);
    }
}

/* Takes one connection and sends each frame back, until the other side closes. */
static int echo(int listener)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    struct err e = {0};
    int fd;
    if (poll(&p, 1, 5000) != 1 || !frame_accept(listener, (uid_t)-1, &fd, NULL, &e) || fd < 0)
        return 10;
    struct buf b;
    bool closed = false;
    buf_init(&b, FRAME_MAX);
    while (frame_read(fd, &env, 5000, &b, &closed, &e))
        if (!frame_write(fd, &env, 5000, buf_slice(&b), &e))
            return 11;
    buf_clear(&b);
    return closed ? 0 : 12;
}

static void speaks_over_a_socket(void **state)
{
    (void)state;
    struct err e = {0};
    struct stat st;
    int listener, fd, status;
    mode_t mask = umask(0);
    assert_ok(frame_listen(sock, &listener, &e), e);
    umask(mask);
    assert_int_equal(stat(sock, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    pid_t child = fork();
    if (child == 0)
        _exit(echo(listener));
    close(listener);
    assert_ok(frame_connect(sock, &env, 2000, &fd, &e), e);
    struct frame_peer peer;
    assert_ok(frame_peer_of(fd, &peer, &e), e);
    assert_int_equal(peer.uid, geteuid());
    static uint8_t big[3 << 20];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 >> 3);
    struct buf b;
    buf_init(&b, FRAME_MAX);
    for (size_t n = 1; n <= sizeof big; n = n * 7 + 1) {
        assert_ok(frame_write(fd, &env, 5000, slice_of(big, n), &e), e);
        assert_ok(frame_read(fd, &env, 5000, &b, NULL, &e), e);
        assert_slice(buf_slice(&b), slice_of(big, n));
    }
    assert_err(frame_read(fd, &env, 50, &b, NULL, &e), e, ERR_UNAVAILABLE);
    buf_clear(&b);
    close(fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void refuses_a_second_listener_and_replaces_a_dead_one(void **state)
{
    (void)state;
    struct err e = {0};
    int a, b;
    assert_ok(frame_listen(sock, &a, &e), e);
    assert_err(frame_listen(sock, &b, &e), e, ERR_LOCKED);
    close(a);
    assert_ok(frame_listen(sock, &b, &e), e);
    close(b);
    unlink(sock);
    assert_ok(file_write_new(sock, 0600, SLICE_LIT("x"), &e), e);
    assert_err(frame_listen(sock, &b, &e), e, ERR_CONFLICT);
    assert_err(frame_listen("/tmp/"
                            "0123456789012345678901234567890123456789012345678901234567890123456789"
                            "0123456789012345678901234567890123456789",
                            &b, &e),
               e, ERR_USAGE);
}

static void refuses_peers_of_other_users(void **state)
{
    (void)state;
    struct err e = {0};
    const uid_t ours = geteuid();
    const struct {
        uid_t user, allowed;
        bool ok;
    } rows[] = {
        {ours, (uid_t)-1, true}, {ours, 4712, true}, {4711, (uid_t)-1, false}, {4711, 4711, true}, {4711, 4712, false}};
    int listener, fd, status;
    assert_ok(frame_listen(sock, &listener, &e), e);
    assert_int_equal(chmod(sock, 0666), 0);
    assert_int_equal(chmod(dir, 0755), 0);
    assert_ok(frame_accept(listener, (uid_t)-1, &fd, NULL, &e), e);
    assert_int_equal(fd, -1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (ours != 0 && rows[i].user != ours)
            continue; /* only root can become another */
        pid_t child = fork();
        if (child == 0) {
            if (setresuid(rows[i].user, rows[i].user, rows[i].user) != 0)
                _exit(1);
            _exit(frame_connect(sock, &env, 1000, &fd, &e) ? 0 : 2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        struct frame_peer peer = {0};
        assert_int_equal(frame_accept(listener, rows[i].allowed, &fd, &peer, &e), rows[i].ok);
        assert_int_equal(peer.uid, rows[i].user);
        if (rows[i].ok)
            close(fd);
        else
            assert_int_equal(e.code, ERR_PEER);
    }
    close(listener);
}

static void gives_up_connecting_in_time(void **state)
{
    (void)state;
    struct err e = {0};
    int fd;
    int64_t before = env_mono_ms(&env);
    assert_err(frame_connect(sock, &env, 100, &fd, &e), e, ERR_UNAVAILABLE);
    assert_in_range(env_mono_ms(&env) - before, 90, 5000);
}

static void says_when_a_peer_vanishes(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    bool closed;
    int fds[2];
    buf_init(&b, 100);
    static const struct {
        const char *bytes;
        size_t n;
        bool closed;
    } rows[] = {{"", 0, true}, {"\0\0", 2, false}, {"\0\0\0\5abc", 7, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        assert_ok(file_write_all(fds[1], slice_of(rows[i].bytes, rows[i].n), &e), e);
        close(fds[1]);
        assert_err(frame_read(fds[0], &env, 1000, &b, &closed, &e), e, ERR_UNAVAILABLE);
        assert_int_equal(closed, rows[i].closed);
        assert_err(frame_write(fds[0], &env, 1000, SLICE_LIT("x"), &e), e, ERR_UNAVAILABLE);
        close(fds[0]);
    }
    buf_clear(&b);
}

static void tells_systemd(void **state)
{
    (void)state;
    struct err e = {0};
    char text[300];
    for (int abstract = 0; abstract < 2; abstract++) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        strcpy(sa.sun_path, sock);
        if (abstract)
            sa.sun_path[0] = 0;
        char name[100];
        snprintf(name, sizeof name, "%s%s", abstract ? "@" : "", sock + abstract);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(sock));
        assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
        assert_ok(notify_ready(name, &e), e);
        ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);
        assert_slice(slice_of(text, (size_t)n), SLICE_LIT("READY=1"));
        assert_ok(notify_status(name, &e, "%d\nREADY=0", 5), e);
        n = recv(fd, text, sizeof text, MSG_DONTWAIT);
        assert_slice(slice_of(text, (size_t)n), SLICE_LIT("STATUS=5 READY=0"));
        close(fd);
    }
    assert_ok(notify_stopping(NULL, &e), e);
    assert_ok(notify_watchdog("", &e), e);
    assert_err(notify_ready("relative", &e), e, ERR_USAGE);
    assert_err(notify_ready("/no/such/socket", &e), e, ERR_IO);
    assert_int_equal(notify_watchdog_interval_ms("30000000"), 15000);
    assert_int_equal(notify_watchdog_interval_ms("x"), 0);
    assert_int_equal(notify_watchdog_interval_ms(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_frames_however_the_stream_is_cut),
        cmocka_unit_test(refuses_lengths_that_are_zero_or_too_long),
        cmocka_unit_test(survives_damaged_streams),
        cmocka_unit_test_setup_teardown(speaks_over_a_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_a_second_listener_and_replaces_a_dead_one, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_peers_of_other_users, setup, teardown),
        cmocka_unit_test_setup_teardown(gives_up_connecting_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(says_when_a_peer_vanishes, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_systemd, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
