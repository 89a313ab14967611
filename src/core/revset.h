/* An exact set of 32-bit indexes below a universe, small enough to be sent to gateways and used in place: Golomb-Rice
 * coded gaps with an index of blocks for random access.  One set has one encoding (doc/spec/revset.md gives the bytes).
 *
 * revset_open() checks all of an untrusted slice once; after that look-ups cannot fail.  The slice is borrowed and must
 * not change while the set is in use.  Read-only after opening, so any number of threads may share it. */
#ifndef KITH_CORE_REVSET_H
#define KITH_CORE_REVSET_H

#include "core/err.h"
#include "core/writer.h"

#define REVSET_BLOCK 64 /* members in a block */

struct revset {
    uint32_t universe, count;
    uint32_t blocks, bits; /* number of blocks; bits in the stream */
    uint8_t k;             /* Rice parameter, follows from count and universe */
    uint8_t value_width, offset_width;
    const uint8_t *index;
    struct slice stream;
};

/* Appends the set's bytes to w (a counting writer gives the size).  `sorted` ascends without repetition, all below
 * universe.  Errors: usage (not ascending, not below the universe), limit (buffer too small, over 2^32 - 1 bits). */
MUST_USE bool revset_build(const uint32_t *sorted, size_t n, uint32_t universe, struct writer *w, struct err *e);

/* Errors: syntax. */
MUST_USE bool revset_open(struct slice bytes, struct revset *out, struct err *e);

bool revset_has(const struct revset *s, uint32_t index);

/* Members in ascending order:  for (it = revset_iter(&s); revset_next(&it, &v);) */
struct revset_iter {
    const struct revset *set;
    uint32_t next, value; /* ordinal of the next member; the member before it */
    uint64_t at;          /* bit position in the stream */
};
struct revset_iter revset_iter(const struct revset *s);
MUST_USE bool revset_next(struct revset_iter *it, uint32_t *index);

#endif
