#include "supervisor/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "keys/pin_mark.h"
#include "supervisor/socket_file.h"

#define READY_WORD     "ready\n"
#define READY_FD       4
#define SIGNER_FD      3
#define ARENA_MAX      (64 * 1024)
#define HELD_LOOK_MS   1000 /* at the PIN file */
#define SOCKET_LOOK_MS 1000 /* at the files of the sockets */

enum phase { RUNNING, STOPPING_SERVER, STOPPING_SIGNERS, STOPPED };

struct run {
    const struct supervise *s;
    const struct env *env;
    struct arena arena;
    struct child children[CHILDREN];
    int lock, signals, ready[2];
    struct socket_file sockets[CHILDREN];
    const char *run_dir; /* where they are, unless kith.conf has the server's elsewhere */
    char word[sizeof READY_WORD];
    size_t word_n;
    bool was_ready, serving; /* a server was, this one is */
    enum phase phase;
    int64_t kill_ms, watchdog_ms, look_ms;
    int64_t end_by_ms[CHILDREN]; /* it was told to end, to be started again; 0: it was not */
    bool told_gone;
    char pin[CHILD_SERVER][PIN_MARK_MAX]; /* the PIN file as it was before each signer started */
};

static void run_clear(struct run *r)
{
    file_close(&r->lock);
    file_close(&r->signals);
    file_close(&r->ready[0]);
    file_close(&r->ready[1]);
    for (size_t i = 0; i < CHILDREN; i++)
        socket_file_close(&r->sockets[i]);
    arena_clear(&r->arena);
}

static void tell(struct run *r, bool sent, const struct err *e)
{
    if (!sent)
        LOG(r->env, WARN, "kithd", "systemd was not told", log_err(e));
}

/* --- setting up --- */

static bool open_signals(struct run *r, struct err *e)
{
    static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_set(e, ERR_INTERNAL, "cannot block signals: %m");
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals >= 0 || err_set(e, ERR_IO, "cannot open a signal descriptor: %m");
}

static bool take_directory(struct run *r, struct err *e)
{
    r->run_dir = settings_path(r->s->settings, &r->arena, PATH_RUN);
    const char *lock = settings_path(r->s->settings, &r->arena, PATH_LOCK);
    if (!arena_ok(&r->arena, e) || !file_mkdir_private(r->run_dir, e))
        return false;
    if (!file_lock(lock, &r->lock, e)) {
        if (e->code == ERR_LOCKED)
            err_why(e, "one kithd runs an installation: two would give out the same serial numbers");
        return false;
    }
    return true;
}

#define SIGNER_ONCE 7 /* where a signer's last argument stands: for its first start only */

static void set_signer(struct run *r, enum supervise_child which, const char *name, const char *domain,
                       char *const *envp)
{
    r->children[which] = (struct child){
        .name = name,
        .path = r->s->signer,
        .argv = {"kith-signer", "--config", r->s->config, "--domain", domain, "--fd",
                 "3", [SIGNER_ONCE] = r->s->accept_clock ? "--accept-clock" : NULL},
        .envp = envp,
        .fd = r->sockets[which].fd,
        .fd_as = SIGNER_FD,
    };
}

static bool prepare(struct run *r, struct err *e)
{
    static const char *const sockets[] = {PATH_RUN "/signer-issuing.sock", PATH_RUN "/signer-ledger.sock"};
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        r->sockets[i].path = settings_path(r->s->settings, &r->arena, sockets[i]);
        if (!arena_ok(&r->arena, e) || !socket_file_listen_patiently(&r->sockets[i], r->env, e))
            return false;
    }
    r->sockets[CHILD_SERVER].path = r->s->settings->socket;
    char **envp = child_environment(r->s->environ, &r->arena);
    if (!envp)
        return err_set(e, ERR_NOMEM, "no memory for the environment");
    set_signer(r, CHILD_ISSUING, "signer issuing", "issuing", envp);
    set_signer(r, CHILD_LEDGER, "signer ledger", "ledger", envp);
    r->children[CHILD_SERVER] = (struct child){
        .name = "server",
        .path = r->s->server,
        .argv = {"kith-server", "--config", r->s->config, "--ready-fd", "4"},
        .envp = envp,
        .fd = -1,
        .fd_as = READY_FD,
    };
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return true;
}

