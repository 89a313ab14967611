#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sandbox.h"

/* Each act is done by a child of its own, once with the sandbox off (it must succeed) and once with it on. */

#define ACT_DONE    0
#define ACT_REFUSED 1 /* EPERM or EACCES */
#define ACT_FAILED  2 /* for another reason */
#define ACT_KILLED  3 /* by seccomp */
#define NO_SANDBOX  4

#define PORT_LOW 1019

static char dir[64];
static pid_t neighbour;                  /* a process outside the sandbox */
static struct sockaddr_in server, other; /* two listening TCP sockets */

static int verdict(bool ok)
{
    return ok ? ACT_DONE : errno == EPERM || errno == EACCES ? ACT_REFUSED : ACT_FAILED;
}

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int open_act(const char *name, int flags)
{
    int fd = open(in_dir(name), flags, 0600);
    return verdict(fd >= 0);
}

static int read_inside(void)
{
    return open_act("in/file", O_RDONLY);
}

static int write_inside(void)
{
    int fd = open(in_dir("in/new"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    return verdict(fd >= 0 && write(fd, "x", 1) == 1 && unlink(in_dir("in/new")) == 0);
}

/* Nobody's mode lets anybody in; CAP_DAC_OVERRIDE does. */
static int read_closed(void)
{
    return open_act("in/closed", O_RDONLY);
}

static int change_owner(void)
{
    int fd = open(in_dir("in/file"), O_RDONLY);
    return verdict(fd >= 0 && fchown(fd, 12345, 12345) == 0 && fchown(fd, getuid(), getgid()) == 0);
}

static int listen_low(void)
{
    /* A port that is privileged and, of the machine's users, nobody's. */
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(PORT_LOW)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return verdict(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
}

static int read_outside(void)
{
    return open_act("out/file", O_RDONLY);
}

static int read_passwords(void)
{
    return verdict(open("/etc/passwd", O_RDONLY) >= 0);
}

static int write_what_may_be_read(void)
{
    return open_act("ro/file", O_WRONLY);
}

static int create_where_may_be_read(void)
{
    return open_act("ro/new", O_WRONLY | O_CREAT);
}

static int read_what_may_be_read(void)
{
    return open_act("ro/file", O_RDONLY);
}

static int remove_outside(void)
{
    return verdict(mkdir(in_dir("out/d"), 0700) == 0 && rmdir(in_dir("out/d")) == 0);
}

static int truncate_outside(void)
{
    return verdict(truncate(in_dir("out/file"), 1) == 0);
}

static int change_mode_outside(void)
{
    return verdict(chmod(in_dir("out/file"), 0600) == 0);
}

static int run_program(void)
{
    char *const argv[] = {"/bin/true", NULL}, *const envp[] = {NULL};
    execve("/bin/true", argv, envp);
    return verdict(false);
}

static int fork_act(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return verdict(child > 0 && waitpid(child, NULL, 0) == child);
}

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t t;
    errno = pthread_create(&t, NULL, nothing, NULL);
    return verdict(errno == 0 && pthread_join(t, NULL) == 0);
}

static int socket_act(int family, int type)
{
    return verdict(socket(family, type, 0) >= 0);
}

static int datagram_socket(void)
{
    return socket_act(AF_INET, SOCK_DGRAM);
}

static int connect_fast_elsewhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return verdict(fd >= 0 && sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&other, sizeof other) == 1);
}

static int inet_socket(void)
{
    return socket_act(AF_INET, SOCK_STREAM);
}

static int local_socket(void)
{
    return socket_act(AF_UNIX, SOCK_STREAM);
}

static int netlink_socket(void)
{
    return socket_act(AF_NETLINK, SOCK_RAW);
}

