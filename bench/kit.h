/* What the measuring programs share: clocks, a line of the table, TLS connections to a server on loopback. */
#ifndef KITH_BENCH_KIT_H
#define KITH_BENCH_KIT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PIDS_MAX 8

double kit_now_s(void);     /* monotonic */
double kit_cpu_s(void);     /* of this thread, user and system */
double kit_cpu_of(pid_t p); /* of another process, user and system, all its threads */

struct kit_pids {
    pid_t pid[PIDS_MAX];
    size_t n;
};
void kit_pids_read(const char *list, struct kit_pids *out); /* "1,2,3" */
double kit_cpu_of_all(const struct kit_pids *p);

void kit_die(const char *what) __attribute__((noreturn)); /* with OpenSSL's reasons and errno */

/* One line: name value unit bare bare_name ratio bar.  bare 0: none. */
void kit_print(const char *name, double value, const char *unit, double bare, const char *bare_name, double ratio,
               const char *bar);

/* Sorts, and gives the value that p (0 to 1) of all are not above. */
double kit_quantile(double *v, size_t n, double p);

int kit_connect(const char *host, unsigned port); /* TCP, blocking, TCP_NODELAY */
/* TLS on it; the server is not authenticated, as nothing that is measured depends on it. */
SSL *kit_tls(SSL_CTX *ctx, int fd);

#endif
