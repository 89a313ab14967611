/* Each check of doctor, and the thing that it checks broken. */
#include "fixture.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

static int installed_up(void **state)
{
    if (fixture_up(state) != 0)
        return -1;
    char listen[32], plain[32]; /* nobody else's, below those that the kernel hands out */
    int port = 10000 + (int)getpid() % 10000 * 2;
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    snprintf(plain, sizeof plain, "127.0.0.1:%d", port + 1);
    struct ran r = run("init", "--dir", at("d"), "--listen", listen, "--plain-listen", plain, NULL);
    int status = r.status;
    ran_clear(&r);
    return status;
}

static void says_nothing_is_wrong(void **state)
{
    (void)state;
    assert_run(0, "--dir", at("d"), "doctor", "clock", "entropy", "crypto", "disk", "settings", "permissions",
               "passphrase", "token", "keys", "roster", "signers", "root", "issuing", "root-crl", "database", "ports",
               "server");
}

struct breaking {
    const char *check, *command, *says;
};

static void finds_what_was_broken(void **state)
{
    (void)state;
    static const struct breaking rows[] = {
        {"permissions", "chmod 644 d/keys/issuing.key", "chmod 600 "},
        {"permissions", "chmod 755 d/signers", "chmod 700"},
        {"permissions", "echo x > d/signers/issuing/journal; chmod 644 d/signers/issuing/journal", "chmod 600 "},
        {"settings", "sed -i 's/^origin = .*/origin = other/' d/kith.conf", "origin = "},
        {"passphrase", "chmod 644 d-secrets/passphrase", "passphrase"},
        {"passphrase", "rm d-secrets/passphrase", "restore it"},
        {"passphrase", "mv d-secrets/passphrase d/p && sed -i 's#/d-secrets/passphrase#/d/p#' d/kith.conf",
         "beside the keys"},
        {"passphrase", "ln -s d l; mv d-secrets/passphrase d/p && sed -i 's#/d-secrets/passphrase#/l/p#' d/kith.conf",
         "beside the keys"},
        {"keys", "head -c 20 /dev/zero | tr '\\0' x > d-secrets/passphrase", "passphrase"},
        {"keys", "rm d/keys/cosign.key", "cosign.key"},
        {"keys", "cp d/keys/ledger.key d/keys/issuing.key; sed -i 's/A/B/' d/keys/issuing.key", "issuing.key"},
        {"keys", "sed -i 's#^ledger_key = .*#ledger_key = file:keys/cosign.key#' d/kith.conf", "[ca] ledger_key"},
        {"keys", "sed -i 's#^cosign_key = .*#cosign_key = file:keys/ledger.key#' d/kith.conf", "[ca] cosign_key"},
        {"keys", "sed -i 's#^derive_key = .*#derive_key = file:keys/ledger.key#' d/kith.conf", "[ca] derive_key"},
        {"keys", "cp d/keys/cosign.key d/keys/derive.key", "[ca] derive_key"},
        {"keys", "cp d/keys/root.key d/keys/issuing.key", "not the certificate of the issuing key"},
        {"keys", "cp d/keys/issuing.key d/keys/root.key", "not the certificate of the root's key"},
        {"keys", "rm d/ledger.vkeys", "ledger.vkeys"},
        {"keys", "sed -i '/BEGIN PUBLIC/,$ s/^M/*/' d/keys/root.key", "public key in it is damaged"},
        {"keys",
         "rm d/ca/issuing.cer && sed -i '/^root_key/d' d/kith.conf && head -c 300 /dev/zero > "
         "d/signers/issuing/journal",
         "issuing.cer"},
        {"roster", "echo '# x' >> d/profiles/ldevid.profile", "not the file that the roster names"},
        {"roster", "rm d/signers/issuing/roster", "roster"},
        {"signers", "rm d/signers/issuing/journal", "issuing/journal: is not there"},
        {"signers", "rm d/ca/issuing.cer", "issuing.cer"},
        {"signers", ": > d/signers/ledger/journal", "ledger/journal: is empty"},
        {"signers", "truncate -s -1 d/signers/issuing/journal", "has no whole batch"},
        {"signers", "printf X | dd of=d/signers/issuing/journal bs=1 seek=30 conv=notrunc",
         "issuing/journal: the batch"},
        {"signers", "echo '# x' >> d/signers/issuing/roster", "not the one that it was set up with"},
        {"signers", "cp d/signers/ledger/journal d/signers/issuing/journal", "not the one that it was set up with"},
        {"signers", "cp d/keys/cosign.key d/keys/derive.key", "[ca] derive_key"},
        {"root", "rm d/ca/root.cer", "root.cer"},
        {"issuing", "head -c 100 d/ca/root.cer > d/ca/issuing.cer", "try:"},
        {"issuing", "printf X | dd of=d/ca/issuing.cer bs=1 seek=$(($(stat -c %s d/ca/issuing.cer) - 1)) conv=notrunc",
         "ca/issuing.cer is not what the root signed"},
        {"root-crl", "rm d/ca/root.crl", "ca crl"},
        {"root-crl", "tr '\\001' '\\002' < d/ca/root.crl > x && mv x d/ca/root.crl", "try:"},
        {"database", "echo nonsense > d/data/kith.db", "try:"},
        {"ports", "sed -i 's/^listen = .*/listen = 192.0.2.1:1/' d/kith.conf", "192.0.2.1:1"},
        {"ports", "touch d/run/kith.sock", "refused"},
        {"sandbox", "sed -i 's/^listen = /sandbox = no\\nlisten = /' d/kith.conf", "off by configuration"},
        {"server", "touch d/run/kith.sock", "try:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(shell("rm -rf keep && mkdir keep && cp -a d d-secrets keep"));
        assert_true(shell(rows[i].command));
        assert_says(1, rows[i].says, "--dir", at("d"), "doctor", rows[i].check);
        assert_true(shell("rm -rf d d-secrets && cp -a keep/d keep/d-secrets ."));
    }
}

/* Whatever a signer dies of, doctor has its words. */
static void tells_why_a_signer_does_not_run(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"#!/nowhere", "signer issuing: cannot run its program: "},
        {"#!/bin/sh\necho talk >&2; echo libx.so: cannot open >&2; exit 127", "libx.so: cannot open"},
    };
    fixture_libexec = at("bin");
    assert_true(shell("mkdir -m 700 bin"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_file("bin/kith-signer", slice_str(rows[i][0]), 0700);
        assert_says(1, rows[i][1], "--dir", at("d"), "doctor", "signers");
    }
}

