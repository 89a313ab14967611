#include "../test.h"

#include "../../gate/kit.h"
#include "base/file.h"
#include "gate/gate_impl.h"
#include "keys/crypto.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NOW   1795000000
#define GRACE 3600
#define DEV_A "dev_01arz3ndektsv4rrffq69g5fav"
#define DEV_B "dev_01arz3ndektsv4rrffq69g5faw"

struct fix {
    struct kit kit;
    char dir[64];
    struct env_script script;
    struct env env;
    struct gate *gate;
    uint8_t *der_a, *der_b;
    size_t der_a_n, der_b_n;
    struct buf frames;
};

static char *path(const struct fix *f, const char *name)
{
    static char p[128];
    snprintf(p, sizeof p, "%s/%s", f->dir, name);
    return p;
}

static void conf_write(struct fix *f, const char *more)
{
    struct err e = {0};
    char text[512];
    snprintf(text, sizeof text, "[gate]\nissuer = ca.pem\norigin = " KIT_ORIGIN "\ngrace = 1h\n%s", more);
    assert_ok(file_write_atomic(path(f, "gate.conf"), 0600, slice_str(text), &e), e);
}

static void open_gate(struct fix *f)
{
    struct err e = {0};
    gate_close(f->gate);
    f->gate = NULL;
    const struct gate_opts opts = {.env = &f->env, .no_thread = true};
    assert_ok(gate_open(f->dir, &opts, &f->gate, &e), e);
}

static int setup(void **state)
{
    struct fix *f = test_calloc(1, sizeof *f);
    kit_init(&f->kit, NOW, NOW + 90 * 86400);
    strcpy(f->dir, "/tmp/kith-gate-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->script = (struct env_script){.now_ms = NOW * 1000LL, .seed = 1};
    env_init_script(&f->env, &f->script, NULL);
    FILE *out = fopen(path(f, "ca.pem"), "w");
    PEM_write_X509(out, f->kit.cert);
    fclose(out);
    X509 *a = kit_device(&f->kit, DEV_A, NULL, NULL), *b = kit_device(&f->kit, DEV_B, NULL, NULL);
    kit_der(a, &f->der_a, &f->der_a_n);
    kit_der(b, &f->der_b, &f->der_b_n);
    X509_free(a);
    X509_free(b);
    buf_init(&f->frames, 1 << 20);
    conf_write(f, "");
    open_gate(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;
    static const char *const files[] = {"ca.pem",        "gate.conf",  "feed.state",
                                        "devices.state", "seen.state", "old.state"};
    gate_close(f->gate);
    kit_clear(&f->kit);
    buf_clear(&f->frames);
    OPENSSL_free(f->der_a);
    OPENSSL_free(f->der_b);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(path(f, files[i]));
    rmdir(f->dir);
    test_free(f);
    return 0;
}

static bool verdict(struct fix *f, bool a, int64_t now, struct err *e)
{
    struct gate_peer peer;
    *e = (struct err){0};
    return gate_verdict(f->gate, a ? slice_of(f->der_a, f->der_a_n) : slice_of(f->der_b, f->der_b_n), now, &peer, e);
}

static bool feed(struct fix *f, struct err *e)
{
    *e = (struct err){0};
    bool ok = gate_feed(f->gate, buf_slice(&f->frames), e);
    buf_reset(&f->frames);
    return ok;
}

static void feed_ok(struct fix *f)
{
    struct err e;
    assert_ok(feed(f, &e), e);
}

/* A head, a policy, device A in the directory; on disk. */
static void begin(struct fix *f)
{
    struct err e = {0};
    kit_step(&f->kit, KIT_NOTHING, NULL);
    kit_snapshot(&f->kit, &f->frames);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_POLICY, .policy = SLICE_LIT("publish t/%m/%i/#\n")});
    kit_device_record(&f->frames, DEV_A, "m1", "line", "a7", false);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
}

static void refuses_everybody_before_the_first_feed(void **state)
{
    struct fix *f = *state;
    struct err e;
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_NO_STATE);
}

static void lets_a_good_certificate_in(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    assert_ok(verdict(f, true, NOW, &e), e);
    assert_ok(verdict(f, true, NOW, &e), e);
    assert_ok(gate_may(f->gate, DEV_A, SLICE_LIT("t/m1/" DEV_A "/x"), GATE_PUBLISH, &e), e);
    assert_err(gate_may(f->gate, DEV_B, SLICE_LIT("t/m1/" DEV_B "/x"), GATE_PUBLISH, &e), e, ERR_GATE_TOPIC);
}

