/* The doors as clients see them: libcurl through our client, and raw bytes. */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_fixture.h"

static struct fixture fx;

static int start(void **state)
{
    (void)state;
    struct http_limits l;
    http_limits_default(&l);
    l.connections = 2000;
    fixture_start(&fx, 2, &l);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fx);
    return 0;
}

static struct http_client *client(bool with_cert)
{
    struct err e = {0};
    static struct slice chain;
    chain = fx.device.cert;
    struct http_client_opts o = {.tls = {.root = fx.root.cert}};
    if (with_cert)
        o.tls = (struct tls_client){.root = fx.root.cert, .key = fx.device.key, .chain = &chain, .chain_n = 1};
    struct http_client *c;
    assert_ok(http_client_new(&o, &c, &e), e);
    return c;
}

static const char *url(bool tls, const char *path)
{
    static char s[4][200];
    static unsigned k;
    char *dst = s[k++ % 4];
    snprintf(dst, sizeof(s[0]), "%s://127.0.0.1:%u%s", tls ? "https" : "http", tls ? fx.tls_port : fx.plain_port, path);
    return dst;
}

static void get(struct http_client *c, const char *where, int status, const char *has)
{
    struct err e = {0};
    struct http_reply r;
    assert_ok(http_client_call(c, &(struct http_call){.url = where, .any_status = true}, &r, &e), e);
    assert_int_equal(r.status, status);
    if (!strstr(buf_str(&r.body), has))
        fail_msg("%s: '%s' lacks '%s'", where, buf_str(&r.body), has);
    http_reply_clear(&r);
}

static void answers_with_and_without_a_client_certificate(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *bare = client(false), *cert = client(true);
    char has[40];
    snprintf(has, sizeof(has), "cert=%zu", fx.device.cert.n);
    get(bare, url(true, "/who"), 200, "cert=0");
    get(cert, url(true, "/who"), 200, has);
    get(cert, url(true, "/secret"), 200, has);
    get(bare, url(true, "/secret"), 401, "http-auth");
    get(bare, url(false, "/secret"), 404, "not-found");
    get(bare, url(false, "/hello"), 200, "hello");
    get(bare, url(true, "/late"), 200, "late");
}

static void reads_credentials_and_challenges_without_them(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    struct err e = {0};
    struct http_reply r;
    char challenge[100];
    struct http_call call = {.url = url(true, "/known"), .any_status = true};
    assert_ok(http_client_call(c, &call, &r, &e), e);
    assert_int_equal(r.status, 401);
    assert_true(http_reply_header(&r, "WWW-Authenticate", challenge, sizeof(challenge)));
    assert_string_equal(challenge, "Basic realm=\"kith\", charset=\"UTF-8\"");
    http_reply_clear(&r);
    call.user = "dev_1";
    call.password = "cl:aim";
    assert_ok(http_client_call(c, &call, &r, &e), e);
    assert_non_null(strstr(buf_str(&r.body), "user=dev_1 password=cl:aim"));
    http_reply_clear(&r);
    call.url = url(false, "/known");
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_USAGE);
}

