/* Paths of tiles (c2sp.org/tlog-tiles): each tile has one path, and nothing else is read. */
#include "ledger/tree.h"

/* x001/x234/067 is 1234067. */
static bool take_index(struct slice *s, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned group = 0; group < 6; group++) {
        bool more = slice_take_prefix(s, SLICE_LIT("x"));
        if (s->n < 3)
            return false;
        unsigned three = 0;
        for (size_t i = 0; i < 3; i++) {
            if (s->p[i] < '0' || s->p[i] > '9')
                return false;
            three = three * 10 + (unsigned)(s->p[i] - '0');
        }
        *s = slice_of(s->p + 3, s->n - 3);
        v = v * 1000 + three;
        if (!more) {
            *out = v;
            return true;
        }
        if (v == 0 || !slice_take_prefix(s, SLICE_LIT("/")))
            return false;
    }
    return false;
}

bool tile_path_read(struct slice path, struct tile_path *out)
{
    struct tile_path p = {0};
    uint64_t level = 0, width = TILE_WIDTH;
    *out = (struct tile_path){0};
    if (!slice_take_prefix(&path, SLICE_LIT("tile/")))
        return false;
    if (slice_take_prefix(&path, SLICE_LIT("entries/")))
        p.entries = true;
    else if (!slice_take_decimal(&path, 63, &level) || !slice_take_prefix(&path, SLICE_LIT("/")))
        return false;
    if (!take_index(&path, &p.index))
        return false;
    if (path.n && (!slice_take_prefix(&path, SLICE_LIT(".p/")) || !slice_take_decimal(&path, TILE_WIDTH - 1, &width) ||
                   width == 0))
        return false;
    if (path.n)
        return false;
    p.level = (unsigned)level;
    p.width = (unsigned)width;
    *out = p;
    return true;
}

static void put_number(struct writer *w, uint64_t v, size_t digits_min)
{
    char digits[20];
    size_t n = sizeof(digits);
    do
        digits[--n] = (char)('0' + v % 10);
    while ((v /= 10) || sizeof(digits) - n < digits_min);
    writer_put(w, slice_of(digits + n, sizeof(digits) - n));
}

void tile_path_write(struct writer *w, const struct tile_path *p)
{
    uint64_t unit = 1;
    writer_put(w, SLICE_LIT("tile/"));
    if (p->entries)
        writer_put(w, SLICE_LIT("entries"));
    else
        put_number(w, p->level, 1);
    while (p->index / unit >= 1000)
        unit *= 1000;
    for (; unit > 0; unit /= 1000) {
        writer_put(w, unit > 1 ? SLICE_LIT("/x") : SLICE_LIT("/"));
        put_number(w, p->index / unit % 1000, 3);
    }
    if (p->width < TILE_WIDTH) {
        writer_put(w, SLICE_LIT(".p/"));
        put_number(w, p->width, 1);
    }
}