static void refuses_revoked_and_held_and_takes_released_back(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    uint64_t was = gate_generation(f->gate);
    kit_step(&f->kit, (struct kit_change){0, 1, -1}, &f->frames);
    feed_ok(f);
    assert_true(gate_generation(f->gate) > was);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_REVOKED);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_HELD);
    kit_step(&f->kit, (struct kit_change){-1, -1, 1}, &f->frames);
    feed_ok(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_REVOKED);
    assert_ok(verdict(f, false, NOW, &e), e);
}

static void refuses_foreign_cut_and_expired_certificates(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct kit other;
    struct gate_peer peer;
    uint8_t *der;
    size_t n;
    begin(f);
    kit_init(&other, NOW, NOW + 90 * 86400);
    X509 *x = kit_device(&other, DEV_A, NULL, NULL);
    kit_der(x, &der, &n);
    assert_err(gate_verdict(f->gate, slice_of(der, n), NOW, &peer, &e), e, ERR_GATE_CERT);
    for (size_t i = 0; i < f->der_a_n; i++)
        assert_false(gate_verdict(f->gate, slice_of(f->der_a, i), NOW, &peer, &e));
    for (size_t i = 0; i < f->der_a_n; i++) {
        f->der_a[i] ^= 1;
        assert_false(verdict(f, true, NOW, &e));
        f->der_a[i] ^= 1;
    }
    X509_free(x);
    OPENSSL_free(der);
    f->kit.now_at = NOW + 1000;
    x = kit_device(&f->kit, DEV_A, NULL, NULL);
    kit_der(x, &der, &n);
    assert_err(gate_verdict(f->gate, slice_of(der, n), NOW, &peer, &e), e, ERR_GATE_VALIDITY);
    X509_free(x);
    OPENSSL_free(der);
    kit_clear(&other);
}

static void refuses_everybody_when_the_feed_is_stale(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    assert_ok(verdict(f, true, NOW + 60 + GRACE, &e), e);
    assert_err(verdict(f, true, NOW + 61 + GRACE, &e), e, ERR_GATE_STALE);
    /* The clock turned back does not help. */
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STALE);
    /* Nor after a restart once it was written down. */
    f->gate->feed_dirty = true;
    assert_ok(disk_save(f->gate, &e), e);
    open_gate(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STALE);
}

static void unlisted_devices_are_refused_if_told_so(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    assert_ok(verdict(f, false, NOW, &e), e);
    conf_write(f, "unlisted = refuse\n");
    open_gate(f);
    assert_ok(verdict(f, true, NOW, &e), e);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_DEVICE);
}

/* ---- feeds that lie ---- */

static void refuses_rolled_back_forked_and_gapped_heads(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct kit fork;
    begin(f);
    struct buf old;
    buf_init(&old, 1 << 16);
    kit_snapshot(&f->kit, &old);
    fork = f->kit; /* the same key, another story */
    buf_init(&fork.head, FEED_HEAD_MAX);
    kit_step(&f->kit, (struct kit_change){1, -1, -1}, &f->frames);
    feed_ok(f);

    buf_put(&f->frames, buf_slice(&old));
    assert_err(feed(f, &e), e, ERR_FEED_ROLLBACK);
    kit_step(&fork, KIT_NOTHING, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_FORK);
    kit_step(&fork, KIT_NOTHING, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_FORK);
    /* A snapshot in which the revoked one is good again. */
    kit_snapshot(&fork, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_FORK);
    feed_in_reset(f->gate);
    kit_step(&f->kit, KIT_NOTHING, NULL);
    kit_step(&f->kit, KIT_NOTHING, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED);
    /* All this changed nothing; a whole snapshot closes the gap. */
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_REVOKED);
    assert_ok(verdict(f, true, NOW, &e), e);
    kit_snapshot(&f->kit, &f->frames);
    feed_ok(f);
    buf_clear(&old);
    buf_clear(&fork.head);
}