static void finds_routes(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    static const struct {
        const char *path;
        int status;
        const char *has;
    } rows[] = {
        {"/who/literal", 200, "hello"},    {"/who/ab%2Fc?q=1%202+3", 200, "param=ab/c path=/who/ab/c q=1 2 3"},
        {"/who/a?x=1&q", 200, "q="},       {"/tree/a/b%20c/d", 200, "param=a/b c/d"},
        {"/tree/", 404, "not-found"},      {"/who/", 404, "not-found"},
        {"/who/a/b", 404, "not-found"},    {"/nothing", 404, "not-found"},
        {"/", 404, "not-found"},           {"/who/%zz", 400, "http-request"},
        {"/who/%00", 400, "http-request"}, {"/echo", 405, "http-method"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        get(c, url(false, rows[i].path), rows[i].status, rows[i].has);
}

static void brings_errors_across_whole(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    struct err e = {0};
    struct http_reply r;
    struct http_call call = {.url = url(true, "/refuse")};
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_TOMBSTONE);
    assert_string_equal(e.what, "device dev_1 is retired");
    assert_string_equal(e.why, "DESIGN section 2");
    assert_string_equal(e.hint, "kith device show dev_1");
}

static void serves_the_local_socket_with_the_peers_user(void **state)
{
    (void)state;
    struct err e = {0};
    struct http_client *c;
    char has[80];
    struct http_client_opts o = {.unix_path = fx.unix_path};
    assert_ok(http_client_new(&o, &c, &e), e);
    snprintf(has, sizeof(has), "peer=local cert=0 user=- password=- uid=%ld", (long)getuid());
    get(c, "http://kith/known", 200, has);
    http_client_free(c);
}

static void echoes_bodies_of_every_size(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    static const size_t sizes[] = {0, 1, 1000, 16383, 16384, 16385, 100000, 1 << 20, (1 << 20) + 1};
    uint8_t *p = malloc((1 << 20) + 1);
    for (size_t i = 0; i < (1 << 20) + 1; i++)
        p[i] = (uint8_t)(i * 31 >> 3);
    for (size_t i = 0; i < ARRAY_LEN(sizes) * 2; i++) {
        struct err e = {0};
        struct http_reply r;
        struct slice body = slice_of(p, sizes[i / 2]);
        struct http_call call = {.method = "POST", .url = url(i % 2, "/echo"), .body = body, .type = "x/y"};
        if (body.n > 1 << 20) {
            assert_err(http_client_call(c, &call, &r, &e), e, ERR_HTTP_TOO_LARGE);
            continue;
        }
        assert_ok(http_client_call(c, &call, &r, &e), e);
        assert_slice(buf_slice(&r.body), body);
        http_reply_clear(&r);
    }
    free(p);
}

static bool count_bytes(struct slice part, void *arg)
{
    size_t *n = arg;
    *n += part.n;
    return true;
}

static bool stop_soon(struct slice part, void *arg)
{
    size_t *n = arg;
    *n += part.n;
    return *n < 20;
}

static void streams_as_fast_as_the_client_takes(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    struct err e = {0};
    struct http_reply r;
    for (int tls = 0; tls < 2; tls++) {
        size_t n = 0;
        struct http_call call = {.url = url(tls, "/flow"), .on_data = count_bytes, .arg = &n, .timeout_ms = 20000};
        assert_ok(http_client_call(c, &call, &r, &e), e);
        assert_int_equal(n, 4 << 20);
        http_reply_clear(&r);
        n = 0;
        call.url = url(tls, "/big");
        assert_ok(http_client_call(c, &call, &r, &e), e);
        assert_int_equal(n, 8 << 20);
        http_reply_clear(&r);
        n = 0;
        call.url = url(tls, "/ticks");
        call.on_data = stop_soon;
        assert_ok(http_client_call(c, &call, &r, &e), e);
        assert_true(n >= 20);
        http_reply_clear(&r);
    }
}

static void a_stream_that_is_cut_is_no_answer(void **state)
{
    (void)state;
    struct err e = {0};
    char url[80];
    struct http_reply r;
    AUTO(http_client_free_auto) struct http_client *c = NULL;
    struct http_client_opts o = {.tls = {.root = fx.root.cert}};
    assert_ok(http_client_new(&o, &c, &e), e);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/half", fx.tls_port);
    assert_false(http_client_call(c, &(struct http_call){.url = url, .timeout_ms = 5000}, &r, &e));
    assert_int_equal(e.code, ERR_HTTP_ANSWER);
}

static void drops_a_stream_that_nobody_reads(void **state)
{
    (void)state;
    int fd = raw_connect(fx.plain_port);
    raw_send(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    struct http_counts n;
    for (int i = 0; i < 200; i++) {
        http_server_count(fx.server, &n);
        if (n.dropped_streams)
            break;
        usleep(10000);
    }
    assert_int_equal(n.dropped_streams, 1);
    close(fd);
}

static void refuses_a_server_that_is_not_trusted(void **state)
{
    (void)state;
    struct identity other;
    struct err e = {0};
    struct http_reply r;
    struct http_client *c;
    uint8_t digest[32];
    char wrong_name[80];
    identity_make(&other, "Other Root", NULL, true);
    struct http_client_opts o = {.tls = {.root = other.cert}};
    struct http_call call = {.url = url(true, "/hello")};
    assert_ok(http_client_new(&o, &c, &e), e);
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_TLS_TRUST);
    http_client_free(c);
    for (int good = 0; good < 2; good++) {
        struct slice root = good ? fx.root.cert : other.cert;
        assert_int_equal(EVP_Digest(root.p, root.n, digest, NULL, EVP_sha256(), NULL), 1);
        o.tls = (struct tls_client){.root_sha256 = digest};
        assert_ok(http_client_new(&o, &c, &e), e);
        if (good) {
            assert_ok(http_client_call(c, &call, &r, &e), e);
            http_reply_clear(&r);
            snprintf(wrong_name, sizeof(wrong_name), "https://localhost:%u/hello", fx.tls_port);
            call.url = wrong_name;
        }
        assert_err(http_client_call(c, &call, &r, &e), e, ERR_TLS_TRUST);
        assert_non_null(strstr(e.what, good ? "for another host" : "does not lead to the root"));
        assert_true(e.why[0] && e.hint[0]);
        http_client_free(c);
    }
    identity_clear(&other);
}

/* Host name and root are right each time: only the usage tells a platform's server from a gateway. */
static void tells_a_platform_from_a_gateway_by_its_usage(void **state)
{
    static const struct {
        const char *usages;
        bool good;
    } rows[] = {{"serverAuth,1.3.6.1.5.5.7.3.28", true},
                {"clientAuth,serverAuth", false},
                {"serverAuth,anyExtendedKeyUsage", false},
                {"clientAuth,1.3.6.1.5.5.7.3.28", false}, /* no server at all */
                {NULL, false}};
    uint8_t digest[32];
    (void)state;
    assert_int_equal(EVP_Digest(fx.root.cert.p, fx.root.cert.n, digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
        struct err e = {0};
        struct http_reply r;
        struct http_client *c;
        struct identity own;
        bool by_digest = i & 1, good = rows[i / 2].good;
        identity_make_server(&own, "127.0.0.1", &fx.root, rows[i / 2].usages);
        struct slice chain[] = {own.cert, fx.root.cert};
        assert_ok(tls_server_replace(fx.tls, own.key, chain, 2, &e), e);
        struct http_client_opts o = {.tls = {.platform = true}};
        if (by_digest)
            o.tls.root_sha256 = digest;
        else
            o.tls.root = fx.root.cert;
        assert_ok(http_client_new(&o, &c, &e), e);
        if (good) {
            assert_ok(http_client_call(c, &(struct http_call){.url = url(true, "/hello")}, &r, &e), e);
            http_reply_clear(&r);
        } else {
            assert_err(http_client_call(c, &(struct http_call){.url = url(true, "/hello")}, &r, &e), e, ERR_TLS_TRUST);
            assert_true(e.hint[0]);
        }
        if (rows[i / 2].usages && strstr(rows[i / 2].usages, "clientAuth,serverAuth"))
            assert_non_null(strstr(e.why, "id-kp-cmcRA"));
        http_client_free(c);
        identity_clear(&own);
    }
    struct slice chain[] = {fx.leaf.cert, fx.root.cert};
    struct err e = {0};
    assert_ok(tls_server_replace(fx.tls, fx.leaf.key, chain, 2, &e), e);
}

/* The kernel takes connections for a process that is stopped. */
static void says_that_nothing_was_answered(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    char mute[64];
    struct err e = {0};
    struct http_reply r;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 4) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    snprintf(mute, sizeof mute, "http://127.0.0.1:%u/", ntohs(at.sin_port));
    struct http_call call = {.url = mute, .timeout_ms = 200};
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.what, "does not answer: nothing came within 1 s"));
    assert_true(e.why[0] && e.hint[0] && !strstr(e.why, "millisecond"));
    snprintf(mute, sizeof mute, "https://127.0.0.1:%u/", ntohs(at.sin_port));
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_UNAVAILABLE);
    assert_non_null(strstr(e.what, "there is no connection within 1 s"));
    close(fd);
}

