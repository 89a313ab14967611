/* Times as text: RFC 3339, always written in UTC ("2026-11-23T11:00:00Z").  Years 0001 to 9999. */
#ifndef KITH_BASE_RFC3339_H
#define KITH_BASE_RFC3339_H

#include "core/err.h"

#define RFC3339_MAX 32

/* Return dst.  A time outside the years gives the nearest one that can be written. */
char *rfc3339_format(int64_t at, char dst[RFC3339_MAX]);
char *rfc3339_format_ms(int64_t ms, char dst[RFC3339_MAX]); /* with milliseconds */
#define RFC3339(at) rfc3339_format((at), (char[RFC3339_MAX]){0})

/* Takes any offset and fraction (beyond milliseconds dropped); a leap second is refused.  Errors: time-text. */
MUST_USE bool rfc3339_parse(const char *s, int64_t *at, struct err *e);
MUST_USE bool rfc3339_parse_ms(const char *s, int64_t *ms, struct err *e);

/* The civil date of a day counted from 1970-01-01, and back (proleptic Gregorian). */
void rfc3339_date(int64_t day, int *year, int *month, int *mday);
int64_t rfc3339_day(int year, int month, int mday);

#endif
