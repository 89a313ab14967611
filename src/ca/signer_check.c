#include "ca/signer_check.h"

struct child signer_check_of(const char *domain, const char *program, const char *config, char *const *envp)
{
    return (struct child){
        .name = strcmp(domain, "issuing") == 0 ? "signer issuing" : "signer ledger",
        .path = program,
        .argv = {"kith-signer", "--config", config, "--domain", domain, "--check"},
        .envp = envp,
        .fd = -1,
    };
}
