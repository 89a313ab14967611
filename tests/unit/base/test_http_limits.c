/* Clients that drip, hang, crowd and never read are dropped on time; the others do not notice. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_fixture.h"

static struct fixture fx;
static _Atomic bool over;
static _Atomic size_t asked, failed;
static pthread_t bystander;

/* A well-behaved client beside all tests. */
static void *ask_on(void *arg)
{
    (void)arg;
    struct err e = {0};
    struct http_client_opts o = {.tls = {.root = fx.root.cert}};
    struct http_client *c;
    char where[80];
    snprintf(where, sizeof(where), "https://127.0.0.1:%u/hello", fx.tls_port);
    if (!http_client_new(&o, &c, &e))
        return NULL;
    while (!atomic_load(&over)) {
        struct http_reply r;
        struct http_call call = {.url = where, .timeout_ms = 2000};
        bool ok = http_client_call(c, &call, &r, &e);
        atomic_fetch_add(ok ? &asked : &failed, 1);
        if (ok)
            http_reply_clear(&r);
        usleep(2000);
    }
    http_client_free(c);
    return NULL;
}

static int start(void **state)
{
    (void)state;
    struct http_limits l;
    http_limits_default(&l);
    l.handshake_ms = l.header_ms = l.body_ms = l.answer_ms = 400;
    l.idle_ms = 700;
    l.per_address = 20;
    l.requests = 50;
    l.header_max = 4096;
    fixture_start(&fx, 2, &l);
    return pthread_create(&bystander, NULL, ask_on, NULL);
}

static int stop(void **state)
{
    (void)state;
    atomic_store(&over, true);
    if (bystander)
        pthread_join(bystander, NULL);
    fixture_stop(&fx);
    return 0;
}

static struct http_counts counts(void)
{
    struct http_counts n;
    http_server_count(fx.server, &n);
    return n;
}

/* Sends a byte each 50 ms until the server closes; the time that took. */
static int64_t drip(int fd, const char *bytes)
{
    int64_t began = raw_now_ms();
    for (size_t i = 0; raw_now_ms() - began < 3000; i++) {
        raw_send(fd, &bytes[i % strlen(bytes)], 1);
        if (raw_closes(fd, 50))
            break;
    }
    return raw_now_ms() - began;
}

static void assert_on_time(int64_t ms)
{
    if (ms < 350 || ms > 2500)
        fail_msg("closed after %lld ms", (long long)ms);
}

static void drops_a_header_that_drips(void **state)
{
    (void)state;
    uint64_t before = counts().timeout_header;
    int fd = raw_connect(fx.plain_port);
    static const char begin[] = "GET /hello HTTP/1.1\r\n";
    raw_send(fd, begin, sizeof(begin) - 1);
    assert_on_time(drip(fd, "X: y\r\n"));
    close(fd);
    assert_int_equal(counts().timeout_header, before + 1);
}

