#include "supervisor/rehearse.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/problem.h"
#include "supervisor/child.h"

#define PATIENCE_MS 60000 /* a token may take its time to log in */
#define LOOK_MS     20

static int wait_for(struct child *c, struct err *e)
{
    int status = 0;
    for (int waited = 0; waited < PATIENCE_MS; waited += LOOK_MS) {
        pid_t pid = waitpid(c->pid, &status, WNOHANG);
        if (pid == c->pid && WIFEXITED(status))
            return WEXITSTATUS(status);
        if (pid == c->pid || (pid < 0 && errno != EINTR)) {
            err_set(e, ERR_CHILD_START, "%s: its check ended by signal %d", c->name, WTERMSIG(status));
            return -1;
        }
        poll(NULL, 0, LOOK_MS);
    }
    child_kill(c);
    (void)waitpid(c->pid, &status, 0);
    err_set(e, ERR_CHILD_START, "%s: its check does not end; it was killed after %d s", c->name, PATIENCE_MS / 1000);
    err_try(e, "look at the token or the database with its maker's tools");
    return -1;
}

/* The exit code of its check: 0 if all is well. */
static int try_child(struct child *c)
{
    struct err e;
    int status = child_start(c, 0, &e) ? wait_for(c, &e) : -1;
    if (status >= 0)
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
        {.name = "signer issuing",
         .path = has_ca && signer ? r->signer : NULL,
         .argv = {"kith-signer", "--config", r->config, "--domain", "issuing", "--check"}},
        {.name = "signer ledger",
         .path = signer ? r->signer : NULL,
         .argv = {"kith-signer", "--config", r->config, "--domain", "ledger", "--check"}},
        {.name = "server", .path = r->server, .argv = {"kith-server", "--config", r->config, "--check"}},
    };
    int first = 0;
    for (size_t i = 0; envp && i < ARRAY_LEN(children); i++) {
        struct child *c = &children[i];
        /* A PIN that was wrong once is not tried again: tokens lock after a few. */
        if (!c->path || (i == 1 && first && r->settings->hsm_module))
            continue;
        c->envp = envp;
        c->fd = -1;
        int status = try_child(c);
        *problems += status != 0;
        first = first ? first : status;
    }
    return first;
}
