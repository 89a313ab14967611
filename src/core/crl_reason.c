#include "core/crl_reason.h"

#include <string.h>

#include "core/cc.h"

#define ROW_FINAL(id, number, text) [number] = {text, true},
#define ROW_OTHER(id, number, text) [number] = {text, false},
static const struct {
    const char *name;
    bool final;
} reasons[] = {CRL_REASON_ROWS(ROW_FINAL, ROW_OTHER)};

#define NAME(id, number, text) text,
#define NOTHING(id, number, text)
const char *const crl_reasons_final[] = {CRL_REASON_ROWS(NAME, NOTHING) NULL};

const char *crl_reason_name(int64_t reason)
{
    return reason >= 0 && (uint64_t)reason < ARRAY_LEN(reasons) ? reasons[reason].name : NULL;
}

int crl_reason_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].name && strcmp(reasons[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool crl_reason_is_known(int64_t reason)
{
    return crl_reason_name(reason) != NULL;
}

bool crl_reason_is_final(int64_t reason)
{
    return crl_reason_is_known(reason) && reasons[reason].final;
}
