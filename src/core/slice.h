/* A borrowed run of bytes.  It owns nothing; whoever made it says how long it lives. */
#ifndef KITH_CORE_SLICE_H
#define KITH_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *p;
    size_t n;
};

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){(const uint8_t *)p, n};
}

static inline struct slice slice_str(const char *s)
{
    return slice_of(s, strlen(s));
}

/* The bytes of an array, or of a string literal without its NUL. */
#define SLICE_ARRAY(a) slice_of((a), sizeof(a))
#define SLICE_LIT(s)   slice_of("" s, sizeof(s) - 1)

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Order by content, a prefix before what it begins (bytewise lexicographic). */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Goes past what the text begins with; false, and nowhere, if that is something else. */
static inline bool slice_take_prefix(struct slice *rest, struct slice prefix)
{
    if (rest->n < prefix.n || !slice_eq(slice_of(rest->p, prefix.n), prefix))
        return false;
    *rest = slice_of(prefix.n ? rest->p + prefix.n : rest->p, rest->n - prefix.n);
    return true;
}

/* The same of a number in decimal without leading zeros, up to max. */
static inline bool slice_take_decimal(struct slice *rest, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;
    for (; n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9'; n++) {
        unsigned digit = (unsigned)rest->p[n] - '0';
        if (digit > max || v > (max - digit) / 10 || (n && v == 0))
            return false;
        v = 10 * v + digit;
    }
    if (n == 0)
        return false;
    *rest = slice_of(rest->p + n, rest->n - n);
    *out = v;
    return true;
}

/* The next line of a text, without its newline (the last may have none); *rest goes past it. */
static inline struct slice slice_take_line(struct slice *rest)
{
    const uint8_t *end = rest->n ? (const uint8_t *)memchr(rest->p, '\n', rest->n) : NULL;
    struct slice line = slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
    size_t used = line.n + (end != NULL);
    *rest = slice_of(used ? rest->p + used : rest->p, rest->n - used);
    return line;
}

/* The same of a text whose lines all end; false if this one does not. */
static inline bool slice_take_ended_line(struct slice *rest, struct slice *line)
{
    struct slice left = *rest, taken = slice_take_line(&left);
    if (taken.n == rest->n)
        return false;
    *line = taken;
    *rest = left;
    return true;
}

/* The next line that is neither empty nor a comment ('#'); false, and an empty one, at the end. */
static inline bool slice_take_said_line(struct slice *rest, struct slice *line)
{
    while (rest->n) {
        *line = slice_take_line(rest);
        if (line->n && line->p[0] != '#')
            return true;
    }
    *line = slice_of(rest->p, 0);
    return false;
}

/* Equality in time that depends on the lengths only. */
static inline bool slice_eq_ct(struct slice a, struct slice b)
{
    uint8_t diff = 0;
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        diff |= (uint8_t)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

#endif
