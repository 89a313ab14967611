#include "../test.h"
#include "keys/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/kith-secret-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof path, "%s/pin", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void put(const char *text, size_t n, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n && fchmod(fd, mode) == 0);
    close(fd);
}

static void reads_one_line_and_takes_one_newline_off(void **state)
{
    (void)state;
    static const struct {
        const char *file, *want;
    } rows[] = {{"pin", "pin"}, {"pin\n", "pin"}, {"pin\r\n", "pin"}, {"pin\n\n", "pin\n"}, {" p n ", " p n "}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct secret *s;
        struct err e = {0};
        put(rows[i].file, strlen(rows[i].file), 0600);
        assert_ok(secret_read_file(path, &s, &e), e);
        assert_slice(secret_get0(s), slice_str(rows[i].want));
        assert_true(secret_eq(s, slice_str(rows[i].want)));
        assert_false(secret_eq(s, SLICE_LIT("pix")));
        secret_free(s);
    }
}

static void refuses_a_file_that_others_may_use(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0660, 0601};
    struct secret *s;
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        put("pin", 3, modes[i]);
        assert_err(secret_read_file(path, &s, &e), e, ERR_FILE_MODE);
        assert_non_null(strstr(e.hint, "chmod 600 "));
        assert_null(s);
    }
}

static void refuses_what_holds_no_secret(void **state)
{
    (void)state;
    static const char big[SECRET_FILE_MAX + 1] = "x";
    struct secret *s;
    struct err e = {0};
    put("", 0, 0600);
    assert_err(secret_read_file(path, &s, &e), e, ERR_SECRET_FILE);
    put("\n", 1, 0600);
    assert_err(secret_read_file(path, &s, &e), e, ERR_SECRET_FILE);
    put(big, sizeof big, 0600);
    assert_err(secret_read_file(path, &s, &e), e, ERR_SECRET_FILE);
    assert_err(secret_read_file(dir, &s, &e), e, ERR_SECRET_FILE);
    unlink(path);
    assert_err(secret_read_file(path, &s, &e), e, ERR_NOTFOUND);
    assert_int_equal(mkfifo(path, 0600), 0); /* and does not hang on it */
    assert_err(secret_read_file(path, &s, &e), e, ERR_SECRET_FILE);
}

static void finds_a_systemd_credential(void **state)
{
    (void)state;
    struct secret *s;
    struct err e = {0};
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_err(secret_read_file("credential:pin", &s, &e), e, ERR_NOTFOUND);
    put("word\n", 5, 0440);
    setenv("CREDENTIALS_DIRECTORY", dir, 1);
    assert_ok(secret_read_file("credential:pin", &s, &e), e);
    assert_slice(secret_get0(s), SLICE_LIT("word"));
    secret_free(s);
    assert_err(secret_read_file("credential:../pin", &s, &e), e, ERR_NOTFOUND);
    put("word\n", 5, 0444);
    assert_err(secret_read_file("credential:pin", &s, &e), e, ERR_FILE_MODE);
}

static void a_child_inherits_no_secret(void **state)
{
    (void)state;
    struct secret *s;
    struct err e = {0};
    put("pin", 3, 0600);
    assert_ok(secret_read_file(path, &s, &e), e);
    pid_t pid = fork();
    if (pid == 0)
        _exit(secret_get0(s).n == 0 && secret_bytes(s)[0] == 0 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    secret_free(s);
}

static void a_hardened_process_leaves_no_dump(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct err e = {0};
        struct stat st;
        /* The kernel gives /proc/self to root once a process is not dumpable; root itself sees the dump flag. */
        bool ok = secret_harden_process(&e) && stat("/proc/self/mem", &st) == 0 && st.st_uid == 0;
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_one_line_and_takes_one_newline_off),
        cmocka_unit_test(refuses_a_file_that_others_may_use),
        cmocka_unit_test(refuses_what_holds_no_secret),
        cmocka_unit_test(finds_a_systemd_credential),
        cmocka_unit_test(a_child_inherits_no_secret),
        cmocka_unit_test(a_hardened_process_leaves_no_dump),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
