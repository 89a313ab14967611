#include "http_fixture.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void make(struct identity *id, const char *name, const struct identity *issuer, bool ca, const char *usages)
{
    *id = (struct identity){.key = EVP_EC_gen("P-256")};
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(x, id->key);
    const unsigned char *p = issuer ? issuer->der : NULL;
    X509 *up = issuer ? d2i_X509(NULL, &p, (long)issuer->cert.n) : NULL;
    X509_set_issuer_name(x, up ? X509_get_subject_name(up) : X509_get_subject_name(x));
    char san[80];
    snprintf(san, sizeof(san), "%s:%s", strspn(name, "0123456789.") == strlen(name) ? "IP" : "DNS", name);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, up ? up : x, x, NULL, NULL, 0);
    const char *ext[][2] = {{"basicConstraints", ca ? "critical,CA:TRUE" : "critical,CA:FALSE"},
                            {"subjectAltName", san},
                            {"subjectKeyIdentifier", "hash"},
                            {"extendedKeyUsage", usages}};
    for (size_t i = 0; i < ARRAY_LEN(ext) && ext[i][1]; i++) {
        X509_EXTENSION *one = X509V3_EXT_conf(NULL, &ctx, ext[i][0], ext[i][1]);
        assert_non_null(one);
        X509_add_ext(x, one, -1);
        X509_EXTENSION_free(one);
    }
    assert_true(X509_sign(x, issuer ? issuer->key : id->key, EVP_sha256()) > 0);
    unsigned char *out = id->der;
    int n = i2d_X509(x, NULL);
    assert_true(n > 0 && (size_t)n <= sizeof(id->der));
    id->cert = slice_of(id->der, (size_t)i2d_X509(x, &out));
    X509_free(up);
    X509_free(x);
}

void identity_make(struct identity *id, const char *name, const struct identity *issuer, bool ca)
{
    make(id, name, issuer, ca, NULL);
}

void identity_make_server(struct identity *id, const char *name, const struct identity *issuer, const char *usages)
{
    make(id, name, issuer, false, usages);
}

void identity_clear(struct identity *id)
{
    EVP_PKEY_free(id->key);
}

static void say_hello(struct http_request *req, void *arg)
{
    (void)arg;
    http_answer_text(req, 200, "hello\n");
}

static void echo(struct http_request *req, void *arg)
{
    (void)arg;
    http_answer(req, 200, "application/octet-stream", http_body(req), NULL, 0);
}

static void show_who(struct http_request *req, void *arg)
{
    (void)arg;
    char text[600], query[40] = "-";
    const char *user = "-", *password = "-";
    uid_t uid;
    gid_t gid;
    pid_t pid;
    (void)!http_basic(req, &user, &password);
    bool local = http_peer_cred(req, &uid, &gid, &pid);
    const char *q = http_query(req, "q", query, sizeof(query));
    snprintf(text, sizeof(text), "peer=%s cert=%zu user=%s password=%s uid=%ld param=%s path=%s q=%s", http_peer(req),
             http_peer_cert(req).n, user ? user : "-", password ? password : "-", local ? (long)uid : -1L,
             http_param(req, "name") ? http_param(req, "name") : "-", http_path(req), q ? q : "-");
    http_answer_text(req, 200, text);
}

_Atomic unsigned fixture_late;
_Atomic bool fixture_hold;

static void *answer_late(void *arg)
{
    struct timespec t = {.tv_nsec = 100 * 1000000};
    do
        nanosleep(&t, NULL);
    while (fixture_hold);
    http_answer_text(arg, 200, "late\n");
    return NULL;
}

static void answer_from_thread(struct http_request *req, void *arg)
{
    (void)arg;
    pthread_t t;
    fixture_late++;
    assert_int_equal(pthread_create(&t, NULL, answer_late, req), 0);
    pthread_detach(t);
}

static void refuse(struct http_request *req, void *arg)
{
    (void)arg;
    struct err e = {0};
    err_set(&e, ERR_TOMBSTONE, "device %s is retired", ERR_QUOTE(slice_str("dev_1")));
    err_why(&e, "DESIGN section 2");
    err_try(&e, "kith device show dev_1");
    http_error(req, &e);
}

