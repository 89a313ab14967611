/* Live MQTT sessions of devices at a broker with Kith's plugin, and how long they live after their devices are revoked.  The
 * first half of the devices is revoked one by one, at a rate that leaves each alone (revoke_cut_*); the second half at once
 * over several connections (revoke_all).  Time runs from the moment the request is written to the API's socket to the moment
 * the client sees its TLS connection end.
 *
 *     mqtt_sessions DEVICES.pem HOST PORT API_SOCKET [PACE_US] */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kit.h"

#define SESSIONS_MAX 4000
#define PACE_US      8000
#define CALLERS      8
#define WAIT_S       30

struct session {
    char device[64];
    EVP_PKEY *key;
    X509 *cert;
    SSL *ssl;
    int fd;
    double called, answered;
    double closed; /* 0: lives */
};

struct bench {
    struct session s[SESSIONS_MAX];
    size_t n;
    const char *api;
    atomic_size_t next;
    size_t end;
    bool paced;
    useconds_t pace_us;
};

static void sessions_read(struct bench *b, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        kit_die(path);
    while (b->n < SESSIONS_MAX) {
        struct session *s = &b->s[b->n];
        if (!(s->key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) || !(s->cert = PEM_read_X509(f, NULL, NULL, NULL)))
            break;
        X509_NAME_get_text_by_NID(X509_get_subject_name(s->cert), NID_commonName, s->device, sizeof s->device);
        b->n++;
    }
    fclose(f);
}

/* MQTT 3.1.1 CONNECT with a clean session and no keep-alive. */
static void session_open(struct session *s, SSL_CTX *ctx, const char *host, unsigned port)
{
    unsigned char packet[128] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0}, answer[4];
    size_t id = strlen(s->device);
    packet[1] = (unsigned char)(12 + id);
    packet[13] = (unsigned char)id;
    memcpy(packet + 14, s->device, id);
    s->fd = kit_connect(host, port);
    s->ssl = SSL_new(ctx);
    if (!s->ssl || SSL_use_certificate(s->ssl, s->cert) != 1 || SSL_use_PrivateKey(s->ssl, s->key) != 1 ||
        SSL_set_fd(s->ssl, s->fd) != 1 || SSL_connect(s->ssl) != 1)
        kit_die("TLS handshake with the broker");
    if (SSL_write(s->ssl, packet, (int)(14 + id)) <= 0 || SSL_read(s->ssl, answer, 4) != 4 || answer[0] != 0x20 ||
        answer[3] != 0)
        kit_die("the broker refuses a session");
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->closed = 0;
}

/* ---- the API ---- */

static int api_open(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&a, sizeof a) < 0)
        kit_die(path);
    return fd;
}

static void api_revoke(int fd, struct session *s)
{
    char text[4096];
    size_t got = 0;
    int n = snprintf(text, sizeof text,
                     "POST /v1/devices/%s/revoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", s->device);
    s->called = kit_now_s();
    if (write(fd, text, (size_t)n) != n)
        kit_die("revoke");
    for (;;) {
        ssize_t r = read(fd, text + got, sizeof text - 1 - got);
        if (r <= 0)
            kit_die("revoke");
        text[got += (size_t)r] = 0;
        const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
        if (end && length && got >= (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10))
            break;
    }
    s->answered = kit_now_s();
    if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "mqtt_sessions: %s\n", text);
        exit(1);
    }
}

static void *caller(void *arg)
{
    struct bench *b = arg;
    int fd = api_open(b->api);
    for (;;) {
        size_t i = atomic_fetch_add(&b->next, 1);
        if (i >= b->end)
            break;
        api_revoke(fd, &b->s[i]);
        if (b->paced)
            usleep(b->pace_us);
    }
    close(fd);
    return NULL;
}

/* ---- watching ---- */

static bool ended(struct session *s)
{
    char buf[256];
    for (;;) {
        int n = SSL_read(s->ssl, buf, sizeof buf);
        if (n > 0)
            continue;
        return SSL_get_error(s->ssl, n) != SSL_ERROR_WANT_READ;
    }
}

