/* Figures of the store: entries and certificate rows a second through the commit thread (batches of 256, each durable), and
 * the bytes on disk that a certificate costs with its entry, tiles and indexes.  The bare operation is an append of the same
 * bytes to a plain file with one fdatasync a batch.
 *
 *     bench_store [N [WHERE]]      N rows (200,000); WHERE as in store/db.h, a fresh SQLite file otherwise */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keys/crypto.h"
#include "store/commit.h"
#include "store/tables.h"

#define BATCH      256
#define INFLIGHT   (2 * BATCH)
#define DER_SIZE   219
#define ENTRY_BARE 250 /* leaf, salt and payload of an issuance, about */

struct bench;

struct bench_job {
    struct job job;
    struct bench *b;
    uint64_t n;
};

struct bench {
    struct commit *c;
    bool certs;
    uint64_t next, end, finished; /* touched in the commit thread only, once it runs */
    bool over;
    struct bench_job jobs[INFLIGHT];
    uint8_t random[8192];
};

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static bool give_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return random_bytes(p, n, NULL);
}

/* A tile each 256 entries, as the ledger writes them. */
static bool appended(void *ctx, struct tx *tx, uint64_t seq, struct slice leaf, struct err *e)
{
    struct bench *b = ctx;
    (void)leaf;
    return seq % 256 != 255 || tx_tile_put(tx, 0, seq / 256, SLICE_ARRAY(b->random), e);
}

/* A device id and hash that look random but follow from n. */
static void fill_names(uint64_t n, char device[31], uint8_t spki[32])
{
    sha256(slice_of(&n, sizeof n), spki);
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    memcpy(device, "dev_01k", 7);
    for (int i = 0; i < 23; i++)
        device[7 + i] = digits[spki[i] & 31];
    device[30] = 0;
}

static bool record_certificate(struct tx *tx, struct bench_job *j, struct err *e)
{
    char device[31];
    uint8_t spki[32], fields[64] = {0xa2, 0x01, 0x78, 30};
    fill_names(j->n, device, spki);
    memcpy(fields + 4, device, 30);
    memcpy(fields + 34,
           "\x02\x66"
           "device",
           8);
    const struct value cols[CERTIFICATE_COLS] = {
        [CERTIFICATE_ID] = value_int((int64_t)(UINT64_C(2) << 55 | UINT64_C(1) << 48 | UINT64_C(740) << 32 | j->n)),
        [CERTIFICATE_TAIL] = value_blob(slice_of(spki, 8)),
        [CERTIFICATE_SUBJECT] = value_text(device),
        [CERTIFICATE_SUBJECT_KIND] = value_int(CERT_DEVICE),
        [CERTIFICATE_PROFILE] = value_text("device"),
        [CERTIFICATE_SPKI] = value_blob(SLICE_ARRAY(spki)),
        [CERTIFICATE_SPKI64] = value_int(spki64_of(spki)),
        [CERTIFICATE_NOT_BEFORE] = value_int(1790000000),
        [CERTIFICATE_NOT_AFTER] = value_int(1797776000),
        [CERTIFICATE_REVOKED_AT] = value_null(),
        [CERTIFICATE_REASON] = value_null(),
        [CERTIFICATE_HOLD] = value_int(0),
        [CERTIFICATE_DER] = value_blob(slice_of(j->b->random + j->n % 4096, DER_SIZE)),
        [CERTIFICATE_ISSUED_AT] = value_int(1790000000),
    };
    struct event ev = {.type = 20, .fields = slice_of(fields, 42), .ref = spki};
    return tx_record(tx, &ev, &(struct change){&table_certificate, cols, false}, 1, NULL, e);
}

static bool bench_run(struct tx *tx, struct job *job, struct err *e)
{
    struct bench_job *j = (struct bench_job *)job;
    if (j->b->certs)
        return record_certificate(tx, j, e);
    return tx_record(tx, &(struct event){.type = 1, .fields = SLICE_LIT("\xa1\x01\x02")}, NULL, 0, NULL, e);
}

