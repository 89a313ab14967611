#include "cli/rehearse.h"

#include <unistd.h>

#include "base/problem.h"
#include "base/program.h"
#include "ca/signer_check.h"

#define SAID_MAX 65536

static bool try_signer(struct child *c, struct err *e)
{
    AUTO(buf_clear) struct buf said = {0};
    int status;
    buf_init(&said, SAID_MAX);
    if (!child_check_said(c, &said, &status, e))
        return false;
    struct slice text = buf_slice(&said), rest = text, last = {0};
    if (status == 0 || problem_read(&text, "error", e))
        return status == 0;
    while (rest.n)
        last = slice_take_line(&rest);
    return err_set(e, ERR_CHILD_START, "%s: its check ended with status %d%s%s", c->name, status, last.n ? ": " : "",
                   ERR_QUOTE(last));
}

bool rehearse_signers(struct cli *cli, const char *config, bool has_ca, struct err *e)
{
    static const char *const domains[] = {"issuing", "ledger"};
    const char *program;
    char *const *envp = child_environment(environ, &cli->arena);
    bool ok = envp ? program_find(cli->libexec, "kith-signer", &cli->arena, &program, e) : arena_ok(&cli->arena, e);
    for (size_t i = has_ca ? 0 : 1; ok && i < ARRAY_LEN(domains); i++) {
        struct child c = signer_check_of(domains[i], program, config, envp);
        ok = try_signer(&c, e);
    }
    return ok;
}
