#include "agent/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 32
#define ENV_MAX  8

static bool record(const struct state *s, unsigned slot, struct err *e)
{
    char path[STATE_PATH_MAX], text[16];
    int n = snprintf(text, sizeof text, "%u\n", slot);
    return file_write_atomic(state_path(s, "hooked", path), 0600, slice_of(text, (size_t)n), e);
}

bool hook_is_due(const struct state *s, const struct conf *c)
{
    char path[STATE_PATH_MAX];
    struct buf text;
    unsigned slot = state_slot(s, STATE_CURRENT);
    if (!slot || !c->command.n)
        return false;
    buf_init(&text, 32);
    state_path(s, "hooked", path);
    bool due = !file_exists(path) || !file_read(path, 16, &text, NULL) || strtoul(buf_str(&text), NULL, 10) != slot;
    buf_clear(&text);
    return due;
}

struct words {
    char text[ENV_MAX][STATE_PATH_MAX + 32];
    char *v[ENV_MAX + 1];
    size_t n;
};

static void PRINTF_LIKE(2, 3) put(struct words *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text[w->n], sizeof w->text[0], fmt, ap);
    va_end(ap);
    w->v[w->n] = w->text[w->n];
    w->n++;
}

/* A path, or the URI of the key that is in use now. */
static void put_key(struct words *w, const struct state *s, const char *dir)
{
    struct buf ref;
    struct err ignored;
    bool found;
    buf_init(&ref, STATE_PATH_MAX);
    if (state_slot_ref(s, state_slot(s, STATE_CURRENT), &ref, &found, &ignored) &&
        strncmp(buf_str(&ref), "pkcs11:", 7) == 0)
        put(w, "KITH_KEY=%s", buf_str(&ref));
    else
        put(w, "KITH_KEY=%s/" STATE_CURRENT "/key.pem", dir);
    buf_clear(&ref);
}

static void fill(struct words *w, const struct state *s, const struct conf *c)
{
    /* A command may go elsewhere before it reads them. */
    char *absolute = realpath(s->dir, NULL);
    const char *dir = absolute && strlen(absolute) < STATE_PATH_MAX ? absolute : s->dir;
    *w = (struct words){0};
    put(w, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    put(w, "KITH_DEVICE=%s", c->device ? c->device : "");
    put(w, "KITH_STATE=%s", dir);
    put(w, "KITH_CERT=%s/" STATE_CURRENT "/cert.pem", dir);
    put_key(w, s, dir);
    put(w, "KITH_ROOT=%s/root.pem", dir);
    free(absolute);
}

/* Nothing but calls that are safe between fork and exec. */
static void NORETURN become(char *const *args, char *const *env)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(args[0], args, env);
    _exit(127);
}

/* Waits for the child, at most so long; its whole group is gone afterwards. */
static bool wait_for(pid_t pid, const struct conf *c, struct err *e)
{
    int status = 0;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int ready;
    do
        ready = poll(&p, 1, (int)c->hook_timeout_ms);
    while (ready < 0 && errno == EINTR);
    bool late = ready <= 0;
    kill(-pid, SIGKILL);
    if (late)
        kill(pid, SIGKILL); /* before it had a group of its own */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    file_close(&fd);
    const char *name = c->command.v[0];
    if (late)
        return err_set(e, ERR_AGENT_HOOK, "%s did not end within %lld ms", name, (long long)c->hook_timeout_ms);
    if (WIFSIGNALED(status))
        return err_set(e, ERR_AGENT_HOOK, "%s was ended by signal %d", name, WTERMSIG(status));
    if (WEXITSTATUS(status) == 127)
        return err_set(e, ERR_AGENT_HOOK, "%s could not be run, or ended with status 127", name);
    return WEXITSTATUS(status) == 0 || err_set(e, ERR_AGENT_HOOK, "%s ended with status %d", name, WEXITSTATUS(status));
}

bool hook_run(const struct state *s, const struct conf *c, struct err *e)
{
    char *args[ARGS_MAX + 1] = {0};
    struct words *env = malloc(sizeof *env);
    unsigned slot = state_slot(s, STATE_CURRENT);
    if (!env)
        return err_set(e, ERR_NOMEM, "hook");
    fill(env, s, c);
    for (size_t i = 0; i < c->command.n && i < ARGS_MAX; i++)
        args[i] = (char *)(uintptr_t)c->command.v[i];
    pid_t pid = fork();
    if (pid == 0)
        become(args, env->v);
    bool ok = pid > 0 ? wait_for(pid, c, e) : err_set(e, ERR_AGENT_HOOK, "%s: fork: %m", args[0]);
    free(env);
    if (!ok)
        return err_try(e, "run it by hand; the agent tries again by itself");
    return record(s, slot, e);
}
