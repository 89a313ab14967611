/* By which list of the root the issuing signer goes, when older ones are put in its place.  argv: kith, kith-signer. */
#include "rig.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"
#include "ca/request.h"
#include "model/settings.h"

#define DEV "dev_01arz3ndektsv4rrffq69g5fav"

static const char *list_path(const struct rig *r)
{
    return rig_path(r, PATH_ROOT_CRL);
}

static void take_list(const struct rig *r, struct buf *out)
{
    struct err e;
    buf_init(out, 65536);
    assert_ok(file_read(list_path(r), 65536, out, &e), e);
}

static void put_list(const struct rig *r, const struct buf *l)
{
    struct err e;
    assert_ok(file_write_atomic(list_path(r), 0644, buf_slice(l), &e), e);
}

/* The next one, as the root makes it in the place of the one that is there. */
static void make_list(const struct rig *r, const char *revoke, struct buf *out)
{
    const char *argv[] = {r->kith, "ca", "crl", "--root-dir", rig_path(r, ""), revoke ? "--revoke" : NULL,
                          revoke,  NULL};
    rig_run(argv);
    take_list(r, out);
}

static uint64_t remembered(struct rig *r)
{
    return rig_status(r, RIG_ISSUING).root_list;
}

static void wait_remembered(struct rig *r, uint64_t number)
{
    for (int i = 0; i < 400 && remembered(r) != number; i++)
        usleep(50000);
    assert_int_equal(remembered(r), number);
}

/* It looks again after a second; `what`: of the refusal, NULL: certificates come. */
static void wait_issue(struct rig *r, struct key *k, const char *what)
{
    struct err e = {0};
    for (int i = 0; i < 400; i++) {
        bool ok = rig_try_device_cert(r, DEV, k, NULL, &e);
        if (what ? !ok && strstr(e.what, what) : ok)
            return;
        usleep(50000);
    }
    fail_msg("not \"%s\" but: %s", what ? what : "issued", e.what);
}

/* What a list that was put back revoked would be good again. */
static void goes_by_no_older_list_of_the_root(void **state)
{
    (void)state;
    struct rig r;
    struct stat before, after;
    AUTO(buf_clear) struct buf first, second, other, third;
    char serial[64];
    rig_make(&r, 0);
    take_list(&r, &first);
    make_list(&r, NULL, &other); /* a root that came back from a backup gives its number once more */
    put_list(&r, &first);
    usleep(1100 * 1000); /* another date */
    make_list(&r, NULL, &second);
    put_list(&r, &first);
    /* A signer that never signed has nothing but its set-up. */
    assert_int_equal(stat(rig_path(&r, "signers/issuing/journal"), &before), 0);
    rig_start(&r, RIG_ISSUING);
    usleep(1100 * 1000);
    assert_int_equal(remembered(&r), 0);
    assert_int_equal(stat(rig_path(&r, "signers/issuing/journal"), &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    struct key *k = rig_key(&r, KEY_P256);
    wait_issue(&r, k, NULL);
    wait_remembered(&r, 1);
    int64_t signed_at = rig_status(&r, RIG_ISSUING).signed_at;
    usleep(1100 * 1000);
    put_list(&r, &second);
    wait_remembered(&r, 2);
    rig_kill(&r, RIG_ISSUING, SIGKILL);
    rig_start(&r, RIG_ISSUING);
    assert_int_equal(rig_status(&r, RIG_ISSUING).signed_at, signed_at); /* nothing was signed by it yet */
    wait_issue(&r, k, NULL);
    put_list(&r, &first);
    wait_issue(&r, k, "list 1 is older than the one that was there before (2)");
    for (int round = 0; round < 3; round++) {
        rig_kill(&r, RIG_ISSUING,
                 round ? SIGTERM : SIGKILL); /* from the journal, from the snapshot, from the journal */
        if (round == 2)
            assert_int_equal(unlink(rig_path(&r, "signers/issuing/state")), 0);
        put_list(&r, &first);
        rig_start(&r, RIG_ISSUING);
        struct err e;
        assert_err(rig_try_device_cert(&r, DEV, k, NULL, &e), e, ERR_ROOT_CRL);
        assert_true(e.why[0] && e.hint[0]);
        put_list(&r, &other);
        wait_issue(&r, k, "the number and not the content");
        put_list(&r, &second);
        wait_issue(&r, k, NULL);
    }
    /* One by which nothing is issued is remembered, too, before it is said. */
    assert_true(codec_encode(CODEC_HEX, r.ca.serial, serial, sizeof serial));
    make_list(&r, serial, &third);
    wait_issue(&r, k, "has revoked the issuing CA");
    rig_kill(&r, RIG_ISSUING, SIGKILL);
    put_list(&r, &second);
    rig_start(&r, RIG_ISSUING);
    wait_issue(&r, k, "list 2 is older than the one that was there before (3)");
    put_list(&r, &third);
    wait_issue(&r, k, "has revoked the issuing CA");
    key_free(k);
    rig_remove(&r);
}

/* What is not in the journal was not gone by: nothing is said by it, and it is written as soon as there is room. */
static void remembers_a_list_once_there_is_room(void **state)
{
    (void)state;
    struct rig r;
    struct err e;
    struct stat st;
    char serial[64];
    AUTO(buf_clear) struct buf second;
    rig_make(&r, 0);
    r.fsize = 1 << 30;
    rig_start(&r, RIG_ISSUING);
    struct key *k = rig_key(&r, KEY_P256);
    wait_issue(&r, k, NULL);
    wait_remembered(&r, 1);
    assert_int_equal(stat(rig_path(&r, "signers/issuing/journal"), &st), 0);
    rig_set_fsize(&r, RIG_ISSUING, st.st_size);
    assert_true(codec_encode(CODEC_HEX, r.ca.serial, serial, sizeof serial));
    make_list(&r, serial, &second);
    usleep(1100 * 1000);
    for (int i = 0; i < 5; i++) {
        assert_err(rig_try_device_cert(&r, DEV, k, NULL, &e), e, ERR_SIGNER_GONE);
        assert_int_equal(remembered(&r), 1);
    }
    rig_set_fsize(&r, RIG_ISSUING, 1 << 30);
    assert_err(rig_try_device_cert(&r, DEV, k, NULL, &e), e, ERR_CA_REVOKED);
    assert_int_equal(remembered(&r), 2);
    key_free(k);
    rig_remove(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_by_no_older_list_of_the_root),
        cmocka_unit_test(remembers_a_list_once_there_is_room),
    };
    if (!rig_programs(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
