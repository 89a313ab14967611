#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One thing is broken in a whole installation; kithd -t must name it and say what to do. */
struct row {
    const char *name;
    enum { REMOVE, MODE, TEXT, DIRECTORY, LOSE /* of a platform that has issued */ } how;
    const char *file;
    mode_t mode;
    const char *text; /* REMOVE: another that goes with it */
    int exit;
    const char *says, *also;
};

#define MINIMAL                                                                                                        \
    "[platform]\nname = A\norigin = k.test/l\nurl = https://h\nplain_url = http://h\n[ca]\nissuing_key = "             \
    "file:keys/issuing.key\nledger_key = file:keys/ledger.key\ncosign_key = file:keys/cosign.key\n"

#define TOKEN                                                                                                          \
    "derive_key = pkcs11:object=a\n[keys]\nhsm_module = libexec/kith-server\nhsm_token = t\nhsm_pin_file = "           \
    "keys/issuing.key\n"

#define TEN                                                                                                            \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"                                                                                                       \
    "0123456789"

#define SOCKET MINIMAL "derive_key = file:keys/derive.key\n[server]\nsocket = "

static const struct row rows[] = {
    {"key gone", REMOVE, "keys/ledger.key", 0, NULL, 3, "error[setup]: [ca] ledger_key", "try: restore it"},
    {"key open", MODE, "keys/issuing.key", 0644, NULL, 6, "error[file-mode]: [ca] issuing_key", "try: chmod 600"},
    {"key a directory", DIRECTORY, "keys/issuing.key", 0755, NULL, 3, "/keys/issuing.key\" is not a regular file",
     "try: move it away"},
    {"lock a directory", DIRECTORY, "signers/kithd.lock", 0755, NULL, 3, "error[setup]: lock of kithd",
     "try: move it away"},
    {"journal a directory", DIRECTORY, "signers/issuing/journal", 0700, NULL, 3, "error[setup]: signer issuing",
     "try: move it away"},
    {"run a file", TEXT, "run", 0600, "", 3, "/run\" is not a directory", "try: move it away"},
    {"passphrase gone", REMOVE, "passphrase", 0, NULL, 3, "error[setup]: [keys] passphrase_file", "try: put it back"},
    {"passphrase open", MODE, "passphrase", 0640, NULL, 6, "error[file-mode]: [keys] passphrase_file", "why: "},
    {"root gone", REMOVE, "ca/root.cer", 0, NULL, 3, "error[setup]: root certificate", "try: restore"},
    {"root writable", MODE, "ca/root.cer", 0666, NULL, 6, "error[file-mode]: root certificate", "try: chmod go-w"},
    {"root not there yet", REMOVE, "ca/issuing.cer", 0, "ca/root.cer", 0, "warning[setup]: root certificate",
     "kith ca install"},
    {"journal open", TEXT, "signers/issuing/journal", 0644, "x", 6, "error[file-mode]: signer issuing",
     "try: chmod 600"},
    {"another key open", TEXT, "keys/old.key", 0644, "x", 6, "error[file-mode]: key", "try: chmod 600"},
    {"origin changed", TEXT, "ledger.vkeys", 0644, "other.test/l+0+AQ\n", 2,
     "kith.conf:3: [platform] origin: \"kith.test/log/01\"", "try: origin = other.test/l"},
    {"port of none", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[server]\nlisten = 127.0.0.1:99999\n", 2,
     "kith.conf:12:1: listen: \"127.0.0.1:99999\"", "why: allowed: port 1 to 65535"},
    {"roster gone", REMOVE, "signers/issuing/roster", 0, NULL, 3, "error[setup]: roster", NULL},
    {"signer's directory open", MODE, "signers/ledger", 0755, NULL, 6, "error[file-mode]: signer ledger", "chmod 700"},
    {"profiles empty", REMOVE, "profiles/ldevid.profile", 0, NULL, 3, "has no *.profile", "try: copy"},
    {"profile writable", MODE, "profiles/ldevid.profile", 0622, NULL, 6, "error[file-mode]: profile", NULL},
    {"keys of the log gone", REMOVE, "ledger.vkeys", 0, NULL, 3, "error[setup]: verifier keys", NULL},
    {"offline root", REMOVE, "ca/issuing.cer", 0, NULL, 0, "warning[setup]: issuing certificate", "kith ca install"},
    {"certificate of an offline root lost", LOSE, "ca/issuing.cer", 0, TEN TEN TEN, 3,
     "error[setup]: issuing certificate", "try: restore it"},
    {"configuration gone", REMOVE, "kith.conf", 0, NULL, 3, "error[not-found]", NULL},
    {"configuration writable", MODE, "kith.conf", 0666, NULL, 6, "error[file-mode]: configuration", NULL},
    {"unknown word", TEXT, "kith.conf", 0600, "[platform]\nnmae = x\n", 2, "error[config]", "name"},
    {"database open", TEXT, "data/kith.db", 0644, "x", 6, "error[file-mode]: [store] database", NULL},
    {"database gone", TEXT, "signers/issuing/journal", 0600, TEN TEN TEN, 1, "error[store-lost]: [store] database",
     "try: put the database back"},
    {"database nowhere", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = sqlite:/nope/kith.db\n", 3,
     "error[setup]: [store] database: its directory \"/nope\" is not there", "try: make it"},
    {"database beside the keys", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = sqlite:kith.db\n", 2,
     "[store] database: its directory", "try: stop kithd, move kith.db"},
    {"database among the keys", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = sqlite:keys/db/kith.db\n", 2,
     "[store] database: its directory", NULL},
    {"database among the keys by another way", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = sqlite:data/../keys/kith.db\n", 2,
     "[store] database: its directory", NULL},
    {"socket nowhere", TEXT, "kith.conf", 0600, SOCKET "/nope/x\n", 3,
     "error[setup]: [server] socket: its directory \"/nope\" is not there", "try: make it"},
    {"socket in a file", TEXT, "kith.conf", 0600, SOCKET "kith.conf/x\n", 3, "kith.conf\" is not a directory",
     "try: make it"},
    {"socket a directory", TEXT, "kith.conf", 0600, SOCKET "data\n", 2, "/data\" is something else",
     "try: socket = run/kith.sock"},
    {"socket above", TEXT, "kith.conf", 0600, SOCKET "../..\n", 2, "/../..\" is something else", NULL},
    {"socket without a name", TEXT, "kith.conf", 0600, SOCKET "run/\n", 2, "/run/\" is something else", NULL},
    {"socket too long", TEXT, "kith.conf", 0600, SOCKET "data/" TEN "\n", 2, "why: unix(7)", NULL},
    {"socket elsewhere", TEXT, "kith.conf", 0600, SOCKET "data/../run/x\n", 0, "", NULL},
    {"server gone", REMOVE, "libexec/kith-server", 0, NULL, 3, "kith-server", NULL},
    {"signer gone", REMOVE, "libexec/kith-signer", 0, NULL, 3, "kith-signer", NULL},
    {"key of an unknown kind", TEXT, "kith.conf", 0600, MINIMAL "derive_key = nowhere\n", 2, "[ca] derive_key",
     "why: "},
    {"token without a module", TEXT, "kith.conf", 0600, MINIMAL "derive_key = pkcs11:object=a\n", 2,
     "no PKCS#11 module", "try: set hsm_module"},
    {"template of no device", TEXT, "kith.conf", 0600, MINIMAL TOKEN "hsm_template = thales\n", 2,
     "hsm_template: no device", "try: generic, nshield"},
    {"template with a word that is none", TEXT, "kith.conf", 0600, MINIMAL TOKEN "hsm_template = luna, derive=maybe\n",
     2, "hsm_template: \"derive=maybe\"", NULL},
    {"device without a port", TEXT, "kith.conf", 0600, MINIMAL TOKEN "hsm_network = hsm.example\n", 2,
     "hsm_network: \"hsm.example\"", "try: hsm_network ="},
    {"device with port 0", TEXT, "kith.conf", 0600, MINIMAL TOKEN "hsm_network = hsm.example:0\n", 2, "hsm_network",
     NULL},
    {"device with a port too high", TEXT, "kith.conf", 0600, MINIMAL TOKEN "hsm_network = [::1]:65536\n", 2,
     "hsm_network", NULL},
    {"password in an open file", TEXT, "kith.conf", 0644,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = postgresql://u:p@h/d\n", 6,
     "error[file-mode]: configuration", "chmod 600"},
    {"unknown database", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[store]\ndatabase = mysql://h\n", 2, "[store] database", "why: "},
    {"credential by hand", TEXT, "kith.conf", 0600,
     MINIMAL "derive_key = file:keys/derive.key\n[keys]\npassphrase_file = credential:kith\n", 0,
     "warning[setup]: [keys] passphrase_file", "LoadCredential"},
};

static void break_one(const struct fixture *f, const struct row *row)
{
    switch (row->how) {
    case REMOVE:
        assert_int_equal(unlink(fixture_path(f, row->file)), 0);
        if (row->text)
            assert_int_equal(unlink(fixture_path(f, row->text)), 0);
        break;
    case LOSE:
        assert_int_equal(unlink(fixture_path(f, row->file)), 0);
        fixture_write(f, "signers/issuing/journal", 0600, row->text);
        break;
    case MODE:
        assert_int_equal(chmod(fixture_path(f, row->file), row->mode), 0);
        break;
    case TEXT:
        fixture_write(f, row->file, row->mode, row->text);
        break;
    case DIRECTORY:
        (void)unlink(fixture_path(f, row->file));
        assert_int_equal(mkdir(fixture_path(f, row->file), row->mode), 0);
    }
}

static void names_what_is_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        fixture_init(&f);
        break_one(&f, &rows[i]);
        int status = fixture_wait(fixture_spawn(&f, NULL, "-t", NULL), 8000);
        const char *log = fixture_read(&f, "log");
        bool chmod_of_a_directory = rows[i].how == DIRECTORY && strstr(log, "chmod");
        if (status != rows[i].exit || !strstr(log, rows[i].says) || (rows[i].also && !strstr(log, rows[i].also)) ||
            chmod_of_a_directory)
            fail_msg("%s: exit %d, not %d: %s", rows[i].name, status, rows[i].exit, log);
        fixture_clear(&f);
    }
}

