/* Reads bytes from outside.  A cursor over a borrowed slice with a sticky error: after the first failed read every later
 * one fails too and yields zeros, so a caller reads a whole structure and checks once with reader_ok() or reader_end().
 * Never allocates, never reads past the end. */
#ifndef KITH_CORE_READER_H
#define KITH_CORE_READER_H

#include "core/cc.h"
#include "core/slice.h"

struct reader {
    const uint8_t *p, *end;
    uint8_t depth; /* nesting left; formats that nest count it down */
    bool bad;
};

#define READER_DEPTH_DEFAULT 16

struct reader reader_of(struct slice s);

static inline bool reader_ok(const struct reader *r)
{
    return !r->bad;
}
/* True if nothing failed and every byte was read. */
MUST_USE bool reader_end(const struct reader *r);
static inline size_t reader_left(const struct reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}
void reader_fail(struct reader *r);

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r); /* big-endian, as are all of these */
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* The next byte without taking it; 0 and no failure at the end. */
static inline uint8_t reader_peek(const struct reader *r)
{
    return reader_left(r) ? *r->p : 0;
}
struct slice reader_take(struct reader *r, size_t n);
struct slice reader_rest(struct reader *r);

#endif
