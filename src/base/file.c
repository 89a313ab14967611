#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP  65536
#define PATH_CAP   4096
#define TMP_RANDOM "XXXXXX" /* of mkstemp(3), behind FILE_TMP_MARK */

/* Where the errno of what went wrong says a way out. */
static bool advise(int code, struct err *e)
{
    return code == ENOSPC || code == EDQUOT ? err_try(e, "make room on that file system") : false;
}

static bool fail(struct err *e, const char *act, const char *path)
{
    int code = errno;
    err_set(e, code == ENOENT ? ERR_NOTFOUND : ERR_IO, "cannot %s \"%s\": %m", act, ERR_QUOTE(slice_str(path)));
    return advise(code, e);
}

void file_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool is_owned(const char *path, const struct stat *st, struct err *e)
{
    const char *q = ERR_QUOTE_PATH(slice_str(path));
    if (st->st_uid == geteuid() || st->st_uid == 0)
        return true;
    err_set(e, ERR_FILE_MODE, "\"%s\" belongs to user %u", q, (unsigned)st->st_uid);
    err_why(e, "who owns it can change it; it must belong to user %u or root", (unsigned)geteuid());
    /* Root in a service's directory is more likely the wrong user than that the wrong owner. */
    const char *first =
        geteuid() == 0 && S_ISDIR(st->st_mode) ? "do it as that user (runuser -u USER -- ...), or " : "";
    return err_try(e, "%schown %u %s", first, (unsigned)geteuid(), q);
}

bool file_check_private_stat(const char *path, const struct stat *st, mode_t rights, struct err *e)
{
    const char *q = ERR_QUOTE_PATH(slice_str(path));
    if (!is_owned(path, st, e))
        return false;
    if (st->st_mode & rights) {
        err_set(e, ERR_FILE_MODE, "\"%s\" has mode %04o", q, (unsigned)st->st_mode & 07777);
        err_why(e, "it holds secrets, so nobody but its owner may have rights on it");
        return err_try(e, "chmod %s %s", S_ISDIR(st->st_mode) ? "700" : "600", q);
    }
    return true;
}

bool file_check_kind(const char *path, bool dir, struct stat *st, struct err *e)
{
    const char *q = ERR_QUOTE_PATH(slice_str(path));
    if (stat(path, st) != 0)
        return err_set(e, errno == ENOENT ? ERR_SETUP : ERR_IO, "\"%s\": %m", q);
    return (dir ? S_ISDIR(st->st_mode) : S_ISREG(st->st_mode)) ||
           err_set(e, ERR_SETUP, "\"%s\" is not a %s", q, dir ? "directory" : "regular file");
}

static bool check_trusted(const char *path, const struct stat *st, struct err *e)
{
    const char *q = ERR_QUOTE_PATH(slice_str(path));
    if (!is_owned(path, st, e))
        return false;
    if (!(st->st_mode & 022))
        return true;
    err_set(e, ERR_FILE_MODE, "\"%s\" has mode %04o", q, (unsigned)st->st_mode & 07777);
    err_why(e, "whoever can write it decides what is done with it");
    return err_try(e, "chmod go-w %s", q);
}

bool file_check_trusted(const char *path, bool dir, struct err *e)
{
    struct stat st;
    const char *q = ERR_QUOTE_PATH(slice_str(path));
    if (!file_check_kind(path, dir, &st, e) || !check_trusted(path, &st, e))
        return false;
    return access(path, dir ? R_OK | X_OK : R_OK) == 0 || err_set(e, ERR_IO, "\"%s\" cannot be read: %m", q);
}

static bool check_private(const char *path, const struct stat *st, struct err *e)
{
    return file_check_private_stat(path, st, 077, e);
}

bool file_check_private(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return fail(e, "look at", path);
    return check_private(path, &st, e);
}

static bool read_fd(int fd, const char *path, size_t max, struct buf *out, struct err *e)
{
    size_t before = out->n;
    for (;;) {
        size_t left = max - (out->n - before), step = left < READ_STEP ? left : READ_STEP;
        char more; /* one byte behind what may come, so that a file that is too long is seen */
        char *p = left ? buf_space(out, step) : &more;
        if (!p)
            return err_set(e, ERR_TOO_BIG, "\"%s\" does not fit into %zu bytes", ERR_QUOTE(slice_str(path)), out->max);
        ssize_t n = read(fd, p, left ? step : 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(e, "read", path);
        if (n == 0)
            return true;
        if (!left)
            return err_set(e, ERR_TOO_BIG, "\"%s\" has more than %zu bytes", ERR_QUOTE(slice_str(path)), max);
        buf_added(out, (size_t)n);
    }
}

typedef bool check_fn(const char *path, const struct stat *st, struct err *e);

static bool read_path(const char *path, size_t max, check_fn *check, struct buf *out, struct err *e)
{
    size_t before = out->n;
    /* Not blocking: a FIFO must not hold us up. */
    AUTO(file_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return fail(e, "open", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "\"%s\" is not a regular file", ERR_QUOTE(slice_str(path)));
    if (check && !check(path, &st, e))
        return false;
    if (read_fd(fd, path, max, out, e))
        return true;
    buf_cut(out, before);
    return false;
}

bool file_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    return read_path(path, max, NULL, out, e);
}

bool file_read_private(const char *path, size_t max, struct buf *out, struct err *e)
{
    return read_path(path, max, check_private, out, e);
}

bool file_read_trusted(const char *path, size_t max, struct buf *out, struct err *e)
{
    return read_path(path, max, check_trusted, out, e);
}

bool file_write_all(int fd, struct slice s, struct err *e)
{
    while (s.n) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int code = errno;
            err_set(e, ERR_IO, "cannot write: %m");
            return advise(code, e);
        }
        s = slice_of(s.p + n, s.n - (size_t)n);
    }
    return true;
}

