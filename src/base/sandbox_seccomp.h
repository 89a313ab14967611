/* Inside src/base only: which system calls the process keeps. */
#ifndef KITH_BASE_SANDBOX_SECCOMP_H
#define KITH_BASE_SANDBOX_SECCOMP_H

#include "base/sandbox.h"

MUST_USE bool sandbox_seccomp_enter(const struct sandbox_policy *policy, struct err *e);
MUST_USE bool sandbox_seccomp_end_listening(bool connects, struct err *e); /* in all threads */

#endif
