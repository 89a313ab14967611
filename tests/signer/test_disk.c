/* What a signer does when its files were changed, when its disk is full, and when more is asked for than it may sign.
 * argv: kith, kith-signer. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ca/journal.h"
#include "ca/request.h"
#include "core/cbor.h"
#include "keys/crypto.h"

#define DEV "dev_01arz3ndektsv4rrffq69g5fav"

static void issue_some(struct rig *r, int n)
{
    for (int i = 0; i < n; i++) {
        struct buf der;
        rig_device_cert(r, DEV, &der);
        buf_clear(&der);
    }
}

static void domain_refused_with(struct rig *r, enum rig_domain d, const char *slug)
{
    char log[8192];
    int code = rig_start_refused(r, d, log, sizeof log);
    if (code == 0 || !strstr(log, slug))
        fail_msg("exit %d, no \"%s\" in: %s", code, slug, log);
}

static void refused_with(struct rig *r, const char *slug)
{
    domain_refused_with(r, RIG_ISSUING, slug);
}

static void flip(const char *path, off_t at)
{
    uint8_t b;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void cut(const char *path, size_t n)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - (off_t)n), 0);
}

static void starts_with_no_other_roster_or_profile(void **state)
{
    (void)state;
    struct rig r;
    rig_make(&r, 0);
    rig_start(&r, RIG_ISSUING);
    rig_kill(&r, RIG_ISSUING, SIGKILL); /* no snapshot yet: the journal pins it */
    append(rig_path(&r, "profiles/ldevid.profile"), "# one more line\n");
    refused_with(&r, "roster");
    cut(rig_path(&r, "profiles/ldevid.profile"), 16);
    for (int i = 0; i < 2; i++) {
        append(rig_path(&r, "signers/issuing/roster"), "# one more line\n");
        refused_with(&r, "roster");
        cut(rig_path(&r, "signers/issuing/roster"), 16);
        rig_start(&r, RIG_ISSUING);
        rig_kill(&r, RIG_ISSUING, SIGTERM); /* and with a snapshot */
    }
    assert_int_equal(unlink(rig_path(&r, "profiles/ldevid.profile")), 0);
    refused_with(&r, "ldevid.profile");
    rig_remove(&r);
}

static void starts_with_no_changed_journal_or_snapshot(void **state)
{
    (void)state;
    struct rig r;
    struct stat st;
    struct err e;
    AUTO(buf_clear) struct buf whole;
    buf_init(&whole, 1u << 20);
    rig_make(&r, 0);
    const char *journal = rig_path(&r, "signers/issuing/journal"), *snapshot = rig_path(&r, "signers/issuing/state");
    rig_start(&r, RIG_ISSUING);
    issue_some(&r, 5);
    rig_kill(&r, RIG_ISSUING, SIGKILL);
    assert_int_equal(stat(journal, &st), 0);
    static const int thousandths[] = {0, 1, 5, 100, 300, 500, 700};
    for (size_t i = 0; i < ARRAY_LEN(thousandths); i++) {
        off_t at = st.st_size * thousandths[i] / 1000;
        flip(journal, at);
        refused_with(&r, "journal");
        flip(journal, at);
    }
    /* Zeros over the head of a batch in the middle are no torn end. */
    assert_ok(file_read(journal, 1u << 20, &whole, &e), e);
    int fd = open(journal, O_RDWR);
    static const uint8_t zeros[8];
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 0), 8);
    refused_with(&r, "journal");
    assert_int_equal(pwrite(fd, whole.p, sizeof zeros, 0), 8);
    close(fd);
    rig_start(&r, RIG_ISSUING);
    rig_kill(&r, RIG_ISSUING, SIGTERM);
    /* Shorter than what the snapshot covers; gone. */
    assert_int_equal(truncate(journal, st.st_size / 2), 0);
    refused_with(&r, "journal");
    assert_int_equal(unlink(journal), 0);
    refused_with(&r, "journal");
    assert_ok(file_write_atomic(journal, 0600, buf_slice(&whole), &e), e);
    assert_int_equal(stat(snapshot, &st), 0);
    for (off_t at = 0; at < st.st_size; at += 97) {
        flip(snapshot, at);
        refused_with(&r, "journal");
        flip(snapshot, at);
    }
    /* Without the snapshot the journal has it all. */
    assert_int_equal(unlink(snapshot), 0);
    rig_start(&r, RIG_ISSUING);
    struct rig_head h;
    assert_ok(rig_head(&r, &h, &e), e);
    assert_int_equal(h.universe, 5);
    rig_remove(&r);
}