#define BIG (8u << 20)

static void send_big(struct http_request *req, void *arg)
{
    (void)arg;
    uint8_t *p = malloc(BIG);
    for (uint32_t i = 0; i < BIG; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 24);
    http_answer(req, 200, "application/octet-stream", slice_of(p, BIG), NULL, 0);
    free(p);
}

static void stream_closed(struct http_request *req, void *arg)
{
    (void)arg;
    http_stream_end(req);
}

/* Writes as much as the client takes, until 4 MiB have gone. */
struct flow {
    size_t left;
    bool closed;
};

static void flow_on(struct http_request *req, void *arg)
{
    static const uint8_t block[16384] = {'x'};
    struct flow *flow = arg;
    while (flow->left && http_stream_pending(req) < 256 << 10) {
        if (!http_stream_write(req, SLICE_ARRAY(block)))
            return;
        flow->left -= sizeof(block);
    }
    if (!flow->left) {
        free(flow);
        http_stream_end(req);
    }
}

static void flow_closed(struct http_request *req, void *arg)
{
    free(arg);
    http_stream_end(req);
}

static void send_flow(struct http_request *req, void *arg)
{
    (void)arg;
    struct flow *flow = calloc(1, sizeof(*flow));
    flow->left = 4 << 20;
    struct http_stream events = {.on_close = flow_closed, .on_drain = flow_on, .arg = flow, .low = 64 << 10};
    http_stream_start(req, 200, "application/octet-stream", NULL, 0, &events);
    flow_on(req, flow);
}

/* Ticks from another thread; the client's going ends it. */
static void *tick(void *arg)
{
    struct http_request *req = arg;
    struct timespec t = {.tv_nsec = 5 * 1000000};
    for (int i = 0; i < 2000 && http_stream_write(req, SLICE_LIT("tick\n")); i++)
        nanosleep(&t, NULL);
    http_stream_end(req);
    return NULL;
}

static void send_ticks(struct http_request *req, void *arg)
{
    (void)arg;
    pthread_t t;
    http_stream_start(req, 200, "text/plain", NULL, 0, &(struct http_stream){.low = 1024});
    assert_int_equal(pthread_create(&t, NULL, tick, req), 0);
    pthread_detach(t);
}

static void send_half(struct http_request *req, void *arg)
{
    (void)arg;
    http_stream_start(req, 200, "text/plain", NULL, 0, &(struct http_stream){.on_close = NULL});
    (void)!http_stream_write(req, SLICE_LIT("half"));
    http_stream_cut(req);
}

/* Writes without looking whether anybody reads. */
static void send_flood(struct http_request *req, void *arg)
{
    (void)arg;
    static const uint8_t block[65536] = {'y'};
    http_stream_start(req, 200, "text/plain", NULL, 0, &(struct http_stream){.on_close = stream_closed});
    for (int i = 0; i < 400; i++)
        (void)!http_stream_write(req, SLICE_ARRAY(block));
}