static void sees_time_run_out(void **state)
{
    (void)state;
    static const struct {
        const char *check, *says;
        int64_t days;
    } rows[] = {
        {"root", "it begins only at", -30},         {"root", "it ends in", 20 * 365 - 100},
        {"root", "it ended at", 21 * 366},          {"issuing", "it ends in", 10 * 365 - 30},
        {"issuing", "it ended at", 11 * 366},       {"root-crl", "before", 350},
        {"root-crl", "was due to be renewed", 400},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture_shift_s = rows[i].days * 86400;
        assert_says(1, rows[i].says, "--dir", at("d"), "doctor", rows[i].check);
    }
}

static void sees_a_port_that_is_taken(void **state)
{
    (void)state;
    char cmd[200];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(cmd, sizeof cmd, "sed -i 's/^listen = .*/listen = 127.0.0.1:%d/' d/kith.conf", ntohs(a.sin_port));
    assert_true(shell(cmd));
    assert_says(1, "in use", "--dir", at("d"), "doctor", "ports");
    close(fd);
    assert_run(0, "--dir", at("d"), "doctor", "ports");
}

static bool no_random(void *ctx, void *dst, size_t n, struct err *e)
{
    (void)ctx;
    (void)dst;
    (void)n;
    return err_set(e, ERR_UNAVAILABLE, "the kernel has no randomness");
}

static void sees_that_there_is_no_randomness(void **state)
{
    (void)state;
    char *const argv[] = {"--dir", (char *)(uintptr_t)at("d"), "doctor", "entropy", NULL};
    char *out = NULL;
    size_t n;
    struct cli cli = {.out = open_memstream(&out, &n), .program = "kith"};
    cli.talk = cli.out;
    env_init_real(&cli.env, NULL);
    cli.env.random = no_random;
    assert_int_equal(cli_run(&cli, 4, argv), 1);
    fclose(cli.out);
    assert_non_null(strstr(out, "FAIL  entropy"));
    free(out);
}

/* The file system says what the test wants (the linker puts these in the place of the library's). */
static struct statvfs room = {
    .f_bsize = 4096, .f_frsize = 4096, .f_bavail = 1u << 24, .f_files = 1u << 20, .f_favail = 1u << 20};