/* The one journal is the one that kith init made: a signer that lost it would give serial numbers out again. */
static void begins_no_journal(void **state)
{
    (void)state;
    static const char *const files[] = {"signers/issuing/journal", "signers/ledger/journal"};
    static const char *const snapshots[] = {"signers/issuing/state", "signers/ledger/state"};
    struct rig r;
    rig_make(&r, 0);
    for (int d = 0; d < RIG_DOMAINS; d++) {
        rig_start(&r, (enum rig_domain)d);
        rig_kill(&r, (enum rig_domain)d, SIGTERM);
        char journal[256], aside[300]; /* rig_path() has room for four */
        snprintf(journal, sizeof journal, "%s", rig_path(&r, files[d]));
        snprintf(aside, sizeof aside, "%s.aside", journal);
        assert_int_equal(rename(journal, aside), 0);
        for (int snapshot = 1; snapshot >= 0; snapshot--) {
            assert_int_equal(access(rig_path(&r, snapshots[d]), F_OK), snapshot - 1);
            domain_refused_with(&r, (enum rig_domain)d, "code=journal-lost");
            assert_int_equal(access(journal, F_OK), -1);
            int fd = open(journal, O_WRONLY | O_CREAT | O_EXCL, 0600);
            assert_true(fd >= 0);
            close(fd);
            domain_refused_with(&r, (enum rig_domain)d, "code=journal-lost");
            assert_int_equal(unlink(journal), 0);
            if (snapshot)
                assert_int_equal(unlink(rig_path(&r, snapshots[d])), 0);
        }
        assert_int_equal(rename(aside, journal), 0);
        rig_start(&r, (enum rig_domain)d);
    }
    rig_remove(&r);
}

static void take(const struct rig *to, const struct rig *from, enum rig_domain d, const char *file)
{
    static const char *const dirs[] = {"signers/issuing", "signers/ledger"};
    char source[300];
    struct err e;
    AUTO(buf_clear) struct buf b;
    buf_init(&b, 1u << 20);
    snprintf(source, sizeof source, "%s/%s", rig_path(from, dirs[d]), file);
    assert_ok(file_read(source, 1u << 20, &b, &e), e);
    snprintf(source, sizeof source, "%s/%s", rig_path(to, dirs[d]), file);
    assert_ok(file_write_atomic(source, 0600, buf_slice(&b), &e), e);
}

/* Each digest in it fits; but what this platform signed is not in it. */
static void starts_with_no_journal_of_another_platform(void **state)
{
    (void)state;
    static const char *const slugs[] = {"code=roster", "of another log"};
    struct rig ours, other;
    rig_make(&ours, 0);
    rig_make(&other, 0);
    for (int i = 0; i < RIG_DOMAINS; i++) {
        enum rig_domain d = (enum rig_domain)i;
        take(&ours, &other, d, "journal");
        domain_refused_with(&ours, d, slugs[d]);
        rig_start(&other, d);
        rig_kill(&other, d, SIGTERM);
        take(&ours, &other, d, "state");
        domain_refused_with(&ours, d, slugs[d]);
    }
    rig_remove(&other);
    rig_remove(&ours);
}

static bool try_issue(struct rig *r, struct key *k, struct err *e)
{
    return rig_try_device_cert(r, DEV, k, NULL, e);
}

/* Records that change nothing: what the journal begins with, again and again. */
static void grow_journal(struct rig *r, uint64_t size)
{
    struct err e;
    struct journal *j;
    uint64_t torn;
    uint8_t digest[SHA256_SIZE], record[64];
    const struct journal_mark start = {0};
    struct writer w = WRITER_ARRAY(record);
    AUTO(buf_clear) struct buf roster;
    buf_init(&roster, 65536);
    assert_ok(file_read(rig_path(r, "signers/issuing/roster"), 65536, &roster, &e), e);
    sha256(buf_slice(&roster), digest);
    cbor_put_array(&w, 3);
    cbor_put_uint(&w, JOURNAL_SETUP);
    cbor_put_int(&w, env_now_s(&r->env));
    cbor_put_bstr(&w, SLICE_ARRAY(digest));
    assert_ok(journal_open(rig_path(r, "signers/issuing/journal"), &crypto_openssl, &start, NULL, NULL, &j, &torn, &e),
              e);
    while (journal_end(j).at < size) {
        while (journal_batch(j) < JOURNAL_BATCH_MAX - sizeof record)
            assert_ok(journal_append(j, writer_slice(&w), &e), e);
        assert_ok(journal_sync(j, &e), e);
    }
    journal_free(j);
}