static void drops_a_body_that_drips(void **state)
{
    (void)state;
    uint64_t before = counts().timeout_body;
    int fd = raw_connect(fx.plain_port);
    static const char begin[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
    raw_send(fd, begin, sizeof(begin) - 1);
    assert_on_time(drip(fd, "b"));
    close(fd);
    assert_int_equal(counts().timeout_body, before + 1);
}

static void drops_a_handshake_that_drips(void **state)
{
    (void)state;
    uint64_t before = counts().timeout_handshake;
    int fd = raw_connect(fx.tls_port);
    static const uint8_t hello[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    raw_send(fd, hello, sizeof(hello));
    assert_on_time(drip(fd, "\x01"));
    close(fd);
    fd = raw_connect(fx.tls_port);
    int64_t began = raw_now_ms();
    assert_true(raw_closes(fd, 3000));
    assert_on_time(raw_now_ms() - began);
    close(fd);
    assert_int_equal(counts().timeout_handshake, before + 2);
}

static void drops_an_answer_that_nobody_takes(void **state)
{
    (void)state;
    uint64_t before = counts().timeout_answer;
    int fd = raw_connect(fx.plain_port);
    static const char ask[] = "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
    raw_send(fd, ask, sizeof(ask) - 1);
    for (int i = 0; i < 300 && counts().timeout_answer == before; i++)
        usleep(10000);
    assert_int_equal(counts().timeout_answer, before + 1);
    close(fd);
}

static void closes_idle_connections(void **state)
{
    (void)state;
    int fd = raw_connect(fx.plain_port);
    char got[1000];
    int64_t began = raw_now_ms();
    raw_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    raw_read(fd, got, sizeof(got), "hello\n", 1000);
    assert_true(raw_closes(fd, 3000));
    assert_in_range(raw_now_ms() - began, 600, 3000);
    close(fd);
}

static void ends_a_connection_after_its_requests(void **state)
{
    (void)state;
    char got[20000];
    int fd = raw_connect(fx.plain_port);
    for (int i = 0; i < 60; i++)
        raw_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    raw_read(fd, got, sizeof(got), NULL, 3000);
    size_t n = 0;
    for (const char *p = got; (p = strstr(p, "\r\n\r\nhello\n")); p++)
        n++;
    assert_int_equal(n, 50);
    assert_non_null(strstr(got, "Connection: close\r\n"));
    close(fd);
}

static void refuses_large_headers(void **state)
{
    (void)state;
    char got[2000], line[128];
    int fd = raw_connect(fx.plain_port);
    raw_send(fd, "GET /hello HTTP/1.1\r\n", 21);
    memset(line, 'a', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    for (int i = 0; i < 100; i++)
        raw_send(fd, line, sizeof(line));
    raw_read(fd, got, sizeof(got), "\r\n\r\n", 1000);
    assert_memory_equal(got, "HTTP/1.1 431", 12);
    close(fd);
}

static void lets_an_address_have_its_share_only(void **state)
{
    (void)state;
    const uint32_t crowd = INADDR_LOOPBACK + 1; /* the bystander has an address of its own */
    int fd[30];
    size_t open = 0;
    uint64_t before = counts().refused_address;
    for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
        fd[i] = raw_connect_from(crowd, fx.plain_port);
        raw_send(fd[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    }
    for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
        char got[600];
        open += raw_read(fd[i], got, sizeof(got), "hello\n", 2000) > 0;
    }
    assert_int_equal(open, 20);
    assert_int_equal(counts().refused_address, before + ARRAY_LEN(fd) - open);
    for (size_t i = 0; i < ARRAY_LEN(fd); i++)
        close(fd[i]);
    bool again = false;
    for (int i = 0; i < 100 && !again; i++) {
        char got[600];
        usleep(20000);
        fd[0] = raw_connect_from(crowd, fx.plain_port);
        raw_send(fd[0], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
        again = raw_read(fd[0], got, sizeof(got), "hello\n", 2000) > 0;
        close(fd[0]);
    }
    assert_true(again);
}

static void harms_nobody_else(void **state)
{
    (void)state;
    assert_true(atomic_load(&asked) > 20);
    assert_int_equal(atomic_load(&failed), 0);
}

static void drains_without_cutting_an_answer(void **state)
{
    (void)state;
    char got[2000];
    atomic_store(&over, true);
    pthread_join(bystander, NULL);
    bystander = 0;
    unsigned before = fixture_late;
    fixture_hold = true;
    int fd = raw_connect(fx.plain_port), idle = raw_connect(fx.plain_port);
    raw_send(fd, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n", 31);
    for (int i = 0; i < 1000 && fixture_late == before; i++)
        usleep(1000);
    http_server_drain(fx.server);
    fixture_hold = false;
    raw_read(fd, got, sizeof(got), NULL, 2000);
    assert_non_null(strstr(got, "Connection: close\r\n"));
    assert_non_null(strstr(got, "late\n"));
    assert_true(raw_closes(idle, 2000));
    close(fd);
    close(idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_a_header_that_drips),
        cmocka_unit_test(drops_a_body_that_drips),
        cmocka_unit_test(drops_a_handshake_that_drips),
        cmocka_unit_test(drops_an_answer_that_nobody_takes),
        cmocka_unit_test(closes_idle_connections),
        cmocka_unit_test(ends_a_connection_after_its_requests),
        cmocka_unit_test(refuses_large_headers),
        cmocka_unit_test(lets_an_address_have_its_share_only),
        cmocka_unit_test(harms_nobody_else),
        cmocka_unit_test(drains_without_cutting_an_answer),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
