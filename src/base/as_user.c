#include "base/as_user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

static bool take_name(uid_t user)
{
    const struct passwd *p = getpwuid(user);
    bool groups = p ? initgroups(p->pw_name, p->pw_gid) == 0 && setgid(p->pw_gid) == 0
                    : setgroups(0, NULL) == 0 && setgid((gid_t)user) == 0;
    /* KEEPCAPS: the right to a low port, which a unit may give to a server that is not root. */
    return groups && prctl(PR_SET_KEEPCAPS, 1) == 0 && setuid(user) == 0;
}

static bool become(uid_t user, struct err *e)
{
    static const struct sandbox_policy server = {.listen = true, .any_bind = true};
    if (geteuid() != 0)
        return true;
    if (user == 0 || take_name(user))
        return sandbox_drop_capabilities(&server, e);
    err_set(e, ERR_CHILD_START, "cannot become user %u: %m", (unsigned)user);
    return err_try(e, "the same command as that user");
}

/* *told is what both see. */
static bool run_child(uid_t user, as_user_fn *run, void *ctx, struct err *told, int *status, struct err *e)
{
    int how = 0;
    pid_t pid = fork();
    if (pid < 0)
        return err_set(e, ERR_CHILD_START, "cannot start a process: %m");
    if (pid == 0)
        _exit(become(user, told) ? run(ctx) : 1);
    while (waitpid(pid, &how, 0) < 0)
        if (errno != EINTR)
            return err_set(e, ERR_CHILD_START, "a process that was started is gone: %m");
    if (told->code) {
        *e = *told;
        return false;
    }
    if (!WIFEXITED(how))
        return err_set(e, ERR_CHILD_START, "what was tried ended by signal %d", WTERMSIG(how));
    *status = WEXITSTATUS(how);
    return true;
}

bool as_user_run(uid_t user, as_user_fn *run, void *ctx, int *status, struct err *e)
{
    *status = 0;
    struct err *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "cannot share memory: %m");
    bool ok = run_child(user, run, ctx, told, status, e);
    munmap(told, sizeof *told);
    return ok;
}
