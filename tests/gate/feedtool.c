/* A platform for the broker's end-to-end test: makes credentials, and at each command on stdin the next head.
 *
 *     feedtool DIR PLUGIN PORT      writes ca.pem, server.*, gateway.*, mosquitto.conf into DIR, head 1
 *     device ID                     writes ID.pem, ID.key; in the directory; answers its index
 *     remove ID                     out of the directory
 *     revoke I | hold I | release I | beat
 *     every SECONDS                 how soon the next heads promise a further one
 *
 * After each command N.snap (frames of the whole state) and N.delta stand in DIR, and a line is answered. */
#include "kit.h"

#include "base/file.h"
#include "model/config_write.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *dir;
static struct kit kit;
static struct buf records; /* all that were sent */

static const char *path(const char *name, const char *ext)
{
    static char p[512];
    snprintf(p, sizeof p, "%s/%s%s", dir, name, ext);
    return p;
}

static void put(const char *name, const char *ext, struct slice s)
{
    struct err e = {0};
    if (!file_write_atomic(path(name, ext), 0600, s, &e)) {
        fprintf(stderr, "feedtool: %s\n", e.what);
        exit(1);
    }
}

static void put_credential(const char *name, X509 *x, EVP_PKEY *key)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    PEM_write_bio_X509(b, x);
    long n = BIO_get_mem_data(b, &p);
    put(name, ".pem", slice_of(p, (size_t)n));
    BIO_free(b);
    if (!key)
        return;
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    n = BIO_get_mem_data(b, &p);
    put(name, ".key", slice_of(p, (size_t)n));
    BIO_free(b);
    EVP_PKEY_free(key);
}

static void rest_write(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    kit_frame(&out, &(struct feed_frame){.kind = FEED_POLICY,
                                         .policy = SLICE_LIT("publish t/%i/#\nsubscribe c/%i/#\nboth shared/#\n")});
    buf_put(&out, buf_slice(&records));
    kit_frame(&out, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    put("rest", ".frames", buf_slice(&out));
    buf_clear(&out);
}

/* The next head, and if `id` is not NULL that device's record with it. */
static void next_head(struct kit_change c, const char *id, bool removed)
{
    char name[32];
    struct buf delta, snap;
    buf_init(&delta, 1 << 20);
    buf_init(&snap, 1 << 20);
    kit.now_at = time(NULL);
    kit_step(&kit, c, &delta);
    if (id) {
        kit_device_record(&delta, id, "m1", NULL, NULL, removed);
        kit_device_record(&records, id, "m1", NULL, NULL, removed);
        rest_write();
    }
    kit_snapshot(&kit, &snap);
    snprintf(name, sizeof name, "%llu", (unsigned long long)kit.seq);
    put(name, ".delta", buf_slice(&delta));
    put(name, ".snap", buf_slice(&snap));
    buf_clear(&delta);
    buf_clear(&snap);
}

static void write_config(const char *plugin, int port)
{
    char ca[256], cert[256], key[256];
    struct err e = {0};
    struct buf out;
    buf_init(&out, 1 << 16);
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    snprintf(cert, sizeof cert, "%s/server.pem", dir);
    snprintf(key, sizeof key, "%s/server.key", dir);
    const struct config_write c = {
        .plugin = plugin, .gate_dir = dir, .ca = ca, .cert = cert, .key = key, .bind = "127.0.0.1", .port = port};
    if (!config_write_mosquitto(&c, &out, &e)) {
        fprintf(stderr, "feedtool: %s\n", e.what);
        exit(1);
    }
    put("mosquitto", ".conf", buf_slice(&out));
    buf_clear(&out);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    dir = argv[1];
    EVP_PKEY *key;
    kit_init(&kit, time(NULL), time(NULL) + 90 * 86400);
    put_credential("ca", kit.cert, NULL);
    X509 *x = kit_peer(&kit, "broker", "serverAuth,cmcRA", &key); /* of the feed's server too */
    put_credential("server", x, key);
    x = kit_peer(&kit, "gateway-1", "clientAuth,serverAuth", &key);
    put_credential("gateway", x, key);
    write_config(argv[2], atoi(argv[3]));
    buf_init(&records, 1 << 20);
    rest_write();
    next_head(KIT_NOTHING, NULL, false);
    puts("ready");
    fflush(stdout);
    for (char word[32], arg[64], line[128]; fgets(line, sizeof line, stdin);) {
        struct kit_change c = KIT_NOTHING;
        int n = sscanf(line, "%31s %63s", word, arg);
        if (n == 2 && !strcmp(word, "device")) {
            uint32_t index;
            x = kit_device(&kit, arg, &key, &index);
            put_credential(arg, x, key);
            printf("%u\n", index);
        } else if (n == 2 && !strcmp(word, "revoke")) {
            c.revoke = atoi(arg);
        } else if (n == 2 && !strcmp(word, "hold")) {
            c.hold = atoi(arg);
        } else if (n == 2 && !strcmp(word, "release")) {
            c.release = atoi(arg);
        } else if (n == 2 && !strcmp(word, "every")) {
            kit.every_s = atoi(arg);
        }
        bool is_device = n == 2 && !strcmp(word, "device"), removes = n == 2 && !strcmp(word, "remove");
        next_head(c, is_device || removes ? arg : NULL, removes);
        if (!is_device)
            printf("%llu\n", (unsigned long long)kit.seq);
        fflush(stdout);
    }
    return 0;
}
