/* The second half of `kithd -t`: what only the children can try is tried by them.  Each is started with --check, as it would
 * be started, does what its start needs short of changing anything, says what is wrong on our stderr, and ends.  kithd itself
 * opens no key, token or database. */
#ifndef KITH_SUPERVISOR_REHEARSE_H
#define KITH_SUPERVISOR_REHEARSE_H

#include <stddef.h>

#include "supervisor/check.h"

struct rehearsal {
    const char *config;
    const struct settings *settings;
    const char *server, *signer; /* NULL: not there, which was told already */
    char *const *environ;        /* kithd's own */
    bool signers;                /* they have what they need to be tried */
    check_fn *found;             /* NULL: the children tell it themselves, on our stderr */
    void *ctx;
};

/* Counts the children that found something into *problems, unless each problem went to r->found; returns the exit code of the first child that found one, or 0. */
int rehearse(const struct rehearsal *r, struct arena *a, size_t *problems);

#endif
