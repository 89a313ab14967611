#include "base/program.h"

#include <limits.h>
#include <unistd.h>

#include "base/file.h"

#define LIBEXEC "../libexec/kith"

static bool take_program(const char *path, const char **out, struct err *e)
{
    if (!file_check_trusted(path, false, e))
        return false;
    if (access(path, X_OK) != 0)
        return err_set(e, ERR_PROGRAM, "\"%s\" cannot be run: %m", ERR_QUOTE(slice_str(path)));
    *out = path;
    return true;
}

bool program_dir(struct arena *a, const char **out, struct err *e)
{
    char exe[PATH_MAX];
    *out = NULL;
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0)
        return err_set(e, ERR_IO, "cannot find out where this program is: %m");
    exe[n] = 0;
    *strrchr(exe, '/') = 0; /* the kernel gives an absolute path */
    *out = arena_str(a, slice_str(exe));
    return arena_ok(a, e);
}

bool program_find(const char *libexec, const char *name, struct arena *a, const char **out, struct err *e)
{
    const char *dir;
    *out = NULL;
    if (libexec) {
        const char *path = arena_printf(a, "%s/%s", libexec, name);
        return arena_ok(a, e) && take_program(path, out, e);
    }
    if (!program_dir(a, &dir, e))
        return false;
    const char *beside = arena_printf(a, "%s/%s", dir, name), *apart = arena_printf(a, "%s/" LIBEXEC "/%s", dir, name);
    if (!arena_ok(a, e))
        return false;
    if (file_exists(beside))
        return take_program(beside, out, e);
    if (file_exists(apart))
        return take_program(apart, out, e);
    err_set(e, ERR_PROGRAM, "no %s in \"%s\"", name, ERR_QUOTE(slice_str(dir)));
    err_why(e, "programs of Kith are looked for beside the one that asks and in " LIBEXEC);
    return err_try(e, "install the whole package again, or build it: ./dev build");
}
