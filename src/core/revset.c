#include "core/revset.h"
#include "core/reader.h"

/* The bytes are described in doc/spec/revset.md. */
#define VERSION     1
#define HEADER_SIZE 16

static const uint8_t magic[4] = {'K', 'R', 'S', VERSION};

/* The Rice parameter: floor(log2(0.69 * mean of gap - 1)), the optimum for members strewn at random (ln 2 = 0.69). */
static uint8_t rice_parameter(uint32_t universe, uint32_t count)
{
    if (count == 0)
        return 0;
    uint64_t m = 69 * (uint64_t)(universe - count) / (100 * (uint64_t)count);
    uint8_t k = 0;
    while (m >> (k + 1))
        k++;
    return k;
}

static uint8_t width_of(uint32_t max)
{
    uint8_t n = 1;
    while (n < 4 && max >> (8 * n))
        n++;
    return n;
}

static uint32_t blocks_of(uint32_t count)
{
    return count / REVSET_BLOCK + (count % REVSET_BLOCK != 0);
}

/* ---- building ---- */

struct bit_writer {
    struct writer *w;
    uint64_t acc;
    unsigned n; /* bits in acc, below 8 */
};

static void put_bits(struct bit_writer *b, uint32_t v, unsigned n)
{
    b->acc = b->acc << n | v;
    b->n += n;
    while (b->n >= 8) {
        b->n -= 8;
        writer_u8(b->w, (uint8_t)(b->acc >> b->n));
    }
}

static void put_gap(struct bit_writer *b, uint32_t gap, uint8_t k)
{
    uint32_t q = gap >> k;
    for (; q >= 32; q -= 32)
        put_bits(b, 0, 32);
    put_bits(b, 0, q);
    put_bits(b, 1, 1);
    put_bits(b, gap & ((UINT32_C(1) << k) - 1), k);
}

static uint64_t gap_bits(uint32_t gap, uint8_t k)
{
    return (uint64_t)(gap >> k) + 1 + k;
}

static void put_be(struct writer *w, uint32_t v, uint8_t width)
{
    for (uint8_t i = width; i > 0; i--)
        writer_u8(w, (uint8_t)(v >> (8 * (i - 1))));
}

static bool check_members(const uint32_t *sorted, size_t n, uint32_t universe, uint8_t k, uint64_t *bits, struct err *e)
{
    *bits = 0;
    for (size_t i = 0; i < n; i++) {
        if (sorted[i] >= universe || (i && sorted[i] <= sorted[i - 1])) {
            err_set(e, ERR_USAGE, "revocation set: index %u is not below %u, or not above the one before it",
                    (unsigned)sorted[i], (unsigned)universe);
            return err_try(e, "sort the indexes and drop those that occur twice");
        }
        if (i % REVSET_BLOCK)
            *bits += gap_bits(sorted[i] - sorted[i - 1] - 1, k);
    }
    return true;
}

static void put_index(struct writer *w, const uint32_t *sorted, size_t n, uint32_t universe, uint8_t k, uint32_t bits)
{
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % REVSET_BLOCK) {
            at += gap_bits(sorted[i] - sorted[i - 1] - 1, k);
            continue;
        }
        put_be(w, sorted[i], width_of(universe - 1));
        put_be(w, (uint32_t)at, width_of(bits));
    }
}

bool revset_build(const uint32_t *sorted, size_t n, uint32_t universe, struct writer *w, struct err *e)
{
    if (n > universe) {
        err_set(e, ERR_USAGE, "revocation set: %zu members below %u", n, (unsigned)universe);
        return err_try(e, "sort the indexes and drop those that occur twice");
    }
    uint32_t count = (uint32_t)n;
    uint8_t k = rice_parameter(universe, count);
    uint64_t bits;
    if (!check_members(sorted, n, universe, k, &bits, e))
        return false;
    if (bits > UINT32_MAX) {
        err_set(e, ERR_LIMIT, "revocation set: %llu bits are more than 2^32 - 1", (unsigned long long)bits);
        return err_try(e, "split the universe into shards");
    }
    writer_put(w, SLICE_ARRAY(magic));
    writer_u32(w, universe);
    writer_u32(w, count);
    writer_u32(w, (uint32_t)bits);
    put_index(w, sorted, n, universe, k, (uint32_t)bits);
    struct bit_writer b = {.w = w};
    for (size_t i = 0; i < n; i++)
        if (i % REVSET_BLOCK)
            put_gap(&b, sorted[i] - sorted[i - 1] - 1, k);
    if (b.n)
        put_bits(&b, 0, 8 - b.n);
    if (!writer_ok(w))
        return err_set(e, ERR_LIMIT, "revocation set: the buffer is too small");
    return true;
}

