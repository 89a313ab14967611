/* Preloaded into a real process: on SIGRTMIN with a number it does that act there, as code that took the process over would,
 * and writes "number errno" to the file that KITH_PROBE_OUT names (opened at the start, before any sandbox). */
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

#include "probe.h"

static int out = -1;
static char root[200];

static int try_open(const char *name, int flags)
{
    char path[300];
    strcpy(path, root);
    strcat(path, name);
    int fd = open(path, flags, 0600);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static int try_socket(int family, int act)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return errno;
    int rc = 0;
    if (act == PROBE_BIND)
        rc = bind(fd, (struct sockaddr *)&sa, sizeof sa) ? errno : 0;
    if (act == PROBE_CONNECT) { /* nobody listens there: refused means that it went out */
        sa.sin_port = htons(1);
        rc = connect(fd, (struct sockaddr *)&sa, sizeof sa) && errno != ECONNREFUSED ? errno : 0;
    }
    close(fd);
    return rc;
}

static int code_of(long rc)
{
    return rc < 0 ? errno : 0;
}

static const char *outside(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static int try_parent(int act)
{
    char path[64];
    struct rlimit l;
    switch (act) {
    case PROBE_READ_PARENT:
        snprintf(path, sizeof path, "/proc/%d/status", (int)getppid());
        return code_of(open(path, O_RDONLY | O_CLOEXEC));
    case PROBE_SIGNAL_PARENT:
        return code_of(kill(getppid(), 0));
    default:
        return code_of(prlimit(getppid(), RLIMIT_CORE, NULL, &l));
    }
}

static int try_socket_of(int family, int type)
{
    int fd = socket(family, type, 0);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* Nothing in it that could run: that the kernel looked at its format says enough. */
static int try_exec_in_memory(void)
{
    char *const argv[] = {(char[]){"x"}, NULL}, *const envp[] = {NULL};
    int fd = (int)syscall(SYS_memfd_create, "x", 1);
    if (fd < 0)
        return errno;
    syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    int code = errno;
    close(fd);
    return code == ENOEXEC ? 0 : code;
}

/* Harmless, or refused by the kernel for their arguments: the same errno as outside of any sandbox. */
static int try_deadly(int act)
{
    char byte = 0;
    char attr[128] = {0};
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    struct timespec t = {0};
    switch (act) {
    case PROBE_PTRACE:
        return code_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    case PROBE_READ_MEMORY:
        return code_of(syscall(SYS_process_vm_readv, getpid(), &here, 1, &there, 1, 0));
    case PROBE_MOUNT:
        return code_of(syscall(SYS_mount, "none", outside("no such"), "tmpfs", 0, NULL));
    case PROBE_UNSHARE:
        return code_of(syscall(SYS_unshare, CLONE_FS));
    case PROBE_SETNS:
        return code_of(syscall(SYS_setns, -1, 0));
    case PROBE_CHROOT:
        return code_of(syscall(SYS_chroot, outside("no such")));
    case PROBE_BPF:
        return code_of(syscall(SYS_bpf, 0, attr, sizeof attr));
    case PROBE_IO_URING:
        return code_of(syscall(SYS_io_uring_setup, 0, attr));
    case PROBE_KEYRING:
        return code_of(syscall(SYS_keyctl, 0, -2, 0));
    case PROBE_PERF:
        return code_of(syscall(SYS_perf_event_open, attr, -1, -1, -1, 0));
    case PROBE_USERFAULT:
        return code_of(syscall(SYS_userfaultfd, -1));
    case PROBE_PERSONALITY:
        return code_of(syscall(SYS_personality, 0xffffffff));
    case PROBE_MODULE:
        return code_of(syscall(SYS_finit_module, -1, "", 0));
    case PROBE_CLOCK:
        t.tv_nsec = -1;
        return code_of(syscall(SYS_clock_settime, CLOCK_REALTIME, &t));
    case PROBE_HANDLE:
        return code_of(syscall(SYS_open_by_handle_at, -1, attr, 0));
    }
    return EINVAL;
}

static int try_fork(void)
{
    long pid = syscall(SYS_fork);
    if (pid == 0)
        _exit(0);
    if (pid < 0)
        return errno;
    waitpid((pid_t)pid, NULL, 0);
    return 0;
}

static int act(int n)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    switch (n) {
    case PROBE_READ_OUTSIDE:
        return try_open("/outside", O_RDONLY);
    case PROBE_WRITE_OUTSIDE:
        return try_open("/made", O_WRONLY | O_CREAT);
    case PROBE_READ_OTHER_DOMAIN:
        return try_open("/p/signers/ledger/journal", O_RDONLY);
    case PROBE_READ_DATABASE:
        return try_open("/p/kith.db", O_RDONLY);
    case PROBE_READ_KEYS:
        return try_open("/p/keys/issuing.key", O_RDONLY);
    case PROBE_WRITE_PROFILE:
        return try_open("/p/profiles/ldevid.profile", O_WRONLY);
    case PROBE_READ_OWN:
        return try_open("/p/signers/issuing/journal", O_RDWR);
    case PROBE_BIND:
    case PROBE_CONNECT:
    case PROBE_INET:
        return try_socket(AF_INET, n);
    case PROBE_INET6:
        return try_socket(AF_INET6, n);
    case PROBE_LOCAL:
        return try_socket(AF_UNIX, n);
    case PROBE_DATAGRAM:
        return try_socket_of(AF_INET, SOCK_DGRAM);
    case PROBE_NETLINK:
        return try_socket_of(AF_NETLINK, SOCK_RAW);
    case PROBE_LISTEN:
        return code_of(listen(3, 16));
    case PROBE_FORK:
        return try_fork();
    case PROBE_MAKE_DIR:
        return code_of(mkdir(outside("dir"), 0700));
    case PROBE_REMOVE:
        return code_of(unlink(outside("removable")));
    case PROBE_CHANGE_MODE:
        return code_of(chmod(outside("outside"), 0600));
    case PROBE_TRUNCATE:
        return code_of(truncate(outside("outside"), 0));
    case PROBE_READ_PARENT:
    case PROBE_SIGNAL_PARENT:
    case PROBE_LIMIT_PARENT:
        return try_parent(n);
    case PROBE_BECOME:
        return code_of(syscall(SYS_setresuid, getuid(), getuid(), getuid()));
    case PROBE_EXEC_MEMORY:
        return try_exec_in_memory();
    case PROBE_EXEC:
        execv("/bin/true", argv);
        return errno;
    }
    return try_deadly(n);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    int keep = errno;
    char line[32];
    int n = snprintf(line, sizeof line, "%d %d\n", info->si_value.sival_int, act(info->si_value.sival_int));
    if (write(out, line, (size_t)n) != n)
        abort();
    errno = keep;
}

__attribute__((constructor)) static void start(void)
{
    struct sigaction a = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    const char *path = getenv("KITH_PROBE_OUT");
    if (!path)
        return;
    out = fcntl(open(path, O_WRONLY | O_APPEND), F_DUPFD_CLOEXEC, 50);
    strncpy(root, path, sizeof root - 1);
    char *slash = strrchr(root, '/');
    if (slash)
        *slash = 0;
    sigaction(SIGRTMIN, &a, NULL);
}
