#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/settings_check.h"

/* kith.conf as settings_rows has it: every row is tried with values that it must not take. */

static char dir[64], file[80];

static void put(const char *name, mode_t mode, const char *text)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

struct setting {
    const char *section, *name, *value;
};

static const struct setting least[] = {
    {"platform", "name", "A"},
    {"platform", "origin", "k.test/log/01"},
    {"platform", "url", "https://h.test:8443"},
    {"platform", "plain_url", "http://h.test"},
    {"ca", "issuing_key", "file:keys/issuing.key"},
    {"ca", "ledger_key", "file:keys/ledger.key"},
    {"ca", "cosign_key", "file:keys/cosign.key"},
    {"ca", "derive_key", "file:keys/derive.key"},
};

/* What is needed, each word on a line of its own, but with `other` in the place of its word.  Returns its line. */
static unsigned write_conf(const struct setting *others, size_t n)
{
    char text[8192] = "";
    size_t at = 0;
    unsigned line = 0, found = 0;
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "[%s]\n%s = \"%s\"\n", others[i].section, others[i].name,
                               others[i].value);
        line += 2;
        found = found ? found : line;
    }
    for (size_t i = 0; i < ARRAY_LEN(least); i++) {
        bool told = false;
        for (size_t k = 0; k < n; k++)
            told = told || strcmp(least[i].name, others[k].name) == 0;
        if (!told)
            at += (size_t)snprintf(text + at, sizeof text - at, "[%s]\n%s = %s\n", least[i].section, least[i].name,
                                   least[i].value);
    }
    assert_true(at < sizeof text);
    put("kith.conf", 0600, text);
    return found;
}

static bool load(struct arena *a, struct settings *s, struct err *e)
{
    *e = (struct err){0};
    arena_init(a, 1 << 20);
    return settings_load(file, a, s, e);
}

static void assert_refused(const struct setting *others, size_t n)
{
    struct arena a;
    struct settings s;
    struct err e;
    char place[100];
    unsigned line = write_conf(others, n);
    if (load(&a, &s, &e))
        fail_msg("%s = %s: taken", others[0].name, others[0].value);
    snprintf(place, sizeof place, "%s:%u", file, line);
    if (e.code != ERR_CONFIG || strncmp(e.what, place, strlen(place)) != 0)
        fail_msg("%s = %s: %s: %s", others[0].name, others[0].value, err_slug(e.code), e.what);
    if (others[0].value[0] && strlen(others[0].value) < 100 && !strstr(e.what, others[0].value))
        fail_msg("%s = %s: not quoted: %s", others[0].name, others[0].value, e.what);
    if (!e.why[0] || !e.hint[0])
        fail_msg("%s = %s: why \"%s\", try \"%s\"", others[0].name, others[0].value, e.why, e.hint);
    arena_clear(&a);
}

static void refuse(const struct opt *row, const char *value)
{
    const struct setting bad = {row->section, row->name, value};
    assert_refused(&bad, 1);
}

static void refuse_number(const struct opt *row, int64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)v);
    refuse(row, text);
}

static void refuses_what_no_row_takes(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:0", "127.0.0.1:", ":x", "::1:80"};
    static const char *const urls[] = {"ftp://h.test",
                                       "https:/h",
                                       "://h",
                                       "https://",
                                       "http://",
                                       "h.test",
                                       "https://u@h.test",
                                       "https://h.test:99999",
                                       "http://h.test:0",
                                       "https://h t",
                                       "https://h.test/",
                                       "http://h.test/",
                                       "https://my_host",
                                       "http://my_host:80",
                                       "http://10.0.0.300",
                                       "http://[::1",
                                       "http://[fe80]:80",
                                       "http://[::1]x",
                                       "http://:80",
                                       "http://h.test/a/"};
    size_t tried = 0;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    for (size_t i = 0; i < settings_rows_n; i++) {
        const struct opt *row = &settings_rows[i];
        switch (row->type) {
        case OPT_INT:
        case OPT_SECONDS:
        case OPT_MS:
        case OPT_BYTES:
            assert_true(row->max > row->min); /* a number without a range would be a row that takes nonsense */
            refuse_number(row, row->min - 1);
            refuse_number(row, row->max + 1);
            refuse(row, "soon");
            break;
        case OPT_ADDRESS:
            for (size_t k = 0; k < ARRAY_LEN(addresses); k++)
                refuse(row, addresses[k]);
            break;
        case OPT_URL:
            for (size_t k = 0; k < ARRAY_LEN(urls); k++)
                refuse(row, urls[k]);
            refuse(row, strcmp(row->words[0], "https") == 0 ? "http://h.test" : "https://h.test");
            break;
        case OPT_BOOL:
            refuse(row, "maybe");
            break;
        case OPT_ENUM:
            refuse(row, "x");
            break;
        case OPT_PATH:
            refuse(row, "");
            break;
        case OPT_TEXT:
        case OPT_LIST:
            if (row->type == OPT_LIST && row->max)
                refuse(row, "a b c d e f g h i j k l m n o p q r s t");
            else if (row->max)
                refuse(row, longer + sizeof longer - 2 - row->max);
            break;
        }
        tried++;
    }
    assert_int_equal(tried, settings_rows_n);
}

