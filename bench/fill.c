/* Fills a database with devices that are active, each with a key and a certificate, as enrolments would have left them: rows
 * and entries through the store, tiles through the ledger.  What stands in place of the certificate is random bytes of a
 * certificate's size.  They ran out four weeks ago: so the signer's own numbers stay free, and come behind theirs in the
 * table, as new certificates mostly do.
 *
 *     fill WHERE ORIGIN N      the platform was started once (model "m" is there) and does not run */
#include <stdio.h>
#include <stdlib.h>

#include "commit_load.h"
#include "keys/crypto.h"
#include "kit.h"
#include "ledger/tree.h"
#include "model/device.h"
#include "model/event.h"
#include "model/serial.h"
#include "store/tables.h"

#define BATCH    2048
#define DER_SIZE 219 /* packed against another one */
#define LIFE_S   (90 * 86400)
#define OVER_S   (28 * 86400) /* a shard */

static uint8_t noise[8192];

/* Ids ascend as the real ones do, whose first half is the time. */
static void name_device(uint64_t n, char id[64], char serial[32], uint8_t spki[32])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    sha256(slice_of(&n, sizeof n), spki);
    memcpy(id, "dev_01k", 7);
    for (int i = 0; i < 8; i++)
        id[7 + i] = digits[n >> (35 - 5 * i) & 31];
    for (int i = 0; i < 15; i++)
        id[15 + i] = digits[spki[i] & 31];
    id[30] = 0;
    snprintf(serial, 32, "million-%08llu", (unsigned long long)n);
}

static bool add_device(struct tx *tx, const char *id, const char *serial, int64_t now, struct err *e)
{
    uint8_t fields[512];
    struct writer w = WRITER_ARRAY(fields);
    struct event_draft d = event_draft_of(EVENT_DEVICE_ADDED);
    event_set_text(&d, "who", "local:0");
    event_set_text(&d, "device", id);
    event_set_text(&d, "model", "m");
    event_set_text(&d, "serial", serial);
    event_set_text(&d, "state", "claimed");
    const struct value cols[DEVICE_COLS] = {
        [DEVICE_ID] = value_text(id),         [DEVICE_MODEL] = value_text("m"),
        [DEVICE_SERIAL] = value_text(serial), [DEVICE_STATE] = value_int(DEVICE_ACTIVE),
        [DEVICE_CREATED_AT] = value_int(now), [DEVICE_UPDATED_AT] = value_int(now),
    };
    const struct change c = {.table = &table_device, .cols = cols};
    if (!event_write(&d, &w, e))
        return false;
    const struct event ev = {.type = EVENT_DEVICE_ADDED, .fields = writer_slice(&w)};
    return tx_record(tx, &ev, &c, 1, NULL, e);
}

static bool add_cert(struct tx *tx, uint64_t n, const char *id, const uint8_t *spki, int64_t now, struct err *e)
{
    int64_t until = now - OVER_S;
    struct serial s = {.issuer = ISSUER_ISSUING, .node = 1, .shard = shard_of(until), .index = (uint32_t)n};
    uint8_t fields[1024];
    struct writer w = WRITER_ARRAY(fields);
    struct slice der = slice_of(noise + n % 4096, DER_SIZE);
    memcpy(s.tail, spki, sizeof s.tail);
    struct event_draft d = event_draft_of(EVENT_CERT_ISSUED);
    event_set_text(&d, "who", id);
    event_set_text(&d, "via", "est");
    event_set_text(&d, "auth", "claim");
    const struct value cert[CERTIFICATE_COLS] = {
        [CERTIFICATE_ID] = value_int(serial_cert_id(&s)),
        [CERTIFICATE_TAIL] = value_blob(SLICE_ARRAY(s.tail)),
        [CERTIFICATE_SUBJECT] = value_text(id),
        [CERTIFICATE_SUBJECT_KIND] = value_int(CERT_DEVICE),
        [CERTIFICATE_PROFILE] = value_text("ldevid"),
        [CERTIFICATE_SPKI] = value_blob(slice_of(spki, 32)),
        [CERTIFICATE_SPKI64] = value_int(spki64_of(spki)),
        [CERTIFICATE_NOT_BEFORE] = value_int(until - LIFE_S),
        [CERTIFICATE_NOT_AFTER] = value_int(until),
        [CERTIFICATE_HOLD] = value_int(0),
        [CERTIFICATE_DER] = value_blob(der),
        [CERTIFICATE_ISSUED_AT] = value_int(until - LIFE_S),
    };
    const struct change c[] = {{.table = &table_certificate, .cols = cert}};
    if (!event_write(&d, &w, e))
        return false;
    /* Without a digest: no journal holds it, and a server does not start beside one that is behind the entries. */
    const struct event ev = {.type = EVENT_CERT_ISSUED, .fields = writer_slice(&w)};
    return tx_record(tx, &ev, c, ARRAY_LEN(c), NULL, e);
}

static bool add(void *arg, struct tx *tx, uint64_t n, struct err *e)
{
    char id[64], serial[32];
    uint8_t spki[32];
    int64_t now = tx_now_ms(tx) / 1000;
    (void)arg;
    name_device(n, id, serial, spki);
    return add_device(tx, id, serial, now, e) && add_cert(tx, n, id, spki, now, e);
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct tree *tree;
    if (argc < 4) {
        fprintf(stderr, "usage: fill WHERE ORIGIN N\n");
        return 2;
    }
    if (!crypto_init(&e) || !random_bytes(noise, sizeof noise, &e) || !tree_new(&crypto_openssl, 1, &tree, &e))
        kit_die("start");
    const struct commit_load load = {.where = argv[1],
                                     .origin = argv[2],
                                     .node = 1,
                                     .batch = BATCH,
                                     .hooks = tree_hooks(tree),
                                     .n = strtoull(argv[3], NULL, 10),
                                     .inflight = 2 * BATCH,
                                     .record = add};
    double took = commit_load_run(&load);
    fprintf(stderr, "  filled with %.0f devices a second\n", (double)load.n / took);
    tree_free(tree);
    return 0;
}
