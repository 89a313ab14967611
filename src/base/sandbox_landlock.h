/* The half of the sandbox that limits files and TCP ports: Landlock by raw system calls, as far as the kernel knows it.
 * For sandbox.c only. */
#ifndef KITH_BASE_SANDBOX_LANDLOCK_H
#define KITH_BASE_SANDBOX_LANDLOCK_H

#include "base/sandbox.h"

MUST_USE bool sandbox_landlock_enter(const struct sandbox_policy *policy, struct sandbox_report *report, struct err *e);

#endif