/* Signed by the right key, and numbered so high that its chain to what is known cannot be seen. */
static void refuses_a_snapshot_in_which_the_revoked_are_good_again(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    struct kit fork = f->kit;
    buf_init(&fork.head, FEED_HEAD_MAX);
    kit_step(&f->kit, (struct kit_change){1, -1, -1}, &f->frames);
    feed_ok(f);
    for (int i = 0; i < 3; i++)
        kit_step(&fork, KIT_NOTHING, NULL);
    kit_snapshot(&fork, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_FORK);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_REVOKED);
    /* Nor may what was given out be forgotten. */
    kit_step(&fork, (struct kit_change){1, -1, -1}, NULL);
    fork.universe--;
    fork.revoked.n = 0;
    kit_step(&fork, KIT_NOTHING, NULL);
    kit_snapshot(&fork, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_FORK);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_REVOKED);
    buf_clear(&fork.head);
}

static void refuses_forged_heads_and_sets(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct kit other;
    begin(f);
    kit_init(&other, NOW, NOW + 90 * 86400);
    other.universe = 2;
    other.seq = 5;
    kit_step(&other, KIT_NOTHING, NULL);
    kit_snapshot(&other, &f->frames);
    assert_err(feed(f, &e), e, ERR_SIGNATURE);
    /* The right head with another set. */
    kit_step(&f->kit, (struct kit_change){0, -1, -1}, NULL);
    f->kit.revoked.v[0] = 1;
    kit_snapshot(&f->kit, &f->frames);
    assert_err(feed(f, &e), e, ERR_FEED_HASH);
    assert_ok(verdict(f, true, NOW, &e), e);
    kit_clear(&other);
}

/* The platform's own, for the device's name, and still not what a client shows: a server's, a CA's. */
static void refuses_certificates_that_are_not_for_clients(void **state)
{
    struct fix *f = *state;
    struct err e;
    static const struct {
        const char *usage, *ext_usage;
        bool ca, good;
    } rows[] = {
        {"critical,digitalSignature", "clientAuth", false, true},
        {"critical,digitalSignature", "serverAuth", false, false},
        {"critical,digitalSignature", "emailProtection,codeSigning", false, false},
        {"critical,keyEncipherment", "clientAuth", false, false},
        {"critical,digitalSignature,keyCertSign", "clientAuth", true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        X509 *x = kit_device_as(&f->kit, DEV_A, rows[i].usage, rows[i].ext_usage, rows[i].ca, NULL);
        OPENSSL_free(f->der_a);
        kit_der(x, &f->der_a, &f->der_a_n);
        X509_free(x);
        begin(f);
        if (rows[i].good) {
            assert_ok(verdict(f, true, NOW, &e), e);
            continue;
        }
        assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_CERT);
        assert_non_null(strstr(e.what, "not for TLS clients"));
    }
}

/* Of such a shard nothing is known, so its certificates may all be revoked. */
static void refuses_certificates_of_a_shard_that_the_head_does_not_name(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    OPENSSL_free(f->der_b);
    f->kit.not_after += 400 * 86400;
    f->kit.shard.shard = shard_of(f->kit.not_after);
    X509 *x = kit_device(&f->kit, DEV_B, NULL, NULL);
    kit_der(x, &f->der_b, &f->der_b_n);
    X509_free(x);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_SHARD);
    assert_ok(verdict(f, true, NOW, &e), e);
    /* Nor may a serial number point into a shard where its certificate does not belong. */
    OPENSSL_free(f->der_b);
    f->kit.not_after -= 200 * 86400;
    x = kit_device(&f->kit, DEV_B, NULL, NULL);
    kit_der(x, &f->der_b, &f->der_b_n);
    X509_free(x);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_CERT);
}

/* ---- the disk ---- */

static void goes_on_offline_from_the_disk(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    kit_step(&f->kit, (struct kit_change){1, -1, -1}, &f->frames);
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
    open_gate(f);
    assert_ok(verdict(f, true, NOW, &e), e);
    assert_err(verdict(f, false, NOW, &e), e, ERR_GATE_REVOKED);
    assert_ok(gate_may(f->gate, DEV_A, SLICE_LIT("t/m1/" DEV_A "/x"), GATE_PUBLISH, &e), e);
    /* And takes deltas from there. */
    kit_step(&f->kit, (struct kit_change){0, -1, -1}, &f->frames);
    feed_ok(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_REVOKED);
}

