/* The smaller files of the state directory: agent.conf, status.json, the hook, waiting. */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../test.h"
#include "agent/hook.h"
#include "agent/report.h"
#include "agent/retry.h"

static char dir[] = "/tmp/kith-agent-files-XXXXXX";

static void write_conf(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/" CONF_FILE, dir);
    assert_true(file_write_atomic(path, 0600, slice_str(text), NULL));
}

static void keeps_what_people_set_in_agent_conf(void **state)
{
    (void)state;
    char path[128];
    struct arena a;
    struct conf c;
    struct err e = {0};
    uint8_t root[SHA256_SIZE];
    arena_init(&a, 1 << 20);
    snprintf(path, sizeof path, "%s/" CONF_FILE, dir);
    write_conf("[key]\nstore = \"pkcs11:token=a b;object=x\"\nmodule = /usr/lib/m.so\ntype = rsa2048\n[renew]\nrekey = "
               "no\nat = 50\nhello = 2h\n[hook]\ncommand = /bin/true a b\ntimeout = 3s\n");
    assert_ok(conf_read(path, &a, &c, &e), e);
    assert_false(conf_is_enrolled(&c, root));
    c.url = "https://kith.example";
    c.device = "dev_01jdabcdefghjkmnpqrstvwxyz";
    c.root_sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    assert_ok(conf_write(path, &c, &e), e);
    assert_ok(conf_read(path, &a, &c, &e), e);
    assert_string_equal(c.store, "pkcs11:token=a b;object=x");
    assert_string_equal(c.module, "/usr/lib/m.so");
    assert_int_equal(conf_key_type(&c), KEY_RSA2048);
    assert_false(c.rekey);
    assert_int_equal(c.at_percent, 50);
    assert_int_equal(c.hello_s, 7200);
    assert_int_equal(c.command.n, 3);
    assert_string_equal(c.command.v[2], "b");
    assert_int_equal(c.hook_timeout_ms, 3000);
    assert_true(conf_is_enrolled(&c, root));
    assert_int_equal(root[31], 0xff);
    arena_clear(&a);
}

static void refuses_an_agent_conf_that_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[key]\nstore = usb\n",   "[hook]\ncommand = true\n", "[renew]\nat = 96\n",
        "[platform]\nurls = x\n", "[key]\ntype = dsa\n",      "nonsense\n",
    };
    char path[128];
    struct arena a;
    struct conf c;
    struct err e = {0};
    snprintf(path, sizeof path, "%s/" CONF_FILE, dir);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        arena_init(&a, 1 << 20);
        write_conf(rows[i]);
        assert_false(conf_read(path, &a, &c, &e));
        assert_true(err_class_of(e.code) == ERR_CLASS_USAGE || e.code == ERR_TOKEN);
        arena_clear(&a);
    }
    assert_int_equal(chmod(path, 0644), 0);
    assert_err(conf_read(path, &a, &c, &e), e, ERR_FILE_MODE);
    unlink(path);
}

static void remembers_the_last_error(void **state)
{
    (void)state;
    struct err e;
    struct env env;
    struct env_script script = {0};
    struct state s;
    struct report r = {.ok_at = 1000, .failed_at = 2000}, back;
    env_init_script(&env, &script, NULL);
    assert_ok(state_peek(dir, &s, &e), e);
    report_read(&s, &back);
    assert_int_equal(back.failed_at, 0);
    err_set(&r.error, ERR_UNAVAILABLE, "away \"x\"");
    err_try(&r.error, "wait");
    report_write(&s, &env, &r);
    report_read(&s, &back);
    assert_int_equal(back.ok_at, 1000);
    assert_int_equal(back.error.code, ERR_UNAVAILABLE);
    assert_string_equal(back.error.what, r.error.what);
    assert_string_equal(back.error.hint, "wait");
}

static void runs_the_hook_once_for_each_credential(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        int64_t timeout_ms;
        bool ok;
    } rows[] = {
        {{"/bin/true", NULL}, 5000, true},
        {{"/bin/false", NULL}, 5000, false},
        {{"/nowhere", NULL}, 5000, false},
        {{"/bin/sh", "-c", "sleep 30 & sleep 30", NULL}, 200, false},
        {{"/bin/sh", "-c", "kill -9 $$", NULL}, 5000, false},
        {{"/bin/sh", "-c", "test -n \"$KITH_CERT\" -a -z \"$HOME\" && ! read x", NULL}, 5000, true},
    };
    struct err e = {0};
    struct state s;
    assert_ok(state_open(dir, true, &s, &e), e);
    assert_int_equal(setenv("HOME", "/root", 1), 0);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf c = {.device = "d", .store = "file", .hook_timeout_ms = rows[i].timeout_ms};
        const char *v[4];
        memcpy(v, rows[i].words, sizeof v);
        c.command.v = v;
        while (v[c.command.n] && c.command.n < 3)
            c.command.n++;
        assert_ok(state_slot_make(&s, i + 1, "file:key.pem?plain", false, &e), e);
        assert_ok(state_link(&s, STATE_CURRENT, i + 1, &e), e);
        assert_true(hook_is_due(&s, &c));
        if (rows[i].ok) {
            assert_ok(hook_run(&s, &c, &e), e);
            assert_false(hook_is_due(&s, &c));
        } else {
            assert_err(hook_run(&s, &c, &e), e, ERR_AGENT_HOOK);
            assert_true(hook_is_due(&s, &c));
        }
    }
    state_close(&s);
}

