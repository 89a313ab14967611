/* Preloaded into a real process: on SIGRTMIN with a number it does that act there, as code that took the process over would,
 * and writes "number errno" to the file that KITH_PROBE_OUT names (opened at the start, before any sandbox). */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
    case PROBE_FORK:
        return try_fork();
    case PROBE_EXEC:
        execv("/bin/true", argv);
        return errno;
    case PROBE_PTRACE:
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
    }
    return EINVAL;
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
