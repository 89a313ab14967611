/* The process gives up what it will not need: capabilities, file paths and TCP ports by Landlock, system calls by seccomp.
 *
 * Of capabilities none is left, in no set: root is then a user like others, who opens no file of somebody else.  Who listens on
 * a port below 1024 keeps CAP_NET_BIND_SERVICE until sandbox_end_listening().
 *
 * What Landlock cannot limit on an older kernel stays open but for what system calls without memory show: signals and resource
 * limits go to the process itself only.
 *
 * Called once, before any thread is started and after everything privileged was opened; children inherit it.  Landlock
 * is used as far as the running kernel knows it (the report says how far); seccomp is always there or sandbox_enter()
 * fails.  What is denied fails with EPERM or EACCES, so that it can be seen in the log; the acts that only an attacker
 * tries (ptrace, mount, bpf, modules, keyrings, userfaultfd, perf) end the process. */
#ifndef KITH_BASE_SANDBOX_H
#define KITH_BASE_SANDBOX_H

#include "base/buf.h"

enum sandbox_right {
    SANDBOX_READ = 1,  /* files and directories beneath */
    SANDBOX_WRITE = 2, /* write, create, remove, rename beneath */
    SANDBOX_EXEC = 4,  /* also needs policy.exec */
};

struct sandbox_path {
    const char *path; /* one that does not exist is skipped, and the report counts it */
    unsigned rights;
};

struct sandbox_policy {
    const struct sandbox_path *paths;
    size_t paths_n;
    /* TCP ports, each kind only with inet.  The any_ forms lift the limit. */
    const uint16_t *connect_ports, *bind_ports;
    size_t connect_n, bind_n;
    bool any_connect, any_bind;
    bool inet;  /* may make TCP sockets over IPv4 and IPv6; with any_connect, UDP sockets too */
    bool local; /* may make AF_UNIX sockets */
    /* May bind and listen, until sandbox_end_listening().  Landlock looks at bind(2) only: listen(2) on a socket without an
     * address takes a port of the kernel's choice. */
    bool listen;
    bool exec; /* may run programs (SANDBOX_EXEC paths) */
    bool fork; /* may make processes; threads are always allowed */
};

#define SANDBOX_REPORT_MAX 256

struct sandbox_report {
    int landlock_abi;                 /* 0: the kernel has none */
    bool paths, ports, scope;         /* limited by Landlock: files, TCP ports, signals and abstract sockets */
    bool calls;                       /* limited by seccomp */
    unsigned skipped;                 /* paths that do not exist */
    char missing[SANDBOX_REPORT_MAX]; /* what this kernel cannot limit, "" if nothing */
};

/* Errors: sandbox (threads exist already, a path cannot be opened, the kernel refuses). */
MUST_USE bool sandbox_enter(const struct sandbox_policy *policy, struct sandbox_report *report, struct err *e);
/* The part of it that a check takes on, to find what the sandboxed process will not be allowed, and to stay able to look: the
 * capabilities. */
MUST_USE bool sandbox_drop_capabilities(const struct sandbox_policy *policy, struct err *e);
/* No thread of this process listens any more, nor, unless it connects to others, makes a socket of the internet: what it has
 * goes on.  Only with policy.listen. */
MUST_USE bool sandbox_end_listening(bool connects, struct err *e);
/* One line for `doctor`. */
void sandbox_put_status(struct buf *b, const struct sandbox_report *report);
#define SANDBOX_ABI_PORTS 4 /* TCP ports are limited from here on: Linux 6.7 */
/* Landlock's version in this kernel, 0 for none. */
int sandbox_landlock_abi(void);

#endif
