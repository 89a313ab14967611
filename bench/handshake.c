/* Mutual TLS handshakes with one request each: Kith's server against OpenSSL's own loop, which is a process of two threads
 * that accept, read, answer as many bytes and close, with a P-256 key, client certificates demanded and checked, and no more.
 * The same clients (8 threads, no resumption) drive both, in turns, on loopback; the median of the pairs' ratios counts.
 *
 *     handshake DEVICES.pem ISSUERS.pem HOST PORT PATH PIDS */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kit.h"

#define CLIENTS 8
#define PAIRS   9
#define ROUND_S 1.0

static char request[512];
static atomic_bool stop;
static atomic_size_t done;
static unsigned target_port;
static const char *target_host;
static EVP_PKEY *client_key;
static X509 *client_cert;
static size_t answer_size;

/* ---- the bare server ---- */

static SSL_CTX *bare_ctx(const char *issuers)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    if (!key || !ctx || X509_set_pubkey(cert, key) != 1 || X509_sign(cert, key, EVP_sha256()) <= 0 ||
        SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
        SSL_CTX_load_verify_locations(ctx, issuers, NULL) != 1)
        kit_die("bare server");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"b", 1);
    return ctx;
}

static int listener;
static SSL_CTX *server_ctx;

static void *bare_loop(void *arg)
{
    char buf[4096], *answer = calloc(1, 65536);
    (void)arg;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        SSL *ssl = SSL_new(server_ctx);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, buf, sizeof buf) > 0 && SSL_write(ssl, answer, (int)answer_size) > 0)
            SSL_shutdown(ssl);
        SSL_free(ssl);
        close(fd);
    }
    return NULL;
}

static pid_t bare_start(const char *issuers, unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (const struct sockaddr *)(const void *)&a, sizeof a) < 0 || listen(listener, 128) < 0 ||
        getsockname(listener, (struct sockaddr *)(void *)&a, &n) < 0)
        kit_die("listen");
    *port = ntohs(a.sin_port);
    pid_t p = fork();
    if (p)
        return p;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    server_ctx = bare_ctx(issuers);
    pthread_t t;
    pthread_create(&t, NULL, bare_loop, NULL);
    bare_loop(NULL);
    _exit(0);
}

/* ---- clients ---- */

static size_t once(SSL_CTX *ctx)
{
    char buf[65536];
    size_t got = 0;
    int fd = kit_connect(target_host, target_port), n;
    SSL *ssl = kit_tls(ctx, fd);
    if (SSL_write(ssl, request, (int)strlen(request)) <= 0)
        kit_die("request");
    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        got += (size_t)n;
    SSL_free(ssl);
    close(fd);
    return got;
}

static SSL_CTX *client_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || SSL_CTX_use_certificate(ctx, client_cert) != 1 || SSL_CTX_use_PrivateKey(ctx, client_key) != 1)
        kit_die("client");
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return ctx;
}

static void *client(void *arg)
{
    SSL_CTX *ctx = client_ctx();
    (void)arg;
    while (!atomic_load(&stop)) {
        if (once(ctx) == 0)
            kit_die("no answer");
        atomic_fetch_add(&done, 1);
    }
    SSL_CTX_free(ctx);
    return NULL;
}

struct side {
    unsigned port;
    struct kit_pids pids;
    double rate[PAIRS], cpu[PAIRS]; /* 1/s, seconds a handshake */
};

static void round_run(struct side *side, size_t i)
{
    pthread_t t[CLIENTS];
    target_port = side->port;
    stop = false;
    done = 0;
    double start = kit_now_s(), cpu = kit_cpu_of_all(&side->pids);
    for (size_t k = 0; k < CLIENTS; k++)
        pthread_create(&t[k], NULL, client, NULL);
    usleep((useconds_t)(ROUND_S * 1e6));
    stop = true;
    for (size_t k = 0; k < CLIENTS; k++)
        pthread_join(t[k], NULL);
    side->rate[i] = (double)done / (kit_now_s() - start);
    side->cpu[i] = (kit_cpu_of_all(&side->pids) - cpu) / (double)done;
}

/* Who is first changes from pair to pair: a machine that grows slower is not held against one of them. */
static void measure(struct side *ours, struct side *bare)
{
    double ratio[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        round_run(i % 2 ? bare : ours, i);
        round_run(i % 2 ? ours : bare, i);
        ratio[i] = ours->rate[i] / bare->rate[i];
        fprintf(stderr, "  pair %zu: %.0f/s against %.0f/s, ratio %.3f\n", i + 1, ours->rate[i], bare->rate[i],
                ratio[i]);
    }
    kit_print("handshake", kit_quantile(ours->rate, PAIRS, 0.5), "1/s", kit_quantile(bare->rate, PAIRS, 0.5),
              "OpenSSL's loop", kit_quantile(ratio, PAIRS, 0.5), ">= 0.9");
    fprintf(stderr, "  server's CPU: %.0f us, OpenSSL's loop %.0f us; answers of %zu bytes\n",
            kit_quantile(ours->cpu, PAIRS, 0.5) * 1e6, kit_quantile(bare->cpu, PAIRS, 0.5) * 1e6, answer_size);
}

int main(int argc, char **argv)
{
    struct side ours = {0}, bare = {.pids.n = 1};
    if (argc < 7) {
        fprintf(stderr, "usage: handshake DEVICES.pem ISSUERS.pem HOST PORT PATH PIDS\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    FILE *f = fopen(argv[1], "r");
    if (!f || !(client_key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) ||
        !(client_cert = PEM_read_X509(f, NULL, NULL, NULL)))
        kit_die(argv[1]);
    fclose(f);
    target_host = argv[3];
    ours.port = target_port = (unsigned)strtoul(argv[4], NULL, 10);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", argv[5]);
    kit_pids_read(argv[6], &ours.pids);
    answer_size = once(client_ctx());
    bare.pids.pid[0] = bare_start(argv[2], &bare.port);
    usleep(300000);
    measure(&ours, &bare);
    kill(bare.pids.pid[0], SIGKILL);
    return 0;
}