static void file_get(const struct fix *f, const char *name, struct buf *b)
{
    struct err e = {0};
    buf_init(b, 1 << 20);
    assert_ok(file_read(path(f, name), 1 << 20, b, &e), e);
}

static void file_put(const struct fix *f, const char *name, struct slice s)
{
    struct err e = {0};
    assert_ok(file_write_atomic(path(f, name), 0600, s, &e), e);
}

static void refuses_state_that_is_absent_cut_or_damaged(void **state)
{
    struct fix *f = *state;
    static const char *const names[] = {"feed.state", "devices.state", "seen.state"};
    struct err e;
    begin(f);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf b;
        file_get(f, names[i], &b);
        for (size_t n = 0; n < b.n; n += 1 + b.n / 7) {
            file_put(f, names[i], slice_of(b.p, n));
            open_gate(f);
            assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STATE);
        }
        b.p[b.n / 2] ^= 1;
        file_put(f, names[i], buf_slice(&b));
        open_gate(f);
        assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STATE);
        unlink(path(f, names[i]));
        open_gate(f);
        assert_err(verdict(f, true, NOW, &e), e, i ? ERR_GATE_STATE : ERR_GATE_NO_STATE);
        b.p[b.n / 2] ^= 1;
        file_put(f, names[i], buf_slice(&b));
        open_gate(f);
        assert_ok(verdict(f, true, NOW, &e), e);
        buf_clear(&b);
    }
}

/* Who may write here would let in whom he likes: a policy, a directory of devices, another issuer. */
static void refuses_what_others_may_write(void **state)
{
    struct fix *f = *state;
    static const struct {
        const char *name; /* "": the directory */
        mode_t bad, good;
        bool opens; /* state is no error, but nobody gets in by it */
    } rows[] = {
        {"", 0777, 0700, false},          {"", 0770, 0755, false},          {"gate.conf", 0666, 0644, false},
        {"ca.pem", 0664, 0644, false},    {"feed.state", 0606, 0600, true}, {"devices.state", 0660, 0644, true},
        {"seen.state", 0666, 0600, true},
    };
    const struct gate_opts opts = {.env = &f->env, .no_thread = true};
    struct err e;
    struct gate *g;
    begin(f);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(chmod(path(f, rows[i].name), rows[i].bad), 0);
        if (rows[i].opens) {
            open_gate(f);
            assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STATE);
        } else {
            assert_err(gate_open(f->dir, &opts, &g, &e), e, ERR_FILE_MODE);
            assert_non_null(strstr(e.hint, "chmod go-w"));
        }
        assert_int_equal(chmod(path(f, rows[i].name), rows[i].good), 0);
        open_gate(f);
        assert_ok(verdict(f, true, NOW, &e), e);
    }
    if (geteuid() == 0) {
        assert_int_equal(chown(path(f, "gate.conf"), 4711, 4711), 0);
        assert_err(gate_open(f->dir, &opts, &g, &e), e, ERR_FILE_MODE);
    }
}

static void refuses_state_that_was_rolled_back(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct buf old;
    begin(f);
    file_get(f, "feed.state", &old);
    kit_step(&f->kit, (struct kit_change){0, -1, -1}, &f->frames);
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
    file_put(f, "feed.state", buf_slice(&old));
    open_gate(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_FEED_ROLLBACK);
    /* The platform's snapshot mends it. */
    kit_snapshot(&f->kit, &f->frames);
    feed_ok(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_REVOKED);
    assert_ok(verdict(f, false, NOW, &e), e);
    buf_clear(&old);
}

/* Whoever writes a file with a right hash still cannot sign a head. */
static void refuses_state_that_was_forged_with_a_right_hash(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct kit other;
    struct buf b;
    uint8_t hash[SHA256_SIZE];
    begin(f);
    kit_init(&other, NOW, NOW + 90 * 86400);
    other.universe = 2;
    kit_step(&other, KIT_NOTHING, NULL);
    kit_step(&other, KIT_NOTHING, NULL);
    buf_init(&b, 1 << 20);
    buf_put_str(&b, "kith-gate 1 feed.state\n");
    kit_snapshot(&other, &b);
    sha256(buf_slice(&b), hash);
    buf_put(&b, SLICE_ARRAY(hash));
    file_put(f, "feed.state", buf_slice(&b));
    open_gate(f);
    assert_err(verdict(f, true, NOW, &e), e, ERR_GATE_STATE);
    buf_clear(&b);
    kit_clear(&other);
}

