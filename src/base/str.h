/* The text basics in one include. */
#ifndef KITH_BASE_STR_H
#define KITH_BASE_STR_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/nearest.h"
#include "base/rfc3339.h"

#endif
