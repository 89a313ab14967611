/* The mini-fuzz that each parser's unit test runs over its good samples: every bit flipped, every length truncated, every
 * byte doubled.  Each variant stands in a heap block of its exact size, so that ASan sees a read past the end. */
#ifndef KITH_TESTS_UNIT_MUTATE_H
#define KITH_TESTS_UNIT_MUTATE_H

#include <stdlib.h>

#include "core/slice.h"

typedef void mutate_fn(struct slice variant, void *ctx);

static inline void mutate_call(const uint8_t *p, size_t n, mutate_fn *fn, void *ctx)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, p, n);
    fn(slice_of(copy, n), ctx);
    free(copy);
}

static inline void mutate_each(struct slice s, mutate_fn *fn, void *ctx)
{
    uint8_t *b = malloc(s.n + 1);
    if (!b)
        abort();
    if (s.n)
        memcpy(b, s.p, s.n);
    for (size_t i = 0; i < 8 * s.n; i++) {
        b[i / 8] ^= (uint8_t)(1u << i % 8);
        mutate_call(b, s.n, fn, ctx);
        b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t n = 0; n < s.n; n++)
        mutate_call(b, n, fn, ctx);
    for (size_t i = 0; i < s.n; i++) {
        memcpy(b, s.p, i + 1);
        memcpy(b + i + 1, s.p + i, s.n - i);
        mutate_call(b, s.n + 1, fn, ctx);
    }
    free(b);
}

#endif