static void directory_follows_the_feed(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct gate_status st;
    begin(f);
    kit_device_record(&f->frames, DEV_B, "m2", NULL, NULL, false);
    feed_ok(f);
    assert_ok(gate_may(f->gate, DEV_B, SLICE_LIT("t/m2/" DEV_B "/x"), GATE_PUBLISH, &e), e);
    kit_device_record(&f->frames, DEV_B, "m3", NULL, NULL, false);
    kit_device_record(&f->frames, DEV_A, "m1", NULL, NULL, true);
    feed_ok(f);
    assert_false(gate_may(f->gate, DEV_B, SLICE_LIT("t/m2/" DEV_B "/x"), GATE_PUBLISH, &e));
    assert_ok(gate_may(f->gate, DEV_B, SLICE_LIT("t/m3/" DEV_B "/x"), GATE_PUBLISH, &e), e);
    gate_status(f->gate, NOW, &st);
    assert_int_equal(st.devices, 1);
    /* A new connection names all there are. */
    feed_in_reset(f->gate);
    kit_device_record(&f->frames, DEV_A, "m1", NULL, NULL, false);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    feed_ok(f);
    assert_false(gate_may(f->gate, DEV_B, SLICE_LIT("t/m3/" DEV_B "/x"), GATE_PUBLISH, &e));
    assert_ok(gate_may(f->gate, DEV_A, SLICE_LIT("t/m1/" DEV_A "/x"), GATE_PUBLISH, &e), e);
}

static void cursor_put(struct fix *f, uint8_t first)
{
    uint8_t cursor[FEED_CURSOR_SIZE] = {first};
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_CURSOR, .cursor = SLICE_ARRAY(cursor)});
}

static void directory_goes_on_where_its_cursor_says(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct gate_status st;
    const struct feed_frame resumed = {.kind = FEED_RESUMED};
    begin(f);
    /* Without a cursor there is nothing to go on from. */
    feed_in_reset(f->gate);
    kit_frame(&f->frames, &resumed);
    assert_err(feed(f, &e), e, ERR_FEED);
    /* Nor does a cursor name half a directory. */
    feed_in_reset(f->gate);
    cursor_put(f, 7);
    assert_err(feed(f, &e), e, ERR_FEED);
    feed_in_reset(f->gate);
    kit_device_record(&f->frames, DEV_A, "m1", NULL, NULL, false);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    cursor_put(f, 8);
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
    open_gate(f);
    assert_true(f->gate->has_cursor && f->gate->cursor[0] == 8);
    kit_frame(&f->frames, &resumed);
    kit_device_record(&f->frames, DEV_B, "m2", NULL, NULL, false);
    cursor_put(f, 9);
    feed_ok(f);
    gate_status(f->gate, NOW, &st);
    assert_int_equal(st.devices, 2);
    /* A whole directory ends what the cursor named. */
    feed_in_reset(f->gate);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    feed_ok(f);
    assert_false(f->gate->has_cursor);
    gate_status(f->gate, NOW, &st);
    assert_int_equal(st.devices, 0);
}

/* The file is written whole, so not for each record: but what is put off is not lost when the gate closes in good order. */
static void single_records_wait_to_be_written(void **state)
{
    struct fix *f = *state;
    struct err e;
    begin(f);
    cursor_put(f, 1);
    feed_ok(f);
    kit_device_record(&f->frames, DEV_B, "m2", NULL, NULL, false);
    cursor_put(f, 2);
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
    assert_true(f->gate->devices_dirty);
    disk_flush(f->gate);
    assert_false(f->gate->devices_dirty);
    open_gate(f);
    assert_true(f->gate->has_cursor && f->gate->cursor[0] == 2);
    kit_frame(&f->frames, &(struct feed_frame){.kind = FEED_POLICY, .policy = SLICE_LIT("publish x/%i/#\n")});
    feed_ok(f);
    assert_ok(disk_save(f->gate, &e), e);
    assert_false(f->gate->devices_dirty);
}

/* ---- readers beside the writer ---- */

