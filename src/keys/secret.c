#include "keys/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct secret {
    size_t n, mapped;
    uint8_t bytes[];
};

bool secret_new(size_t n, struct secret **out, struct err *e)
{
    *out = NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (n > SIZE_MAX / 2)
        return err_set(e, ERR_LIMIT, "secret of %zu bytes", n);
    size_t mapped = (sizeof(struct secret) + n + page - 1) / page * page;
    struct secret *s = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return err_set(e, ERR_NOMEM, "secret of %zu bytes", n);
    /* Best effort: a small RLIMIT_MEMLOCK must not keep a program from starting. */
    (void)mlock(s, mapped);
    (void)madvise(s, mapped, MADV_DONTDUMP);
    (void)madvise(s, mapped, MADV_WIPEONFORK);
    s->n = n;
    s->mapped = mapped;
    *out = s;
    return true;
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
    size_t mapped = s->mapped;
    if (mapped) { /* 0 in a child: the page was wiped, its size with it */
        OPENSSL_cleanse(s, mapped);
        munmap(s, mapped);
    }
}

struct slice secret_get0(const struct secret *s)
{
    return s ? slice_of(s->bytes, s->n) : (struct slice){0};
}

uint8_t *secret_bytes(struct secret *s)
{
    return s->bytes;
}

bool secret_eq(const struct secret *a, struct slice b)
{
    return slice_eq_ct(secret_get0(a), b);
}

static bool resolve(const char *path, char *out, size_t cap, bool *credential, struct err *e)
{
    static const char prefix[] = "credential:";
    const char *dir = "", *name = path;
    *credential = strncmp(path, prefix, sizeof prefix - 1) == 0;
    if (*credential) {
        name = path + sizeof prefix - 1;
        dir = secure_getenv("CREDENTIALS_DIRECTORY");
        if (!dir || name[0] == 0 || strchr(name, '/')) {
            err_set(e, ERR_NOTFOUND, "no systemd credential \"%s\"", ERR_QUOTE(slice_str(name)));
            return err_try(e, "run as a systemd service with LoadCredential=%s:FILE", ERR_QUOTE(slice_str(name)));
        }
    }
    int n = snprintf(out, cap, "%s%s%s", dir, *credential ? "/" : "", name);
    return (n > 0 && (size_t)n < cap) || err_set(e, ERR_LIMIT, "path too long: %s", ERR_QUOTE(slice_str(path)));
}

bool secret_file_path(const char *path, char *out, size_t cap, struct err *e)
{
    bool credential;
    return resolve(path, out, cap, &credential, e);
}

static bool check_mode(int fd, const char *path, bool credential, size_t *size, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_SECRET_FILE, "%s is not a regular file", path);
    if (!file_check_private_stat(path, &st, credential ? 0007 : 0077, e))
        return false;
    if (st.st_size < 1 || st.st_size > SECRET_FILE_MAX)
        return err_set(e, ERR_SECRET_FILE, "%s has %lld bytes; 1 to %d are taken", path, (long long)st.st_size,
                       SECRET_FILE_MAX);
    *size = (size_t)st.st_size;
    return true;
}

static bool read_all(int fd, const char *path, struct secret *s, struct err *e)
{
    size_t got = 0;
    while (got < s->n) {
        ssize_t k = read(fd, s->bytes + got, s->n - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return err_set(e, ERR_IO, "%s: %s", path, k < 0 ? strerror(errno) : "shorter than it was");
        got += (size_t)k;
    }
    if (s->bytes[s->n - 1] == '\n')
        s->n -= s->n > 1 && s->bytes[s->n - 2] == '\r' ? 2 : 1;
    return s->n > 0 || err_set(e, ERR_SECRET_FILE, "%s holds an empty line only", path);
}

bool secret_read_file(const char *path, struct secret **out, struct err *e)
{
    char where[4096];
    bool credential = false;
    size_t size = 0;
    *out = NULL;
    if (!resolve(path, where, sizeof where, &credential, e))
        return false;
    int fd = open(where, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        enum err_code code = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
        return err_set(e, code, "%s: %s", where, strerror(errno));
    }
    struct secret *s = NULL;
    bool ok = check_mode(fd, where, credential, &size, e) && secret_new(size, &s, e) && read_all(fd, where, s, e);
    close(fd);
    if (!ok) {
        secret_free(s);
        return false;
    }
    *out = s;
    return true;
}

bool secret_harden_process(struct err *e)
{
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        return err_set(e, ERR_IO, "core dumps cannot be switched off: %s", strerror(errno));
    return true;
}
