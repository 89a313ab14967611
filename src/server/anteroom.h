/* What answers while the server cannot start: on the plain port and the local socket, /readyz and every other request get 503
 * at once, with the code and the part; over the local socket with the reason, too.  It has its own loop; it is gone before the
 * server listens. */
#ifndef KITH_SERVER_ANTEROOM_H
#define KITH_SERVER_ANTEROOM_H

#include "base/loop.h"
#include "core/err.h"

struct anteroom;

/* `part` as in /readyz ("ca", "signer-issuing", "signer-ledger", "database", "ledger"); why is copied.
 * Errors: http-listen, no memory. */
struct anteroom_place {
    int local; /* the listening socket, borrowed */
    char host[128];
    uint16_t port; /* of the plain listener */
};
MUST_USE bool anteroom_open(const struct anteroom_place *at, const char *part, const struct err *why,
                            struct anteroom **out, struct err *e);
void anteroom_close(struct anteroom *a);
AUTO_FREE_FN(struct anteroom *, anteroom_close);

#endif