struct racer {
    struct fix *f;
    atomic_bool stop;
    atomic_long asked;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct err e;
    while (!atomic_load(&r->stop)) {
        (void)!verdict(r->f, true, NOW, &e);
        (void)!gate_may(r->f->gate, DEV_A, SLICE_LIT("t/m1/x"), GATE_PUBLISH, &e);
        atomic_fetch_add(&r->asked, 1);
    }
    return NULL;
}

static void verdicts_go_on_while_heads_come(void **state)
{
    struct fix *f = *state;
    struct racer r = {.f = f};
    pthread_t t[2];
    begin(f);
    f->kit.universe = KIT_LIST;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, &r), 0);
    for (int i = 2; i < 200; i++) {
        kit_step(&f->kit, (struct kit_change){i, -1, -1}, &f->frames);
        feed_ok(f);
    }
    atomic_store(&r.stop, true);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_join(t[i], NULL);
    assert_true(atomic_load(&r.asked) > 0);
}

static void says_how_long_a_verdict_takes(void **state)
{
    struct fix *f = *state;
    struct err e;
    struct timespec a, b;
    enum { N = 100000 };
    begin(f);
    assert_ok(verdict(f, true, NOW, &e), e);
    struct gate_peer peer;
    assert_ok(gate_verdict(f->gate, slice_of(f->der_a, f->der_a_n), NOW, &peer, &e), e);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < N; i++)
        assert_true(gate_verdict(f->gate, slice_of(f->der_a, f->der_a_n), NOW, &peer, &e));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / N;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < N; i++)
        assert_true(gate_still(f->gate, &peer, NOW, &e));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double still = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / N;
    print_message("verdict %.0f ns, still %.0f ns\n", ns, still);
}

/* What comes after the first certificate is a chain to its end; it does not end where the file is damaged. */
static void takes_an_issuer_file_whole_or_not_at_all(void **state)
{
    struct fix *f = *state;
    struct buf one = {0}, all = {0};
    struct err e = {0};
    buf_init(&one, 1 << 16);
    buf_init(&all, 1 << 16);
    assert_ok(file_read(path(f, "ca.pem"), 1 << 16, &one, &e), e);
    struct slice cert = buf_slice(&one);
    const struct {
        struct slice after;
        size_t n; /* of it */
        char spoilt;
        bool good;
    } table[] = {
        {cert, cert.n, 0, true},
        {SLICE_LIT("a note\n"), 7, 0, true},
        {cert, cert.n, '!', false},
        {cert, cert.n - 10, 0, false},
        {cert, cert.n / 2, 0, false},
        {SLICE_LIT("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), 57, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct identity_issuer *issuer;
        buf_reset(&all);
        buf_put(&all, cert);
        buf_put(&all, slice_of(table[i].after.p, table[i].n));
        struct slice pem = buf_slice(&all);
        if (table[i].spoilt)
            memset((uint8_t *)pem.p + cert.n + 100, table[i].spoilt, 1);
        assert_int_equal(identity_issuer_read(pem, &issuer, &e), table[i].good);
        assert_true(table[i].good || e.code == ERR_GATE_CERT);
        identity_issuer_free(issuer);
    }
    buf_clear(&one);
    buf_clear(&all);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(refuses_everybody_before_the_first_feed),
        T(lets_a_good_certificate_in),
        T(takes_an_issuer_file_whole_or_not_at_all),
        T(refuses_revoked_and_held_and_takes_released_back),
        T(refuses_foreign_cut_and_expired_certificates),
        T(refuses_everybody_when_the_feed_is_stale),
        T(unlisted_devices_are_refused_if_told_so),
        T(refuses_rolled_back_forked_and_gapped_heads),
        T(refuses_a_snapshot_in_which_the_revoked_are_good_again),
        T(refuses_forged_heads_and_sets),
        T(refuses_certificates_that_are_not_for_clients),
        T(refuses_certificates_of_a_shard_that_the_head_does_not_name),
        T(goes_on_offline_from_the_disk),
        T(refuses_state_that_is_absent_cut_or_damaged),
        T(refuses_what_others_may_write),
        T(refuses_state_that_was_rolled_back),
        T(refuses_state_that_was_forged_with_a_right_hash),
        T(directory_follows_the_feed),
        T(directory_goes_on_where_its_cursor_says),
        T(single_records_wait_to_be_written),
        T(verdicts_go_on_while_heads_come),
        T(says_how_long_a_verdict_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