static const struct http_route routes[] = {
    {"GET", "/hello", say_hello, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN | HTTP_DOOR_LOCAL, 0, 0, 0},
    {"POST", "/echo", echo, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"PUT", "/echo", echo, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"POST", "/echo/small", echo, NULL, HTTP_DOOR_PLAIN, 0, 0, 100},
    {"GET", "/who", show_who, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN | HTTP_DOOR_LOCAL, 0, 0, 0},
    {"GET", "/who/{name}", show_who, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/tree/{name...}", show_who, NULL, HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/who/literal", say_hello, NULL, HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/late", answer_from_thread, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/refuse", refuse, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/big", send_big, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/flow", send_flow, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/ticks", send_ticks, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/half", send_half, NULL, HTTP_DOOR_TLS | HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/flood", send_flood, NULL, HTTP_DOOR_PLAIN, 0, 0, 0},
    {"GET", "/secret", show_who, NULL, HTTP_DOOR_TLS | HTTP_DOOR_LOCAL, HTTP_NEED_CERT, 0, 0},
    {"GET", "/known", show_who, NULL, HTTP_DOOR_TLS | HTTP_DOOR_LOCAL, HTTP_NEED_AUTH, 0, 0},
};

void fixture_start(struct fixture *f, unsigned workers, const struct http_limits *limits)
{
    struct err e = {0};
    *f = (struct fixture){0};
    identity_make(&f->root, "Test Root", NULL, true);
    identity_make(&f->leaf, "127.0.0.1", &f->root, false);
    identity_make(&f->device, "dev_1", NULL, false);
    struct slice chain[] = {f->leaf.cert, f->root.cert};
    assert_ok(tls_server_new(f->leaf.key, chain, 2, &f->tls, &e), e);
    assert_ok(loop_new(workers, &f->loop, &e), e);
    struct http_server_opts o = {.loop = f->loop};
    http_limits_default(&o.limits);
    if (limits)
        o.limits = *limits;
    assert_ok(http_server_new(&o, &f->server, &e), e);
    http_server_set0_tls(f->server, f->tls);
    assert_ok(http_server_add(f->server, routes, ARRAY_LEN(routes), &e), e);
    assert_ok(http_server_listen(f->server, HTTP_DOOR_TLS, "127.0.0.1", 0, &f->tls_port, &e), e);
    assert_ok(http_server_listen(f->server, HTTP_DOOR_PLAIN, "127.0.0.1", 0, &f->plain_port, &e), e);
    snprintf(f->unix_path, sizeof(f->unix_path), "/tmp/kith-http-test-%d.sock", (int)getpid());
    assert_ok(http_server_listen_unix(f->server, f->unix_path, 0600, &e), e);
    assert_ok(loop_start(f->loop, &e), e);
}

void fixture_stop(struct fixture *f)
{
    http_server_free(f->server);
    loop_free(f->loop);
    tls_server_free(f->tls);
    identity_clear(&f->root);
    identity_clear(&f->leaf);
    identity_clear(&f->device);
    unlink(f->unix_path);
}

int raw_connect_from(uint32_t from, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in us = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const void *)&us, sizeof(us)), 0);
    assert_int_equal(connect(fd, (const void *)&a, sizeof(a)), 0);
    return fd;
}

int raw_connect(uint16_t port)
{
    return raw_connect_from(INADDR_LOOPBACK, port);
}

void raw_send(int fd, const void *p, size_t n)
{
    (void)!send(fd, p, n, MSG_NOSIGNAL);
}

int64_t raw_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

size_t raw_read(int fd, char *dst, size_t cap, const char *want, int timeout_ms)
{
    size_t n = 0;
    int64_t end = raw_now_ms() + timeout_ms;
    dst[0] = 0;
    while (n + 1 < cap && !(want && strstr(dst, want))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - raw_now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            break;
        ssize_t got = recv(fd, dst + n, cap - n - 1, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        dst[n] = 0;
    }
    return n;
}

bool raw_closes(int fd, int timeout_ms)
{
    char sink[4096];
    int64_t end = raw_now_ms() + timeout_ms;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - raw_now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        if (recv(fd, sink, sizeof(sink), 0) <= 0)
            return true;
    }
}

SSL_CTX *raw_tls_ctx(const struct fixture *f, bool with_cert, int version)
{
    struct err e = {0};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct tls_client want = {.root = f->root.cert};
    struct slice chain = f->device.cert;
    if (with_cert) {
        want.key = f->device.key;
        want.chain = &chain;
        want.chain_n = 1;
    }
    assert_ok(tls_client_apply(ctx, &want, &e), e);
    if (version) {
        SSL_CTX_set_min_proto_version(ctx, version);
        SSL_CTX_set_max_proto_version(ctx, version);
    }
    return ctx;
}

SSL *raw_tls(SSL_CTX *ctx, uint16_t port)
{
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's writes have no MSG_NOSIGNAL, and the server may have hung up */
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, raw_connect(port));
    if (SSL_connect(ssl) == 1)
        return ssl;
    raw_tls_end(ssl);
    return NULL;
}

void raw_tls_end(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    signal(SIGPIPE, SIG_IGN); /* the last record may meet a reset */
    SSL_shutdown(ssl);
    signal(SIGPIPE, SIG_DFL);
    SSL_free(ssl);
    close(fd);
}
