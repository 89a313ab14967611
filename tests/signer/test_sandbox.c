/* What kith-signer may do: each act is done inside the real process (tests/lib/probe.c, preloaded), once with the sandbox off,
 * where it succeeds, and once with it on.  Acts that need a privilege, or a kernel's option, go as far without it as the kernel's
 * own answer; unit/base/test_sandbox does them whole where it can.  argv: kith, kith-signer, probe.so. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *probe;

enum end { GOES_ON, ENDS, KILLED };

static const char *outside(const struct rig *r, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    return path;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Asks for one act; its errno, or how the process ended. */
static int ask(struct rig *r, const char *act, enum end *end)
{
    char line[32];
    int status;
    pid_t pid = r->pid[RIG_ISSUING];
    *end = GOES_ON;
    put(outside(r, "ask"), act);
    put(outside(r, "answers"), "");
    assert_int_equal(kill(pid, SIGRTMIN), 0);
    for (int i = 0; i < 10000; i++) {
        usleep(2000);
        if (waitpid(pid, &status, WNOHANG) == pid && !WIFSTOPPED(status)) {
            r->pid[RIG_ISSUING] = 0;
            *end = WIFSIGNALED(status) ? KILLED : ENDS;
            return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
        }
        int fd = open(outside(r, "answers"), O_RDONLY);
        ssize_t got = read(fd, line, sizeof line - 1);
        close(fd);
        line[got > 0 ? got : 0] = 0;
        if (strchr(line, '\n')) {
            assert_true(line[0] != '-'); /* it knows no such act */
            return (int)strtol(line, NULL, 10);
        }
    }
    fail_msg("%s: no answer", act);
    return -1;
}

static void set_up(struct rig *r, bool sandbox)
{
    rig_make(r, 0);
    put(outside(r, "ask"), "");
    put(outside(r, "answers"), "");
    put(outside(r, "outside"), "");
    put(outside(r, "removable"), "");
    put(rig_path(r, "kith.db"), "");
    rig_start(r, RIG_LEDGER);
    if (!sandbox) {
        FILE *f = fopen(r->conf, "a");
        assert_non_null(f);
        fputs("\n[server]\nsandbox = no\n", f);
        fclose(f);
    }
    r->preload = probe;
    rig_start(r, RIG_ISSUING);
}

#define ACTS_MAX 40

/* What must be denied, a line each. */
static size_t denied(const struct rig *r, char rows[ACTS_MAX][160])
{
    static const char *const on_files[][2] = {
        {"read", "outside"},
        {"make", "made"},
        {"make-dir", "dir"},
        {"remove", "removable"},
        {"change-mode", "outside"},
        {"truncate", "outside"},
        {"read", "p/kith.db"},
        {"read", "p/signers/ledger/journal"},
        {"read", "p/keys/issuing.key"},
        {"write", "p/profiles/ldevid.profile"},
    };
    static const int sockets[][2] = {{AF_INET, SOCK_STREAM},
                                     {AF_INET6, SOCK_STREAM},
                                     {AF_UNIX, SOCK_STREAM},
                                     {AF_INET, SOCK_DGRAM},
                                     {AF_NETLINK, SOCK_RAW}};
    static const char *const others[] = {"connect 1", "bind 0", "listen 3", "fork", "become", "exec-memory"};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(on_files); i++)
        snprintf(rows[n++], sizeof rows[0], "%s %s/%s", on_files[i][0], r->dir, on_files[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++)
        snprintf(rows[n++], sizeof rows[0], "socket %d %d 0", sockets[i][0], sockets[i][1]);
    snprintf(rows[n++], sizeof rows[0], "read /proc/%d/status", (int)getpid());
    snprintf(rows[n++], sizeof rows[0], "kill %d", (int)getpid());
    snprintf(rows[n++], sizeof rows[0], "limit %d", (int)getpid());
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        snprintf(rows[n++], sizeof rows[0], "%s", others[i]);
    return n;
}

static void ends_by_each_deadly_act(struct rig *r, bool sandbox)
{
    static const char *const deadly[] = {"ptrace",    "read-memory", "mount",    "unshare", "setns",
                                         "chroot",    "bpf",         "io_uring", "keyring", "perf",
                                         "userfault", "personality", "module",   "clock",   "handle"};
    for (size_t i = 0; i < ARRAY_LEN(deadly); i++) {
        enum end end;
        int code = ask(r, deadly[i], &end);
        if (sandbox ? end != KILLED || code != SIGSYS : end != GOES_ON)
            fail_msg("%s with sandbox %d: %d, end %d", deadly[i], sandbox, code, (int)end);
        if (i == 0 && !sandbox)
            rig_kill(r, RIG_ISSUING, SIGKILL); /* traced by us, it would stop at the next signal */
        if (i == 0 || sandbox)
            rig_start(r, RIG_ISSUING);
    }
}

static void denies_in_the_sandbox_what_works_outside_it(void **state)
{
    (void)state;
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct rig r;
        char rows[ACTS_MAX][160], own[160];
        enum end end;
        struct err e;
        set_up(&r, sandbox);
        snprintf(own, sizeof own, "write %s/p/signers/issuing/journal", r.dir);
        assert_int_equal(ask(&r, own, &end), 0);
        for (size_t i = 0, n = denied(&r, rows); i < n; i++) {
            int code = ask(&r, rows[i], &end);
            if (end != GOES_ON || (sandbox ? code != EPERM && code != EACCES : code != 0))
                fail_msg("%s with sandbox %d: %d, end %d", rows[i], sandbox, code, (int)end);
        }
        AUTO(buf_clear) struct buf der;
        rig_device_cert(&r, "dev_01arz3ndektsv4rrffq69g5fav", &der); /* and it does its work */
        assert_ok(rig_head(&r, NULL, &e), e);
        int code = ask(&r, "exec /bin/true", &end);
        if (sandbox) {
            assert_int_equal(end, GOES_ON);
            assert_true(code == EPERM || code == EACCES);
        } else {
            assert_int_equal(end, ENDS);
            assert_int_equal(code, 0);
            rig_start(&r, RIG_ISSUING);
        }
        ends_by_each_deadly_act(&r, sandbox);
        rig_remove(&r);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denies_in_the_sandbox_what_works_outside_it),
    };
    if (argc != 4 || !rig_programs(argc, argv))
        return 2;
    probe = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
