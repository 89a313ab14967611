/* Preloaded into a real process: on SIGRTMIN it does the act that the file "ask" names, as code that took the process over
 * would, and appends "errno" to the file "answers" (both opened at the start, before any sandbox, in KITH_PROBE_DIR).
 *
 * An act is one line, a word of the table `acts` and what stands behind it there.  Those of `deadly` end a process in a sandbox,
 * each; outside of it they are harmless, or refused by the kernel for their arguments. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FD_BEYOND 50 /* above what a process under test expects at its start */

static int ask = -1, answers = -1;

static int code_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static int code_of_fd(int fd)
{
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* ---- files ---- */

static int do_read(const char *path)
{
    return code_of_fd(open(path, O_RDONLY));
}

static int do_write(const char *path)
{
    return code_of_fd(open(path, O_WRONLY));
}

static int do_make(const char *path)
{
    return code_of_fd(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
}

static int do_make_dir(const char *path)
{
    return code_of(mkdir(path, 0700));
}

static int do_remove(const char *path)
{
    return code_of(unlink(path));
}

static int do_change_mode(const char *path)
{
    return code_of(chmod(path, 0600));
}

static int do_truncate(const char *path)
{
    return code_of(truncate(path, 0));
}

/* ---- network ---- */

static int do_socket(const char *text)
{
    char *at;
    int family = (int)strtol(text, &at, 10), type = (int)strtol(at, &at, 10), protocol = (int)strtol(at, NULL, 10);
    return code_of_fd(socket(family, type, protocol));
}

enum way { BIND, CONNECT, SEND_FIRST };

static int try_port(const char *text, enum way way)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return errno;
    sa.sin_port = htons((uint16_t)strtoul(text, NULL, 10));
    long rc = way == BIND      ? bind(fd, (struct sockaddr *)&sa, sizeof sa)
              : way == CONNECT ? connect(fd, (struct sockaddr *)&sa, sizeof sa)
                               : sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&sa, sizeof sa);
    int code = code_of(rc);
    close(fd);
    return way != BIND && code == ECONNREFUSED ? 0 : code; /* it went out, and nobody listened */
}

static int do_bind(const char *port)
{
    return try_port(port, BIND);
}

static int do_connect(const char *port)
{
    return try_port(port, CONNECT);
}

static int do_connect_by_send(const char *port)
{
    return try_port(port, SEND_FIRST);
}

/* On a socket that it has; else on one without an address: the kernel picks a port, and Landlock is not asked. */
static int do_listen(const char *text)
{
    if (*text)
        return code_of(listen((int)strtol(text, NULL, 10), 16));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return errno;
    int code = code_of(listen(fd, 1));
    close(fd);
    return code;
}

/* ---- processes ---- */

static int do_kill(const char *pid)
{
    return code_of(kill((pid_t)strtol(pid, NULL, 10), 0));
}

static int do_limit(const char *pid)
{
    struct rlimit l;
    pid_t who = (pid_t)strtol(pid, NULL, 10);
    return code_of(prlimit(who, RLIMIT_CORE, NULL, &l) || prlimit(who, RLIMIT_CORE, &l, NULL) ? -1 : 0);
}

static int do_become(const char *none)
{
    (void)none;
    return code_of(syscall(SYS_setresuid, getuid(), getuid(), getuid()));
}

static int do_fork(const char *none)
{
    (void)none;
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno;
    waitpid((pid_t)pid, NULL, 0);
    return 0;
}

static int do_exec(const char *path)
{
    char *const argv[] = {(char[]){"x"}, NULL};
    execv(path, argv);
    return errno;
}

/* Nothing in it that could run: that the kernel looked at its format says enough. */
static int do_exec_memory(const char *none)
{
    (void)none;
    char *const argv[] = {(char[]){"x"}, NULL}, *const envp[] = {NULL};
    int fd = (int)syscall(SYS_memfd_create, "x", 1);
    if (fd < 0)
        return errno;
    syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    int code = errno;
    close(fd);
    return code == ENOEXEC ? 0 : code;
}

static const struct {
    const char *name;
    int (*run)(const char *arg);
} acts[] = {
    {"read", do_read},
    {"write", do_write},
    {"make", do_make},
    {"make-dir", do_make_dir},
    {"remove", do_remove},
    {"change-mode", do_change_mode},
    {"truncate", do_truncate},
    {"socket", do_socket},
    {"bind", do_bind},
    {"connect", do_connect},
    {"connect-by-send", do_connect_by_send},
    {"listen", do_listen},
    {"kill", do_kill},
    {"limit", do_limit},
    {"become", do_become},
    {"fork", do_fork},
    {"exec", do_exec},
    {"exec-memory", do_exec_memory},
};

/* ---- what ends a process in a sandbox ---- */

static int act_deadly(const char *name)
{
    char byte = 0, attr[128] = {0};
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    struct timespec t = {.tv_nsec = -1};
    const struct {
        const char *name;
        long call, a[6];
    } deadly[] = {
        {"ptrace", SYS_ptrace, {PTRACE_TRACEME}},
        {"read-memory", SYS_process_vm_readv, {getpid(), (long)&here, 1, (long)&there, 1}},
        {"mount", SYS_mount, {(long)"none", (long)"/no such", (long)"tmpfs"}},
        {"unshare", SYS_unshare, {CLONE_FS}},
        {"setns", SYS_setns, {-1}},
        {"chroot", SYS_chroot, {(long)"/no such"}},
        {"bpf", SYS_bpf, {0, (long)attr, sizeof attr}},
        {"io_uring", SYS_io_uring_setup, {0, (long)attr}},
        {"keyring", SYS_keyctl, {0, -2}},
        {"perf", SYS_perf_event_open, {(long)attr, -1, -1, -1}},
        {"userfault", SYS_userfaultfd, {-1}},
        {"personality", SYS_personality, {0xffffffff}},
        {"module", SYS_finit_module, {-1, (long)""}},
        {"clock", SYS_clock_settime, {CLOCK_REALTIME, (long)&t}},
        {"handle", SYS_open_by_handle_at, {-1, (long)attr}},
    };
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        const long *a = deadly[i].a;
        if (strcmp(name, deadly[i].name) == 0)
            return code_of(syscall(deadly[i].call, a[0], a[1], a[2], a[3], a[4], a[5]));
    }
    return -1; /* no act at all: a slip in a test is no refusal */
}

static int act(char *line)
{
    char *arg = strchr(line, ' ');
    if (arg)
        *arg++ = 0;
    else
        arg = line + strlen(line);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(line, acts[i].name) == 0)
            return acts[i].run(arg);
    return act_deadly(line);
}

static void on_signal(int sig)
{
    (void)sig;
    int keep = errno;
    char line[300], text[16];
    ssize_t got = pread(ask, line, sizeof line - 1, 0);
    line[got > 0 ? got : 0] = 0;
    int n = snprintf(text, sizeof text, "%d\n", act(line));
    if (write(answers, text, (size_t)n) != n)
        abort();
    errno = keep;
}

static int open_high(const char *dir, const char *name, int flags)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int low = open(path, flags), fd = fcntl(low, F_DUPFD_CLOEXEC, FD_BEYOND);
    close(low);
    return fd;
}

__attribute__((constructor)) static void start(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    const char *dir = getenv("KITH_PROBE_DIR");
    if (!dir)
        return;
    ask = open_high(dir, "ask", O_RDONLY);
    answers = open_high(dir, "answers", O_WRONLY | O_APPEND);
    sigaction(SIGRTMIN, &a, NULL);
}
