/* What a block of entries can be found by: the earliest and the latest time in it, and a Bloom filter of whom its entries name
 * and what they say (table entry_filter).  The server makes and asks them (server/entry_filter.h), `ledger verify` makes them
 * again: one that says less than its entries would hide them from every list. */
#ifndef KITH_LEDGER_FILTER_H
#define KITH_LEDGER_FILTER_H

#include "ledger/entry_query.h"

#define FILTER_BLOCK     256 /* entries */
#define FILTER_WORDS_MAX (FILTER_BLOCK * (ENTRY_NAMES + 1))
#define FILTER_WORD_BITS 10
#define FILTER_HEAD_SIZE 16 /* the two times */
#define FILTER_MAX       (FILTER_HEAD_SIZE + FILTER_WORDS_MAX * FILTER_WORD_BITS / 8 + 1)

/* A name or type as filters know it. */
uint64_t filter_word(struct slice s);

/* ---- one that is made ---- */

struct filter_block {
    int64_t first_ms, last_ms;
    uint64_t words[FILTER_WORDS_MAX];
    size_t words_n;
    uint8_t bytes[FILTER_MAX];
    size_t n;
};

void filter_begin(struct filter_block *b);
/* An empty payload is an erased entry's, which names nobody. */
void filter_add(struct filter_block *b, int64_t time_ms, unsigned type, struct slice payload);
void filter_finish(struct filter_block *b);
struct slice filter_bytes(const struct filter_block *b);

/* ---- one that is stored ---- */

struct filter {
    int64_t first_ms, last_ms;
    struct slice bits; /* as many as its bytes have; borrowed */
};

/* False: it is none. */
MUST_USE bool filter_read(struct slice bytes, struct filter *out);
bool filter_has(const struct filter *f, uint64_t word);
/* Whether it has everything that the finished block has; it may have more. */
bool filter_covers(const struct filter *f, const struct filter_block *b);

#endif