bool file_sync_dir_of(const char *path, struct err *e)
{
    char dir[PATH_CAP];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir)
        return err_set(e, ERR_IO, "the path is longer than %d characters", PATH_CAP);
    memcpy(dir, path, n);
    dir[n] = 0;
    AUTO(file_close) int fd = open(n ? dir : slash ? "/" : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail(e, "sync the directory of", path);
    return true;
}

static bool write_temp(int fd, const char *path, mode_t mode, struct slice s, struct err *e)
{
    if (fchmod(fd, mode) != 0)
        return fail(e, "set the mode of", path);
    if (!file_write_all(fd, s, e))
        return err_ctx(e, "\"%s\"", ERR_QUOTE(slice_str(path)));
    return fsync(fd) == 0 || fail(e, "sync", path);
}

bool file_may_replace(const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0 || S_ISREG(st.st_mode))
        return true;
    err_set(e, ERR_CONFLICT, "\"%s\" is not a regular file", ERR_QUOTE_PATH(slice_str(path)));
    err_why(e, "a file is written beside it and then takes its name: what is there would be gone");
    return err_try(e, "give another name");
}

/* To a name that is free, as atomically as rename(2). */
static bool name_new(const char *tmp, const char *path)
{
    if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    if (errno != EINVAL && errno != ENOSYS)
        return false;
    return link(tmp, path) == 0 && unlink(tmp) == 0; /* a file system without RENAME_NOREPLACE */
}

static bool write_beside(const char *path, mode_t mode, struct slice s, bool replace, struct err *e)
{
    char tmp[PATH_CAP];
    int len = snprintf(tmp, sizeof tmp, "%s" FILE_TMP_MARK TMP_RANDOM, path);
    if (len < 0 || (size_t)len >= sizeof tmp)
        return err_set(e, ERR_IO, "the path is longer than %d characters", PATH_CAP);
    if (!file_may_replace(path, e))
        return false;
    AUTO(file_close) int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return fail(e, "create a file beside", path);
    bool ok = write_temp(fd, path, mode, s, e);
    if (ok && !(replace ? rename(tmp, path) == 0 : name_new(tmp, path)))
        ok = !replace && errno == EEXIST ? err_set(e, ERR_CONFLICT, "\"%s\" exists already", ERR_QUOTE(slice_str(path)))
                                         : fail(e, "put in its place", path);
    if (!ok)
        unlink(tmp);
    return ok && file_sync_dir_of(path, e);
}

bool file_write_atomic(const char *path, mode_t mode, struct slice s, struct err *e)
{
    return write_beside(path, mode, s, true, e);
}

bool file_write_new(const char *path, mode_t mode, struct slice s, struct err *e)
{
    return write_beside(path, mode, s, false, e);
}

bool file_mkdir_private(const char *path, struct err *e)
{
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail(e, "make the directory", path);
    if (stat(path, &st) != 0)
        return fail(e, "look at", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_CONFLICT, "\"%s\" exists and is not a directory", ERR_QUOTE(slice_str(path)));
    return check_private(path, &st, e);
}

bool file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool file_remove(const char *path, struct err *e)
{
    if (unlink(path) != 0) {
        if (errno == ENOENT)
            return true;
        return fail(e, "remove", path);
    }
    return file_sync_dir_of(path, e);
}

static bool is_leftover(const char *s, const char *of)
{
    const size_t mark = sizeof FILE_TMP_MARK - 1, tail = mark + sizeof TMP_RANDOM - 1, all = strlen(s);
    return all > tail && strncmp(s + all - tail, FILE_TMP_MARK, mark) == 0 &&
           (!of || (strlen(of) == all - tail && strncmp(s, of, all - tail) == 0));
}

bool file_remove_leftovers(const char *dir, const char *of, struct err *e)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT || fail(e, "open", dir);
    bool ok = true;
    for (struct dirent *x; ok && (x = readdir(d));)
        if (is_leftover(x->d_name, of))
            ok = unlinkat(dirfd(d), x->d_name, 0) == 0 || fail(e, "remove a leftover in", dir);
    closedir(d);
    return ok;
}

bool file_lock(const char *path, int *out, struct err *e)
{
    *out = -1;
    AUTO(file_close) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(e, "open", path);
    char pid[24] = {0};
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail(e, "lock", path);
        ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
        size_t digits = n > 0 ? strspn(pid, "0123456789") : 0;
        pid[digits] = 0;
        err_set(e, ERR_LOCKED, "\"%s\" is locked by process %s", ERR_QUOTE(slice_str(path)), digits ? pid : "?");
        return err_try(e, "stop that process first, or use another directory");
    }
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
        return fail(e, "write", path);
    *out = fd;
    fd = -1;
    return true;
}
