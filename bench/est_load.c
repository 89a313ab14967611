/* A fleet that enrols over EST: N keep-alive connections in one thread, each device with its claim by HTTP Basic.  Keys and
 * requests are made before the clock starts.  First as fast as the server goes (est_cpu, est_rate), in rounds with the bare
 * operation between them: the medians of the rounds count, and of each round's ratio.  Then at half of that rate in an open
 * loop, a request's time counted from the moment it was due (est_p99).
 *
 *     est_load DEVICES HOST PORT PIDS [CONNECTIONS [SAVE]]
 *
 * DEVICES: a line "id claim" each.  PIDS: the processes whose CPU time counts.  SAVE: every device's key and certificate go
 * there in PEM, and nothing is measured. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kit.h"

#define CONNECTIONS_MAX 1024
#define ANSWER_MAX      16384
#define FULL_S          6.0 /* each phase at most so long */
#define ROUNDS          5   /* at full load: five sixths of the devices, one is for the last phase */
#define BARE_S          0.5 /* before and after each */

struct device {
    char *request; /* whole, as it is sent */
    size_t n;
    EVP_PKEY *key; /* with SAVE */
};

struct connection {
    int fd;
    SSL *ssl;
    long device; /* -1: idle */
    double due;
    size_t sent, got;
    char answer[ANSWER_MAX];
};

struct load {
    struct device *devices;
    size_t n, next, end, done;
    struct connection *c;
    size_t connections;
    int epoll;
    double *took;              /* each answer's latency, seconds */
    double start, rate, until; /* rate 0: as fast as it goes */
    FILE *save;
};

/* ---- devices ---- */

static size_t csr_der(EVP_PKEY *key, const char *cn, unsigned char **der)
{
    X509_REQ *r = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(r);
    if (!X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0) ||
        !X509_REQ_set_pubkey(r, key) || !X509_REQ_sign(r, key, EVP_sha256()))
        kit_die("request");
    *der = NULL;
    int n = i2d_X509_REQ(r, der);
    X509_REQ_free(r);
    return n > 0 ? (size_t)n : 0;
}

static void device_make(struct device *d, const char *id, const char *claim, bool keep)
{
    unsigned char *der, body[2048], basic[256];
    char user[160];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (!key)
        kit_die("key");
    size_t n = csr_der(key, id, &der);
    int body_n = EVP_EncodeBlock(body, der, (int)n);
    int user_n = snprintf(user, sizeof user, "%s:%s", id, claim);
    EVP_EncodeBlock(basic, (const unsigned char *)user, user_n);
    int total = asprintf(&d->request,
                         "POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic %s\r\n"
                         "Content-Type: application/pkcs10\r\nContent-Length: %d\r\n\r\n%s",
                         (char *)basic, body_n, (char *)body);
    d->n = total > 0 ? (size_t)total : 0;
    OPENSSL_free(der);
    d->key = keep ? key : NULL;
    if (!keep)
        EVP_PKEY_free(key);
}

static void devices_read(struct load *l, const char *path)
{
    char id[64], claim[64];
    size_t cap = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        kit_die(path);
    while (fscanf(f, "%63s %63s", id, claim) == 2) {
        if (l->n == cap) {
            cap = cap ? 2 * cap : 1024;
            if (!(l->devices = realloc(l->devices, cap * sizeof *l->devices)))
                kit_die("memory");
        }
        device_make(&l->devices[l->n++], id, claim, l->save != NULL);
    }
    fclose(f);
}

/* ---- one connection ---- */

static void save(struct load *l, struct device *d, const char *body, size_t n)
{
    unsigned char der[ANSWER_MAX];
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int got = 0, more = 0;
    EVP_DecodeInit(ctx);
    if (EVP_DecodeUpdate(ctx, der, &got, (const unsigned char *)body, (int)n) < 0 ||
        EVP_DecodeFinal(ctx, der + got, &more) < 0)
        kit_die("base64 of an answer");
    EVP_ENCODE_CTX_free(ctx);
    const unsigned char *p = der;
    PKCS7 *p7 = d2i_PKCS7(NULL, &p, got + more);
    X509 *cert = p7 && PKCS7_type_is_signed(p7) ? sk_X509_value(p7->d.sign->cert, 0) : NULL;
    if (!cert || !PEM_write_PrivateKey(l->save, d->key, NULL, NULL, 0, NULL, NULL) || !PEM_write_X509(l->save, cert))
        kit_die("certificate of an answer");
    PKCS7_free(p7);
}