static int connect_to(const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return verdict(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
}

static int connect_allowed(void)
{
    return connect_to(&server);
}

static int connect_other(void)
{
    return connect_to(&other);
}

static int listen_anywhere(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return verdict(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && listen(fd, 1) == 0);
}

static int signal_neighbour(void)
{
    return verdict(kill(neighbour, 0) == 0);
}

static int signal_group(void)
{
    return verdict(kill(0, 0) == 0);
}

static int signal_self(void)
{
    return verdict(kill(getpid(), 0) == 0 && pthread_kill(pthread_self(), 0) == 0);
}

static int limit_neighbour(void)
{
    struct rlimit l;
    return verdict(prlimit(neighbour, RLIMIT_CORE, NULL, &l) == 0 && prlimit(neighbour, RLIMIT_CORE, &l, NULL) == 0);
}

static int limit_self(void)
{
    struct rlimit l;
    return verdict(getrlimit(RLIMIT_CORE, &l) == 0 && setrlimit(RLIMIT_CORE, &l) == 0);
}

static int become_another(void)
{
    return verdict(syscall(SYS_setresuid, getuid(), getuid(), getuid()) == 0);
}

/* The kernel chooses a port; Landlock is not asked. */
static int listen_unbound(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return verdict(fd >= 0 && listen(fd, 1) == 0);
}

static int trace_neighbour(void)
{
    return verdict(ptrace(PTRACE_SEIZE, neighbour, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, neighbour, 0, 0) == 0);
}

static int read_neighbour(void)
{
    char c[4] = {0};
    return verdict(syscall(SYS_process_vm_readv, neighbour, NULL, 0UL, NULL, 0UL, 0UL) == 0 && c[0] == 0);
}

static int use_keyring(void)
{
    return verdict(syscall(SYS_add_key, "user", "kith-test", "x", 1UL, -1 /* thread keyring */) > 0);
}

static int mount_act(void)
{
    /* In a mount namespace of its own, made before the sandbox was entered. */
    return verdict(mount("none", in_dir("out"), "tmpfs", 0, NULL) == 0);
}

static int new_namespace(void)
{
    return verdict(unshare(CLONE_NEWUTS) == 0);
}

static int bpf_act(void)
{
    union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return verdict(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a) >= 0);
}

static int perf_act(void)
{
    struct perf_event_attr a = {.type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_TASK_CLOCK};
    return verdict(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0UL) >= 0);
}

static int fault_act(void)
{
    return verdict(syscall(SYS_userfaultfd, O_CLOEXEC) >= 0);
}

static int load_module(void)
{
    /* No module can be loaded in a test: that the kernel looked at the file is success enough. */
    long n = syscall(SYS_finit_module, -1, "", 0);
    return n < 0 && (errno == EBADF || errno == ENOEXEC) ? ACT_DONE : verdict(n == 0);
}

static int set_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return verdict(clock_settime(CLOCK_REALTIME, &t) == 0);
}

static int ring_act(void)
{
    uint8_t params[256] = {0};
    return verdict(syscall(SYS_io_uring_setup, 1, params) >= 0);
}

struct act {
    const char *name;
    int (*run)(void);
    int with_sandbox;
    bool needs_kernel; /* skipped where the kernel was built without it (ENOSYS and the like with the sandbox off) */
    int abi;           /* of Landlock; an older kernel cannot deny it */
};

enum { FILES = 1, TRUNCATION = 3, PORTS = SANDBOX_ABI_PORTS };

static const struct act closed_acts[] = {
    {"read inside", read_inside, ACT_DONE, false, 0},
    {"write inside", write_inside, ACT_DONE, false, 0},
    {"read what may be read", read_what_may_be_read, ACT_DONE, false, 0},
    {"start a thread", start_thread, ACT_DONE, false, 0},
    {"read what its mode closes, as root", read_closed, ACT_REFUSED, true, 0},
    {"give a file away, as root", change_owner, ACT_REFUSED, true, 0},
    {"read outside", read_outside, ACT_REFUSED, false, FILES},
    {"read /etc/passwd", read_passwords, ACT_REFUSED, false, FILES},
    {"write what may be read", write_what_may_be_read, ACT_REFUSED, false, FILES},
    {"create where may be read", create_where_may_be_read, ACT_REFUSED, false, FILES},
    {"make and remove outside", remove_outside, ACT_REFUSED, false, FILES},
    {"truncate outside", truncate_outside, ACT_REFUSED, false, TRUNCATION},
    {"change a mode outside", change_mode_outside, ACT_REFUSED, false, 0},
    {"run a program", run_program, ACT_REFUSED, false, 0},
    {"fork", fork_act, ACT_REFUSED, false, 0},
    {"make an internet socket", inet_socket, ACT_REFUSED, false, 0},
    {"make a local socket", local_socket, ACT_REFUSED, false, 0},
    {"make a netlink socket", netlink_socket, ACT_REFUSED, false, 0},
    {"signal another process", signal_neighbour, ACT_REFUSED, false, 0},
    {"signal all of its group", signal_group, ACT_REFUSED, false, 0},
    {"signal itself", signal_self, ACT_DONE, false, 0},
    {"lower another's limits", limit_neighbour, ACT_REFUSED, false, 0},
    {"lower its own limits", limit_self, ACT_DONE, false, 0},
    {"become somebody else", become_another, ACT_REFUSED, false, 0},
    {"listen without an address", listen_unbound, ACT_REFUSED, false, 0},
    {"trace another process", trace_neighbour, ACT_KILLED, false, 0},
    {"read another process", read_neighbour, ACT_KILLED, false, 0},
    {"use a keyring", use_keyring, ACT_KILLED, true, 0},
    {"mount", mount_act, ACT_KILLED, true, 0},
    {"make a namespace", new_namespace, ACT_KILLED, true, 0},
    {"load a bpf map", bpf_act, ACT_KILLED, true, 0},
    {"open a perf event", perf_act, ACT_KILLED, true, 0},
    {"handle page faults", fault_act, ACT_KILLED, true, 0},
    {"load a module", load_module, ACT_KILLED, true, 0},
    {"set the clock", set_clock, ACT_KILLED, true, 0},
    {"set up io_uring", ring_act, ACT_KILLED, true, 0},
};

