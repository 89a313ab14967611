/* A directory of its own, keys, and the openssl command as the other implementation. */
#ifndef KITH_TESTS_X509_PEER_H
#define KITH_TESTS_X509_PEER_H

#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keys/crypto.h"
#include "keys/key.h"
#include "x509/cert.h"
#include "x509/name.h"

static char peer_dir[64];

static inline int peer_open(void **state)
{
    struct err e = {0};
    (void)state;
    strcpy(peer_dir, "/tmp/kith-x509-XXXXXX");
    return mkdtemp(peer_dir) && crypto_init(&e) ? 0 : 1;
}

static inline int peer_close(void **state)
{
    char cmd[128];
    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf -- '%s'", peer_dir);
    return system(cmd);
}

/* Runs a shell line in the directory; its output goes to `out` there.  True if it ended with 0. */
static inline bool peer_run(const char *line)
{
    char cmd[1200];
    snprintf(cmd, sizeof cmd, "cd '%s' && { %s; } >out 2>&1", peer_dir, line);
    return system(cmd) == 0;
}

static inline struct slice peer_read(const char *name, uint8_t *buf, size_t cap)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", peer_dir, name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, cap, f);
    fclose(f);
    return slice_of(buf, n);
}

static inline void peer_write(const char *name, struct slice s)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", peer_dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(s.p, 1, s.n, f), s.n);
    fclose(f);
}

static inline void peer_must(const char *line)
{
    if (!peer_run(line)) {
        uint8_t buf[2000] = {0};
        (void)peer_read("out", buf, sizeof buf - 1);
        fail_msg("%s: %s", line, (char *)buf);
    }
}

static inline void peer_out_has(const char *text)
{
    uint8_t buf[16000] = {0};
    (void)peer_read("out", buf, sizeof buf - 1);
    if (!strstr((char *)buf, text))
        fail_msg("\"%s\" is not in: %s", text, (char *)buf);
}

static inline struct key *peer_key(enum key_type type)
{
    static unsigned count;
    struct key_env env = {0};
    struct key *k;
    struct err e = {0};
    char ref[160];
    snprintf(ref, sizeof ref, "file:%s/key%u.pem?plain", peer_dir, count++);
    assert_ok(key_generate(&env, ref, type, &k, &e), e);
    return k;
}

/* A Name from text, in static memory of its own. */
static inline struct slice peer_name(const char *text)
{
    static uint8_t store[64][NAME_DER_MAX];
    static size_t next;
    struct writer w = WRITER_ARRAY(store[next++ % 64]);
    struct err e = {0};
    assert_ok(name_write(&w, slice_str(text), &e), e);
    return writer_slice(&w);
}

#endif
