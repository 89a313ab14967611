/* The making of an installation: directories, keys, certificates, roster, kith.conf (DESIGN section 6, `kith init`).
 *
 * Every step finds what an earlier, killed run left and goes on from there; the last step names the configuration file, so
 * an installation without it is not one.  What is there already and was not made by the same options is never touched. */
#ifndef KITH_CLI_PLATFORM_H
#define KITH_CLI_PLATFORM_H

#include "base/arena.h"
#include "base/env.h"
#include "keys/key.h"
#include "model/settings.h"

#define ROOT_YEARS    20
#define ISSUING_YEARS 10

struct platform_plan {
    const char *dir, *secrets; /* absolute */
    const char *profiles;      /* where the shipped ones are */
    const char *name, *origin, *url, *plain_url, *listen, *plain_listen, *hostnames, *database;
    const char *hsm_module, *hsm_token, *hsm_pin_file, *hsm_label; /* NULL: keys in files */
    const char *hsm_paths, *hsm_template;                          /* NULL: as settings.c has it */
    enum key_type key_type;                                        /* of root and issuing CA */
    bool offline_root;
};

struct platform_made {
    const char *passphrase_file; /* where it was put */
    const char *request;         /* offline root: the request to be signed */
    bool ledger_on_token, continued;
    uint8_t root_sha256[SHA256_SIZE], issuing_sha256[SHA256_SIZE]; /* not with an offline root */
    uint8_t request_sha256[SHA256_SIZE];
};

/* Errors: conflict (an installation or something else is there), and whatever a step meets. */
MUST_USE bool platform_make(const struct platform_plan *plan, const struct env *env, struct arena *a,
                            struct platform_made *out, struct err *e);
/* True if there is no such directory, or nothing in it. */
bool platform_is_vacant(const char *dir);
/* Makes dir (its own and each part of the layout), private.  Errors: file-mode, conflict, io. */
MUST_USE bool platform_dirs(const char *dir, struct arena *a, struct err *e);
/* A random passphrase in a new file of mode 0600, or the one that is there. */
MUST_USE bool platform_passphrase(const char *path, const struct env *env, struct err *e);
/* The reference of a key in a token: its object is called "LABEL-NAME".  NULL if the arena is full. */
const char *platform_token_ref(struct arena *a, const char *token, const char *label, const char *name);

#endif
