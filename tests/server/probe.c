/* Preloaded into a real process: on SIGRTMIN it does the act that the file "ask" names, as code that took the process over
 * would, and appends "errno" to the file "answers" (both opened at the start, before any sandbox, in KITH_PROBE_DIR).
 *
 * An act is one line: read PATH, write PATH, make PATH, connect PORT, connect-by-send PORT, bind PORT, listen, socket FAMILY TYPE PROTOCOL, kill PID,
 * limit PID, become, fork, exec, and the calls of the table `deadly`. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FD_BEYOND 50 /* above what a process under test expects at its start */

static int ask = -1, answers = -1;

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
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
    int code = rc < 0 ? errno : 0;
    close(fd);
    return code;
}

static int try_socket(const char *text)
{
    char *at;
    int family = (int)strtol(text, &at, 10), type = (int)strtol(at, &at, 10), protocol = (int)strtol(at, NULL, 10);
    int fd = socket(family, type, protocol);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

/* Without an address: the kernel picks a port, and Landlock is not asked. */
static int try_listen(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return errno;
    int code = listen(fd, 1) ? errno : 0;
    close(fd);
    return code;
}

static int try_limit(pid_t pid)
{
    struct rlimit l;
    return prlimit(pid, RLIMIT_CORE, NULL, &l) || prlimit(pid, RLIMIT_CORE, &l, NULL) ? errno : 0;
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

static int try_exec(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    execv("/bin/true", argv);
    return errno;
}

static int act(char *line)
{
    char *arg = strchr(line, ' ');
    if (arg)
        *arg++ = 0;
    else
        arg = line + strlen(line);
    if (strcmp(line, "read") == 0)
        return try_open(arg, O_RDONLY);
    if (strcmp(line, "write") == 0)
        return try_open(arg, O_WRONLY);
    if (strcmp(line, "make") == 0)
        return try_open(arg, O_WRONLY | O_CREAT | O_EXCL);
    if (strcmp(line, "connect") == 0)
        return try_port(arg, CONNECT);
    if (strcmp(line, "connect-by-send") == 0)
        return try_port(arg, SEND_FIRST);
    if (strcmp(line, "bind") == 0)
        return try_port(arg, BIND);
    if (strcmp(line, "listen") == 0)
        return try_listen();
    if (strcmp(line, "kill") == 0)
        return kill((pid_t)strtol(arg, NULL, 10), 0) ? errno : 0;
    if (strcmp(line, "limit") == 0)
        return try_limit((pid_t)strtol(arg, NULL, 10));
    if (strcmp(line, "become") == 0)
        return syscall(SYS_setresuid, getuid(), getuid(), getuid()) ? errno : 0;
    if (strcmp(line, "socket") == 0)
        return try_socket(arg);
    if (strcmp(line, "fork") == 0)
        return try_fork();
    if (strcmp(line, "exec") == 0)
        return try_exec();
    if (strcmp(line, "ptrace") == 0)
        return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? errno : 0;
    return EINVAL;
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