static const struct act open_acts[] = {
    {"make an internet socket", inet_socket, ACT_DONE, false, 0},
    {"make a datagram socket", datagram_socket, ACT_REFUSED, false, 0},
    {"connect elsewhere by a first send", connect_fast_elsewhere, ACT_REFUSED, false, 0},
    {"make a local socket", local_socket, ACT_DONE, false, 0},
    {"make a netlink socket", netlink_socket, ACT_REFUSED, false, 0},
    {"connect to an allowed port", connect_allowed, ACT_DONE, false, 0},
    {"connect to another port", connect_other, ACT_REFUSED, false, PORTS},
    {"listen on a port that is not allowed", listen_anywhere, ACT_REFUSED, false, PORTS},
    {"run a program", run_program, ACT_DONE, false, 0},
    {"fork", fork_act, ACT_DONE, false, 0},
    {"start a thread", start_thread, ACT_DONE, false, 0},
    {"make a namespace", new_namespace, ACT_KILLED, true, 0},
    {"read outside", read_outside, ACT_REFUSED, false, FILES},
};

/* What run_act() gives: the act's verdict, or how the child ended. */
static int run_act(const struct act *a, const struct sandbox_policy *policy)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct sandbox_report report;
        struct err e = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (a->run == mount_act && unshare(CLONE_NEWNS) == 0 &&
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            _exit(ACT_FAILED);
        if (policy && !sandbox_enter(policy, &report, &e)) {
            fprintf(stderr, "%s\n", e.what);
            _exit(NO_SANDBOX);
        }
        _exit(a->run());
    }
    if (waitpid(child, &status, 0) != child)
        return -1;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? ACT_KILLED : -1;
    return WEXITSTATUS(status);
}

static void try_each(const struct act *acts, size_t n, const struct sandbox_policy *policy)
{
    for (size_t i = 0; i < n; i++) {
        int off = run_act(&acts[i], NULL);
        /* Without root, or in a container, some acts fail anyway: then the row proves nothing and says so. */
        if (off != ACT_DONE && acts[i].needs_kernel) {
            print_message("not possible here even without the sandbox: %s\n", acts[i].name);
            continue;
        }
        if (off != ACT_DONE)
            fail_msg("%s: fails without the sandbox (%d)", acts[i].name, off);
        if (acts[i].abi > sandbox_landlock_abi()) {
            print_message("this kernel's Landlock cannot deny it: %s\n", acts[i].name);
            continue;
        }
        int on = run_act(&acts[i], policy);
        if (on != acts[i].with_sandbox)
            fail_msg("%s: %d with the sandbox, not %d", acts[i].name, on, acts[i].with_sandbox);
    }
}

