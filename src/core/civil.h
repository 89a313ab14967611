/* Calendar (proleptic Gregorian, UTC) to Unix seconds and back, for years 0 to 9999.  No leap seconds. */
#ifndef KITH_CORE_CIVIL_H
#define KITH_CORE_CIVIL_H

#include "core/cc.h"
#include "core/slice.h"

struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
};

/* False if the date does not exist or a field is out of range. */
MUST_USE bool civil_to_unix(const struct civil *c, int64_t *at);
/* False outside years 0 to 9999. */
MUST_USE bool civil_from_unix(int64_t at, struct civil *c);

#endif