static void push(struct load *l, struct connection *c)
{
    struct device *d = &l->devices[c->device];
    while (c->sent < d->n) {
        int n = SSL_write(c->ssl, d->request + c->sent, (int)(d->n - c->sent));
        if (n <= 0) {
            if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE)
                return;
            kit_die("write");
        }
        c->sent += (size_t)n;
    }
}

/* Gives the connection its next device, if one is due. */
static void give(struct load *l, struct connection *c, double now)
{
    c->device = -1;
    if (l->next >= l->end || now >= l->until)
        return;
    double due = l->rate > 0 ? l->start + (double)(l->next % l->n) / l->rate : now;
    if (due > now)
        return;
    c->due = due;
    c->device = (long)l->next++;
    c->sent = c->got = 0;
    push(l, c);
}

/* True: the whole answer is there. */
static bool whole(struct connection *c, const char **body, size_t *body_n)
{
    c->answer[c->got] = 0;
    char *end = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (!end || !length)
        return false;
    *body = end + 4;
    *body_n = strtoul(length + 17, NULL, 10);
    return (size_t)(*body - c->answer) + *body_n <= c->got;
}

static void pull(struct load *l, struct connection *c)
{
    const char *body;
    size_t body_n;
    for (;;) {
        int n = SSL_read(c->ssl, c->answer + c->got, (int)(sizeof c->answer - 1 - c->got));
        if (n <= 0) {
            if (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ)
                return;
            kit_die("the server closed a connection");
        }
        c->got += (size_t)n;
        if (c->device < 0 || !whole(c, &body, &body_n))
            continue;
        if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0) {
            fprintf(stderr, "est_load: refused: %.600s\n", c->answer);
            exit(1);
        }
        double now = kit_now_s();
        l->took[l->done++] = now - c->due;
        if (l->save)
            save(l, &l->devices[c->device], body, body_n);
        give(l, c, now);
    }
}

/* ---- a phase ---- */

static void connect_all(struct load *l, const char *host, unsigned port)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->c = calloc(l->connections, sizeof *l->c);
    if (!ctx || !l->c || l->epoll < 0)
        kit_die("start");
    for (size_t i = 0; i < l->connections; i++) {
        struct connection *c = &l->c[i];
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        c->fd = kit_connect(host, port);
        c->ssl = kit_tls(ctx, c->fd);
        c->device = -1;
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
    }
}

static bool busy(const struct load *l)
{
    for (size_t i = 0; i < l->connections; i++)
        if (l->c[i].device >= 0)
            return true;
    return false;
}

/* Devices [l->next, end) at `rate`; gives the seconds it took. */
static double phase(struct load *l, size_t end, double rate)
{
    struct epoll_event ev[64];
    size_t base = l->next;
    l->end = end;
    l->rate = rate;
    l->done = 0;
    l->start = kit_now_s();
    l->until = l->start + FULL_S;
    if (l->save)
        l->until = l->start + 1e9;
    l->start -= rate > 0 ? (double)(base % l->n) / rate : 0;
    double begin = kit_now_s(), now = begin;
    do {
        for (size_t i = 0; i < l->connections && l->next < l->end; i++)
            if (l->c[i].device < 0)
                give(l, &l->c[i], now);
        int n = epoll_wait(l->epoll, ev, 64, rate > 0 ? 0 : 100);
        for (int i = 0; i < n; i++)
            pull(l, ev[i].data.ptr);
        if (n == 0 && rate > 0)
            usleep(100);
        now = kit_now_s();
    } while ((l->next < l->end && now < l->until) || busy(l));
    return now - begin;
}

/* ---- the bare operation: one verify and one sign, contexts made beforehand ---- */

