#include "base/sandbox_seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a server on libevent, OpenSSL and SQLite, and a PKCS#11 module in a signer, ask of the kernel.  By name, because not
 * every architecture has every call; a name that the library does not know is passed over. */
static const char *const allowed[] = {
    /* memory */
    "brk",
    "mmap",
    "mmap2",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mlock",
    "mlock2",
    "munlock",
    "msync",
    "mincore",
    "membarrier",
    /* files that are open, and paths (Landlock says which) */
    "read",
    "pread64",
    "readv",
    "preadv",
    "preadv2",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "pwritev2",
    "close",
    "close_range",
    "lseek",
    "_llseek",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fallocate",
    "ftruncate",
    "ftruncate64",
    "truncate",
    "fstat",
    "fstat64",
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "statfs",
    "statfs64",
    "fstatfs",
    "fstatfs64",
    "open",
    "openat",
    "access",
    "faccessat",
    "faccessat2",
    "getcwd",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fcntl",
    "fcntl64",
    "flock",
    "fchmod",

    "fchown",
    "umask",
    "fadvise64",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "copy_file_range",
    "sendfile",
    "sendfile64",
    "memfd_create",
    /* waiting, time, threads, signals */
    "poll",
    "ppoll",
    "ppoll_time64",
    "select",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "signalfd",
    "signalfd4",
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "gettimeofday",
    "time",
    "nanosleep",
    "getitimer",
    "setitimer",
    "futex",
    "futex_time64",
    "futex_waitv",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "set_tid_address",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "rt_sigtimedwait",
    "rt_sigpending",
    "rt_sigsuspend",
    "sigaltstack",
    "exit",
    "exit_group",
    "restart_syscall",
    "wait4",
    "waitid",
    "pause",
    "alarm",
    /* who we are, how much there is */
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getgroups",
    "getresuid",
    "getresgid",
    "getpgrp",
    "getpgid",
    "getsid",
    "uname",
    "sysinfo",
    "getrlimit",
    "ugetrlimit",
    "getrusage",
    "times",
    "getcpu",
    "getrandom",
    "arch_prctl",
    "getpriority",
    /* sockets that exist (socket(2) itself depends on the policy) */
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "shutdown",
};

/* Nobody but an attacker tries these from here. */
static const char *const deadly[] = {
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsmount",
    "fsconfig",
    "fspick",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "keyctl",
    "add_key",
    "request_key",
    "reboot",
    "swapon",
    "swapoff",
    "iopl",
    "ioperm",
    "acct",
    "quotactl",
    "open_by_handle_at",
    "name_to_handle_at",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "personality",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "syslog",
    "nfsservctl",
    "vhangup",
    "lookup_dcookie",
    "fanotify_init",
};

#define SOCKET_TYPE     0xf /* of socket(2)'s second argument; the rest are flags */
#define CALL_UNKNOWN(n) ((n) == __NR_SCMP_ERROR)

static bool add(scmp_filter_ctx f, uint32_t action, const char *name)
{
    int n = seccomp_syscall_resolve_name(name);
    return CALL_UNKNOWN(n) || n < 0 || seccomp_rule_add(f, action, n, 0) == 0;
}

static bool add_all(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!add(f, action, names[i]))
            return false;
    return true;
}

/* Allows a call whose argument is this int; what stands in the register's upper half does not count. */
static bool add_if(scmp_filter_ctx f, int call, unsigned arg, uint32_t value)
{
    const struct scmp_arg_cmp is = {.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = value};
    return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &is) == 0;
}

static bool add_inet(scmp_filter_ctx f, uint32_t type, uint32_t protocol)
{
    static const uint32_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2 * ARRAY_LEN(families); i++) {
        const struct scmp_arg_cmp is[] = {
            {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = families[i / 2]},
            {.arg = 1, .op = SCMP_CMP_MASKED_EQ, .datum_a = SOCKET_TYPE, .datum_b = type},
            {.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = i % 2 ? protocol : 0},
        };
        if (seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), ARRAY_LEN(is), is) != 0)
            return false;
    }
    return true;
}

/* Landlock knows the ports of TCP only: raw sockets, UDP, MPTCP and their like would go round it.  Names are asked for by
 * UDP; who may connect to any port may do that too. */
static bool add_sockets(scmp_filter_ctx f, const struct sandbox_policy *p)
{
    /* A pair reaches nobody but this process and its children. */
    return add_if(f, SCMP_SYS(socketpair), 0, AF_UNIX) && (!p->local || add_if(f, SCMP_SYS(socket), 0, AF_UNIX)) &&
           (!p->inet || add_inet(f, SOCK_STREAM, IPPROTO_TCP)) &&
           (!p->inet || !p->any_connect || add_inet(f, SOCK_DGRAM, IPPROTO_UDP));
}

