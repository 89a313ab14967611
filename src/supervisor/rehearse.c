#include "supervisor/rehearse.h"

#include "base/child.h"
#include "base/file.h"
#include "base/problem.h"
#include "ca/signer_check.h"

/* The exit code of its check: 0 if all is well. */
static int try_child(struct child *c)
{
    struct err e;
    int status;
    if (child_check(c, &status, &e))
        return status;
    problem_print(stderr, "error", &e);
    return err_exit_code(e.code);
}

int rehearse(const struct rehearsal *r, struct arena *a, size_t *problems)
{
    char *const *envp = child_environment(r->environ, a);
    const char *issuing = settings_path(r->settings, a, PATH_ISSUING_CERT);
    bool has_ca = issuing && file_exists(issuing), signer = r->signers && r->signer;
    struct child children[] = {
        signer_check_of("issuing", has_ca && signer ? r->signer : NULL, r->config, envp),
        signer_check_of("ledger", signer ? r->signer : NULL, r->config, envp),
        {.name = "server",
         .path = r->server,
         .argv = {"kith-server", "--config", r->config, "--check"},
         .envp = envp,
         .fd = -1},
    };
    int first = 0;
    for (size_t i = 0; envp && i < ARRAY_LEN(children); i++) {
        struct child *c = &children[i];
        /* A PIN that was wrong once is not tried again: tokens lock after a few. */
        if (!c->path || (i == 1 && first && r->settings->hsm_module))
            continue;
        int status = try_child(c);
        *problems += status != 0;
        first = first ? first : status;
    }
    return first;
}
