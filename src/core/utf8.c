#include "core/utf8.h"

/* Length of the sequence that b begins, and the bounds of its second byte, which is where overlong forms, surrogates and
 * too large numbers show (RFC 3629 section 4). */
static size_t sequence(uint8_t b, uint8_t *low, uint8_t *high)
{
    *low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
    *high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
    if (b < 0x80)
        return 1;
    if (b < 0xc2)
        return 0;
    return b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;
}

bool utf8_valid(struct slice s)
{
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] < 0x80) {
            i++;
            continue;
        }
        uint8_t low, high;
        size_t n = sequence(s.p[i], &low, &high);
        if (n == 0 || n > s.n - i)
            return false;
        for (size_t k = 1; k < n; k++, low = 0x80, high = 0xbf)
            if (s.p[i + k] < low || s.p[i + k] > high)
                return false;
        i += n;
    }
    return true;
}
