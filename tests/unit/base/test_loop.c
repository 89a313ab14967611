/* Posts, calls and timers of the worker threads; sockets that a supervisor passes; channel binding. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_fixture.h"

#define POSTERS 4
#define POSTS   20000

struct order {
    struct loop *l;
    _Atomic size_t ran, wrong;
    size_t next[POSTERS];
};

struct numbered {
    struct order *o;
    unsigned from;
    size_t n;
};

static void check_order(void *arg)
{
    struct numbered *p = arg;
    if (p->o->next[p->from]++ != p->n || loop_self(p->o->l) != 1)
        atomic_fetch_add(&p->o->wrong, 1);
    atomic_fetch_add(&p->o->ran, 1);
    free(p);
}

struct poster {
    struct order *o;
    unsigned from;
};

static void *post_many(void *arg)
{
    struct poster *me = arg;
    for (size_t i = 0; i < POSTS; i++) {
        struct numbered *p = malloc(sizeof(*p));
        *p = (struct numbered){me->o, me->from, i};
        if (!loop_post(me->o->l, 1, check_order, p))
            free(p);
    }
    return NULL;
}

static void runs_each_post_once_and_in_order(void **state)
{
    (void)state;
    struct err e = {0};
    struct order o = {0};
    pthread_t t[POSTERS];
    struct poster p[POSTERS];
    assert_ok(loop_new(2, &o.l, &e), e);
    assert_ok(loop_start(o.l, &e), e);
    for (unsigned i = 0; i < POSTERS; i++) {
        p[i] = (struct poster){&o, i};
        assert_int_equal(pthread_create(&t[i], NULL, post_many, &p[i]), 0);
    }
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(t[i], NULL);
    loop_stop(o.l);
    assert_int_equal(atomic_load(&o.ran), POSTERS * POSTS);
    assert_int_equal(atomic_load(&o.wrong), 0);
    loop_free(o.l);
}

static void count_one(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void runs_timers_and_calls(void **state)
{
    (void)state;
    struct err e = {0};
    struct loop *l;
    struct loop_timer *once, *often;
    _Atomic int a = 0, b = 0, c = 0;
    assert_ok(loop_new(1, &l, &e), e);
    assert_int_equal(loop_self(l), -1);
    assert_ok(loop_timer_new(l, 0, count_one, &a, &once, &e), e);
    assert_ok(loop_timer_new(l, 0, count_one, &b, &often, &e), e);
    loop_timer_set(once, 5, 0);
    loop_timer_set(often, 1, 2);
    assert_ok(loop_start(l, &e), e);
    for (int i = 0; i < 500 && atomic_load(&b) < 5; i++)
        usleep(5000);
    assert_true(loop_call(l, 0, count_one, &c));
    assert_int_equal(atomic_load(&c), 1);
    loop_stop(l);
    assert_int_equal(atomic_load(&a), 1);
    assert_true(atomic_load(&b) >= 5);
    loop_timer_free(once);
    loop_timer_free(often);
    loop_free(l);
    assert_err(loop_new(0, &l, &e), e, ERR_USAGE);
}

static void adopts_listening_sockets_only(void **state)
{
    (void)state;
    struct err e = {0};
    struct fixture fx;
    fixture_start(&fx, 2, NULL);
    int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), passed = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_err(loop_adopt(plain, &e), e, ERR_HTTP_LISTEN);
    assert_err(loop_adopt(-1, &e), e, ERR_HTTP_LISTEN);
    close(plain);
    assert_int_equal(bind(passed, (const void *)&a, sizeof(a)), 0);
    assert_int_equal(listen(passed, 8), 0);
    uint16_t port;
    assert_ok(loop_port(passed, &port, &e), e);
    assert_ok(http_server_adopt(fx.server, HTTP_DOOR_PLAIN, passed, &e), e);
    for (int i = 0; i < 20; i++) {
        char got[500];
        int fd = raw_connect(port);
        raw_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
        raw_read(fd, got, sizeof(got), "hello\n", 2000);
        assert_non_null(strstr(got, "hello\n"));
        close(fd);
    }
    fixture_stop(&fx);
}

static void takes_a_socket_file_over_only_if_it_is_dead(void **state)
{
    (void)state;
    struct err e = {0};
    char path[64];
    int one, two;
    snprintf(path, sizeof(path), "/tmp/kith-loop-test-%d.sock", (int)getpid());
    assert_ok(loop_listen_unix(path, 0600, &one, &e), e);
    assert_err(loop_listen_unix(path, 0600, &two, &e), e, ERR_HTTP_LISTEN);
    close(one);
    assert_ok(loop_listen_unix(path, 0600, &two, &e), e);
    close(two);
    unlink(path);
}

/* Both ends must find the same value, and another one on another connection. */
static void binds_channels(void **state)
{
    (void)state;
    struct err e = {0};
    struct fixture fx;
    uint8_t last[2][32] = {{0}};
    fixture_start(&fx, 1, NULL);
    SSL_CTX *client = raw_tls_ctx(&fx, true, 0);
    for (int i = 0; i < 2; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        SSL *a = SSL_new(client), *b = tls_server_accept(fx.tls);
        SSL_set_max_proto_version(a, i ? TLS1_2_VERSION : TLS1_3_VERSION);
        SSL_set_fd(a, pair[0]);
        SSL_set_fd(b, pair[1]);
        int ra = 0, rb = 0;
        for (int k = 0; k < 20 && (ra != 1 || rb != 1); k++) {
            ra = SSL_connect(a);
            rb = SSL_accept(b);
        }
        assert_true(ra == 1 && rb == 1);
        uint8_t xa[32], ua[TLS_BINDING_MAX], ub[TLS_BINDING_MAX];
        size_t na, nb;
        assert_ok(tls_exporter(a, xa, &e), e);
        assert_ok(tls_exporter(b, last[i], &e), e);
        assert_memory_equal(xa, last[i], 32);
        if (i) {
            assert_ok(tls_unique(a, ua, &na, &e), e);
            assert_ok(tls_unique(b, ub, &nb, &e), e);
            assert_slice(slice_of(ua, na), slice_of(ub, nb));
            assert_true(na >= 12);
        } else {
            assert_err(tls_unique(a, ua, &na, &e), e, ERR_TLS);
        }
        SSL_free(a);
        SSL_free(b);
        close(pair[0]);
        close(pair[1]);
    }
    assert_memory_not_equal(last[0], last[1], 32);
    SSL_CTX_free(client);
    fixture_stop(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_each_post_once_and_in_order),
        cmocka_unit_test(runs_timers_and_calls),
        cmocka_unit_test(adopts_listening_sockets_only),
        cmocka_unit_test(takes_a_socket_file_over_only_if_it_is_dead),
        cmocka_unit_test(binds_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
