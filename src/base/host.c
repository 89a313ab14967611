#include "base/host.h"

#include <arpa/inet.h>
#include <string.h>

size_t host_address(struct slice text, uint8_t out[16])
{
    char t[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof t)
        return 0;
    memcpy(t, text.p, text.n);
    t[text.n] = 0;
    return inet_pton(AF_INET, t, out) == 1 ? 4 : inet_pton(AF_INET6, t, out) == 1 ? 16 : 0;
}

static bool is_name(struct slice name)
{
    size_t label = 0;
    bool digits = true;
    for (size_t i = 0; i <= name.n; i++) {
        uint8_t c = i < name.n ? name.p[i] : '.', low = c | 0x20;
        bool digit = c >= '0' && c <= '9';
        if (c == '.') {
            if (label == 0 || label > 63 || name.p[i - 1] == '-')
                return false;
            label = 0;
            if (i < name.n)
                digits = true;
            continue;
        }
        if (!digit && !(low >= 'a' && low <= 'z') && (c != '-' || label == 0))
            return false;
        digits &= digit;
        label++;
    }
    return name.n <= 253 && !digits; /* the last label of an address is digits, no domain's is */
}

static bool is_none(struct slice text, const char *what, const char *hint, struct err *e)
{
    err_set(e, ERR_SAN, "\"%s\" is %s", ERR_QUOTE(text), what);
    err_why(e, "RFC 5280 section 4.2.1.6, RFC 1123 section 2.1: labels of letters, digits and inner '-'; no wildcard");
    return err_try(e, "%s", hint);
}

bool host_check_name(struct slice name, struct err *e)
{
    return is_name(name) || is_none(name, "no host name", "leave it out, or name a host; an address is no name", e);
}

bool host_check(struct slice host, struct err *e)
{
    uint8_t address[16];
    return host_address(host, address) || is_name(host) ||
           is_none(host, "neither a host name nor an IP address",
                   "each name or address that clients connect to, divided by commas", e);
}

struct slice host_of_url(const char *url)
{
    const char *from = strstr(url, "://");
    from = from ? from + 3 : url;
    size_t n = strcspn(from, from[0] == '[' ? "]" : ":/");
    bool v6 = from[0] == '[' && memchr(from, ':', n); /* a name in brackets keeps them, and is none */
    return v6 ? slice_of(from + 1, n - 1) : slice_of(from, n);
}
