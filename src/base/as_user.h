/* Something tried with another's rights, in a process of its own, so that the kernel itself says what that one may: what root
 * can do says nothing about a server that runs as somebody else, or as root without capabilities (base/sandbox.h). */
#ifndef KITH_BASE_AS_USER_H
#define KITH_BASE_AS_USER_H

#include <sys/types.h>

#include "core/err.h"

typedef int as_user_fn(void *ctx); /* in the child: what it changes is lost, but for shared memory */

/* *status: what run() returned (0 to 255).  Root becomes that user and keeps no capability but that of binding ports below
 * 1024; who is not root stays what he is.  Errors: child-start (it cannot become that user, or a signal ended it). */
MUST_USE bool as_user_run(uid_t user, as_user_fn *run, void *ctx, int *status, struct err *e);

#endif
