#include "base/id.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford: no i, l, o, u */

void id_make(const char *prefix, uint64_t ms, const uint8_t random[ID_RANDOM], char dst[ID_MAX])
{
    uint8_t raw[16];
    for (int i = 0; i < 6; i++)
        raw[i] = (uint8_t)(ms >> (40 - 8 * i));
    memcpy(raw + 6, random, ID_RANDOM);
    size_t n = strnlen(prefix, ID_PREFIX_MAX);
    memcpy(dst, prefix, n);
    /* 128 bits in 26 characters of 5: two zero bits come first. */
    uint32_t acc = 0;
    unsigned have = 2;
    for (size_t i = 0; i < sizeof raw; i++) {
        acc = acc << 8 | raw[i];
        for (have += 8; have >= 5; have -= 5)
            dst[n++] = alphabet[acc >> (have - 5) & 31];
    }
    dst[n] = 0;
}

static const char *id_body(const char *prefix, const char *s)
{
    size_t n = strlen(prefix);
    if (n > ID_PREFIX_MAX || strncmp(s, prefix, n) != 0)
        return NULL;
    s += n;
    if (strnlen(s, ID_CHARS + 1) != ID_CHARS || s[0] > '7')
        return NULL;
    return strspn(s, alphabet) == ID_CHARS ? s : NULL;
}

bool id_is_valid(const char *prefix, const char *s)
{
    return id_body(prefix, s) != NULL;
}

uint64_t id_ms(const char *prefix, const char *s)
{
    const char *p = id_body(prefix, s);
    uint64_t ms = 0;
    for (int i = 0; p && i < 10; i++)
        ms = ms << 5 | (uint64_t)(strchr(alphabet, p[i]) - alphabet);
    return ms;
}
