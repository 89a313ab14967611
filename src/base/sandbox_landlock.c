#include "base/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"

/* <linux/landlock.h> of the oldest system we build on ends at version 2; these numbers are the kernel's ABI. */
#define FS_EXECUTE     (1ULL << 0)
#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR   (1ULL << 6)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_MAKE_SOCK   (1ULL << 9)
#define FS_MAKE_FIFO   (1ULL << 10)
#define FS_MAKE_BLOCK  (1ULL << 11)
#define FS_MAKE_SYM    (1ULL << 12)
#define FS_REFER       (1ULL << 13) /* since version 2 */
#define FS_TRUNCATE    (1ULL << 14) /* 3 */
#define FS_IOCTL_DEV   (1ULL << 15) /* 5 */
#define NET_BIND       (1ULL << 0)  /* 4 */
#define NET_CONNECT    (1ULL << 1)
#define SCOPE_ABSTRACT (1ULL << 0) /* 6 */
#define SCOPE_SIGNAL   (1ULL << 1)

#define RULE_PATH    1
#define RULE_PORT    2
#define FLAG_VERSION 1u

#define ABI_TRUNCATE 3
#define ABI_IOCTL    5
#define ABI_SCOPE    6

struct ruleset_attr {
    uint64_t fs, net, scope;
};

struct path_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

struct port_attr {
    uint64_t allowed, port;
};

int sandbox_landlock_abi(void)
{
    long v = syscall(SYS_landlock_create_ruleset, NULL, 0, FLAG_VERSION);
    return v > 0 ? (int)v : 0;
}

static uint64_t fs_handled(int abi)
{
    uint64_t all = FS_REFER - 1;
    if (abi >= 2)
        all |= FS_REFER;
    if (abi >= ABI_TRUNCATE)
        all |= FS_TRUNCATE;
    if (abi >= ABI_IOCTL)
        all |= FS_IOCTL_DEV;
    return all;
}

static uint64_t fs_allowed(unsigned rights, bool dir)
{
    uint64_t a = 0;
    if (rights & SANDBOX_READ)
        a |= FS_READ_FILE | FS_READ_DIR;
    if (rights & SANDBOX_WRITE)
        a |= FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |
             FS_REFER;
    if (rights & SANDBOX_EXEC)
        a |= FS_EXECUTE;
    return dir ? a : a & (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE | FS_EXECUTE);
}

static bool add_path(int ruleset, uint64_t handled, const struct sandbox_path *p, struct sandbox_report *r,
                     struct err *e)
{
    struct stat st;
    AUTO(file_close) int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        r->skipped++;
        return errno == ENOENT || err_set(e, ERR_SANDBOX, "cannot open \"%s\": %m", ERR_QUOTE(slice_str(p->path)));
    }
    struct path_attr a = {.allowed = fs_allowed(p->rights, S_ISDIR(st.st_mode)) & handled, .fd = fd};
    if (a.allowed == 0)
        return true;
    return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &a, 0) == 0 ||
           err_set(e, ERR_SANDBOX, "cannot allow \"%s\": %m", ERR_QUOTE(slice_str(p->path)));
}

static bool add_ports(int ruleset, uint64_t right, const uint16_t *ports, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct port_attr a = {.allowed = right, .port = ports[i]};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &a, 0) != 0)
            return err_set(e, ERR_SANDBOX, "cannot allow port %u: %m", (unsigned)ports[i]);
    }
    return true;
}

static bool add_rules(int ruleset, const struct ruleset_attr *attr, const struct sandbox_policy *p,
                      struct sandbox_report *r, struct err *e)
{
    for (size_t i = 0; i < p->paths_n; i++)
        if (!add_path(ruleset, attr->fs, &p->paths[i], r, e))
            return false;
    if (attr->net & NET_CONNECT && !add_ports(ruleset, NET_CONNECT, p->connect_ports, p->connect_n, e))
        return false;
    return !(attr->net & NET_BIND) || add_ports(ruleset, NET_BIND, p->bind_ports, p->bind_n, e);
}

static void report_of(int abi, struct sandbox_report *r)
{
    static const struct {
        int abi;
        const char *what;
    } rows[] = {{1, "files"}, {ABI_TRUNCATE, "truncation"}, {SANDBOX_ABI_PORTS, "TCP ports"}, {ABI_SCOPE, "signals"}};
    r->landlock_abi = abi;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (abi < rows[i].abi)
            n += (size_t)snprintf(r->missing + n, sizeof r->missing - n, "%s%s", n ? ", " : "", rows[i].what);
}

bool sandbox_landlock_enter(const struct sandbox_policy *p, struct sandbox_report *r, struct err *e)
{
    int abi = sandbox_landlock_abi();
    report_of(abi, r);
    if (abi == 0)
        return true;
    struct ruleset_attr attr = {.fs = fs_handled(abi)};
    size_t size = sizeof attr.fs;
    if (abi >= SANDBOX_ABI_PORTS) {
        attr.net = (p->any_bind ? 0 : NET_BIND) | (p->any_connect ? 0 : NET_CONNECT);
        size = offsetof(struct ruleset_attr, scope);
    }
    if (abi >= ABI_SCOPE) {
        attr.scope = SCOPE_ABSTRACT | SCOPE_SIGNAL;
        size = sizeof attr;
    }
    AUTO(file_close) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_set(e, ERR_SANDBOX, "the kernel takes no Landlock rules: %m");
    if (!add_rules(ruleset, &attr, p, r, e))
        return false;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_set(e, ERR_SANDBOX, "the kernel refuses the Landlock rules: %m");
    r->paths = true;
    r->ports = attr.net != 0;
    r->scope = attr.scope != 0;
    return true;
}