static void denies_a_signer_all_but_its_directory(void **state)
{
    (void)state;
    char in[128], ro[128];
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(ro, sizeof ro, "%s/ro", dir);
    const struct sandbox_path paths[] = {
        {in, SANDBOX_READ | SANDBOX_WRITE}, {ro, SANDBOX_READ}, {"/no/such/path", SANDBOX_READ}};
    const struct sandbox_policy policy = {.paths = paths, .paths_n = ARRAY_LEN(paths)};
    try_each(closed_acts, ARRAY_LEN(closed_acts), &policy);
}

static void denies_a_server_other_ports_and_paths(void **state)
{
    (void)state;
    const uint16_t ports[] = {ntohs(server.sin_port)};
    const struct sandbox_path paths[] = {{"/bin", SANDBOX_READ | SANDBOX_EXEC},
                                         {"/usr", SANDBOX_READ | SANDBOX_EXEC},
                                         {"/lib", SANDBOX_READ | SANDBOX_EXEC},
                                         {"/lib64", SANDBOX_READ | SANDBOX_EXEC},
                                         {"/etc/ld.so.cache", SANDBOX_READ}};
    const struct sandbox_policy policy = {.paths = paths,
                                          .paths_n = ARRAY_LEN(paths),
                                          .connect_ports = ports,
                                          .connect_n = ARRAY_LEN(ports),
                                          .inet = true,
                                          .local = true,
                                          .listen = true,
                                          .exec = true,
                                          .fork = true};
    try_each(open_acts, ARRAY_LEN(open_acts), &policy);
}

/* A signer whose token is behind a network. */
static void denies_a_signer_all_but_its_peer(void **state)
{
    (void)state;
    static const struct act acts[] = {
        {"connect to its peer", connect_allowed, ACT_DONE, false, 0},
        {"connect to another port", connect_other, ACT_REFUSED, false, PORTS},
        {"connect elsewhere by a first send", connect_fast_elsewhere, ACT_REFUSED, false, 0},
        {"listen on a port", listen_anywhere, ACT_REFUSED, false, 0},
        {"listen without an address", listen_unbound, ACT_REFUSED, false, 0},
        {"make a datagram socket", datagram_socket, ACT_REFUSED, false, 0},
        {"make a local socket", local_socket, ACT_REFUSED, false, 0},
        {"read outside", read_outside, ACT_REFUSED, false, FILES},
    };
    const uint16_t ports[] = {ntohs(server.sin_port)};
    const struct sandbox_policy policy = {.connect_ports = ports, .connect_n = 1, .inet = true};
    try_each(acts, ARRAY_LEN(acts), &policy);
}

/* A port below 1024 takes a capability: it is there for who listens on one, and for nobody else. */
static void keeps_the_right_to_a_low_port_only(void **state)
{
    (void)state;
    static const struct act low[] = {{"listen on a low port", listen_low, ACT_DONE, true, 0},
                                     {"read what its mode closes, as root", read_closed, ACT_REFUSED, true, 0}},
                            high[] = {{"listen on a low port", listen_low, ACT_REFUSED, true, 0}};
    char in[128];
    snprintf(in, sizeof in, "%s/in", dir);
    const struct sandbox_path paths[] = {{in, SANDBOX_READ | SANDBOX_WRITE}};
    const uint16_t ports[] = {8443, PORT_LOW};
    struct sandbox_policy policy = {
        .paths = paths, .paths_n = 1, .bind_ports = ports, .bind_n = 2, .inet = true, .listen = true};
    try_each(low, ARRAY_LEN(low), &policy);
    policy.bind_n = 1;
    try_each(high, ARRAY_LEN(high), &policy);
}

static int fresh_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

struct listening {
    int go, socket, result;
};

static void *listen_in_thread(void *arg)
{
    struct listening *l = arg;
    char c;
    if (read(l->go, &c, 1) == 1)
        l->result = verdict(listen(l->socket, 1) == 0);
    return NULL;
}