static void a_whole_installation_is_fine_and_stays_as_it_is(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(fixture_wait(fixture_spawn(&f, NULL, "-t", NULL), 8000), 0);
    assert_string_equal(fixture_read(&f, "log"), "");
    assert_int_equal(access(fixture_path(&f, "run"), F_OK), -1);
    assert_int_equal(fixture_count(&f, "start", "server"), 0);
    fixture_clear(&f);
}

/* What kithd -t calls an error that only people put right, a start refuses in the same words. */
static void does_not_start_with_what_people_have_to_mend(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        mode_t mode;
        const char *text;
        int exit;
        const char *says;
    } bad[] = {
        {"keys/ledger.key", 0644, NULL, 6, "error[file-mode]: [ca] ledger_key"},
        {"passphrase", 0644, NULL, 6, "error[file-mode]: [keys] passphrase_file"},
        {"ledger.vkeys", 0644, "other.test/l+0+AQ\n", 2, "error[config]"},
        {"run", 0600, "", 3, "error[setup]: run"},
        {"kith.conf", 0600, SOCKET "/nope/x\n", 3, "error[setup]: [server] socket"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fixture f;
        fixture_init(&f);
        if (bad[i].text)
            fixture_write(&f, bad[i].file, bad[i].mode, bad[i].text);
        assert_int_equal(chmod(fixture_path(&f, bad[i].file), bad[i].mode), 0);
        assert_int_equal(fixture_wait(fixture_spawn(&f, NULL, NULL, NULL), 8000), bad[i].exit);
        assert_non_null(strstr(fixture_read(&f, "log"), bad[i].says));
        assert_int_equal(fixture_count(&f, "start", "issuing"), 0);
        fixture_clear(&f);
    }
}

static void does_not_start_without_its_programs(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(chmod(fixture_path(&f, "libexec"), 0700), 0);
    assert_int_equal(unlink(fixture_path(&f, "libexec/kith-server")), 0);
    assert_int_equal(fixture_wait(fixture_spawn(&f, NULL, NULL, NULL), 8000), 3);
    assert_int_equal(fixture_count(&f, "start", "issuing"), 0);
    fixture_clear(&f);
}

static void refuses_words_and_unknown_options(void **state)
{
    (void)state;
    static const char *const bad[] = {"now", "--daemon", "--stop=x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct fixture f;
        fixture_init(&f);
        assert_int_equal(fixture_wait(fixture_spawn(&f, NULL, bad[i], NULL), 8000), 2);
        fixture_clear(&f);
    }
}

int main(int argc, char **argv)
{
    fixture_programs(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_broken),
        cmocka_unit_test(a_whole_installation_is_fine_and_stays_as_it_is),
        cmocka_unit_test(does_not_start_with_what_people_have_to_mend),
        cmocka_unit_test(does_not_start_without_its_programs),
        cmocka_unit_test(refuses_words_and_unknown_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
