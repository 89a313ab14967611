/* What the checks of `kith doctor` (doctor_checks.c) and the verb (doctor.c) share. */
#ifndef KITH_CLI_DOCTOR_H
#define KITH_CLI_DOCTOR_H

#include "cli/cli.h"

struct doctor_finding {
    bool failed, skipped, warns; /* warns: in order, and yet somebody should look */
    char detail[ERR_WHAT_MAX], hint[ERR_TRY_MAX];
};

struct doctor {
    struct cli *cli;
    const struct settings *s;
    int64_t now;
    bool running;    /* the server's socket is there */
    bool token_away; /* it was tried once: a PIN is not tried again */
};

typedef void check_fn(struct doctor *d, struct doctor_finding *f);

struct doctor_check {
    const char *name, *help;
    check_fn *run;
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_n;

void doctor_fine(struct doctor_finding *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
