/* Stands in for kith-server and kith-signer: tells in DIR/events what happens to it, and does what DIR/fake.NAME says, a
 * word each: ready, other-word, exit (status 7 at once), deaf (SIGTERM is ignored), slow (ends 400 ms after SIGTERM), helper
 * (starts a process of its own).  DIR is where the configuration is. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char dir[80], who[16] = "server", words[200];
static int listener = -1, ready = -1;
static volatile sig_atomic_t term, hup;

static void on_term(int sig)
{
    (void)sig;
    term = 1;
}

static void on_hup(int sig)
{
    (void)sig;
    hup = 1;
}

static const char *in_dir(const char *name, const char *more)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, more);
    return path;
}

static void event(const char *what, long n)
{
    struct timespec t;
    char line[120];
    clock_gettime(CLOCK_MONOTONIC, &t);
    int len =
        snprintf(line, sizeof line, "%lld %s %s %ld\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000, what, who, n);
    int fd = open(in_dir("events", ""), O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (write(fd, line, (size_t)len) != len)
        _exit(99);
    close(fd);
}

/* What the test wants to know about how it was started. */
static void write_seen(void)
{
    extern char **environ;
    char target[200];
    FILE *f = fopen(in_dir("seen.", who), "we");
    for (char **v = environ; *v; v++)
        fprintf(f, "env %s\n", *v);
    for (int fd = 0; fd < 100; fd++) {
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        if (n < 0 || fd == fileno(f))
            continue;
        target[n] = 0;
        fprintf(f, "fd %d %s\n", fd, strncmp(target, "/dev/null", 9) == 0 ? target : "other");
    }
    fprintf(f, "leader %d\n", getpgid(0) == getpid());
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    fprintf(f, "blocked %d\n",
            sigismember(&mask, SIGTERM) || sigismember(&mask, SIGHUP) || sigismember(&mask, SIGCHLD));
    fclose(f);
}

static void read_options(int argc, char **argv)
{
    if (strcmp(argv[argc - 1], "--check") == 0)
        _exit(0);
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--config") == 0) {
            snprintf(dir, sizeof dir, "%s", argv[i + 1]);
            *strrchr(dir, '/') = 0;
        } else if (strcmp(argv[i], "--domain") == 0) {
            snprintf(who, sizeof who, "%s", argv[i + 1]);
        } else if (strcmp(argv[i], "--fd") == 0) {
            listener = (int)strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--ready-fd") == 0) {
            ready = (int)strtol(argv[i + 1], NULL, 10);
        }
    }
    FILE *f = fopen(in_dir("fake.", who), "re");
    if (f && !fgets(words, sizeof words, f))
        words[0] = 0;
    if (f)
        fclose(f);
}

static int is_told(const char *word)
{
    return strstr(words, word) != NULL;
}

/* The server's own socket, at which nobody asks a fake. */
static void listen_local(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/run/kith.sock", dir);
    unlink(sa.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 1) != 0)
        _exit(97);
}

static void say_ready(const char *word)
{
    if (write(ready, word, strlen(word)) != (ssize_t)strlen(word))
        _exit(98);
    event("ready", 0);
}

static void serve_one(void)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};
    if (poll(&p, 1, 20) <= 0 || listener < 0)
        return;
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && send(fd, who, strlen(who), MSG_NOSIGNAL) < 0)
        event("send-failed", 0);
    if (fd >= 0)
        close(fd);
}

static void start_helper(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (int i = 0; i < 600; i++)
            poll(NULL, 0, 100);
    if (pid == 0)
        _exit(0);
    event("helper", pid);
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    write_seen();
    event("start", getpid());
    if (is_told("exit"))
        return 7;
    signal(SIGTERM, is_told("deaf") ? SIG_IGN : on_term);
    signal(SIGHUP, on_hup);
    if (ready >= 0)
        listen_local();
    if (is_told("helper"))
        start_helper();
    if (is_told("other-word"))
        say_ready("rubbish\n");
    else if (ready >= 0 && is_told("ready"))
        say_ready("ready\n");
    for (int i = 0; i < 3000 && !term; i++) { /* a minute */
        serve_one();
        if (hup)
            event("hup", 0);
        hup = 0;
    }
    event("term", 0);
    if (is_told("slow"))
        poll(NULL, 0, 400);
    event("end", 0);
    return 0;
}
