#include "core/civil.h"

#define DAY_S 86400
/* The first second of year 0 and of year 10000. */
#define AT_MIN (INT64_C(-719528) * DAY_S)
#define AT_END INT64_C(253402300800)

static bool leap(int y)
{
    return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

static int days_in_month(int y, int m)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[m - 1] + (m == 2 && leap(y));
}

static int days_before_month(int y, int m)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[m - 1] + (m > 2 && leap(y));
}

/* Days from 0000-01-01 to January 1 of year y. */
static int64_t days_before_year(int y)
{
    return y == 0 ? 0 : 365 * (int64_t)y + (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400 + 1;
}

bool civil_to_unix(const struct civil *c, int64_t *at)
{
    *at = 0;
    if (c->year < 0 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in_month(c->year, c->month))
        return false;
    if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 || c->second > 59)
        return false;
    int64_t days = days_before_year(c->year) + days_before_month(c->year, c->month) + c->day - 1;
    *at = AT_MIN + days * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
    return true;
}

bool civil_from_unix(int64_t at, struct civil *c)
{
    *c = (struct civil){0};
    if (at < AT_MIN || at >= AT_END)
        return false;
    int64_t s = at - AT_MIN, days = s / DAY_S;
    int rest = (int)(s % DAY_S);
    int y = (int)(days / 366); /* at most the true year, and less by no more than 7 */
    while (days_before_year(y + 1) <= days)
        y++;
    int d = (int)(days - days_before_year(y)), m = 1;
    while (m < 12 && days_before_month(y, m + 1) <= d)
        m++;
    *c = (struct civil){y, m, d - days_before_month(y, m) + 1, rest / 3600, rest / 60 % 60, rest % 60};
    return true;
}
