/* The text basics in one include. */
#ifndef KITH_BASE_STR_H
#define KITH_BASE_STR_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/nearest.h"
#include "base/rfc3339.h"

/* As snprintf with "%s" does: what fits, and a NUL.  cap is not 0. */
void str_copy(char *dst, size_t cap, const char *src);
void str_copy_slice(char *dst, size_t cap, struct slice src);

#endif
