/* What the files of the making of an installation share. */
#ifndef KITH_CLI_PLATFORM_IMPL_H
#define KITH_CLI_PLATFORM_IMPL_H

#include "base/buf.h"
#include "cli/platform.h"
#include "keys/p11.h"
#include "x509/cert.h"

#define PLATFORM_MARKS_FILE "init.keys" /* key references that it began to make */

enum { KEY_ROOT, KEY_ISSUING, KEY_LEDGER, KEY_COSIGN, KEY_DERIVE, KEYS };
struct making {
    const struct platform_plan *plan;
    const struct env *env;
    struct arena *a;
    struct platform_made *out;
    struct key_env keys;
    struct p11 *p11;
    struct key *key[KEYS];
    const char *conf_ref[KEYS]; /* as kith.conf has it */
    struct cert root;
    struct buf root_der;
};

const char *platform_path(struct making *m, const char *name);

/* platform_keys.c: where each key is to be, then the keys, those of an earlier run or new ones. */
extern const char *const platform_key_names[KEYS];
MUST_USE bool platform_choose_refs(struct making *m, struct err *e);
/* Before anything is written: a stranger's keys in the token. */
MUST_USE bool platform_refuse_foreign_keys(struct making *m, struct err *e);
MUST_USE bool platform_settle_keys(struct making *m, struct err *e);

#endif
