/* The supervisor: makes the signers' sockets, starts signers and server, starts again what dies, ends all in order.
 *
 * One thread, one poll loop over a signalfd and the server's "ready" pipe.  It reads nothing that comes from a network, and
 * of the ready pipe only whether the word is there.
 *
 * There is no sandbox of seccomp or Landlock around kithd: both are inherited by its children, and a filter wide enough for
 * the server (all TCP), the signers (any PKCS#11 module with its files, sockets and device nodes) and execve() would hold
 * nothing back.  The children close their own, tighter ones.  What kithd itself gives up is the gaining of privileges
 * (PR_SET_NO_NEW_PRIVS); the systemd unit does the rest. */
#ifndef KITH_SUPERVISOR_SUPERVISE_H
#define KITH_SUPERVISOR_SUPERVISE_H

#include "base/env.h"
#include "model/settings.h"

enum supervise_child { CHILD_ISSUING, CHILD_LEDGER, CHILD_SERVER, CHILDREN };

struct supervise {
    const struct env *env;
    const struct settings *settings;
    const char *config;          /* path of kith.conf, as the children get it */
    const char *signer, *server; /* the executables */
    char *const *environ;        /* kithd's own */
    const char *notify_socket;   /* $NOTIFY_SOCKET or NULL */
    int64_t watchdog_ms;         /* 0: none */
    bool accept_clock;           /* the signers are told that the clock is right */
    int64_t stop_ms;             /* how long a child may take to end; then SIGKILL */
};

/* Runs until SIGTERM or SIGINT, true then.  Errors: locked (another kithd), io, file-mode, child-start. */
MUST_USE bool supervise_run(const struct supervise *s, struct err *e);

#endif
