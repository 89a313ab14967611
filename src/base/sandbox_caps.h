/* Inside src/base only: which capabilities the process keeps. */
#ifndef KITH_BASE_SANDBOX_CAPS_H
#define KITH_BASE_SANDBOX_CAPS_H

#include "base/sandbox.h"

/* None, in no set; but a policy that listens on a port below 1024 keeps CAP_NET_BIND_SERVICE, if it is there. */
MUST_USE bool sandbox_caps_drop(const struct sandbox_policy *policy, struct err *e);
MUST_USE bool sandbox_caps_end_listening(struct err *e); /* that one too, in the calling thread */

#endif
