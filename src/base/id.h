/* Names that sort by birth: a prefix ("dev_") and 26 characters of Crockford base32 in lower case, a ULID of 48 bits of
 * milliseconds and 80 random bits. */
#ifndef KITH_BASE_ID_H
#define KITH_BASE_ID_H

#include "core/slice.h"

#define ID_CHARS      26
#define ID_RANDOM     10
#define ID_PREFIX_MAX 8
#define ID_MAX        (ID_PREFIX_MAX + ID_CHARS + 1)

/* Writes the id and a NUL.  ms is taken modulo 2^48; a prefix is cut at ID_PREFIX_MAX. */
void id_make(const char *prefix, uint64_t ms, const uint8_t random[ID_RANDOM], char dst[ID_MAX]);
bool id_is_valid(const char *prefix, const char *s);
/* When it was made; 0 for what is no id. */
uint64_t id_ms(const char *prefix, const char *s);

#endif
