#include "base/sandbox.h"

#include <dirent.h>
#include <errno.h>

#include "base/sandbox_caps.h"
#include "base/sandbox_landlock.h"
#include "base/sandbox_seccomp.h"

/* Landlock binds the calling thread only: one that exists already would stay outside. */
static bool is_single_thread(struct err *e)
{
    DIR *d = opendir("/proc/self/task");
    unsigned n = 0;
    if (!d)
        return err_set(e, ERR_SANDBOX, "cannot count the threads: %m");
    for (struct dirent *ent; (ent = readdir(d));)
        n += ent->d_name[0] != '.';
    closedir(d);
    if (n == 1)
        return true;
    err_set(e, ERR_SANDBOX, "%u threads exist already", n);
    return err_why(e, "landlock(7): the rules bind the calling thread and what it starts");
}

bool sandbox_enter(const struct sandbox_policy *policy, struct sandbox_report *report, struct err *e)
{
    *report = (struct sandbox_report){0};
    if (!is_single_thread(e) || !sandbox_caps_drop(policy, e) || !sandbox_landlock_enter(policy, report, e) ||
        !sandbox_seccomp_enter(policy, e))
        return false;
    report->calls = true;
    return true;
}

bool sandbox_drop_capabilities(const struct sandbox_policy *policy, struct err *e)
{
    return sandbox_caps_drop(policy, e);
}

bool sandbox_end_listening(bool connects, struct err *e)
{
    return sandbox_caps_end_listening(e) && sandbox_seccomp_end_listening(connects, e);
}

void sandbox_put_status(struct buf *b, const struct sandbox_report *r)
{
    if (!r->calls) {
        buf_put_str(b, "sandbox off");
        return;
    }
    buf_put_str(b, "sandbox on: system calls");
    if (r->paths)
        buf_put_str(b, ", files");
    if (r->ports)
        buf_put_str(b, ", TCP ports");
    if (r->scope)
        buf_put_str(b, ", signals");
    buf_printf(b, " (Landlock version %d)", r->landlock_abi);
    if (r->missing[0])
        buf_printf(b, "; this kernel cannot limit: %s", r->missing);
    if (r->skipped)
        buf_printf(b, "; %u paths did not exist", r->skipped);
}
