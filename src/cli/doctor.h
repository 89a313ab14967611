/* What the checks of `kith doctor` (doctor_*.c, each subject in a file; their table is in doctor_checks.c) and the verb
 * (doctor.c) share. */
#ifndef KITH_CLI_DOCTOR_H
#define KITH_CLI_DOCTOR_H

#include "ca/roster.h"
#include "cli/cli.h"
#include "x509/cert.h"

struct doctor_finding {
    bool failed, skipped, done;
    bool warns; /* in order, and yet somebody should look */
    char detail[ERR_WHAT_MAX], hint[ERR_TRY_MAX];
};

struct doctor {
    struct cli *cli;
    const struct settings *s;
    int64_t now;
    bool running;    /* the server's socket is there */
    struct err mute; /* why it does not say how it is */
    bool token_away; /* it was tried once: a PIN is not tried again */
};

typedef void check_fn(struct doctor *d, struct doctor_finding *f);

struct doctor_check {
    const char *name, *help;
    check_fn *run;
    bool as_asker; /* with the rights of who asks; the others with those of who runs kithd */
};
extern const struct doctor_check doctor_checks[];
extern const size_t doctor_checks_n;

extern check_fn doctor_check_clock, doctor_check_entropy, doctor_check_crypto, doctor_check_sandbox, doctor_check_disk,
    doctor_check_settings, doctor_check_permissions, doctor_check_passphrase, doctor_check_token, doctor_check_keys,
    doctor_check_roster, doctor_check_signers, doctor_check_root, doctor_check_issuing, doctor_check_root_crl,
    doctor_check_database, doctor_check_ports, doctor_check_socket;

void doctor_fine(struct doctor_finding *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
void doctor_skip(struct doctor_finding *f, const char *why);
void doctor_bad(struct doctor_finding *f, const char *hint, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* `hint` where the error has none of its own. */
void doctor_bad_err(struct doctor_finding *f, const struct err *e, const char *hint);
/* A place in the platform's directory. */
const char *doctor_path(struct doctor *d, const char *name);
MUST_USE bool doctor_read_cert(struct doctor *d, const char *name, struct buf *der, struct cert *c, struct err *e);
MUST_USE bool doctor_read_roster(struct doctor *d, struct roster *r, struct err *e);
/* Unix time of the ledger's last entry; 0 if it has none. */
MUST_USE bool doctor_last_entry_at(struct doctor *d, int64_t *out, struct err *e);

#endif