static double bare_s(void)
{
    unsigned char hash[32] = {1}, sig[80];
    size_t n = sizeof sig;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *s = EVP_PKEY_CTX_new(key, NULL), *v = EVP_PKEY_CTX_new(key, NULL);
    if (EVP_PKEY_sign_init(s) != 1 || EVP_PKEY_verify_init(v) != 1)
        kit_die("bare");
    double start = kit_cpu_s(), took, times = 0;
    do {
        n = sizeof sig;
        if (EVP_PKEY_sign(s, sig, &n, hash, sizeof hash) != 1 || EVP_PKEY_verify(v, sig, n, hash, sizeof hash) != 1)
            kit_die("bare");
        times++;
        took = kit_cpu_s() - start;
    } while (took < BARE_S);
    EVP_PKEY_CTX_free(s);
    EVP_PKEY_CTX_free(v);
    EVP_PKEY_free(key);
    return took / times;
}

/* ---- the figures ---- */

/* Of each round.  A processor's speed changes within seconds by what else it does, here and for other machines: only what is
 * measured side by side can be divided. */
struct rounds {
    double cpu[ROUNDS], bare[ROUNDS], ratio[ROUNDS], rate[ROUNDS], rate_ratio[ROUNDS], p50[ROUNDS];
};

static void full_load(struct load *l, const struct kit_pids *pids, struct rounds *r)
{
    double before = bare_s();
    for (size_t i = 0; i < ROUNDS; i++) {
        double cpu = kit_cpu_of_all(pids), s = phase(l, l->next + l->n / (ROUNDS + 1), 0), n = (double)l->done;
        cpu = (kit_cpu_of_all(pids) - cpu) / n;
        double after = bare_s(), bare = (before + after) / 2;
        before = after;
        r->cpu[i] = cpu;
        r->bare[i] = bare;
        r->ratio[i] = cpu / bare;
        r->rate[i] = n / s;
        r->rate_ratio[i] = n / s * bare;
        r->p50[i] = kit_quantile(l->took, l->done, 0.5);
        fprintf(stderr, "  round %zu: %.0f certificates, %.1f us each, bare %.1f us, ratio %.3f, %.0f/s\n", i + 1, n,
                cpu * 1e6, bare * 1e6, cpu / bare, n / s);
    }
}

static double median(double v[ROUNDS])
{
    return kit_quantile(v, ROUNDS, 0.5);
}

static void measure(struct load *l, const struct kit_pids *pids)
{
    struct rounds r;
    double each[PIDS_MAX];
    for (size_t i = 0; i < pids->n; i++)
        each[i] = kit_cpu_of(pids->pid[i]);
    full_load(l, pids, &r);
    double bare = median(r.bare), rate = median(r.rate);
    kit_print("est_cpu", median(r.cpu) * 1e6, "us", bare * 1e6, "verify+sign", median(r.ratio), "<= 2.5");
    for (size_t i = 0; i < pids->n; i++)
        fprintf(stderr, "  process %d: %.1f us a certificate\n", (int)pids->pid[i],
                (kit_cpu_of(pids->pid[i]) - each[i]) / (double)l->next * 1e6);
    kit_print("est_rate", rate, "1/s", 1 / bare, "verify+sign on a core", median(r.rate_ratio), ">= 3000");
    fprintf(stderr, "  p50 at full load %.2f ms\n", median(r.p50) * 1e3);
    phase(l, l->n, rate / 2);
    kit_print("est_p99", kit_quantile(l->took, l->done, 0.99) * 1e3, "ms", 0, NULL, 0, "<= 50");
    fprintf(stderr, "  at half load: p50 %.2f ms, %zu certificates\n", kit_quantile(l->took, l->done, 0.5) * 1e3,
            l->done);
}

int main(int argc, char **argv)
{
    struct load l = {.connections = 64};
    struct kit_pids pids;
    if (argc < 5) {
        fprintf(stderr, "usage: est_load DEVICES HOST PORT PIDS [CONNECTIONS [SAVE]]\n");
        return 2;
    }
    if (argc > 5)
        l.connections = strtoul(argv[5], NULL, 10);
    if (l.connections < 1 || l.connections > CONNECTIONS_MAX)
        kit_die("connections");
    if (argc > 6 && !(l.save = fopen(argv[6], "w")))
        kit_die(argv[6]);
    kit_pids_read(argv[4], &pids);
    devices_read(&l, argv[1]);
    l.took = calloc(l.n + 1, sizeof *l.took);
    connect_all(&l, argv[2], (unsigned)strtoul(argv[3], NULL, 10));
    if (l.save) {
        phase(&l, l.n, 0);
        return fclose(l.save) == 0 && l.done == l.n ? 0 : 1;
    }
    measure(&l, &pids);
    return 0;
}
