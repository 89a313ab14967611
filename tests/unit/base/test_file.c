#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/kith-file-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[96];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

static const char *in_dir(const char *name)
{
    static char path[8][128];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void writes_whole_files_or_none(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    struct stat st;
    const char *path = in_dir("a");
    buf_init(&b, 100);
    assert_ok(file_write_new(path, 0640, SLICE_LIT("one"), &e), e);
    assert_err(file_write_new(path, 0640, SLICE_LIT("two"), &e), e, ERR_CONFLICT);
    assert_ok(file_read(path, 3, &b, &e), e);
    assert_string_equal(buf_str(&b), "one");
    assert_ok(file_write_atomic(path, 0600, SLICE_LIT("three"), &e), e);
    buf_reset(&b);
    assert_ok(file_read_private(path, 5, &b, &e), e);
    assert_string_equal(buf_str(&b), "three");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_err(file_write_atomic(in_dir("no/such"), 0600, SLICE_LIT("x"), &e), e, ERR_NOTFOUND);
    buf_clear(&b);
    /* Nothing is left beside it. */
    char cmd[128];
    snprintf(cmd, sizeof cmd, "test \"$(ls -A '%s')\" = a", dir);
    assert_int_equal(system(cmd), 0);
    assert_ok(file_remove(path, &e), e);
    assert_false(file_exists(path));
    assert_ok(file_remove(path, &e), e);
}

static void takes_no_name_from_what_is_no_file(void **state)
{
    (void)state;
    struct err e = {0};
    struct stat st;
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    assert_int_equal(symlink("pipe", in_dir("link")), 0);
    assert_int_equal(symlink("nowhere", in_dir("dangling")), 0);
    assert_err(file_write_atomic(in_dir("pipe"), 0600, SLICE_LIT("x"), &e), e, ERR_CONFLICT);
    assert_err(file_write_atomic(in_dir("link"), 0600, SLICE_LIT("x"), &e), e, ERR_CONFLICT);
    assert_err(file_write_atomic(dir, 0600, SLICE_LIT("x"), &e), e, ERR_CONFLICT);
    assert_int_equal(lstat(in_dir("pipe"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_ok(file_write_atomic(in_dir("dangling"), 0600, SLICE_LIT("x"), &e), e);
}

/* Of one file or of any, and nothing that only looks like it. */
static void removes_what_killed_writes_left(void **state)
{
    (void)state;
    static const char *const names[] = {"l/a.tmp-Ab0xyZ",   "l/b.tmp-Ab0xyZ", "l/a",
                                        "l/a.tmp-",         "l/.tmp-Ab0xyZ",  "l/a.tmp-Ab0xyZ.d",
                                        "l/a.tmp-december", "l/aa.tmp-Ab0xyZ"};
    struct err e = {0};
    assert_ok(file_remove_leftovers(in_dir("l"), NULL, &e), e); /* no directory, no leftovers */
    assert_ok(file_mkdir_private(in_dir("l"), &e), e);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_ok(file_write_new(in_dir(names[i]), 0600, SLICE_LIT("x"), &e), e);
    assert_ok(file_remove_leftovers(in_dir("l"), "a", &e), e);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(file_exists(in_dir(names[i])), i != 0);
    assert_ok(file_remove_leftovers(in_dir("l"), NULL, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_int_equal(file_exists(in_dir(names[i])), i > 1 && i != 7);
}

static void bounds_what_it_reads(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    const char *path = in_dir("big");
    static char big[200000];
    memset(big, 'x', sizeof big);
    assert_ok(file_write_new(path, 0600, SLICE_ARRAY(big), &e), e);
    buf_init(&b, 1 << 20);
    buf_put_str(&b, "before");
    assert_err(file_read(path, sizeof big - 1, &b, &e), e, ERR_TOO_BIG);
    assert_string_equal(buf_str(&b), "before");
    assert_ok(file_read(path, sizeof big, &b, &e), e);
    assert_int_equal(b.n, sizeof big + 6);
    assert_err(file_read(in_dir("none"), 10, &b, &e), e, ERR_NOTFOUND);
    assert_err(file_read(dir, 10, &b, &e), e, ERR_IO);
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_err(file_read(in_dir("fifo"), 10, &b, &e), e, ERR_IO);
    buf_clear(&b);
    buf_init(&b, 10);
    assert_err(file_read(path, sizeof big, &b, &e), e, ERR_TOO_BIG);
    buf_clear(&b);
}

static void refuses_secrets_that_others_can_read(void **state)
{
    (void)state;
    struct err e = {0};
    struct buf b;
    buf_init(&b, 100);
    static const struct {
        mode_t mode;
        bool secret, trusted; /* may it be read as such? */
    } rows[] = {{0600, true, true},  {0400, true, true},  {0640, false, true},  {0604, false, true},
                {0610, false, true}, {0644, false, true}, {0602, false, false}, {0664, false, false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_ok(file_write_atomic(in_dir("pin"), rows[i].mode, SLICE_LIT("1234"), &e), e);
        for (int trusted = 0; trusted < 2; trusted++) {
            buf_reset(&b);
            bool got = (trusted ? file_read_trusted : file_read_private)(in_dir("pin"), 10, &b, &e);
            assert_int_equal(got, trusted ? rows[i].trusted : rows[i].secret);
            if (got)
                continue;
            assert_int_equal(e.code, ERR_FILE_MODE);
            assert_non_null(strstr(e.hint, trusted ? "chmod go-w " : "chmod 600 "));
            assert_int_equal(b.n, 0);
        }
        assert_int_equal(file_check_trusted(in_dir("pin"), false, &e), rows[i].trusted);
    }
    buf_clear(&b);
    assert_ok(file_mkdir_private(in_dir("d"), &e), e);
    assert_ok(file_mkdir_private(in_dir("d"), &e), e);
    assert_int_equal(chmod(in_dir("d"), 0755), 0);
    assert_err(file_mkdir_private(in_dir("d"), &e), e, ERR_FILE_MODE);
    assert_err(file_mkdir_private(in_dir("pin"), &e), e, ERR_CONFLICT);
    if (geteuid() == 0) {
        assert_int_equal(chown(in_dir("pin"), 12345, 0), 0);
        assert_err(file_check_private(in_dir("pin"), &e), e, ERR_FILE_MODE);
    }
}

static void lets_one_process_hold_a_lock(void **state)
{
    (void)state;
    struct err e = {0};
    int fd, again, status;
    const char *path = in_dir("lock");
    assert_ok(file_lock(path, &fd, &e), e);
    assert_err(file_lock(path, &again, &e), e, ERR_LOCKED);
    char pid[24];
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(e.what, pid));
    assert_int_equal(again, -1);
    pid_t child = fork();
    if (child == 0)
        _exit(file_lock(path, &again, &e) ? 1 : e.code == ERR_LOCKED ? 0 : 2);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    file_close(&fd);
    assert_int_equal(fd, -1);
    assert_ok(file_lock(path, &fd, &e), e);
    file_close(&fd);
}

static void tells_what_is_below_however_it_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *path;
        bool below;
    } rows[] = {
        {"d", "d", true},         {"d", "d/f", true},         {"d", "d/no/such", true},  {"d", "e", false},
        {"d", "df", false},       {"d", "d/../e", false},     {"d", "e/../d/f", true},   {"d", "e/no/../../d", true},
        {"d", "./d//f/.", true},  {"d", "l/f", true},         {"l", "d/f", true},        {"l", "d/no", true},
        {"no/such", "no", false}, {"no", "no/such", true},    {"d", "d/f/../..", false}, {"/", "d", true},
        {"d", "/", false},        {"d", "dangling/f", false}, {".", "d", true},          {"..", "d/f", true},
    };
    char real[PATH_MAX], cwd[PATH_MAX];
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(mkdir(in_dir("d"), 0700) | mkdir(in_dir("d/f"), 0700) | mkdir(in_dir("e"), 0700), 0);
    assert_int_equal(symlink("d", in_dir("l")) | symlink("nowhere", in_dir("dangling")), 0);
    assert_int_equal(chdir(dir), 0);
    for (int whole = 0; whole < 2; whole++)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            bool root = rows[i].path[0] == '/' || rows[i].dir[0] == '/';
            const char *path = whole && !root ? in_dir(rows[i].path) : rows[i].path;
            if (path_is_below(whole && !root ? in_dir(rows[i].dir) : rows[i].dir, path) != rows[i].below)
                fail_msg("%s in %s", path, rows[i].dir);
        }
    /* Whoever stands nowhere names nothing that is there. */
    assert_int_equal(chdir("e") | rmdir(in_dir("e")), 0);
    path_real("d-secrets", real);
    assert_string_equal(real, "/d-secrets");
    assert_false(path_is_below("d", "d-secrets"));
    assert_int_equal(chdir(cwd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_whole_files_or_none, setup, teardown),
        cmocka_unit_test_setup_teardown(takes_no_name_from_what_is_no_file, setup, teardown),
        cmocka_unit_test_setup_teardown(removes_what_killed_writes_left, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_what_it_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_secrets_that_others_can_read, setup, teardown),
        cmocka_unit_test_setup_teardown(lets_one_process_hold_a_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(tells_what_is_below_however_it_is_written, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
