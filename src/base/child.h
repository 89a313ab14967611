/* One program of ours in a process of its own: how it is started, when it is started again, how it is ended; and one that is
 * asked something and ends, which is waited for here.  No other loop and no clock in here; who keeps it running
 * (supervisor/supervise.h) hands the time in and tells when a process has ended. */
#ifndef KITH_BASE_CHILD_H
#define KITH_BASE_CHILD_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"

#define CHILD_ARGS_MAX 9
#ifndef CHILD_BACKOFF_MS /* tests/crash has other ones */
#define CHILD_BACKOFF_MS   100
#define CHILD_GOOD_LIFE_MS 60000 /* a process that lived so long is not one that cannot start */
#endif
#define CHILD_BACKOFF_MAX 10000

struct child {
    const char *name; /* for the log: "signer issuing" */
    const char *path;
    const char *argv[CHILD_ARGS_MAX]; /* NULL-terminated */
    char *const *envp;
    int fd, fd_as; /* a descriptor of ours, and its number there (3 or more); fd -1: none */
    int said;      /* a descriptor of ours that its stderr goes to; 0: to our own */
    pid_t pid;     /* 0: not running */
    int64_t started_ms, restart_ms;
    bool held;          /* not to be started again before something has changed */
    int64_t backoff_ms; /* what the next wait will be; 0: not failed lately */
};

/* Starts it: own process group (a Ctrl-C at the terminal is for kithd alone, which then ends them in order), SIGTERM when
 * kithd dies, stdin /dev/null, stderr and stdout ours, nothing else open but c->fd, the environment c->envp, signals as
 * after boot.  Errors: child-start. */
MUST_USE bool child_start(struct child *c, int64_t now_ms, struct err *e);
/* Starts one that looks at something, says on stderr what is wrong and ends.  Errors: child-start (a signal ended it, or our
 * patience, after a minute). */
MUST_USE bool child_check(struct child *c, int *status, struct err *e);
/* The same, and `said` gets what it said on stderr.  Errors: io too. */
MUST_USE bool child_check_said(struct child *c, struct buf *said, int *status, struct err *e);
/* To be called when its process has ended: sets when it is to be started again. */
void child_ended(struct child *c, int64_t now_ms);
void child_signal(const struct child *c, int sig); /* the process */
void child_kill(const struct child *c);            /* SIGKILL to its whole group */
/* The environment of every child: a fixed PATH and locale, and of ours only the variables that a part below reads.
 * In the arena; NULL if it is full. */
char **child_environment(char *const *ours, struct arena *a);

#endif
