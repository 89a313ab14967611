/* The command line: what its verbs share.  One file a group of verbs; each exports its rows, and main.c joins them.
 *
 * Data goes to stdout, talk to stderr.  A verb returns false with *e set, or true; `exit_code` is for the few that neither
 * failed nor did all of it. */
#ifndef KITH_CLI_CLI_H
#define KITH_CLI_CLI_H

#include <stdio.h>

#include "base/args.h"
#include "base/env.h"
#include "base/json.h"
#include "model/settings.h"

#define EXIT_PARTLY   8
#define CLI_FILE_MAX  (16u << 20)
#define CLI_ARENA_MAX (64u << 20)

/* Options that stand before or behind any verb. */
struct cli_globals {
    const char *dir, *url, *cert, *key, *ca, *passphrase_file, *module, *pin_file;
    bool json;
};
extern const struct opt cli_global_rows[];
extern const size_t cli_global_rows_n;

struct cli {
    struct cli_globals g;
    struct env env;
    struct arena arena;
    FILE *out, *talk;
    const char *program; /* as it was called: finds the shipped profiles */
    const char *libexec; /* where Kith's other programs are; NULL: where they are installed */
    int exit_code;
    struct http_client *client; /* client.c */
    struct identity *identity;  /* what it shows; client.c */
    struct settings settings;   /* cli_settings() */
    bool has_settings;
};

/* The verbs of each file. */
extern const struct verb init_verbs[], ca_verbs[], status_verbs[], model_verbs[], device_verbs[], device_act_verbs[],
    cert_verbs[], operator_verbs[], gateway_verbs[], anchor_verbs[], ledger_list_verbs[], ledger_verbs[],
    doctor_verbs[], inspect_verbs[], help_verbs[], alarm_verbs[];
extern const size_t init_verbs_n, ca_verbs_n, status_verbs_n, model_verbs_n, device_verbs_n, device_act_verbs_n,
    cert_verbs_n, operator_verbs_n, gateway_verbs_n, anchor_verbs_n, ledger_list_verbs_n, ledger_verbs_n,
    doctor_verbs_n, inspect_verbs_n, help_verbs_n, alarm_verbs_n;

/* All of them in one table. */
MUST_USE bool cli_verbs(struct arena *a, const struct verb **out, size_t *n, struct err *e);
/* All commands, those of a group ("device"), or one. */
MUST_USE bool cli_help(struct cli *cli, char *const *words, int n, struct err *e);
struct manual_program;
void cli_put_manual(struct buf *b, const struct manual_program *p); /* doc/man/kith.1 */
void cli_manual(struct manual_program *out, const struct verb *verbs, size_t n);

/* kith.conf of --dir, read once.  Errors: option (no --dir), config, not-found. */
MUST_USE bool cli_settings(struct cli *cli, const struct settings **out, struct err *e);
/* A whole file, or standard input for "-". */
MUST_USE bool cli_read_input(const char *path, struct buf *out, struct err *e);
/* Reads and runs the command line; argv without the program's name.  Returns the exit code. */
int cli_run(struct cli *cli, int argc, char *const *argv);
void cli_print_error(struct cli *cli, const struct err *e);
/* What `b` holds, to stdout.  Errors: io. */
MUST_USE bool cli_write(struct cli *cli, const struct buf *b, struct err *e);
/* A document: into the file, or to stdout ("-" or NULL).  With --json stdout gets {"v":1,...} with the file's path, or with the
 * document as text, or as base64 if it is none. */
MUST_USE bool cli_write_document(struct cli *cli, const char *file, const struct buf *b, struct err *e);
/* {"v":1, NAME: TEXT} with --json, else nothing. */
MUST_USE bool cli_write_said(struct cli *cli, const char *name, const char *text, struct err *e);
/* SHA-256 as people compare it: "AB:CD:..." */
void cli_put_fingerprint(struct buf *b, const uint8_t digest[32]);
/* A private key that is somebody else's does not go into the directory of a platform, where its backup and its server are.
 * `option` named it.  Errors: option. */
MUST_USE bool cli_is_outside(struct cli *cli, const char *option, const char *dir, struct err *e);
/* The passphrase lies outside the directory whose keys it opens.  Errors: option. */
MUST_USE bool cli_secrets_are_apart(const char *dir, const char *secrets, struct err *e);
/* "PATH" made absolute against the working directory; NULL stays NULL. */
const char *cli_absolute(struct cli *cli, const char *path);

#endif
