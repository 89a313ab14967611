#include "base/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void path_real(const char *path, char out[PATH_MAX])
{
    char there[PATH_MAX], given[2 * PATH_MAX], *slash;
    bool relative = path[0] != '/' && getcwd(there, sizeof there);
    snprintf(given, sizeof given, "%s/%s", relative ? there : "", path);
    snprintf(there, sizeof there, "%.*s", PATH_MAX - 1, given);
    while (!realpath(there, out) && (slash = strrchr(there, '/')))
        *slash = 0;
    size_t n = there[0] ? strlen(out) : 0;
    n = n == 1 ? 0 : n; /* "/" */
    for (const char *rest = given + strlen(there); *rest;) {
        rest += strspn(rest, "/");
        size_t part = strcspn(rest, "/");
        bool up = part == 2 && memcmp(rest, "..", 2) == 0, stay = part == 0 || (part == 1 && rest[0] == '.');
        while (up && n > 0 && out[--n] != '/')
            ;
        if (!up && !stay && n + part + 2 < PATH_MAX) {
            out[n] = '/';
            memcpy(out + n + 1, rest, part);
            n += part + 1;
        }
        rest += part;
    }
    memcpy(out + n, n ? "" : "/", n ? 1 : 2);
}

bool path_is_below(const char *dir, const char *path)
{
    char real_dir[PATH_MAX], real[PATH_MAX];
    path_real(dir, real_dir);
    path_real(path, real);
    size_t n = strlen(real_dir);
    return strncmp(real, real_dir, n) == 0 && (real[n] == '/' || real[n] == 0 || n == 1);
}