/* --- children --- */

/* A pipe for each life of the server: what an earlier one wrote says nothing about this one. */
static bool open_ready(struct run *r, struct err *e)
{
    file_close(&r->ready[0]);
    file_close(&r->ready[1]);
    r->word_n = 0;
    if (pipe2(r->ready, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_set(e, ERR_CHILD_START, "cannot make the ready pipe: %m");
    r->children[CHILD_SERVER].fd = r->ready[1];
    return true;
}

static void start_one(struct run *r, enum supervise_child which)
{
    struct child *c = &r->children[which];
    int64_t now = env_mono_ms(r->env);
    struct err e;
    bool ok = which != CHILD_SERVER || open_ready(r, &e);
    if (which != CHILD_SERVER)
        pin_mark_of(r->s->settings->hsm_pin_file, r->pin[which]);
    ok = ok && child_start(c, now, &e);
    if (which == CHILD_SERVER) {
        file_close(&r->ready[1]); /* the server holds the only other end: its death is seen as the end of the pipe */
        c->fd = -1;
    }
    if (ok && which != CHILD_SERVER)
        c->argv[SIGNER_ONCE] = NULL;
    if (ok) {
        LOG(r->env, INFO, "kithd", "started", log_str("child", c->name), log_int("pid", c->pid));
        return;
    }
    child_ended(c, now);
    LOG(r->env, ERROR, "kithd", "not started", log_str("child", c->name), log_int("retry_ms", c->backoff_ms),
        log_err(&e));
}

/* A PIN that was refused is not tried again: only another PIN file, or the operator by SIGHUP, starts a signer that ended so. */
static void release_held(struct run *r, bool all)
{
    char pin[PIN_MARK_MAX];
    for (int i = 0; i < CHILD_SERVER; i++) {
        struct child *c = &r->children[i];
        if (!c->held)
            continue;
        pin_mark_of(r->s->settings->hsm_pin_file, pin);
        if (!all && memcmp(pin, r->pin[i], sizeof pin) == 0)
            continue;
        LOG(r->env, NOTICE, "kithd", all ? "SIGHUP: started again" : "another PIN file: started again",
            log_str("child", c->name));
        c->held = false;
        c->restart_ms = 0;
    }
}

static void start_due(struct run *r)
{
    int64_t now = env_mono_ms(r->env);
    release_held(r, false);
    for (int i = 0; i < CHILDREN; i++)
        if (r->phase == RUNNING && !r->children[i].pid && !r->children[i].held && r->children[i].restart_ms <= now)
            start_one(r, (enum supervise_child)i);
}

static void log_end(struct run *r, const struct child *c, pid_t pid, int64_t lived_ms, int status)
{
    bool told = r->phase != RUNNING || r->end_by_ms[c - r->children];
    bool killed = WIFSIGNALED(status);
    const char *how = killed ? "signal" : "status";
    int64_t value = killed ? WTERMSIG(status) : WEXITSTATUS(status);
    const char *signal_name = killed ? sigabbrev_np(WTERMSIG(status)) : NULL;
    if (told)
        LOG(r->env, INFO, "kithd", "ended", log_str("child", c->name), log_int("pid", pid), log_int(how, value),
            log_int("lived_ms", lived_ms));
    else
        LOG(r->env, ERROR, "kithd", "ended by itself", log_str("child", c->name), log_int("pid", pid),
            log_int(how, value), log_str("name", signal_name ? signal_name : "exit"), log_int("lived_ms", lived_ms),
            log_int("restart_ms", c->backoff_ms));
}

static void one_ended(struct run *r, struct child *c, int status)
{
    int64_t now = env_mono_ms(r->env), lived_ms = now - c->started_ms;
    pid_t pid = c->pid;
    struct err e;
    child_ended(c, now);
    log_end(r, c, pid, lived_ms, status);
    if (c == &r->children[CHILD_SERVER])
        r->serving = false;
    if (r->end_by_ms[c - r->children])
        r->end_by_ms[c - r->children] = r->look_ms = 0; /* those that waited for it have their turn */
    if (r->phase == RUNNING && c != &r->children[CHILD_SERVER] && WIFEXITED(status) &&
        WEXITSTATUS(status) == SIGNER_EXIT_PIN) {
        c->held = true;
        LOG(r->env, ERROR, "kithd", "the token refused the PIN: not started again until the PIN file is another one",
            log_str("child", c->name), log_str("pin_file", r->s->settings->hsm_pin_file));
        tell(r, notify_status(r->s->notify_socket, &e, "%s waits for the right PIN", c->name), &e);
        return;
    }
    if (r->phase == RUNNING)
        tell(r, notify_status(r->s->notify_socket, &e, "%s is started again", c->name), &e);
}

static void reap(struct run *r)
{
    for (;;) {
        siginfo_t info = {0};
        int status = 0;
        /* Looked at first and taken then: between the two its number is still its own, and so is its group's. */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        struct child *c = NULL;
        for (int i = 0; i < CHILDREN; i++)
            if (r->children[i].pid == info.si_pid)
                c = &r->children[i];
        if (c)
            child_kill(c); /* what it may have left behind */
        if (waitpid(info.si_pid, &status, 0) == info.si_pid && c)
            one_ended(r, c, status);
    }
}

/* --- sockets whose files are gone --- */

static void kill_late(struct run *r, const struct child *c)
{
    if (!c->pid)
        return;
    LOG(r->env, WARN, "kithd", "does not end; killed", log_str("child", c->name), log_int("pid", c->pid));
    child_kill(c);
}

/* Who listens where nobody finds it ends; its next life has a socket with a file. */
static void renew_socket(struct run *r, int which)
{
    struct socket_file *s = &r->sockets[which];
    struct child *c = &r->children[which];
    struct err e;
    if (!file_mkdir_private(r->run_dir, &e) || !socket_file_renew(s, &e)) {
        if (!r->told_gone)
            LOG(r->env, ERROR, "kithd", "a socket is gone and cannot be made again", log_str("socket", s->path),
                log_err(&e));
        r->told_gone = true;
        return;
    }
    LOG(r->env, ERROR, "kithd", "its socket was removed: started again with another", log_str("child", c->name),
        log_str("socket", s->path));
    r->told_gone = false;
    if (which != CHILD_SERVER)
        c->fd = s->fd;
    if (c->pid)
        r->end_by_ms[which] = env_mono_ms(r->env) + r->s->stop_ms;
    child_signal(c, SIGTERM);
}

/* As at the end the server goes first: what it has begun it ends with its signers. */
static void look_at_sockets(struct run *r)
{
    int64_t now = env_mono_ms(r->env);
    if (now < r->look_ms)
        return;
    r->look_ms = now + SOCKET_LOOK_MS;
    for (int i = CHILD_SERVER; i >= 0; i--) {
        if (r->end_by_ms[i] && now >= r->end_by_ms[i])
            kill_late(r, &r->children[i]);
        else if (!r->end_by_ms[i] && !socket_file_is_there(&r->sockets[i]) && (i != CHILD_SERVER || r->serving))
            renew_socket(r, i);
        if (i == CHILD_SERVER && r->end_by_ms[i])
            return;
    }
}

/* --- what comes in --- */

static void server_is_ready(struct run *r)
{
    struct err e;
    LOG(r->env, NOTICE, "kithd", "ready", log_int("ms", env_mono_ms(r->env) - r->children[CHILD_SERVER].started_ms));
    if (!r->was_ready)
        tell(r, notify_ready(r->s->notify_socket, &e), &e);
    r->was_ready = r->serving = true;
    tell(r, notify_status(r->s->notify_socket, &e, "ready"), &e);
}

static void read_ready(struct run *r)
{
    ssize_t n = read(r->ready[0], r->word + r->word_n, sizeof r->word - r->word_n);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        r->word_n += (size_t)n;
    size_t want = sizeof READY_WORD - 1;
    bool whole = r->word_n >= want, right = whole && memcmp(r->word, READY_WORD, want) == 0;
    if (right)
        server_is_ready(r);
    else if (whole)
        LOG(r->env, WARN, "kithd", "the server wrote another word than ready",
            log_slice("word", slice_of(r->word, r->word_n)));
    if (n <= 0 || whole)
        file_close(&r->ready[0]);
}

static void begin_stop(struct run *r, int sig)
{
    struct err e;
    if (r->phase != RUNNING)
        return;
    LOG(r->env, NOTICE, "kithd", "stopping", log_str("signal", sigabbrev_np(sig)));
    tell(r, notify_stopping(r->s->notify_socket, &e), &e);
    r->phase = STOPPING_SERVER;
    r->kill_ms = env_mono_ms(r->env) + r->s->stop_ms;
    child_signal(&r->children[CHILD_SERVER], SIGTERM);
}

static void read_signals(struct run *r)
{
    struct signalfd_siginfo info;
    while (read(r->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            break; /* reap() follows whatever came: signals of one kind are merged */
        case SIGHUP:
            LOG(r->env, INFO, "kithd", "SIGHUP goes to the server");
            child_signal(&r->children[CHILD_SERVER], SIGHUP);
            release_held(r, true);
            break;
        default:
            begin_stop(r, (int)info.ssi_signo);
        }
    }
}

/* --- the end --- */

/* Moves on when those of this phase are gone; SIGKILL for those that take too long. */
static void go_on_stopping(struct run *r)
{
    bool late = env_mono_ms(r->env) >= r->kill_ms;
    bool server = r->phase == STOPPING_SERVER;
    int from = server ? CHILD_SERVER : 0, to = server ? CHILDREN : CHILD_SERVER;
    bool left = false;
    for (int i = from; i < to; i++) {
        const struct child *c = &r->children[i];
        left = left || c->pid;
        if (late)
            kill_late(r, c);
    }
    if (late)
        r->kill_ms += r->s->stop_ms;
    if (left)
        return;
    if (!server) {
        r->phase = STOPPED;
        return;
    }
    r->phase = STOPPING_SIGNERS;
    r->kill_ms = env_mono_ms(r->env) + r->s->stop_ms;
    for (int i = 0; i < CHILD_SERVER; i++)
        child_signal(&r->children[i], SIGTERM);
    go_on_stopping(r); /* there may be none */
}

/* --- the loop --- */

static int wait_ms(const struct run *r)
{
    int64_t now = env_mono_ms(r->env), next = INT64_MAX;
    for (int i = 0; r->phase == RUNNING && i < CHILDREN; i++)
        if (!r->children[i].pid) {
            int64_t due = r->children[i].held ? now + HELD_LOOK_MS : r->children[i].restart_ms;
            next = due < next ? due : next;
        }
    next = r->look_ms < next ? r->look_ms : next;
    if (r->phase != RUNNING)
        next = r->kill_ms;
    if (r->s->watchdog_ms && r->watchdog_ms < next)
        next = r->watchdog_ms;
    if (next == INT64_MAX)
        return -1;
    int64_t left = next - now;
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void feed_watchdog(struct run *r)
{
    struct err e;
    int64_t now = env_mono_ms(r->env);
    if (!r->s->watchdog_ms || now < r->watchdog_ms)
        return;
    tell(r, notify_watchdog(r->s->notify_socket, &e), &e);
    r->watchdog_ms = now + r->s->watchdog_ms;
}

static bool turn(struct run *r, struct err *e)
{
    struct pollfd p[] = {{.fd = r->signals, .events = POLLIN}, {.fd = r->ready[0], .events = POLLIN}};
    if (poll(p, ARRAY_LEN(p), wait_ms(r)) < 0 && errno != EINTR)
        return err_set(e, ERR_INTERNAL, "cannot wait: %m");
    if (r->ready[0] >= 0 && p[1].revents)
        read_ready(r);
    read_signals(r);
    reap(r);
    if (r->phase == RUNNING) {
        look_at_sockets(r);
        start_due(r);
    } else
        go_on_stopping(r);
    feed_watchdog(r);
    return true;
}

bool supervise_run(const struct supervise *s, struct err *e)
{
    AUTO(run_clear)
    struct run r = {.s = s, .env = s->env, .lock = -1, .signals = -1, .ready = {-1, -1}};
    for (int i = 0; i < CHILDREN; i++)
        r.sockets[i].fd = -1;
    arena_init(&r.arena, ARENA_MAX);
    if (!take_directory(&r, e) || !open_signals(&r, e) || !prepare(&r, e))
        return false;
    start_due(&r);
    bool ok = true;
    while (ok && r.phase != STOPPED)
        ok = turn(&r, e);
    LOG(s->env, NOTICE, "kithd", "stopped");
    return ok;
}