static void bench_done(struct job *job, const struct err *e)
{
    struct bench_job *j = (struct bench_job *)job;
    struct bench *b = j->b;
    if (e) {
        fprintf(stderr, "bench_store: %s (%s)\n", e->what, e->why);
        exit(1);
    }
    b->finished++;
    if (b->next < b->end) {
        j->n = b->next++;
        commit_submit(b->c, job);
    } else if (b->finished == b->end) {
        __atomic_store_n(&b->over, true, __ATOMIC_RELEASE);
    }
}

static bool run(struct bench *b, const char *where, uint64_t n, bool certs, double *rate, struct err *e)
{
    struct commit_config cfg = {.where = where,
                                .node = certs ? 2 : 1,
                                .origin = "kith.example/log/bench",
                                .batch_max = BATCH,
                                .crypto = &crypto_openssl,
                                .now_ms = now_ms,
                                .random = give_random,
                                .hooks = {.appended = appended, .ctx = b}};
    if (!commit_start(&cfg, &b->c, e))
        return false;
    b->certs = certs;
    b->over = false;
    b->finished = 0;
    b->end = n;
    b->next = INFLIGHT;
    double start = now_s();
    for (size_t i = 0; i < INFLIGHT; i++) {
        b->jobs[i] = (struct bench_job){.job = {.run = bench_run, .done = bench_done}, .b = b, .n = i};
        commit_submit(b->c, &b->jobs[i].job);
    }
    while (!__atomic_load_n(&b->over, __ATOMIC_ACQUIRE))
        usleep(200);
    *rate = (double)n / (now_s() - start);
    commit_stop(b->c);
    return true;
}

static double bare_rate(const char *dir, uint64_t n, size_t bytes)
{
    static uint8_t batch[BATCH * 1024];
    char path[300];
    snprintf(path, sizeof path, "%s/bare", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    double start = now_s();
    for (uint64_t i = 0; fd >= 0 && i < n; i += BATCH)
        if (write(fd, batch, BATCH * bytes) < 0 || fdatasync(fd) != 0)
            return 0;
    double rate = (double)n / (now_s() - start);
    close(fd);
    unlink(path);
    return rate;
}

static void print(const char *name, double value, const char *unit, double bare, const char *bare_name, const char *bar)
{
    if (bare > 0)
        printf("%s\t%.0f\t%s\t%.0f\t%s\t%.3f\t%s\n", name, value, unit, bare, bare_name, value / bare, bar);
    else
        printf("%s\t%.0f\t%s\t-\t-\t-\t%s\n", name, value, unit, bar);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct err e = {0};
    char dir[] = "/var/tmp/kith-bench-XXXXXX", path[256], where[300], rm[300];
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    double append, certs;
    struct stat st;
    n = n < INFLIGHT ? INFLIGHT : n - n % BATCH;
    if (!crypto_init(&e) || !random_bytes(b.random, sizeof b.random, &e) || !mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/kith.db", dir);
    snprintf(where, sizeof where, "sqlite:%s", path);
    bool pg = argc > 2;
    if (!run(&b, pg ? argv[2] : where, n, false, &append, &e)) {
        fprintf(stderr, "bench_store: %s (%s)\n", e.what, e.why);
        return 1;
    }
    print("ledger_append", append, "1/s", bare_rate(dir, n, ENTRY_BARE), "file append", ">= 60000");
    if (!pg)
        unlink(path);
    if (!run(&b, pg ? argv[2] : where, n, true, &certs, &e)) {
        fprintf(stderr, "bench_store: %s (%s)\n", e.what, e.why);
        return 1;
    }
    print("cert_rows", certs, "1/s", bare_rate(dir, n, ENTRY_BARE + DER_SIZE + 150), "file append", ">= 25000");
    if (!pg && stat(path, &st) == 0)
        print("cert_bytes", (double)st.st_size / (double)n, "B", 0, NULL, "<= 1000");
    snprintf(rm, sizeof rm, "%s-writer", path);
    unlink(rm);
    unlink(path);
    return rmdir(dir);
}