#define LETTERS40       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
#define SHORT_ADDRESSES "fd::1 fd::2 fd::3 fd::4 fd::5 fd::6 fd::7 fd::8 fd::9" /* 16 bytes each */
#define LETTERS200      LETTERS40 LETTERS40 LETTERS40 LETTERS40 LETTERS40 "x"

static void refuses_values_that_do_not_go_together(void **state)
{
    (void)state;
    static const struct {
        struct setting v[3];
        size_t n;
    } rows[] = {
        {{{"feed", "interval", "2h"}}, 1},
        {{{"feed", "interval", "1h"}, {"feed", "valid", "1h"}}, 2},
        {{{"feed", "valid", "30s"}}, 1},
        {{{"ca", "crl_refresh", "8d"}}, 1},
        {{{"ca", "crl_span", "1h"}}, 1},
        {{{"server", "plain_listen", "127.0.0.1:8443"}}, 1},
        {{{"store", "database", "mysql://h"}}, 1},
        {{{"ca", "issuing_key", "nowhere"}}, 1},
        {{{"ca", "derive_key", "pkcs11:object=a"}}, 1},
        {{{"keys", "hsm_network", "hsm.test"}}, 1},
        {{{"keys", "hsm_network", "hsm.test:65536"}}, 1},
        {{{"platform", "origin", "other.test/log/01"}}, 1},
        {{{"platform", "url", "https://my_host:8443"}}, 1},
        {{{"platform", "url", "https://10.0.0.300"}}, 1},
        {{{"platform", "url", "https://[::1"}}, 1},
        {{{"platform", "url", "https://[fe80]:8443"}}, 1},
        {{{"server", "hostnames", "my_host"}}, 1},
        {{{"server", "hostnames", "*.h.test"}}, 1},
        {{{"server", "hostnames", LETTERS200 ", " LETTERS200}}, 1},
        {{{"server", "hostnames", LETTERS200 "," LETTERS40 "x," LETTERS40 "x " SHORT_ADDRESSES}}, 1},
    };
    put("ledger.vkeys", 0644, "k.test/log/01+5f3b+AQ\nk.test/log/01/issuing+0+AQ\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_refused(rows[i].v, rows[i].n);
}

static void refuses_a_module_without_token_and_pin(void **state)
{
    (void)state;
    const struct setting all[] = {
        {"keys", "hsm_module", "/x.so"}, {"keys", "hsm_token", "t"}, {"keys", "hsm_pin_file", "pin"}};
    for (size_t n = 1; n <= ARRAY_LEN(all); n++) {
        struct arena a;
        struct settings s;
        struct err e;
        write_conf(all, n);
        if (load(&a, &s, &e) != (n == ARRAY_LEN(all)))
            fail_msg("%zu: %s", n, e.what);
        if (n < ARRAY_LEN(all)) {
            assert_int_equal(e.code, ERR_CONFIG);
            assert_non_null(strstr(e.what, ":2: [keys]: hsm_module needs "));
            assert_non_null(strstr(e.what, all[n].name));
            assert_true(e.why[0] && e.hint[0]);
        }
        arena_clear(&a);
    }
}

static void refuses_a_database_beside_keys(void **state)
{
    (void)state;
    static const char *const places[] = {"sqlite:kith.db", "sqlite:keys/x/kith.db", "sqlite:signers/kith.db"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct arena a;
        struct settings s;
        struct err e;
        const struct setting bad = {"store", "database", places[i]};
        write_conf(&bad, 1);
        assert_err(load(&a, &s, &e), e, ERR_CONFIG);
        assert_non_null(strstr(e.what, ":2: [store] database: "));
        arena_clear(&a);
    }
}

static void says_all_that_is_wrong(void **state)
{
    (void)state;
    struct arena a;
    struct settings s;
    struct err e;
    const struct setting two[] = {{"platform", "origin", "other.test/log/01"}, {"ca", "derive_key", "nowhere"}};
    arena_init(&a, 1 << 20);
    write_conf(two, 2);
    put("ledger.vkeys", 0644, "k.test/log/01+5f3b+AQ\n");
    assert_ok(settings_read(file, &a, &s, &e), e);
    assert_int_equal(settings_check(&s, &a, NULL, NULL), 2);
    arena_clear(&a);
}

static void takes_what_is_right(void **state)
{
    (void)state;
    static const struct setting rows[] = {
        {"server", "listen", "[::]:8443"},
        {"server", "listen", ":443"},
        {"server", "listen", "kith.test:1"},
        {"platform", "url", "https://[2001:db8::1]:8443"},
        {"platform", "url", "https://h/kith"},
        {"server", "hostnames", "a.h.test, 192.0.2.1 2001:db8::1"},
        {"platform", "plain_url", "http://192.0.2.1:8080"},
        {"platform", "plain_url", "http://[2001:db8::1]:8080/kith"},
        {"feed", "interval", "1s"},
        {"ca", "crl_span", "2d"},
        {"store", "database", "postgresql://u@h/d"},
    };
    put("ledger.vkeys", 0644, "# ours, and a witness's: a+b\n\nk.test/log/01+5f3b+AQ\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena a;
        struct settings s;
        struct err e;
        write_conf(&rows[i], 1);
        if (!load(&a, &s, &e))
            fail_msg("%s = %s: %s (%s)", rows[i].name, rows[i].value, e.what, e.why);
        arena_clear(&a);
    }
}

static void remember(void *ctx, const struct err *problem)
{
    struct err *e = ctx;
    *e = *problem;
}

static void names_files_that_others_may_use(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        mode_t mode;
        bool dir;
        const char *role;
    } rows[] = {
        {"keys/issuing.key", 0644, false, "[ca] issuing_key"},
        {"keys/old.key", 0640, false, "key"},
        {"keys", 0755, true, "keys"},
        {"signers", 0711, true, "signers"},
        {"signers/issuing", 0750, true, "signer issuing"},
        {"signers/issuing/journal", 0604, false, "signer issuing"},
        {"signers/issuing/state", 0644, false, "signer issuing"},
        {"signers/ledger/journal", 0644, false, "signer ledger"},
        {"passphrase", 0644, false, "[keys] passphrase_file"},
        {"pin", 0644, false, "[keys] hsm_pin_file"},
        {"kith.db", 0644, false, "[store] database"},
    };
    struct arena a;
    struct settings s;
    struct err e = {0};
    const struct setting more[] = {{"keys", "passphrase_file", "passphrase"},
                                   {"keys", "hsm_pin_file", "pin"},
                                   {"store", "database", "sqlite:kith.db"}};
    arena_init(&a, 1 << 20);
    write_conf(more, ARRAY_LEN(more));
    assert_ok(settings_read(file, &a, &s, &e), e);
    static const char *const dirs[] = {"keys", "signers", "signers/issuing", "signers/ledger"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", dir, dirs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (!rows[i].dir)
            put(rows[i].name, 0600, "x");
    assert_int_equal(settings_check_private(&s, &a, remember, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", dir, rows[i].name);
        assert_int_equal(chmod(path, rows[i].mode), 0);
        if (settings_check_private(&s, &a, remember, &e) != 1 || e.code != ERR_FILE_MODE)
            fail_msg("%s: not found: %s", rows[i].name, e.what);
        if (strncmp(e.what, rows[i].role, strlen(rows[i].role)) != 0 || !strstr(e.what, rows[i].name))
            fail_msg("%s: %s", rows[i].name, e.what);
        assert_non_null(strstr(e.hint, rows[i].dir ? "chmod 700 " : "chmod 600 "));
        assert_int_equal(chmod(path, rows[i].dir ? 0700 : 0600), 0);
    }
    arena_clear(&a);
}

static int start(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/kith-settings-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(file, sizeof file, "%s/kith.conf", dir);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    char cmd[100];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refuses_what_no_row_takes, start, stop),
        cmocka_unit_test_setup_teardown(refuses_values_that_do_not_go_together, start, stop),
        cmocka_unit_test_setup_teardown(refuses_a_module_without_token_and_pin, start, stop),
        cmocka_unit_test_setup_teardown(refuses_a_database_beside_keys, start, stop),
        cmocka_unit_test_setup_teardown(says_all_that_is_wrong, start, stop),
        cmocka_unit_test_setup_teardown(takes_what_is_right, start, stop),
        cmocka_unit_test_setup_teardown(names_files_that_others_may_use, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