int __wrap_statvfs64(const char *path, struct statvfs *v);
int __wrap_statvfs64(const char *path, struct statvfs *v)
{
    (void)path;
    *v = room;
    return 0;
}

static int landlock = 5;
int __wrap_sandbox_landlock_abi(void);
int __wrap_sandbox_landlock_abi(void)
{
    return landlock;
}

static void sees_a_kernel_without_landlock(void **state)
{
    (void)state;
    assert_says(0, "Landlock version 5", "--dir", at("d"), "doctor", "sandbox");
    landlock = 0;
    assert_says(1, "no Landlock", "--dir", at("d"), "doctor", "sandbox");
    landlock = 5;
}

static void sees_a_disk_that_is_full(void **state)
{
    (void)state;
    const struct statvfs whole = room;
    assert_says(0, "65536 MiB left", "--dir", at("d"), "doctor", "disk");
    room.f_bavail = 1000;
    assert_says(1, "3 MiB left", "--dir", at("d"), "doctor", "disk");
    room = whole;
    room.f_favail = 10;
    assert_says(1, "10 inodes left", "--dir", at("d"), "doctor", "disk");
    room = whole;
}

/* The server has no capability and may be another user: a check by root that opens all would find nothing. */
static void judges_with_the_servers_rights(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"database", "d/data", "cannot be looked at"},
        {"roster", "d/profiles/ldevid.profile", "Permission denied"},
        {"root-crl", "d/ca/root.crl", "cannot be read"},
        {"keys", "d/keys/ledger.key", "Permission denied"},
    };
    /* Root is kept out by what another user has closed, any other user also by what is closed for all. */
    const char *close = geteuid() == 0 ? "chown 65534 $f && chmod go= $f" : "chmod 0 $f";
    char command[200];
    assert_true(shell("cp -a d keep && touch d/data/kith.db && chmod 600 d/data/kith.db"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        snprintf(command, sizeof command, "f=%s; %s", rows[i][1], close);
        assert_true(shell(command));
        assert_says(1, rows[i][2], "--dir", at("d"), "doctor", rows[i][0]);
        assert_true(shell("chmod 700 d/data && rm -rf d && cp -a keep d && touch d/data/kith.db && "
                          "chmod 600 d/data/kith.db"));
    }
    /* All of it another user's, as under systemd, if we can: then that one's rights count, and are enough. */
    assert_true(shell(geteuid() == 0 ? "chmod 711 . && chown -R 65534:65534 d d-secrets" : "true"));
    assert_run(0, "--dir", at("d"), "doctor", "permissions", "passphrase", "keys", "roster", "signers", "root-crl");
    assert_true(shell(geteuid() == 0 ? "chown 0 d/keys/ledger.key" : "chmod 0 d/keys/ledger.key"));
    assert_says(1, "Permission denied", "--dir", at("d"), "doctor", "keys");
}

/* Only systemd has it: that is no fault, and not said to be fine. */
static void says_what_it_cannot_judge(void **state)
{
    (void)state;
    assert_true(shell("sed -i 's/^passphrase_file = .*/passphrase_file = credential:kith/' d/kith.conf"));
    assert_says(0, "-     keys", "--dir", at("d"), "doctor", "passphrase", "keys", "signers");
    assert_says(0, "-     signers", "--dir", at("d"), "doctor", "passphrase", "keys", "signers");
}

static void knows_its_checks(void **state)
{
    (void)state;
    assert_says(2, "try: clock", "--dir", at("d"), "doctor", "clok");
    assert_says(0, "root-crl", "doctor", "--list");
    assert_says(0, "{\"v\":1,\"ok\":true,\"checks\":[{\"name\":\"roster\",\"ok\":true", "--json", "--dir", at("d"),
                "doctor", "roster");
    assert_says(3, "kith init", "--dir", at("nowhere"), "doctor");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, installed_up, fixture_down)
    const struct CMUnitTest tests[] = {
        T(says_nothing_is_wrong),
        T(finds_what_was_broken),
        T(tells_why_a_signer_does_not_run),
        T(sees_time_run_out),
        T(sees_a_port_that_is_taken),
        T(sees_that_there_is_no_randomness),
        T(sees_a_kernel_without_landlock),
        T(sees_a_disk_that_is_full),
        T(judges_with_the_servers_rights),
        T(says_what_it_cannot_judge),
        T(knows_its_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
