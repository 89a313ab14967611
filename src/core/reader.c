#include "core/reader.h"

struct reader reader_of(struct slice s)
{
    return (struct reader){.p = s.p, .end = s.n ? s.p + s.n : s.p, .depth = READER_DEPTH_DEFAULT};
}

bool reader_end(const struct reader *r)
{
    return !r->bad && r->p == r->end;
}

void reader_fail(struct reader *r)
{
    r->bad = true;
}

struct slice reader_take(struct reader *r, size_t n)
{
    if (n > reader_left(r)) {
        r->bad = true;
        return (struct slice){0};
    }
    struct slice s = {r->p, n};
    if (n)
        r->p += n;
    return s;
}

struct slice reader_rest(struct reader *r)
{
    return reader_take(r, reader_left(r));
}

static uint64_t take_be(struct reader *r, size_t n)
{
    struct slice s = reader_take(r, n);
    uint64_t v = 0;
    for (size_t i = 0; i < s.n; i++)
        v = v << 8 | s.p[i];
    return v;
}

uint8_t reader_u8(struct reader *r)
{
    if (reader_left(r))
        return *r->p++;
    r->bad = true;
    return 0;
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)take_be(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)take_be(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
    return take_be(r, 8);
}