/* ---- bits of the stream ---- */

static inline uint64_t load_be64(const uint8_t *p)
{
    return (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
           (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | (uint64_t)p[7];
}

/* 57 bits or more from bit position `at`, left-aligned; zeros after the end. */
static inline uint64_t bits_at(const struct slice *s, uint64_t at)
{
    size_t byte = (size_t)(at >> 3);
    uint64_t v = 0;
    if (byte + 8 <= s->n) {
        v = load_be64(s->p + byte);
    } else {
        for (size_t i = 0; i < 8; i++)
            v = v << 8 | (byte + i < s->n ? s->p[byte + i] : 0);
    }
    return v << (at & 7);
}

/* The gap coded at *at.  False if it does not end within the stream or does not fit in 32 bits. */
static inline bool take_gap(const struct revset *s, uint64_t *at, uint32_t *gap)
{
    uint64_t pos = *at, q = 0, v = bits_at(&s->stream, pos);
    while (v == 0) {
        /* Position to the byte's border, then eight whole bytes at a time. */
        q += 64 - (pos & 7);
        pos += 64 - (pos & 7);
        if (pos >= s->bits)
            return false;
        v = bits_at(&s->stream, pos);
    }
    unsigned zeros = (unsigned)__builtin_clzll(v);
    q += zeros;
    pos += zeros + 1;
    if (q >> (32 - s->k))
        return false;
    uint64_t low = s->k ? bits_at(&s->stream, pos) >> (64 - s->k) : 0;
    *at = pos + s->k;
    *gap = (uint32_t)(q << s->k | low);
    return *at <= s->bits;
}

static inline uint32_t get_be(const uint8_t *p, uint8_t width)
{
    uint32_t v = 0;
    for (uint8_t i = 0; i < width; i++)
        v = v << 8 | p[i];
    return v;
}

static inline const uint8_t *entry(const struct revset *s, uint32_t block)
{
    return s->index + (size_t)block * (size_t)(s->value_width + s->offset_width);
}

static inline uint32_t block_first(const struct revset *s, uint32_t block)
{
    return get_be(entry(s, block), s->value_width);
}

static inline uint32_t block_offset(const struct revset *s, uint32_t block)
{
    return get_be(entry(s, block) + s->value_width, s->offset_width);
}

/* ---- opening ---- */

static bool bad_set(struct err *e, const char *what)
{
    err_set(e, ERR_SYNTAX, "revocation set: %s", what);
    err_why(e, "doc/spec/revset.md: one set has one encoding");
    return err_try(e, "fetch the set again");
}

static bool read_frame(struct slice bytes, struct revset *s, struct err *e)
{
    struct reader r = reader_of(bytes);
    struct slice m = reader_take(&r, sizeof magic);
    if (!slice_eq(m, SLICE_ARRAY(magic)))
        return bad_set(e, "it does not begin with KRS and version 1");
    s->universe = reader_u32(&r);
    s->count = reader_u32(&r);
    s->bits = reader_u32(&r);
    if (!reader_ok(&r) || s->count > s->universe)
        return bad_set(e, "the header is cut, or counts more members than the universe has");
    s->k = rice_parameter(s->universe, s->count);
    s->blocks = blocks_of(s->count);
    s->value_width = width_of(s->universe ? s->universe - 1 : 0);
    s->offset_width = width_of(s->bits);
    uint64_t index_n = (uint64_t)s->blocks * (uint64_t)(s->value_width + s->offset_width);
    uint64_t stream_n = ((uint64_t)s->bits + 7) / 8;
    if (reader_left(&r) != index_n + stream_n)
        return bad_set(e, "its length is not what the header says");
    s->index = reader_take(&r, (size_t)index_n).p;
    s->stream = reader_rest(&r);
    return true;
}

/* Members of a block that the stream codes. */
static uint32_t block_gaps(const struct revset *s, uint32_t block)
{
    uint32_t rest = s->count - block * REVSET_BLOCK;
    return (rest < REVSET_BLOCK ? rest : REVSET_BLOCK) - 1;
}

static bool check_block(const struct revset *s, uint32_t block, uint64_t *least, uint64_t *at, struct err *e)
{
    uint64_t value = block_first(s, block);
    if (value < *least || block_offset(s, block) != *at)
        return bad_set(e, "a block's entry in the index does not fit the stream");
    for (uint32_t i = block_gaps(s, block); i > 0; i--) {
        uint32_t gap;
        if (!take_gap(s, at, &gap))
            return bad_set(e, "a gap runs past the end of the stream");
        value += 1 + (uint64_t)gap;
        if (value >= s->universe)
            return bad_set(e, "a member is not below the universe");
    }
    if (value >= s->universe)
        return bad_set(e, "a member is not below the universe");
    *least = value + 1;
    return true;
}

bool revset_open(struct slice bytes, struct revset *out, struct err *e)
{
    struct revset s = {0};
    memset(out, 0, sizeof *out);
    if (!read_frame(bytes, &s, e))
        return false;
    uint64_t least = 0, at = 0;
    for (uint32_t b = 0; b < s.blocks; b++)
        if (!check_block(&s, b, &least, &at, e))
            return false;
    if (at != s.bits)
        return bad_set(e, "the stream has more bits than the members need");
    if (s.bits % 8 && (s.stream.p[s.stream.n - 1] & (0xff >> s.bits % 8)))
        return bad_set(e, "the bits after the end are not zero");
    *out = s;
    return true;
}

/* ---- use ---- */

static uint32_t find_block(const struct revset *s, uint32_t index)
{
    uint32_t low = 0, high = s->blocks; /* the block is in [low, high) */
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (block_first(s, mid) <= index)
            low = mid;
        else
            high = mid;
    }
    return low;
}

/* The first member of the block's rest that is not below index, or the last one.  Several gaps come out of one load;
 * take_gap() does those that do not fit. */
static uint64_t scan(const struct revset *s, uint64_t value, uint64_t at, uint32_t left, uint32_t index)
{
    uint64_t v = 0;
    unsigned have = 0; /* bits of v that come from the stream */
    for (; value < index && left > 0; left--) {
        unsigned zeros = v ? (unsigned)__builtin_clzll(v) : 64;
        if (zeros + 1 + s->k > have) {
            v = bits_at(&s->stream, at);
            have = 64 - (at & 7);
            zeros = v ? (unsigned)__builtin_clzll(v) : 64;
        }
        unsigned used = zeros + 1 + s->k;
        if (used >= have) {
            uint32_t gap;
            if (!take_gap(s, &at, &gap))
                return UINT64_MAX;
            value += 1 + (uint64_t)gap;
            have = 0;
            continue;
        }
        value += 1 + ((uint64_t)zeros << s->k | v << zeros << 1 >> 1 >> (63 - s->k));
        v <<= used;
        have -= used;
        at += used;
    }
    return value;
}

bool revset_has(const struct revset *s, uint32_t index)
{
    if (s->count == 0 || index >= s->universe || block_first(s, 0) > index)
        return false;
    uint32_t b = find_block(s, index);
    return scan(s, block_first(s, b), block_offset(s, b), block_gaps(s, b), index) == index;
}

struct revset_iter revset_iter(const struct revset *s)
{
    return (struct revset_iter){.set = s};
}

bool revset_next(struct revset_iter *it, uint32_t *index)
{
    const struct revset *s = it->set;
    uint32_t gap = 0;
    *index = 0;
    if (it->next >= s->count)
        return false;
    if (it->next % REVSET_BLOCK == 0)
        it->value = block_first(s, it->next / REVSET_BLOCK);
    else if (take_gap(s, &it->at, &gap))
        it->value += 1 + gap;
    else
        return false;
    it->next++;
    *index = it->value;
    return true;
}
