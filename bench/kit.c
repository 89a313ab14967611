#include "kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

double kit_now_s(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double kit_cpu_s(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

double kit_cpu_of(pid_t p)
{
    clockid_t clock;
    return clock_getcpuclockid(p, &clock) == 0 ? seconds(clock) : 0;
}

void kit_pids_read(const char *list, struct kit_pids *out)
{
    char *end = NULL;
    for (out->n = 0; list && *list && out->n < PIDS_MAX; list = *end ? end + 1 : end)
        out->pid[out->n++] = (pid_t)strtol(list, &end, 10);
}

double kit_cpu_of_all(const struct kit_pids *p)
{
    double sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += kit_cpu_of(p->pid[i]);
    return sum;
}

void kit_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

void kit_print(const char *name, double value, const char *unit, double bare, const char *bare_name, double ratio,
               const char *bar)
{
    int digits = value < 10 ? 4 : value < 1000 ? 2 : 0;
    printf("%s\t%.*f\t%s\t", name, digits, value, unit);
    if (bare > 0)
        printf("%.*f\t%s\t%.3f\t%s\n", bare < 10 ? 6 : bare < 1000 ? 2 : 0, bare, bare_name, ratio, bar);
    else
        printf("-\t-\t-\t%s\n", bar);
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double kit_quantile(double *v, size_t n, double p)
{
    if (n == 0)
        return 0;
    qsort(v, n, sizeof *v, compare);
    size_t i = (size_t)(p * (double)n);
    return v[i < n ? i : n - 1];
}

int kit_connect(const char *host, unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)(const void *)&to, sizeof to) < 0)
        kit_die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

SSL *kit_tls(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        kit_die("TLS handshake");
    return ssl;
}
