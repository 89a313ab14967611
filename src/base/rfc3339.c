#include "base/rfc3339.h"

#include <stdio.h>

#define DAY_MS    86400000LL
#define YEAR1_DAY (-719162LL)       /* 0001-01-01 */
#define LAST_MS   253402300799999LL /* 9999-12-31T23:59:59.999Z */

/* Howard Hinnant's days_from_civil: years begin in March, so that the leap day comes last. */
int64_t rfc3339_day(int year, int month, int mday)
{
    int64_t y = month <= 2 ? (int64_t)year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + mday - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void rfc3339_date(int64_t day, int *year, int *month, int *mday)
{
    int64_t z = day + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *mday = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static char *format(int64_t ms, bool fraction, char dst[RFC3339_MAX])
{
    if (ms < YEAR1_DAY * DAY_MS)
        ms = YEAR1_DAY * DAY_MS;
    if (ms > LAST_MS)
        ms = LAST_MS;
    int64_t day = (ms >= 0 ? ms : ms - (DAY_MS - 1)) / DAY_MS;
    int in_day = (int)(ms - day * DAY_MS), y, m, d;
    rfc3339_date(day, &y, &m, &d);
    int s = in_day / 1000;
    int n = snprintf(dst, RFC3339_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", (unsigned)y % 10000, (unsigned)m % 100,
                     (unsigned)d % 100, (unsigned)s / 3600 % 100, (unsigned)s / 60 % 60, (unsigned)s % 60);
    if (fraction)
        snprintf(dst + n, (size_t)(RFC3339_MAX - n), ".%03uZ", (unsigned)in_day % 1000);
    else
        snprintf(dst + n, (size_t)(RFC3339_MAX - n), "Z");
    return dst;
}

char *rfc3339_format(int64_t at, char dst[RFC3339_MAX])
{
    int64_t ms = at > LAST_MS / 1000 ? LAST_MS : at < YEAR1_DAY * 86400 ? YEAR1_DAY * DAY_MS : at * 1000;
    return format(ms, false, dst);
}

char *rfc3339_format_ms(int64_t ms, char dst[RFC3339_MAX])
{
    return format(ms, true, dst);
}

/* n digits within [min, max]; moves *s. */
static bool digits(const char **s, int n, int min, int max, int *out)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        v = v * 10 + (**s - '0');
    }
    *out = v;
    return v >= min && v <= max;
}

static bool literal(const char **s, const char *either)
{
    if (!**s || !strchr(either, **s))
        return false;
    (*s)++;
    return true;
}

static bool offset_minutes(const char **s, int *out)
{
    int h, m;
    *out = 0;
    if (literal(s, "Zz"))
        return true;
    int sign = **s == '-' ? -1 : 1;
    if (!literal(s, "+-") || !digits(s, 2, 0, 23, &h) || !literal(s, ":") || !digits(s, 2, 0, 59, &m))
        return false;
    *out = sign * (h * 60 + m);
    return true;
}

static bool parse(const char *s, int64_t *ms)
{
    int y, mo, d, h, mi, sec, frac = 0, off;
    if (!digits(&s, 4, 1, 9999, &y) || !literal(&s, "-") || !digits(&s, 2, 1, 12, &mo) || !literal(&s, "-") ||
        !digits(&s, 2, 1, 31, &d) || !literal(&s, "Tt ") || !digits(&s, 2, 0, 23, &h) || !literal(&s, ":") ||
        !digits(&s, 2, 0, 59, &mi) || !literal(&s, ":") || !digits(&s, 2, 0, 59, &sec))
        return false;
    if (literal(&s, ".")) {
        int scale = 100, any = 0;
        for (; *s >= '0' && *s <= '9'; s++, any++, scale /= 10)
            frac += (*s - '0') * scale;
        if (!any)
            return false;
    }
    if (!offset_minutes(&s, &off) || *s)
        return false;
    int64_t day = rfc3339_day(y, mo, d);
    int y2, mo2, d2;
    rfc3339_date(day, &y2, &mo2, &d2);
    if (d2 != d) /* February 30 and its like */
        return false;
    *ms = day * DAY_MS + ((h * 60 + mi - off) * 60 + sec) * 1000LL + frac;
    return *ms >= YEAR1_DAY * DAY_MS && *ms <= LAST_MS;
}

bool rfc3339_parse_ms(const char *s, int64_t *ms, struct err *e)
{
    *ms = 0;
    int64_t v;
    if (parse(s, &v)) {
        *ms = v;
        return true;
    }
    err_set(e, ERR_TIME_TEXT, "\"%s\" is not a time", ERR_QUOTE(slice_str(s)));
    err_why(e, "RFC 3339 section 5.6");
    return err_try(e, "write it as 2026-11-23T11:00:00Z");
}

bool rfc3339_parse(const char *s, int64_t *at, struct err *e)
{
    int64_t ms;
    *at = 0;
    if (!rfc3339_parse_ms(s, &ms, e))
        return false;
    *at = (ms >= 0 ? ms : ms - 999) / 1000;
    return true;
}