static void watch(struct bench *b, size_t from, size_t to)
{
    struct epoll_event ev[64];
    int ep = epoll_create1(EPOLL_CLOEXEC);
    size_t left = to - from;
    double until = kit_now_s() + WAIT_S;
    for (size_t i = from; i < to; i++) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = &b->s[i]};
        epoll_ctl(ep, EPOLL_CTL_ADD, b->s[i].fd, &e);
    }
    while (left && kit_now_s() < until) {
        int n = epoll_wait(ep, ev, 64, 200);
        for (int i = 0; i < n; i++) {
            struct session *s = ev[i].data.ptr;
            if (s->closed > 0 || !ended(s))
                continue;
            s->closed = kit_now_s();
            epoll_ctl(ep, EPOLL_CTL_DEL, s->fd, NULL);
            left--;
            until = s->closed + WAIT_S;
        }
    }
    close(ep);
    if (left) {
        fprintf(stderr, "mqtt_sessions: %zu of %zu sessions live on\n", left, to - from);
        exit(1);
    }
}

static void cut(struct bench *b, size_t from, size_t to, bool paced)
{
    pthread_t t[CALLERS];
    size_t callers = paced ? 1 : CALLERS;
    b->next = from;
    b->end = to;
    b->paced = paced;
    for (size_t i = 0; i < callers; i++)
        if (pthread_create(&t[i], NULL, caller, b) != 0)
            kit_die("thread");
    watch(b, from, to);
    for (size_t i = 0; i < callers; i++)
        pthread_join(t[i], NULL);
}

static void tell_calls(const struct bench *b, size_t from, size_t to)
{
    double sum = 0, last = 0, first = 1e18;
    for (size_t i = from; i < to; i++) {
        sum += b->s[i].answered - b->s[i].called;
        last = b->s[i].answered > last ? b->s[i].answered : last;
        first = b->s[i].called < first ? b->s[i].called : first;
    }
    fprintf(stderr, "  the API answers in %.1f ms, all in %.2f s\n", sum / (double)(to - from) * 1e3, last - first);
}

int main(int argc, char **argv)
{
    static struct bench b;
    static double took[SESSIONS_MAX];
    if (argc < 5) {
        fprintf(stderr, "usage: mqtt_sessions DEVICES.pem HOST PORT API_SOCKET [PACE_US]\n");
        return 2;
    }
    sessions_read(&b, argv[1]);
    b.api = argv[4];
    b.pace_us = argc > 5 ? (useconds_t)strtoul(argv[5], NULL, 10) : PACE_US;
    unsigned port = (unsigned)strtoul(argv[3], NULL, 10);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    for (size_t i = 0; i < b.n; i++)
        session_open(&b.s[i], ctx, argv[2], port);
    fprintf(stderr, "  %zu live sessions\n", b.n);
    size_t half = b.n / 2;
    cut(&b, 0, half, true);
    for (size_t i = 0; i < half; i++)
        took[i] = b.s[i].closed - b.s[i].called;
    kit_print("revoke_cut_p50", kit_quantile(took, half, 0.5) * 1e3, "ms", 0, NULL, 0, "<= 1000");
    kit_print("revoke_cut_p99", kit_quantile(took, half, 0.99) * 1e3, "ms", 0, NULL, 0, "<= 1000");
    fprintf(stderr, "  slowest %.1f ms\n", took[half - 1] * 1e3);
    tell_calls(&b, 0, half);
    cut(&b, half, b.n, false);
    tell_calls(&b, half, b.n);
    double first = 1e18, last = 0;
    for (size_t i = half; i < b.n; i++) {
        first = b.s[i].called < first ? b.s[i].called : first;
        last = b.s[i].closed > last ? b.s[i].closed : last;
    }
    kit_print("revoke_all", last - first, "s", 0, NULL, 0, "<= 5");
    return 0;
}
