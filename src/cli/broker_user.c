#include "cli/broker_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool broker_user_applies(const char *user)
{
    return geteuid() == 0 && strcmp(user, "root") != 0 && getpwnam(user);
}

bool broker_user_give(const char *dir, const char *user, struct err *e)
{
    const struct passwd *p = getpwnam(user);
    if (!p) {
        err_set(e, ERR_NOTFOUND, "there is no user \"%s\"", ERR_QUOTE(slice_str(user)));
        return err_try(e, "--user NAME, as whom the broker runs");
    }
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

/* In a process of its own, which becomes that user: the kernel itself says what it may. */
static bool may(const char *path, const struct passwd *p)
{
    struct stat s;
    int how = stat(path, &s) == 0 && S_ISDIR(s.st_mode) ? X_OK : R_OK, status;
    pid_t child = fork();
    if (child == 0)
        _exit(initgroups(p->pw_name, p->pw_gid) || setgid(p->pw_gid) || setuid(p->pw_uid) || access(path, how));
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
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
