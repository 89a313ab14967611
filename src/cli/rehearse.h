/* Would the signers of a platform start?  As kithd -t tries it: kith-signer --check, in the sandbox of a start, changing nothing. */
#ifndef KITH_CLI_REHEARSE_H
#define KITH_CLI_REHEARSE_H

#include "cli/cli.h"

/* Without an issuing CA (has_ca) only the ledger's can.  Errors: what the first one that would not start says. */
MUST_USE bool rehearse_signers(struct cli *cli, const char *config, bool has_ca, struct err *e);

#endif
