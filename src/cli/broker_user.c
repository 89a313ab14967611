#include "cli/broker_user.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/as_user.h"

bool broker_user_applies(const char *user)
{
    return geteuid() == 0 && strcmp(user, "root") != 0 && getpwnam(user);
}

bool broker_user_check(const char *user, struct err *e)
{
    if (getpwnam(user))
        return true;
    err_set(e, ERR_NOTFOUND, "there is no user \"%s\" on this machine", ERR_QUOTE(slice_str(user)));
    err_why(e, "a broker that root starts goes on as that user, and has to read the gateway's directory");
    return err_try(e, "--user NAME, as whom the broker runs");
}

bool broker_user_give(const char *dir, const char *user, struct err *e)
{
    const struct passwd *p = getpwnam(user);
    if (!p)
        return broker_user_check(user, e);
    DIR *d = opendir(dir);
    bool ok = d && fchown(dirfd(d), p->pw_uid, p->pw_gid) == 0;
    for (struct dirent *f; ok && (f = readdir(d));)
        if (f->d_type == DT_REG)
            ok = fchownat(dirfd(d), f->d_name, p->pw_uid, p->pw_gid, AT_SYMLINK_NOFOLLOW) == 0;
    if (!ok)
        err_set(e, ERR_IO, "cannot give %s to %s: %m", dir, user);
    if (d)
        closedir(d);
    return ok;
}

static int try_access(void *ctx)
{
    const char *path = ctx;
    struct stat s;
    return access(path, stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? X_OK : R_OK) != 0;
}

static bool may(const char *path, const struct passwd *p)
{
    struct err ignored;
    int status;
    return as_user_run(p->pw_uid, try_access, (void *)(uintptr_t)path, &status, &ignored) && status == 0;
}

bool broker_user_reads(const char *path, const char *user, const char **blocked)
{
    static char part[PATH_MAX];
    const struct passwd *p = broker_user_applies(user) ? getpwnam(user) : NULL;
    *blocked = NULL;
    if (!p) {
        if (access(path, R_OK) == 0)
            return true;
        *blocked = path;
        return false;
    }
    if (may(path, p))
        return true;
    for (size_t i = 1; path[i] && i < sizeof part; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (!may(part, p)) {
            *blocked = part;
            return false;
        }
    }
    *blocked = path;
    return false;
}