/* At the start a signer checks 64 MB of what its snapshot stands for, and the rest while it works. */
static void finds_damage_that_it_did_not_look_for_at_the_start(void **state)
{
    (void)state;
    struct rig r;
    struct err e = {0};
    struct stat st;
    rig_make(&r, 0);
    grow_journal(&r, 72u << 20);
    struct key *k = rig_key(&r, KEY_P256);
    const char *journal = rig_path(&r, "signers/issuing/journal");
    assert_int_equal(stat(journal, &st), 0);
    const off_t early = 30 << 20, late = st.st_size - (2 << 20);
    rig_start(&r, RIG_ISSUING);
    rig_kill(&r, RIG_ISSUING, SIGTERM); /* its snapshot stands for all of it */
    flip(rig_path(&r, "signers/issuing/journal"), early);
    refused_with(&r, "code=journal");
    flip(rig_path(&r, "signers/issuing/journal"), early);
    flip(rig_path(&r, "signers/issuing/journal"), late);
    rig_start(&r, RIG_ISSUING);
    for (int i = 0; i < 200 && e.code != ERR_SIGNER_GONE; i++) {
        usleep(50000);
        if (try_issue(&r, k, &e))
            err_clear(&e);
    }
    assert_int_equal(e.code, ERR_SIGNER_GONE);
    assert_string_equal(e.why, "its own error is journal");
    assert_err(rig_head(&r, NULL, &e), e, ERR_SIGNER_GONE);
    rig_kill(&r, RIG_ISSUING, SIGTERM);
    key_free(k);
    rig_remove(&r);
}

/* The limit on a file's size is the disk that is full: writes beyond it fail. */
static void signs_nothing_while_the_disk_is_full_and_goes_on_after(void **state)
{
    (void)state;
    struct rig r;
    struct err e;
    struct rig_head a, b;
    struct stat st;
    rig_make(&r, 0);
    r.fsize = 1 << 30;
    rig_start(&r, RIG_ISSUING);
    struct key *k = rig_key(&r, KEY_P256);
    struct buf der;
    rig_device_cert(&r, DEV, &der);
    struct rig_serial s = rig_serial_of(buf_slice(&der));
    buf_clear(&der);
    assert_ok(rig_head(&r, &a, &e), e);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(stat(rig_path(&r, "signers/issuing/journal"), &st), 0);
        rig_set_fsize(&r, RIG_ISSUING, st.st_size + 20 * round);
        size_t open_n = r.open_n;
        for (int i = 0; i < 3; i++) {
            assert_err(try_issue(&r, k, &e), e, ERR_SIGNER_GONE);
            assert_err(rig_revoke(&r, &s, 1, 1, NULL, &e), e, ERR_SIGNER_GONE);
            assert_err(rig_hold(&r, &s, 1, NULL, 0, NULL, &e), e, ERR_SIGNER_GONE);
            assert_err(rig_head(&r, NULL, &e), e, ERR_SIGNER_GONE);
        }
        assert_int_equal(r.open_n, open_n);
        rig_set_fsize(&r, RIG_ISSUING, 1 << 30);
        /* The chain goes on where it stood: nothing of what failed is in it. */
        assert_ok(rig_head(&r, &b, &e), e);
        assert_int_equal(b.seq, a.seq + 1);
        assert_memory_equal(b.prev, a.hash, SHA256_SIZE);
        assert_int_equal(b.revoked, 0);
        assert_int_equal(b.held, 0);
        assert_ok(try_issue(&r, k, &e), e);
        a = b;
        rig_kill(&r, RIG_ISSUING, round ? SIGKILL : SIGTERM);
        rig_start(&r, RIG_ISSUING);
    }
    assert_ok(rig_revoke(&r, &s, 1, 1, &b, &e), e);
    assert_int_equal(b.seq, a.seq + 1);
    assert_int_equal(b.revoked, 1);
    /* Nothing that was given up counts as signed. */
    rig_enter_all(&r);
    assert_ok(rig_stream(&r, RIG_ISSUING, &e), e);
    assert_ok(rig_cosign(&r, RIG_ISSUING, RIG_ORIGIN, &e), e);
    key_free(k);
    rig_remove(&r);
}

static void signs_no_more_a_minute_than_the_roster_says(void **state)
{
    (void)state;
    struct rig r;
    struct err e;
    rig_make(&r, 5);
    rig_start(&r, RIG_ISSUING);
    struct key *k = rig_key(&r, KEY_P256);
    int given = 0;
    bool limited = false;
    for (int i = 0; i < 12; i++) { /* a minute may end between */
        bool ok = try_issue(&r, k, &e);
        given += ok;
        limited = limited || (!ok && e.code == ERR_RATE);
    }
    assert_true(limited);
    assert_in_range(given, 5, 10);
    /* A revocation never waits for it. */
    assert_ok(rig_head(&r, NULL, &e), e);
    key_free(k);
    rig_remove(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_no_other_roster_or_profile),
        cmocka_unit_test(starts_with_no_changed_journal_or_snapshot),
        cmocka_unit_test(begins_no_journal),
        cmocka_unit_test(starts_with_no_journal_of_another_platform),
        cmocka_unit_test(finds_damage_that_it_did_not_look_for_at_the_start),
        cmocka_unit_test(signs_nothing_while_the_disk_is_full_and_goes_on_after),
        cmocka_unit_test(signs_no_more_a_minute_than_the_roster_says),
    };
    if (!rig_programs(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
