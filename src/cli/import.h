/* Devices by the thousand: a CSV or JSON lines file goes to the server in batches.  What is known there is skipped, so the
 * same file can be sent again after anything went wrong. */
#ifndef KITH_CLI_IMPORT_H
#define KITH_CLI_IMPORT_H

#include "cli/cli.h"

struct import_opts {
    const char *file, *failures;
    const char *out;           /* where tokens go, a file (cli/token_file.h); NULL: stdout */
    const char *model, *owner; /* for lines that do not say */
    bool token, again;         /* again: those that are known but have no certificate yet get new ones */
    int64_t expires_s;
};

MUST_USE bool import_devices(struct cli *cli, const struct import_opts *o, struct err *e);

#endif