/* --dir may be relative, and the command may go elsewhere. */
static void tells_the_hook_absolute_paths(void **state)
{
    (void)state;
    struct err e = {0};
    struct state s;
    char before[STATE_PATH_MAX];
    static const char look[] = "cd / && test -d \"$KITH_STATE/credentials\" && for p in \"$KITH_CERT\" \"$KITH_KEY\" "
                               "\"$KITH_ROOT\"; do test \"${p#\"$KITH_STATE/\"}\" != \"$p\" || exit 1; done";
    const char *v[] = {"/bin/sh", "-c", look};
    struct conf c = {.device = "d", .store = "file", .hook_timeout_ms = 5000, .command = {v, 3}};
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(dir), 0);
    assert_ok(state_open(".", true, &s, &e), e);
    assert_ok(state_slot_make(&s, 99, "file:key.pem?plain", false, &e), e);
    assert_ok(state_link(&s, STATE_CURRENT, 99, &e), e);
    bool ok = hook_run(&s, &c, &e);
    state_close(&s);
    assert_int_equal(chdir(before), 0);
    assert_ok(ok, e);
}

static void locks_and_cleans_the_state(void **state)
{
    (void)state;
    char path[STATE_PATH_MAX];
    struct err e = {0};
    struct state s, second;
    assert_ok(state_open(dir, true, &s, &e), e);
    assert_err(state_open(dir, true, &second, &e), e, ERR_LOCKED);
    assert_true(file_write_atomic(state_path(&s, "claim.tmp-abcdef", path), 0600, SLICE_LIT("x"), &e));
    state_close(&s);
    assert_ok(state_open(dir, false, &s, &e), e);
    assert_false(file_exists(state_path(&s, "claim.tmp-abcdef", path)));
    assert_int_equal(chmod(dir, 0755), 0);
    assert_err(state_open(dir, false, &second, &e), e, ERR_FILE_MODE);
    assert_int_equal(chmod(dir, 0700), 0);
    state_close(&s);
    assert_err(state_open("/nowhere/state", false, &s, &e), e, ERR_NOTFOUND);
}

/* A slip in --dir must not be answered with a chmod that would break the machine. */
static void advises_chmod_for_an_agents_directory_alone(void **state)
{
    (void)state;
    char path[STATE_PATH_MAX], slip[] = "/tmp/kith-agent-XXXXXX";
    struct err e = {0};
    struct state s, of;
    assert_non_null(mkdtemp(slip));
    assert_ok(state_open(slip, true, &s, &e), e);
    assert_int_equal(chmod(s.dir, 0755), 0);
    assert_err(state_open(slip, true, &of, &e), e, ERR_FILE_MODE);
    assert_non_null(strstr(e.hint, "chmod 700"));
    assert_int_equal(rmdir(state_path(&s, "credentials", path)), 0);
    assert_err(state_open(slip, false, &of, &e), e, ERR_FILE_MODE);
    assert_null(strstr(e.hint, "chmod"));
    assert_non_null(strstr(e.hint, "kith-agent enroll"));
    assert_true(file_remove(state_path(&s, "lock", path), &e));
    assert_err(state_open(slip, false, &of, &e), e, ERR_FILE_MODE);
    assert_non_null(strstr(e.hint, "chmod 700")); /* empty: nobody's yet */
    state_close(&s);
    assert_int_equal(rmdir(slip), 0);
}

static void waits_longer_each_time_but_not_beyond_the_end(void **state)
{
    (void)state;
    struct env env;
    struct env_script script = {.seed = 1};
    struct retry r = {0};
    env_init_script(&env, &script, NULL);
    int64_t cap = 5000;
    for (int i = 0; i < 14; i++) {
        retry_later(&r, &env, 0, 0);
        assert_in_range(r.at_ms, cap / 2, cap);
        cap = cap * 2 > 3600000 ? 3600000 : cap * 2;
    }
    assert_false(retry_is_due(&r, &env));
    retry_later(&r, &env, 0, 200); /* a certificate that ends in 200 s */
    assert_in_range(r.at_ms, 1, 10000);
    retry_later(&r, &env, 90, 0);
    assert_true(r.at_ms >= 90000);
    env_script_pass(&script, 3600000 + 90000);
    assert_true(retry_is_due(&r, &env));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_people_set_in_agent_conf),
        cmocka_unit_test(refuses_an_agent_conf_that_it_does_not_understand),
        cmocka_unit_test(remembers_the_last_error),
        cmocka_unit_test(runs_the_hook_once_for_each_credential),
        cmocka_unit_test(tells_the_hook_absolute_paths),
        cmocka_unit_test(locks_and_cleans_the_state),
        cmocka_unit_test(advises_chmod_for_an_agents_directory_alone),
        cmocka_unit_test(waits_longer_each_time_but_not_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
