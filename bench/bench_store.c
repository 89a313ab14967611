/* Figures of the store: entries and certificate rows a second through the commit thread (batches of 256, each durable), and
 * the bytes on disk that a certificate costs with its entry, tiles and indexes.  The bare operation is an append of the same
 * bytes to a plain file with one fdatasync a batch.
 *
 *     bench_store [N [WHERE]]      N rows (200,000); WHERE as in store/db.h, a fresh SQLite file otherwise */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit_load.h"
#include "keys/crypto.h"
#include "kit.h"
#include "store/tables.h"

#define BATCH      256
#define INFLIGHT   (2 * BATCH)
#define DER_SIZE   219
#define ENTRY_BARE 250 /* leaf, salt and payload of an issuance, about */

static uint8_t noise[8192];

/* A tile each 256 entries, as the ledger writes them. */
static bool appended(void *ctx, struct tx *tx, uint64_t seq, struct slice leaf, struct err *e)
{
    (void)ctx;
    (void)leaf;
    return seq % 256 != 255 || tx_tile_put(tx, 0, seq / 256, SLICE_ARRAY(noise), e);
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

static bool record_certificate(void *arg, struct tx *tx, uint64_t n, struct err *e)
{
    (void)arg;
    char device[31];
    uint8_t spki[32], fields[64] = {0xa2, 0x01, 0x78, 30};
    fill_names(n, device, spki);
    memcpy(fields + 4, device, 30);
    memcpy(fields + 34,
           "\x02\x66"
           "device",
           8);
    const struct value cols[CERTIFICATE_COLS] = {
        [CERTIFICATE_ID] = value_int((int64_t)(UINT64_C(2) << 55 | UINT64_C(1) << 48 | UINT64_C(740) << 32 | n)),
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
        [CERTIFICATE_DER] = value_blob(slice_of(noise + n % 4096, DER_SIZE)),
        [CERTIFICATE_ISSUED_AT] = value_int(1790000000),
    };
    struct event ev = {.type = 20, .fields = slice_of(fields, 42), .ref = spki};
    return tx_record(tx, &ev, &(struct change){.table = &table_certificate, .cols = cols}, 1, NULL, e);
}

static bool record_entry(void *arg, struct tx *tx, uint64_t n, struct err *e)
{
    (void)arg;
    (void)n;
    return tx_record(tx, &(struct event){.type = 1, .fields = SLICE_LIT("\xa1\x01\x02")}, NULL, 0, NULL, e);
}

/* Bytes of a batch appended to a plain file, with one fdatasync a batch; batches' rows a second. */
static double bare_rate(const char *dir, uint64_t n, size_t bytes)
{
    static uint8_t batch[BATCH * 1024];
    char path[300];
    snprintf(path, sizeof path, "%s/bare", dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0)
        kit_die(path);
    double start = kit_now_s();
    for (uint64_t i = 0; i < n; i += BATCH)
        if (write(fd, batch, BATCH * bytes) < 0 || fdatasync(fd) != 0)
            kit_die(path);
    double rate = (double)n / (kit_now_s() - start);
    close(fd);
    unlink(path);
    return rate;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    char dir[] = "/var/tmp/kith-bench-XXXXXX", path[256], where[300], writer[300];
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    struct stat st;
    n = n < INFLIGHT ? INFLIGHT : n - n % BATCH;
    if (!crypto_init(&e) || !random_bytes(noise, sizeof noise, &e) || !mkdtemp(dir))
        kit_die("start");
    snprintf(path, sizeof path, "%s/kith.db", dir);
    snprintf(where, sizeof where, "sqlite:%s", path);
    snprintf(writer, sizeof writer, "%s-writer", path);
    bool pg = argc > 2;
    struct commit_load load = {.where = pg ? argv[2] : where,
                               .origin = "kith.example/log/bench",
                               .node = 1,
                               .batch = BATCH,
                               .hooks = {.appended = appended},
                               .n = n,
                               .inflight = INFLIGHT,
                               .record = record_entry};
    double rate = (double)n / commit_load_run(&load), bare = bare_rate(dir, n, ENTRY_BARE);
    kit_print("ledger_append", rate, "1/s", bare, "file append", rate / bare, ">= 60000");
    if (!pg)
        unlink(path);
    load.node = 2;
    load.record = record_certificate;
    rate = (double)n / commit_load_run(&load);
    bare = bare_rate(dir, n, ENTRY_BARE + DER_SIZE + 150);
    /* Without a bar: these ids are random, and an enrolment's are in order of time. */
    kit_print("cert_rows", rate, "1/s", bare, "file append", rate / bare, "-");
    if (!pg && stat(path, &st) == 0)
        kit_print("cert_bytes", (double)st.st_size / (double)n, "B", 0, NULL, 0, "<= 1000");
    unlink(writer);
    unlink(path);
    return rmdir(dir) == 0 ? 0 : 1;
}
