#include "../test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ca/journal.h"
#include "keys/crypto.h"

static char dir[] = "/tmp/kith-journal-XXXXXX", path[64];

struct seen {
    int n;
    char last[64];
    struct journal_mark next;
};

static bool count(void *ctx, struct slice record, const struct journal_mark *next, struct err *e)
{
    (void)e;
    struct seen *s = ctx;
    s->n++;
    assert_true(record.n < sizeof s->last);
    memcpy(s->last, record.p, record.n);
    s->last[record.n] = 0;
    s->next = *next;
    return true;
}

static bool open_journal(const struct journal_mark *from, struct seen *s, struct journal **j, uint64_t *torn,
                         struct err *e)
{
    *s = (struct seen){0};
    return journal_open(path, &crypto_openssl, from, count, s, j, torn, e);
}

static const struct journal_mark start;
static struct journal_mark set_up; /* behind the first record */

static void write_batches(int n)
{
    static const uint8_t roster[SHA256_SIZE];
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    unlink(path);
    assert_ok(journal_set_up(path, &crypto_openssl, roster, 1, &e), e);
    assert_ok(open_journal(&start, &s, &j, &torn, &e), e);
    set_up = journal_end(j);
    for (int i = 0; i < n; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "record %d", i);
        assert_ok(journal_append(j, slice_of(text, (size_t)len), &e), e);
        assert_ok(journal_append(j, SLICE_LIT("pair"), &e), e);
        assert_ok(journal_sync(j, &e), e);
    }
    journal_free(j);
}

static void reads_back_what_was_synced_and_nothing_else(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(3);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    assert_int_equal(s.n, 6);
    assert_string_equal(s.last, "pair");
    assert_ok(journal_append(j, SLICE_LIT("never"), &e), e);
    journal_free(j);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    assert_int_equal(s.n, 6);
    struct journal_mark end = journal_end(j);
    journal_free(j);
    assert_ok(open_journal(&end, &s, &j, &torn, &e), e);
    assert_int_equal(s.n, 0);
    journal_free(j);
}

static void cuts_a_torn_batch_at_every_length(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(2);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    off_t half = (off_t)set_up.at + (st.st_size - (off_t)set_up.at) / 2;
    for (off_t n = st.st_size - 1; n >= half; n--) {
        assert_int_equal(truncate(path, n), 0);
        assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
        assert_int_equal(s.n, 2);
        assert_int_equal(torn, n - half);
        assert_ok(journal_append(j, SLICE_LIT("record 1"), &e), e);
        assert_ok(journal_append(j, SLICE_LIT("pair"), &e), e);
        assert_ok(journal_sync(j, &e), e);
        journal_free(j);
    }
}

static void verifies_what_a_snapshot_stands_for(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(5);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    struct journal_mark end = journal_end(j), done = {0}, other = end;
    int parts = 0;
    for (; done.at < end.at; parts++)
        assert_ok(journal_verify(j, &end, end.at / 5, &done, &e), e);
    assert_in_range(parts, 4, 6);
    other.digest[0] ^= 1;
    done = start;
    assert_err(journal_verify(j, &other, end.at, &done, &e), e, ERR_JOURNAL);
    for (off_t at = 0; at < (off_t)end.at; at++) {
        int fd = open(path, O_RDWR);
        uint8_t b;
        assert_int_equal(pread(fd, &b, 1, at), 1);
        b ^= 4;
        assert_int_equal(pwrite(fd, &b, 1, at), 1);
        done = start;
        assert_err(journal_verify(j, &end, end.at, &done, &e), e, ERR_JOURNAL);
        assert_err(journal_check(path, &crypto_openssl, &end, count, &s, &e), e, ERR_JOURNAL);
        b ^= 4;
        assert_int_equal(pwrite(fd, &b, 1, at), 1);
        close(fd);
    }
    assert_ok(journal_check(path, &crypto_openssl, &end, count, &s, &e), e);
    journal_free(j);
}

static void refuses_a_journal_that_was_changed(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(3);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) { /* the last batch too: it is whole, so no crash did that */
        int fd = open(path, O_RDWR);
        uint8_t b;
        assert_int_equal(pread(fd, &b, 1, at), 1);
        b ^= 1;
        assert_int_equal(pwrite(fd, &b, 1, at), 1);
        bool ok = open_journal(&start, &s, &j, &torn, &e);
        if (ok)
            fail_msg("a changed byte %ld was not found", (long)at);
        assert_int_equal(e.code, ERR_JOURNAL);
        b ^= 1;
        assert_int_equal(pwrite(fd, &b, 1, at), 1);
        close(fd);
    }
}

