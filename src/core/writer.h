/* Writes bytes into a caller's buffer of fixed size with a sticky error: write a whole structure, then ask writer_done()
 * once.  With a NULL buffer nothing is stored and only the size is counted (no limit but SIZE_MAX). */
#ifndef KITH_CORE_WRITER_H
#define KITH_CORE_WRITER_H

#include "core/cc.h"
#include "core/slice.h"

struct writer {
    uint8_t *buf; /* NULL: count only */
    size_t cap, n;
    bool bad;
};

struct writer writer_of(void *buf, size_t cap);
struct writer writer_counting(void);
#define WRITER_ARRAY(a) writer_of((a), sizeof(a))

bool writer_ok(const struct writer *w);
void writer_fail(struct writer *w);
/* What was written, borrowed from the buffer; false if anything failed or the buffer was too small. */
MUST_USE bool writer_done(const struct writer *w, struct slice *out);
/* For writers whose buffer cannot be too small; an empty slice on failure. */
struct slice writer_slice(const struct writer *w);

void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v); /* big-endian, as are all of these */
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_put(struct writer *w, struct slice s);
/* Reserves n bytes to be filled in by the caller; NULL on failure or when counting. */
uint8_t *writer_space(struct writer *w, size_t n);

#endif
