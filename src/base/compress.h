/* What resembles something known, kept small: one Zstandard frame (RFC 8878) whose dictionary is the known bytes themselves
 * ("raw content").  The frame stands without its magic number, which is always the same.  Only this file knows libzstd.
 *
 * A compressor is used by one thread at a time, a decompressor too. */
#ifndef KITH_BASE_COMPRESS_H
#define KITH_BASE_COMPRESS_H

#include "core/err.h"
#include "core/slice.h"

struct compressor;
/* Copies the dictionary.  Errors: out-of-memory. */
MUST_USE bool compressor_new(struct slice dictionary, struct compressor **out, struct err *e);
void compressor_free(struct compressor *c);
/* False: it does not fit into cap bytes, which is how one says what is worth it. */
MUST_USE bool compressor_put(struct compressor *c, struct slice in, uint8_t *out, size_t cap, size_t *n);

struct decompressor;
MUST_USE bool decompressor_new(struct decompressor **out, struct err *e);
void decompressor_free(struct decompressor *d);
/* Takes exactly one frame of at most cap bytes of content.  Errors: syntax (anything else). */
MUST_USE bool decompressor_get(struct decompressor *d, struct slice frame, struct slice dictionary, uint8_t *out,
                               size_t cap, size_t *n, struct err *e);

#endif