/* Long enough for several sectors; sectors that never came to the disk read as zeros. */
static void cuts_a_batch_that_lacks_sectors(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    static uint8_t big[2000], zeros[512];
    memset(big, 0x5a, sizeof big);
    write_batches(2);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    off_t begin = (off_t)journal_end(j).at;
    assert_ok(journal_append(j, SLICE_ARRAY(big), &e), e);
    assert_ok(journal_sync(j, &e), e);
    off_t end = (off_t)journal_end(j).at;
    journal_free(j);
    for (off_t at = (begin / 512 + 1) * 512; at < end; at += 512) {
        size_t n = end - at < 512 ? (size_t)(end - at) : 512;
        write_batches(2);
        assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
        assert_ok(journal_append(j, SLICE_ARRAY(big), &e), e);
        assert_ok(journal_sync(j, &e), e);
        journal_free(j);
        int fd = open(path, O_RDWR);
        assert_int_equal(pwrite(fd, zeros, n, at), (ssize_t)n);
        close(fd);
        assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
        assert_int_equal(s.n, 4);
        assert_int_equal(torn, end - begin);
        journal_free(j);
    }
}

/* Who opens a journal never makes one: it would give out again what was given out. */
static void refuses_a_journal_that_is_gone(void **state)
{
    (void)state;
    static const uint8_t roster[SHA256_SIZE];
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(2);
    const struct journal_mark *const from[] = {&start, &set_up};
    for (size_t i = 0; i < ARRAY_LEN(from); i++)
        for (int empty = 0; empty < 2; empty++) {
            unlink(path);
            if (empty)
                close(open(path, O_WRONLY | O_CREAT, 0600));
            assert_err(open_journal(from[i], &s, &j, &torn, &e), e, ERR_JOURNAL_LOST);
            assert_null(j);
            assert_non_null(strstr(e.hint, "copy"));
            assert_err(journal_check(path, &crypto_openssl, from[i], count, &s, &e), e, ERR_JOURNAL_LOST);
            assert_int_equal(access(path, F_OK), empty ? 0 : -1);
        }
    /* Nor one whose first batch is not whole; and nothing of it is cut off. */
    struct stat st;
    write_batches(0);
    assert_int_equal(truncate(path, (off_t)set_up.at - 1), 0);
    assert_err(open_journal(&start, &s, &j, &torn, &e), e, ERR_JOURNAL_LOST);
    assert_err(journal_check(path, &crypto_openssl, &start, count, &s, &e), e, ERR_JOURNAL_LOST);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, set_up.at - 1);
    assert_err(journal_set_up(path, &crypto_openssl, roster, 1, &e), e, ERR_CONFLICT);
}

static void refuses_a_journal_shorter_than_its_mark(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(3);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    struct journal_mark end = journal_end(j);
    journal_free(j);
    write_batches(2);
    assert_err(open_journal(&end, &s, &j, &torn, &e), e, ERR_JOURNAL);
}

static void goes_on_after_a_full_disk(void **state)
{
    (void)state;
    struct err e;
    struct seen s;
    struct journal *j;
    uint64_t torn;
    write_batches(1);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    struct rlimit old, small = {.rlim_cur = set_up.at + 100, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    static const uint8_t big[200];
    assert_ok(journal_append(j, SLICE_ARRAY(big), &e), e);
    bool ok = journal_sync(j, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(ok);
    assert_int_equal(e.code, ERR_JOURNAL);
    assert_ok(journal_append(j, SLICE_LIT("after"), &e), e);
    assert_ok(journal_sync(j, &e), e);
    journal_free(j);
    assert_ok(open_journal(&set_up, &s, &j, &torn, &e), e);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.last, "after");
    journal_free(j);
}

static int make_dir(void **state)
{
    (void)state;
    struct err e;
    if (!mkdtemp(dir) || !crypto_init(&e))
        return -1;
    snprintf(path, sizeof path, "%s/journal", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_synced_and_nothing_else),
        cmocka_unit_test(cuts_a_torn_batch_at_every_length),
        cmocka_unit_test(cuts_a_batch_that_lacks_sectors),
        cmocka_unit_test(verifies_what_a_snapshot_stands_for),
        cmocka_unit_test(refuses_a_journal_that_was_changed),
        cmocka_unit_test(refuses_a_journal_that_is_gone),
        cmocka_unit_test(refuses_a_journal_shorter_than_its_mark),
        cmocka_unit_test(goes_on_after_a_full_disk),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
