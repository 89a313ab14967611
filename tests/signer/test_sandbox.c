/* What kith-signer may do: each act is done inside the real process (probe.c, preloaded), once with the sandbox off, where it
 * succeeds, and once with it on.  Acts that need a privilege, or a kernel's option, go as far without it as the kernel's own
 * answer; unit/base/test_sandbox does them whole where it can.  argv: kith, kith-signer, probe.so. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

static const char *kith, *signer, *probe;

enum end { GOES_ON, ENDS, KILLED };

/* Asks for one act; its errno, or how the process ended. */
static int ask(struct rig *r, enum probe n, enum end *end)
{
    char line[32] = "";
    int status, number = 0, code = -1;
    *end = GOES_ON;
    assert_int_equal(truncate(r->probe_out, 0), 0);
    assert_int_equal(sigqueue(r->pid[RIG_ISSUING], SIGRTMIN, (union sigval){.sival_int = (int)n}), 0);
    for (int i = 0; i < 500; i++) {
        usleep(2000);
        if (waitpid(r->pid[RIG_ISSUING], &status, WNOHANG) == r->pid[RIG_ISSUING] && !WIFSTOPPED(status)) {
            r->pid[RIG_ISSUING] = 0;
            *end = WIFSIGNALED(status) ? KILLED : ENDS;
            return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
        }
        int fd = open(r->probe_out, O_RDONLY);
        ssize_t got = read(fd, line, sizeof line - 1);
        close(fd);
        line[got > 0 ? got : 0] = 0;
        if (strchr(line, '\n') && sscanf(line, "%d %d", &number, &code) == 2 && number == (int)n)
            return code;
    }
    fail_msg("act %d: no answer", (int)n);
    return -1;
}

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void set_up(struct rig *r, bool sandbox, char *out)
{
    char outside[128];
    rig_make(r, kith, signer, 0, NULL);
    sprintf(out, "%s/probe", r->dir);
    snprintf(outside, sizeof outside, "%s/outside", r->dir);
    touch(out);
    touch(outside);
    snprintf(outside, sizeof outside, "%s/removable", r->dir);
    touch(outside);
    touch(rig_path(r, "kith.db"));
    rig_start(r, RIG_LEDGER);
    if (!sandbox) {
        FILE *f = fopen(r->conf, "a");
        assert_non_null(f);
        fputs("\n[server]\nsandbox = no\n", f);
        fclose(f);
    }
    r->preload = probe;
    r->probe_out = out;
    rig_start(r, RIG_ISSUING);
}

static void denies_in_the_sandbox_what_works_outside_it(void **state)
{
    (void)state;
    for (int sandbox = 0; sandbox < 2; sandbox++) {
        struct rig r;
        char out[128];
        enum end end;
        struct err e;
        set_up(&r, sandbox, out);
        assert_int_equal(ask(&r, PROBE_READ_OWN, &end), 0);
        for (int n = PROBE_READ_OUTSIDE; n < PROBE_EXEC; n++) {
            int code = ask(&r, (enum probe)n, &end);
            if (end != GOES_ON || (sandbox ? code != EPERM && code != EACCES : code != 0))
                fail_msg("act %d with sandbox %d: %d, end %d", n, sandbox, code, (int)end);
        }
        AUTO(buf_clear) struct buf der;
        rig_device_cert(&r, "dev_01arz3ndektsv4rrffq69g5fav", &der); /* and it does its work */
        assert_ok(rig_head(&r, NULL, &e), e);
        int code = ask(&r, PROBE_EXEC, &end);
        if (sandbox) {
            assert_int_equal(end, GOES_ON);
            assert_true(code == EPERM || code == EACCES);
        } else {
            assert_int_equal(end, ENDS); /* it became true(1) */
            assert_int_equal(code, 0);
            rig_start(&r, RIG_ISSUING);
        }
        for (int n = PROBE_PTRACE; n < PROBES; n++) {
            code = ask(&r, (enum probe)n, &end);
            if (sandbox ? end != KILLED || code != SIGSYS : end != GOES_ON)
                fail_msg("act %d with sandbox %d: %d, end %d", n, sandbox, code, (int)end);
            if (n == PROBE_PTRACE && !sandbox)
                rig_kill(&r, RIG_ISSUING, SIGKILL); /* traced by us, it would stop at the next signal */
            if (n == PROBE_PTRACE || sandbox)
                rig_start(&r, RIG_ISSUING);
        }
        rig_remove(&r);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denies_in_the_sandbox_what_works_outside_it),
    };
    if (argc != 4)
        return 2;
    kith = argv[1];
    signer = argv[2];
    probe = argv[3];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