/* MSG_FASTOPEN connects without connect(2), where Landlock looks. */
static bool add_sends(scmp_filter_ctx f)
{
    const struct {
        int call;
        unsigned flags;
    } sends[] = {{SCMP_SYS(sendto), 3}, {SCMP_SYS(sendmsg), 2}, {SCMP_SYS(sendmmsg), 3}};
    for (size_t i = 0; i < ARRAY_LEN(sends); i++) {
        const struct scmp_arg_cmp is = {.arg = sends[i].flags, .op = SCMP_CMP_MASKED_EQ, .datum_a = MSG_FASTOPEN};
        if (seccomp_rule_add_array(f, SCMP_ACT_ALLOW, sends[i].call, 1, &is) != 0)
            return false;
    }
    return true;
}

static bool add_processes(scmp_filter_ctx f, const struct sandbox_policy *p)
{
    /* clone3 keeps its flags in memory, where a filter cannot look; told that it does not exist, libc takes clone. */
    if (seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0)
        return false;
    if (!p->fork)
        return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) == 0;
    /* Processes, but no new namespaces. */
    const scmp_datum_t spaces =
        CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    return seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0_64(SCMP_CMP_MASKED_EQ, spaces, 0)) == 0 &&
           add(f, SCMP_ACT_ALLOW, "fork") && add(f, SCMP_ACT_ALLOW, "vfork");
}

static bool add_narrowed(scmp_filter_ctx f)
{
    static const uint32_t ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
    static const uint32_t prctls[] = {PR_SET_NAME,      PR_GET_NAME,         PR_SET_DUMPABLE,    PR_GET_DUMPABLE,
                                      PR_SET_PDEATHSIG, PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS};
    for (size_t i = 0; i < ARRAY_LEN(ioctls); i++)
        if (!add_if(f, SCMP_SYS(ioctl), 1, ioctls[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(prctls); i++)
        if (!add_if(f, SCMP_SYS(prctl), 0, prctls[i]))
            return false;
    return true;
}

/* To others it would matter; without children nobody is ours. */
static bool add_self_only(scmp_filter_ctx f, const struct sandbox_policy *p)
{
    const uint32_t self = (uint32_t)getpid();
    if (p->fork)
        return add(f, SCMP_ACT_ALLOW, "kill") && add(f, SCMP_ACT_ALLOW, "tgkill") &&
               add(f, SCMP_ACT_ALLOW, "prlimit64");
    return add_if(f, SCMP_SYS(kill), 0, self) && add_if(f, SCMP_SYS(tgkill), 0, self) &&
           add_if(f, SCMP_SYS(prlimit64), 0, self) && add_if(f, SCMP_SYS(prlimit64), 0, 0);
}

/* The second filter, which ends the listening, is a system call as well. */
static bool add_listening(scmp_filter_ctx f, const struct sandbox_policy *p)
{
    return !p->listen || (add(f, SCMP_ACT_ALLOW, "bind") && add(f, SCMP_ACT_ALLOW, "listen") &&
                          add(f, SCMP_ACT_ALLOW, "capset") && add_if(f, SCMP_SYS(seccomp), 0, SECCOMP_SET_MODE_FILTER));
}

static void filter_free(scmp_filter_ctx *f)
{
    if (*f)
        seccomp_release(*f);
}

bool sandbox_seccomp_enter(const struct sandbox_policy *p, struct err *e)
{
    AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!f)
        return err_set(e, ERR_SANDBOX, "no memory for the system call filter");
    bool ok = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0;
    /* A balanced tree of comparisons instead of a chain: fewer instructions a call. */
    ok = ok && seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0;
    ok = ok && add_all(f, SCMP_ACT_ALLOW, allowed, ARRAY_LEN(allowed));
    ok = ok && add_all(f, SCMP_ACT_KILL_PROCESS, deadly, ARRAY_LEN(deadly));
    ok = ok && add_sockets(f, p) && add_sends(f) && add_processes(f, p) && add_narrowed(f) && add_self_only(f, p) &&
         add_listening(f, p);
    ok = ok && (!p->exec || (add(f, SCMP_ACT_ALLOW, "execve") && add(f, SCMP_ACT_ALLOW, "execveat")));
    if (!ok)
        return err_set(e, ERR_SANDBOX, "libseccomp refuses a rule");
    int n = seccomp_load(f);
    errno = -n;
    return n == 0 || err_set(e, ERR_SANDBOX, "the kernel refuses the system call filter: %m");
}

static bool deny_inet(scmp_filter_ctx f)
{
    static const uint32_t families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct scmp_arg_cmp is = {
            .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = families[i]};
        if (seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, &is) != 0)
            return false;
    }
    return true;
}

bool sandbox_seccomp_end_listening(bool connects, struct err *e)
{
    static const char *const ended[] = {"bind", "listen", "capset", "seccomp"};
    AUTO(filter_free) scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f)
        return err_set(e, ERR_SANDBOX, "no memory for the system call filter");
    if (seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) != 0 ||
        !add_all(f, SCMP_ACT_ERRNO(EPERM), ended, ARRAY_LEN(ended)) || (!connects && !deny_inet(f)))
        return err_set(e, ERR_SANDBOX, "libseccomp refuses a rule");
    int n = seccomp_load(f);
    errno = -n;
    return n == 0 || err_set(e, ERR_SANDBOX, "the kernel refuses the filter that ends listening: %m");
}
