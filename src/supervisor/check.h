/* The first half of `kithd -t`: is everything there that the configuration names, and is it closed to others?  Looks,
 * changes nothing, opens no key: whether a passphrase or PIN is the right one the children try (supervisor/rehearse.h). */
#ifndef KITH_SUPERVISOR_CHECK_H
#define KITH_SUPERVISOR_CHECK_H

#include "model/settings.h"

/* One problem; `fatal` is false for what kithd can run without (a certificate that is still to be installed). */
typedef void check_fn(void *ctx, const struct err *problem, bool fatal);

struct check {
    const struct settings *settings;
    const char *config;          /* the file's path */
    const char *signer, *server; /* as program_find() found them; NULL: not looked at */
    const char *credentials;     /* $CREDENTIALS_DIRECTORY or NULL */
    check_fn *found;
    void *ctx;
};

/* Calls c->found for each problem, and returns how many were fatal. */
size_t check_all(const struct check *c, struct arena *a);

#endif