static void says_what_to_look_at_when_nobody_is_there(void **state)
{
    (void)state;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    struct err e = {0};
    struct http_reply r;
    struct http_call call = {.url = "http://127.0.0.1:9/"};
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_UNAVAILABLE);
    assert_true(e.hint[0]);
    assert_non_null(strstr(e.what, "http://127.0.0.1:9/ cannot be reached: Connection refused"));
    call.url = "ftp://127.0.0.1/";
    assert_err(http_client_call(c, &call, &r, &e), e, ERR_USAGE);
}

/* --- raw bytes --- */

static void answers_pipelined_requests_in_order(void **state)
{
    (void)state;
    static char ask[40000], got[200000];
    size_t n = 0;
    for (int i = 0; i < 200; i++)
        n += (size_t)sprintf(ask + n, "GET /who/n%d%s HTTP/1.1\r\nHost: x\r\n\r\n", i, "");
    n += (size_t)sprintf(ask + n, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n");
    n += (size_t)sprintf(ask + n, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfirst");
    n += (size_t)sprintf(ask + n, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    int fd = raw_connect(fx.plain_port);
    raw_send(fd, ask, n);
    raw_read(fd, got, sizeof(got), NULL, 5000);
    const char *at = got;
    for (int i = 0; i < 200; i++) {
        char want[20];
        sprintf(want, "param=n%d ", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    assert_non_null(at = strstr(at, "late"));
    assert_non_null(at = strstr(at, "first"));
    assert_non_null(strstr(at, "Connection: close\r\n\r\nhello\n"));
    close(fd);
}

static void refuses_what_is_not_a_request(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *status;
    } rows[] = {
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", " 400 "},
        {"GET /hello HTTP/1.1\r\n\r\n", " 400 "},
        {"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", " 400 "},
        {"GET hello HTTP/1.1\r\nHost: x\r\n\r\n", " 400 "},
        {"GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", " 400 "},
        {"GET /hello HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", " 400 "},
        {"GET /hello HTTP/1.1\r\nHost : x\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " 400 "},
        {"GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", " 400 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n", " 413 "},
        {"POST /echo/small HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", " 413 "},
        {"POST /echo/small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
         " 413 "},
        {"DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", " 405 "},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", " 404 "},
        {"GET /../hello HTTP/1.1\r\nHost: x\r\n\r\n", " 400 "},
        {"\r\n\r\nGET http://a.example/hello HTTP/1.1\r\nHost: x\r\n\r\n", " 200 "},
        {"GET /hello HTTP/1.0\r\n\r\n", " 200 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n00\r\nT: x\r\n\r\n",
         " 200 "},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", " 100 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[4096];
        int fd = raw_connect(fx.plain_port);
        raw_send(fd, rows[i].bytes, strlen(rows[i].bytes));
        raw_read(fd, got, sizeof(got), "\r\n\r\n", 3000);
        if (strncmp(got, "HTTP/1.1", 8) != 0 || strncmp(got + 8, rows[i].status, 5) != 0)
            fail_msg("%s: got '%.60s', not %s", rows[i].bytes, got, rows[i].status);
        close(fd);
    }
}

static void answers_head_without_a_body(void **state)
{
    (void)state;
    char got[4096];
    int fd = raw_connect(fx.plain_port);
    static const char ask[] = "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    raw_send(fd, ask, sizeof(ask) - 1);
    raw_read(fd, got, sizeof(got), "hello\n", 3000);
    const char *end = strstr(got, "\r\n\r\n");
    assert_non_null(end);
    assert_non_null(strstr(got, "Content-Length: 6\r\n"));
    assert_memory_equal(end + 4, "HTTP/1.1 200", 12);
    close(fd);
}

static void answers_a_client_that_half_closes(void **state)
{
    (void)state;
    char got[4096];
    int fd = raw_connect(fx.plain_port);
    raw_send(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", 32);
    shutdown(fd, SHUT_WR);
    raw_read(fd, got, sizeof(got), "hello\n", 3000);
    assert_non_null(strstr(got, "hello\n"));
    close(fd);
}

/* Each prefix of a request, then the end; each byte of it changed.  Nothing but 2xx to 4xx or silence may come. */
static void stands_cut_and_changed_requests(void **state)
{
    (void)state;
    static const char ask[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nAuthorization: Basic YTpi\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    size_t n = sizeof(ask) - 1;
    srand(7);
    for (size_t i = 0; i < 2 * n; i++) {
        char sent[sizeof(ask)], got[2048];
        memcpy(sent, ask, sizeof(ask));
        if (i >= n)
            sent[i - n] = (char)(sent[i - n] ^ (1 << (rand() & 7)));
        int fd = raw_connect(fx.plain_port);
        raw_send(fd, sent, i < n ? i : n);
        shutdown(fd, SHUT_WR);
        raw_read(fd, got, sizeof(got), NULL, 4000);
        if (got[0] && (strncmp(got, "HTTP/1.1 ", 9) != 0 || got[9] > '4'))
            fail_msg("%zu: '%.80s'", i, got);
        close(fd);
    }
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    get(c, url(false, "/hello"), 200, "hello");
}

static void *ask_often(void *arg)
{
    bool tls = arg != NULL;
    struct err e = {0};
    struct http_client_opts o = {.tls = {.root = fx.root.cert}};
    struct http_client *c;
    char where[80];
    snprintf(where, sizeof(where), "%s://127.0.0.1:%u/late", tls ? "https" : "http", tls ? fx.tls_port : fx.plain_port);
    size_t good = 0;
    if (!http_client_new(&o, &c, &e))
        return NULL;
    for (int i = 0; i < 1250; i++) {
        struct http_reply r;
        if (i % 64)
            strcpy(strrchr(where, '/'), "/who");
        else
            strcpy(strrchr(where, '/'), "/late");
        if (!http_client_call(c, &(struct http_call){.url = where}, &r, &e))
            continue;
        good += r.status == 200;
        http_reply_clear(&r);
    }
    http_client_free(c);
    return (void *)good;
}

static void answers_ten_thousand_requests_from_threads(void **state)
{
    (void)state;
    pthread_t t[8];
    size_t good = 0;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, ask_often, i % 2 ? &fx : NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        void *n;
        pthread_join(t[i], &n);
        good += (size_t)n;
    }
    assert_int_equal(good, 10000);
}

static void forgets_requests_whose_client_left(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int fd = raw_connect(fx.plain_port);
        raw_send(fd, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n", 31);
        usleep(i % 10 * 1000);
        close(fd);
    }
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    get(c, url(false, "/late"), 200, "late");
}

#define SLOW_REQUESTS 2500
#define SLOW_BODY     8000

static bool nothing_for(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, ms) == 0;
}

static void put_slow_requests(struct buf *out)
{
    char body[SLOW_BODY];
    buf_init(out, 32 << 20);
    for (int i = 0; i < SLOW_REQUESTS; i++) {
        memset(body, 'a' + i % 26, sizeof body);
        buf_printf(out, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", SLOW_BODY);
        buf_put(out, SLICE_ARRAY(body));
    }
}

/* All heads are equally long. */
static bool has_all_answers(const struct buf *in)
{
    const char *head_end = in->n > 0 ? memmem(in->p, in->n, "\r\n\r\n", 4) : NULL;
    return head_end && in->n >= SLOW_REQUESTS * ((size_t)(head_end + 4 - (const char *)in->p) + SLOW_BODY);
}

/* Each body is the one that was sent. */
static void expect_slow_answers(const struct buf *in)
{
    char body[SLOW_BODY];
    const char *p = (const char *)in->p, *end = p + in->n;
    for (int i = 0; i < SLOW_REQUESTS; i++) {
        p = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
        assert_non_null(p);
        p += 4;
        assert_true(end - p >= SLOW_BODY);
        memset(body, 'a' + i % 26, sizeof body);
        assert_memory_equal(p, body, sizeof body);
        p += SLOW_BODY;
    }
    assert_true(p == end);
}

/* The socket is full again and again, so that answers go out now at once and now by the event loop. */
static void a_slow_tls_client_gets_every_answer_whole(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf out = {0};
    AUTO(buf_clear) struct buf in = {0};
    char some[16384];
    int got = 0;
    SSL_CTX *ctx = raw_tls_ctx(&fx, false, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL *ssl = raw_tls(ctx, fx.tls_port);
    assert_non_null(ssl);
    int fd = SSL_get_fd(ssl);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    put_slow_requests(&out);
    buf_init(&in, 32 << 20);
    int64_t until = raw_now_ms() + 30000;
    for (size_t sent = 0; !has_all_answers(&in) && raw_now_ms() < until;) {
        while (sent < out.n && (got = SSL_write(ssl, out.p + sent, (int)(out.n - sent))) > 0)
            sent += (size_t)got;
        if (sent < out.n && !nothing_for(fd, POLLOUT, 20))
            continue;
        while ((got = SSL_read(ssl, some, sizeof some)) > 0)
            buf_put(&in, slice_of(some, (size_t)got));
        if (SSL_get_error(ssl, got) != SSL_ERROR_WANT_READ)
            break;
        (void)nothing_for(fd, POLLIN, 20);
    }
    expect_slow_answers(&in);
    raw_tls_end(ssl);
    SSL_CTX_free(ctx);
}

static const char *tls_ask(SSL *ssl, const char *path)
{
    static char got[4096];
    char ask[200];
    int n = snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    assert_int_equal(SSL_write(ssl, ask, n), n);
    n = SSL_read(ssl, got, sizeof(got) - 1);
    got[n > 0 ? n : 0] = 0;
    return got;
}

/* Asks, and asks again with the session of before; both times /who says `who`. */
static bool is_resumed(SSL_CTX *ctx, const char *who)
{
    SSL *one = raw_tls(ctx, fx.tls_port);
    assert_non_null(one);
    assert_int_equal(SSL_version(one), SSL_CTX_get_max_proto_version(ctx));
    assert_non_null(strstr(tls_ask(one, "/who"), who));
    SSL_SESSION *session = SSL_get1_session(one);
    raw_tls_end(one);
    SSL *two = SSL_new(ctx);
    SSL_set_session(two, session);
    SSL_set_fd(two, raw_connect(fx.tls_port));
    assert_int_equal(SSL_connect(two), 1);
    bool is = SSL_session_reused(two);
    assert_non_null(strstr(tls_ask(two, "/who"), who));
    raw_tls_end(two);
    SSL_SESSION_free(session);
    return is;
}

static void shows_the_certificate_on_resumed_sessions_too(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    char has[40];
    snprintf(has, sizeof(has), "cert=%zu", fx.device.cert.n);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX *ctx = raw_tls_ctx(&fx, true, versions[i]);
        assert_true(is_resumed(ctx, has));
        SSL_CTX_free(ctx);
    }
}

/* What a client sent behind its certificate is in no ticket: it shows all again. */
static void resumes_no_session_of_a_client_with_a_chain(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX *ctx = raw_tls_ctx(&fx, true, versions[i]);
        const unsigned char *p = fx.root.cert.p;
        X509 *root = d2i_X509(NULL, &p, (long)fx.root.cert.n);
        assert_int_equal(SSL_CTX_add1_chain_cert(ctx, root), 1);
        X509_free(root);
        assert_false(is_resumed(ctx, "cert="));
        SSL_CTX_free(ctx);
    }
}

static void refuses_old_tls(void **state)
{
    (void)state;
    SSL_CTX *ctx = raw_tls_ctx(&fx, false, 0);
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    assert_null(raw_tls(ctx, fx.tls_port));
    SSL_CTX_free(ctx);
}

/* RFC 7627: they are served, but what such a session lacks is not pretended. */
static void serves_tls12_without_extended_master_secret(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        SSL_CTX *ctx = raw_tls_ctx(&fx, true, TLS1_2_VERSION);
        if (!with)
            SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
        SSL *ssl = raw_tls(ctx, fx.tls_port);
        assert_non_null(ssl);
        assert_int_equal(SSL_get_extms_support(ssl), with);
        assert_non_null(strstr(tls_ask(ssl, "/who"), "cert="));
        assert_int_equal(SSL_SESSION_has_ticket(SSL_get0_session(ssl)), with);
        uint8_t unique[TLS_BINDING_MAX], exporter[32];
        size_t n;
        struct err e = {0};
        assert_int_equal(tls_unique(ssl, unique, &n, &e), with);
        assert_int_equal(tls_exporter(ssl, exporter, &e), with);
        raw_tls_end(ssl);
        SSL_CTX_free(ctx);
    }
}

static void takes_a_new_certificate_while_it_runs(void **state)
{
    (void)state;
    struct err e = {0};
    struct identity fresh;
    AUTO(http_client_free_auto) struct http_client *c = client(false);
    get(c, url(true, "/hello"), 200, "hello");
    identity_make(&fresh, "127.0.0.1", &fx.root, false);
    assert_ok(tls_server_replace(fx.tls, fresh.key, &fresh.cert, 1, &e), e);
    get(c, url(true, "/hello"), 200, "hello");
    SSL_CTX *ctx = raw_tls_ctx(&fx, false, 0);
    SSL *ssl = raw_tls(ctx, fx.tls_port);
    assert_non_null(ssl);
    uint8_t *der;
    size_t n;
    assert_ok(tls_peer_cert(ssl, &der, &n, &e), e);
    assert_slice(slice_of(der, n), fresh.cert);
    free(der);
    raw_tls_end(ssl);
    SSL_CTX_free(ctx);
    assert_err(tls_server_replace(fx.tls, fx.root.key, &fresh.cert, 1, &e), e, ERR_TLS);
    identity_clear(&fresh);
}

static void refuses_a_port_in_use(void **state)
{
    (void)state;
    struct err e = {0};
    uint16_t port;
    assert_err(http_server_listen(fx.server, HTTP_DOOR_PLAIN, "127.0.0.1", fx.plain_port, &port, &e), e,
               ERR_HTTP_LISTEN);
    assert_err(http_server_listen(fx.server, HTTP_DOOR_PLAIN, "localhost", 0, &port, &e), e, ERR_HTTP_LISTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_with_and_without_a_client_certificate),
        cmocka_unit_test(reads_credentials_and_challenges_without_them),
        cmocka_unit_test(finds_routes),
        cmocka_unit_test(brings_errors_across_whole),
        cmocka_unit_test(serves_the_local_socket_with_the_peers_user),
        cmocka_unit_test(echoes_bodies_of_every_size),
        cmocka_unit_test(streams_as_fast_as_the_client_takes),
        cmocka_unit_test(a_stream_that_is_cut_is_no_answer),
        cmocka_unit_test(drops_a_stream_that_nobody_reads),
        cmocka_unit_test(refuses_a_server_that_is_not_trusted),
        cmocka_unit_test(tells_a_platform_from_a_gateway_by_its_usage),
        cmocka_unit_test(says_that_nothing_was_answered),
        cmocka_unit_test(says_what_to_look_at_when_nobody_is_there),
        cmocka_unit_test(answers_pipelined_requests_in_order),
        cmocka_unit_test(a_slow_tls_client_gets_every_answer_whole),
        cmocka_unit_test(refuses_what_is_not_a_request),
        cmocka_unit_test(answers_head_without_a_body),
        cmocka_unit_test(answers_a_client_that_half_closes),
        cmocka_unit_test(stands_cut_and_changed_requests),
        cmocka_unit_test(answers_ten_thousand_requests_from_threads),
        cmocka_unit_test(forgets_requests_whose_client_left),
        cmocka_unit_test(shows_the_certificate_on_resumed_sessions_too),
        cmocka_unit_test(resumes_no_session_of_a_client_with_a_chain),
        cmocka_unit_test(refuses_old_tls),
        cmocka_unit_test(serves_tls12_without_extended_master_secret),
        cmocka_unit_test(takes_a_new_certificate_while_it_runs),
        cmocka_unit_test(refuses_a_port_in_use),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
