#include "agent/verbs.h"

#define DIR_ROW(type)                                                                                                  \
    {                                                                                                                  \
        NULL, "dir", OPT_PATH, .arg = "STATE", .help = "state directory", .offset = offsetof(struct type, dir),        \
                               .required = true                                                                        \
    }

#define JSON_ROW(type)                                                                                                 \
    {                                                                                                                  \
        NULL, "json", OPT_BOOL, .help = "answer in JSON", .offset = offsetof(struct type, json)                        \
    }

static const struct opt enroll_rows[] = {
    DIR_ROW(enroll_opts),
    {NULL, "token-file", OPT_PATH, .arg = "FILE", .help = "the token; standard input if not given",
     .offset = offsetof(struct enroll_opts, token_file)},
    {NULL, "key", OPT_TEXT, 4, 512, .arg = "file|pkcs11:URI",
     .help = "where the key is made and stays; file by default", .offset = offsetof(struct enroll_opts, key)},
    {NULL, "key-type", OPT_ENUM, .words = conf_key_types, .arg = "TYPE",
     .help = "of the key; if not given as agent.conf has it, p256 if it does not say",
     .offset = offsetof(struct enroll_opts, key_type)},
    {NULL, "module", OPT_PATH, .arg = "FILE", .help = "PKCS#11 module", .offset = offsetof(struct enroll_opts, module)},
    {NULL, "pin-file", OPT_TEXT, 1, 4096, .arg = "FILE", .help = "user PIN of the token, mode 0600",
     .offset = offsetof(struct enroll_opts, pin_file)},
    {NULL, "passphrase-file", OPT_TEXT, 1, 4096, .arg = "FILE",
     .help = "seals a key in a file; credential:NAME for one of systemd",
     .offset = offsetof(struct enroll_opts, passphrase_file)},
    {NULL, "wait", OPT_SECONDS, 0, 604800, "5m",
     .help = "how long to try while the platform is away or has not decided; 0: once",
     .offset = offsetof(struct enroll_opts, wait_s)},
    {NULL, "again", OPT_BOOL, .help = "take a new token although the credential still works",
     .offset = offsetof(struct enroll_opts, again)},
    JSON_ROW(enroll_opts),
};

static const struct opt run_rows[] = {
    DIR_ROW(run_opts),
    {NULL, "once", OPT_BOOL, .help = "do what is due now, and end", .offset = offsetof(struct run_opts, once)},
    {NULL, "renew", OPT_BOOL, .help = "renew at once, whatever the time", .offset = offsetof(struct run_opts, renew)},
    JSON_ROW(run_opts),
};

static const struct opt status_rows[] = {
    DIR_ROW(status_opts),
    JSON_ROW(status_opts),
};

const struct verb agent_verbs[] = {
    {"enroll", "",
     "get an identity with a token\nThe token comes on standard input or in a file, never as an argument.", enroll_rows,
     ARRAY_LEN(enroll_rows), sizeof(struct enroll_opts), 0, 0, enroll_verb},
    {"run", "", "keep the certificate renewed", run_rows, ARRAY_LEN(run_rows), sizeof(struct run_opts), 0, 0, run_verb},
    {"status", "", "certificate, next renewal, last error", status_rows, ARRAY_LEN(status_rows),
     sizeof(struct status_opts), 0, 0, status_verb},
};
const size_t agent_verbs_n = ARRAY_LEN(agent_verbs);
