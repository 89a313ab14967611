/* What `kith ca` on the platform (ca.c) and the offline root's side of it (offline_root.c) share. */
#ifndef KITH_CLI_CA_H
#define KITH_CLI_CA_H

#include "cli/cli.h"
#include "keys/key.h"

struct ca_opts {
    const char *name, *secrets, *hsm, *token, *pin_file, *hsm_template, *root_dir, *out, *plain_url, *revoke, *reason,
        *sha256;
    int64_t years, days;
    int key_type;
    bool der;
};

extern const char *const ca_key_words[];

/* Where a CA's key is, and what opens it. */
struct ca_key_place {
    const char *ref, *passphrase_file, *module, *token, *pin_file;
    const char *pin_mark; /* keys/pin_mark.h */
};

/* A key with what it stands on. */
struct ca_key {
    struct p11 *p11;
    struct key_env env;
    struct key *key;
};
void ca_key_close(struct ca_key *k);
MUST_USE bool ca_key_open(const struct ca_key_place *at, struct ca_key *out, struct err *e);

/* Verbs of the machine with the offline root; their rows stand with the others (ca.c). */
bool offline_init_root(void *ctx, const void *opts, const struct args_words *words, struct err *e);
bool offline_sign_request(void *ctx, const void *opts, const struct args_words *words, struct err *e);
bool offline_crl(void *ctx, const void *opts, const struct args_words *words, struct err *e);

#endif
