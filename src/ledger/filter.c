#include "ledger/filter.h"

#include <stdlib.h>

#include "model/event.h"
#include "store/entry.h"

#define PROBES 7 /* 10 bits and 7 probes: 0.8 % */

uint64_t filter_word(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static size_t bit_of(uint64_t h, unsigned probe, size_t bits)
{
    uint32_t a = (uint32_t)h, b = (uint32_t)(h >> 32) | 1;
    return (a + probe * b) % bits;
}

/* ---- one that is made ---- */

void filter_begin(struct filter_block *b)
{
    b->words_n = b->n = 0;
    b->first_ms = INT64_MAX;
    b->last_ms = INT64_MIN;
}

void filter_add(struct filter_block *b, int64_t time_ms, unsigned type, struct slice payload)
{
    struct slice names[ENTRY_NAMES];
    struct entry_payload p;
    struct err ignored; /* erased, or of another version: it is found by its type */
    if (b->words_n + ENTRY_NAMES + 1 > FILTER_WORDS_MAX)
        return;
    b->first_ms = time_ms < b->first_ms ? time_ms : b->first_ms;
    b->last_ms = time_ms > b->last_ms ? time_ms : b->last_ms;
    b->words[b->words_n++] = filter_word(slice_str(event_name(type)));
    if (!entry_read_payload(payload, &p, &ignored))
        return;
    entry_names(type, p.fields, names);
    for (size_t i = 0; i < ENTRY_NAMES; i++)
        if (names[i].n)
            b->words[b->words_n++] = filter_word(names[i]);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void filter_finish(struct filter_block *b)
{
    struct writer w = WRITER_ARRAY(b->bytes);
    size_t distinct = 0;
    qsort(b->words, b->words_n, sizeof b->words[0], compare);
    for (size_t i = 0; i < b->words_n; i++)
        if (i == 0 || b->words[i] != b->words[distinct - 1])
            b->words[distinct++] = b->words[i];
    b->words_n = distinct;
    writer_u64(&w, (uint64_t)b->first_ms);
    writer_u64(&w, (uint64_t)b->last_ms);
    size_t bytes = (distinct * FILTER_WORD_BITS + 7) / 8;
    uint8_t *bits = b->bytes + FILTER_HEAD_SIZE;
    memset(bits, 0, bytes);
    for (size_t i = 0; i < distinct; i++)
        for (unsigned p = 0; p < PROBES; p++) {
            size_t bit = bit_of(b->words[i], p, 8 * bytes);
            bits[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    b->n = FILTER_HEAD_SIZE + bytes;
}

struct slice filter_bytes(const struct filter_block *b)
{
    return slice_of(b->bytes, b->n);
}

/* ---- one that is stored ---- */

bool filter_read(struct slice bytes, struct filter *out)
{
    struct reader r = reader_of(bytes);
    out->first_ms = (int64_t)reader_u64(&r);
    out->last_ms = (int64_t)reader_u64(&r);
    if (!reader_ok(&r))
        return false;
    out->bits = slice_of(bytes.p + FILTER_HEAD_SIZE, bytes.n - FILTER_HEAD_SIZE);
    return true;
}

bool filter_has(const struct filter *f, uint64_t word)
{
    for (unsigned i = 0; i < PROBES; i++) {
        size_t bit = f->bits.n ? bit_of(word, i, 8 * f->bits.n) : 0;
        if (!f->bits.n || !(f->bits.p[bit / 8] >> bit % 8 & 1))
            return false;
    }
    return true;
}

bool filter_covers(const struct filter *f, const struct filter_block *b)
{
    bool has = f->first_ms <= b->first_ms && f->last_ms >= b->last_ms;
    for (size_t i = 0; has && i < b->words_n; i++)
        has = filter_has(f, b->words[i]);
    return has;
}
