#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/problem.h"

#define FD_BEYOND   64    /* above every number that a child is given */
#define PATIENCE_MS 60000 /* of a check: a token may take its time to log in */
#define LOOK_MS     20
#define OPEN_FILES  "is the limit of open files (LimitNOFILE) one that leaves some?"

/* What goes through: systemd's credentials, the settings of PKCS#11 modules and of libpq, and what the sanitizers of a
 * test build read.  A '*' stands for any end. */
static const char *const passed[] = {
    "CREDENTIALS_DIRECTORY",
    "JOURNAL_STREAM",
    "TZ",
    "SOFTHSM2_CONF",
    "NFAST_*",
    "CKNFAST_*",
    "ChrystokiConfigurationPath",
    "P11SHIM_*",
    "PKCS11_*",
    "OCK_*",
    "PGPASSFILE",
    "PGSSL*",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
    "MALLOC_ARENA_MAX",
};
static const char *const fixed[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};

static bool is_passed(const char *assignment)
{
    size_t n = strcspn(assignment, "=");
    for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
        size_t len = strlen(passed[i]);
        bool prefix = passed[i][len - 1] == '*';
        if (prefix ? n >= len - 1 && memcmp(assignment, passed[i], len - 1) == 0
                   : n == len && memcmp(assignment, passed[i], len) == 0)
            return true;
    }
    return false;
}

char **child_environment(char *const *ours, struct arena *a)
{
    size_t n = 0, k = 0;
    while (ours && ours[n])
        n++;
    char **out = arena_array(a, n + ARRAY_LEN(fixed) + 1, sizeof *out);
    if (!out)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        out[k++] = arena_str(a, slice_str(fixed[i]));
    for (size_t i = 0; i < n; i++)
        if (is_passed(ours[i]))
            out[k++] = arena_str(a, slice_str(ours[i]));
    return a->bad ? NULL : out;
}

/* In the new process, whose stderr is read by people, or by who started it (base/problem.h). */
static void __attribute__((noreturn)) give_up(const struct child *c, const char *doing, const char *hint)
{
    struct err e;
    err_set(&e, ERR_CHILD_START, "%s: cannot %s: %m", c->name, doing);
    (void)err_try(&e, "%s", hint);
    problem_print(stderr, "error", &e);
    _exit(127);
}

/* Handlers are ours; exec() resets them, but neither the mask nor what is ignored. */
static void reset_signals(void)
{
    sigset_t none;
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void place_fds(const struct child *c)
{
    int null = open("/dev/null", O_RDWR);
    int moved = c->fd >= 0 ? fcntl(c->fd, F_DUPFD, FD_BEYOND) : -1;
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || (c->said && dup2(c->said, STDERR_FILENO) < 0) ||
        (c->fd >= 0 && moved < 0))
        give_up(c, "prepare the descriptors", OPEN_FILES);
    unsigned next = STDERR_FILENO + 1;
    if (c->fd >= 0) {
        if (dup2(moved, c->fd_as) < 0)
            give_up(c, "hand over a descriptor", OPEN_FILES);
        if (c->fd_as > (int)next && close_range(next, (unsigned)c->fd_as - 1, 0) != 0)
            give_up(c, "close what is not for it", OPEN_FILES);
        next = (unsigned)c->fd_as + 1;
    }
    if (close_range(next, ~0u, 0) != 0)
        give_up(c, "close what is not for it", OPEN_FILES);
}

static void __attribute__((noreturn)) become(const struct child *c, pid_t parent)
{
    setpgid(0, 0);
    /* Between fork and prctl kithd may have died already: then nobody would tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(127);
    reset_signals();
    place_fds(c);
    union { /* execve() does not write to them, but its type is older than const */
        const char *const *given;
        char *const *taken;
    } argv = {.given = c->argv};
    execve(c->path, argv.taken, c->envp);
    give_up(c, "run its program",
            "install the whole package again; does its file system let programs run (noexec), and may this user?");
}

bool child_start(struct child *c, int64_t now_ms, struct err *e)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return err_set(e, ERR_CHILD_START, "cannot start %s: %m", c->name);
    if (pid == 0)
        become(c, parent);
    setpgid(pid, pid); /* both sides, so that a signal to the group finds it at once */
    c->pid = pid;
    c->started_ms = now_ms;
    return true;
}

static bool wait_for(struct child *c, int *status, struct err *e)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
        int how = 0;
        pid_t pid = waitpid(c->pid, &how, WNOHANG);
        if (pid == c->pid && WIFEXITED(how)) {
            *status = WEXITSTATUS(how);
            return true;
        }
        if (pid == c->pid)
            return err_set(e, ERR_CHILD_START, "%s: its check ended by signal %d", c->name, WTERMSIG(how));
        if (pid < 0 && errno != EINTR)
            return err_set(e, ERR_CHILD_START, "%s: its check was lost: %s", c->name, strerror(errno));
        poll(NULL, 0, LOOK_MS);
    }
    child_kill(c);
    (void)waitpid(c->pid, NULL, 0);
    err_set(e, ERR_CHILD_START, "%s: its check does not end; it was killed after %d s", c->name, PATIENCE_MS / 1000);
    return err_try(e, "look at the token or the database with its maker's tools");
}

bool child_check(struct child *c, int *status, struct err *e)
{
    *status = 0;
    return child_start(c, 0, e) && wait_for(c, status, e);
}

bool child_check_said(struct child *c, struct buf *said, int *status, struct err *e)
{
    char path[40];
    AUTO(file_close) int fd = memfd_create("said", MFD_CLOEXEC);
    *status = 0;
    if (fd < 0)
        return err_set(e, ERR_IO, "cannot keep what %s says: %m", c->name);
    c->said = fd;
    bool ok = child_check(c, status, e);
    c->said = 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return ok && file_read(path, said->max, said, e);
}

void child_ended(struct child *c, int64_t now_ms)
{
    if (c->pid && now_ms - c->started_ms >= CHILD_GOOD_LIFE_MS)
        c->backoff_ms = 0;
    c->pid = 0;
    c->backoff_ms = c->backoff_ms ? c->backoff_ms * 2 : CHILD_BACKOFF_MS;
    if (c->backoff_ms > CHILD_BACKOFF_MAX)
        c->backoff_ms = CHILD_BACKOFF_MAX;
    c->restart_ms = now_ms + c->backoff_ms;
}

void child_signal(const struct child *c, int sig)
{
    if (c->pid)
        kill(c->pid, sig);
}

void child_kill(const struct child *c)
{
    if (c->pid && killpg(c->pid, SIGKILL) != 0)
        kill(c->pid, SIGKILL);
}