/* Exit code 0: nobody listens any more, and what listens goes on. */
static int listen_and_end(bool end, bool connects)
{
    const struct sandbox_policy policy = {.inet = true, .listen = true, .any_bind = true, .any_connect = true};
    struct sandbox_report report;
    struct err e = {0};
    int fds[2];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    pthread_t t;
    if (!sandbox_enter(&policy, &report, &e) || pipe(fds) != 0)
        return NO_SANDBOX;
    int door = fresh_socket(), client = fresh_socket(), unbound = fresh_socket(), another = fresh_socket(),
        free_one = fresh_socket();
    struct listening l = {.go = fds[0], .socket = another, .result = ACT_FAILED};
    if (bind(door, (struct sockaddr *)&at, sizeof at) != 0 || listen(door, 1) != 0 ||
        getsockname(door, (struct sockaddr *)&at, &n) != 0)
        return ACT_FAILED;
    if (pthread_create(&t, NULL, listen_in_thread, &l) != 0)
        return ACT_FAILED;
    if (end && !sandbox_end_listening(connects, &e))
        return NO_SANDBOX;
    bool ok = write(fds[1], "x", 1) == 1 && pthread_join(t, NULL) == 0;
    ok = ok && connect(client, (struct sockaddr *)&at, sizeof at) == 0 && accept(door, NULL, NULL) >= 0;
    at.sin_port = 0;
    int want = end ? ACT_REFUSED : ACT_DONE;
    ok = ok && l.result == want && verdict(listen(unbound, 1) == 0) == want &&
         verdict(bind(free_one, (struct sockaddr *)&at, sizeof at) == 0) == want &&
         verdict(fresh_socket() >= 0) == (end && !connects ? ACT_REFUSED : ACT_DONE);
    /* nor is a filter put on top that would let it: the call for that is closed as well */
    return ok && (!end || (!sandbox_end_listening(connects, &e) && e.code == ERR_SANDBOX)) ? 0 : ACT_FAILED;
}

static void ends_listening_in_all_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        bool end = i > 0;
        int status;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(listen_and_end(end, i == 2));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("listening %s: status 0x%x", end ? "ended" : "goes on", (unsigned)status);
    }
}

static void *wait_for_end(void *fd)
{
    char c;
    ssize_t n = read((int)(intptr_t)fd, &c, 1);
    (void)n;
    return NULL;
}

static void refuses_to_begin_when_threads_exist(void **state)
{
    (void)state;
    struct err e = {0};
    struct sandbox_report report;
    const struct sandbox_policy policy = {0};
    pthread_t t;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(pthread_create(&t, NULL, wait_for_end, (void *)(intptr_t)fds[0]), 0);
    assert_err(sandbox_enter(&policy, &report, &e), e, ERR_SANDBOX);
    close(fds[1]);
    pthread_join(t, NULL);
    close(fds[0]);
}

static void says_what_it_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    struct sandbox_report r = {0};
    sandbox_put_status(&b, &r);
    assert_string_equal(buf_str(&b), "sandbox off");
    buf_reset(&b);
    r = (struct sandbox_report){.landlock_abi = 3, .paths = true, .calls = true, .skipped = 2, .missing = "TCP ports"};
    sandbox_put_status(&b, &r);
    assert_string_equal(buf_str(&b), "sandbox on: system calls, files (Landlock version 3); this kernel cannot limit: "
                                     "TCP ports; 2 paths did not exist");
    buf_clear(&b);
}

static int listener(struct sockaddr_in *at)
{
    socklen_t n = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd >= 0 && bind(fd, (struct sockaddr *)at, n) == 0 && listen(fd, 64) == 0 &&
                   getsockname(fd, (struct sockaddr *)at, &n) == 0
               ? 0
               : -1;
}

static int start(void **state)
{
    (void)state;
    char cmd[300];
    strcpy(dir, "/tmp/kith-sandbox-XXXXXX");
    if (!mkdtemp(dir) || listener(&server) != 0 || listener(&other) != 0)
        return -1;
    snprintf(cmd, sizeof cmd,
             "cd '%s' && mkdir in out ro && echo hello | tee in/file out/file in/closed > ro/file && "
             "chmod 0 in/closed",
             dir);
    if (system(cmd) != 0)
        return -1;
    neighbour = fork();
    if (neighbour == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return neighbour > 0 ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    char cmd[128];
    kill(neighbour, SIGKILL);
    waitpid(neighbour, NULL, 0);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denies_a_signer_all_but_its_directory),
        cmocka_unit_test(denies_a_server_other_ports_and_paths),
        cmocka_unit_test(denies_a_signer_all_but_its_peer),
        cmocka_unit_test(keeps_the_right_to_a_low_port_only),
        cmocka_unit_test(ends_listening_in_all_threads),
        cmocka_unit_test(refuses_to_begin_when_threads_exist),
        cmocka_unit_test(says_what_it_limits),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
