#include "supervisor/rehearse.h"

#include "base/child.h"
#include "base/file.h"
#include "base/problem.h"
#include "ca/signer_check.h"

#define SAID_MAX (256u << 10)

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

static void tell(const struct rehearsal *r, struct slice said, const char *word, bool fatal, size_t *n)
{
    struct err e;
    for (struct slice text = said; problem_read(&text, word, &e); ++*n)
        r->found(r->ctx, &e, fatal);
}

/* The same, with what it says as problems one by one. */
static int hear_child(const struct rehearsal *r, struct child *c)
{
    AUTO(buf_clear) struct buf said = {0};
    struct err e;
    int status;
    size_t warnings = 0, errors = 0;
    buf_init(&said, SAID_MAX);
    if (!child_check_said(c, &said, &status, &e)) {
        r->found(r->ctx, &e, true);
        return err_exit_code(e.code);
    }
    tell(r, buf_slice(&said), "error", true, &errors);
    tell(r, buf_slice(&said), "warning", false, &warnings);
    if (status && !errors) { /* it ended before it could say so */
        err_set(&e, ERR_CHILD_START, "%s: its check ended with status %d", c->name, status);
        err_why(&e, "it said: %s", ERR_QUOTE(buf_slice(&said)));
        err_try(&e, "kithd -t without --json shows all that it says");
        r->found(r->ctx, &e, true);
    }
    return status;
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
        int status = r->found ? hear_child(r, c) : try_child(c);
        *problems += !r->found && status != 0;
        first = first ? first : status;
    }
    return first;
}
