/* Memory that is taken piece by piece and freed at once: one for each request, one for each configuration.  Bounded; an
 * allocation beyond the maximum yields NULL and makes the arena bad for good, so that it may be asked once at the end.
 * One owner, one thread. */
#ifndef KITH_BASE_ARENA_H
#define KITH_BASE_ARENA_H

#include "core/err.h"
#include "core/slice.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    size_t used, max;
    bool bad;
};

void arena_init(struct arena *a, size_t max);
void arena_clear(struct arena *a);
bool arena_ok(const struct arena *a, struct err *e);

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size);
char *arena_str(struct arena *a, struct slice s); /* a copy with a NUL behind it */
struct slice arena_dup(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
