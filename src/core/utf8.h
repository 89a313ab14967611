/* UTF-8 well-formedness (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef KITH_CORE_UTF8_H
#define KITH_CORE_UTF8_H

#include "core/slice.h"

bool utf8_valid(struct slice s);

#endif
