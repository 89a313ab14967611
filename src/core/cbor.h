/* Deterministic CBOR (RFC 8949 section 4.2.1), read and written strictly: shortest heads, definite lengths, map keys
 * ascending bytewise and unique, text valid UTF-8; of the simple values only false, true and null; no floats.  So there is
 * one encoding for a value, and encode(decode(x)) = x.
 *
 * Reading is over struct reader with its sticky error; a wrong type fails it and yields zero or empty.  A count from the
 * wire that exceeds the bytes left fails at once.  Every slice borrows the input. */
#ifndef KITH_CORE_CBOR_H
#define KITH_CORE_CBOR_H

#include "core/reader.h"
#include "core/writer.h"

enum cbor_type {
    CBOR_UINT,
    CBOR_NINT,
    CBOR_BSTR,
    CBOR_TSTR,
    CBOR_ARRAY,
    CBOR_MAP,
    CBOR_TAG,
    CBOR_SIMPLE, /* false, true, null */
    CBOR_NONE,   /* the end, or a failed reader */
};

#define CBOR_DEPTH_MAX 16 /* of cbor_skip() and what is built on it; reader.depth may ask for less */

/* ---- reading ---- */

enum cbor_type cbor_peek(const struct reader *r);
bool cbor_peek_null(const struct reader *r);

uint64_t cbor_get_uint(struct reader *r);
/* An unsigned integer of at most `max`. */
uint64_t cbor_get_uint_max(struct reader *r, uint64_t max);
int64_t cbor_get_int(struct reader *r);
struct slice cbor_get_bstr(struct reader *r);
struct slice cbor_get_bstr_n(struct reader *r, size_t n); /* of exactly n bytes */
struct slice cbor_get_tstr(struct reader *r);
bool cbor_get_bool(struct reader *r);
void cbor_get_null(struct reader *r);
/* True if null stood next; it was taken. */
MUST_USE bool cbor_take_null(struct reader *r);
size_t cbor_get_array(struct reader *r);           /* the number of items that follow */
void cbor_get_array_n(struct reader *r, size_t n); /* of exactly n items */
uint64_t cbor_get_tag(struct reader *r);
void cbor_get_tag_n(struct reader *r, uint64_t tag);

/* A map is read pair by pair:
 *     struct cbor_map m = cbor_get_map(r);
 *     while (cbor_map_next(r, &m)) { key = cbor_get_...(r); value = ...; }
 * cbor_map_next() checks the order of keys; the loop ends on a failure too. */
struct cbor_map {
    size_t left;
    struct slice last; /* the key before, encoded */
};
struct cbor_map cbor_get_map(struct reader *r);
MUST_USE bool cbor_map_next(struct reader *r, struct cbor_map *m);

/* Passes over one whole item, checking it all the way down. */
void cbor_skip(struct reader *r);
struct slice cbor_take_raw(struct reader *r);
/* True if `s` is exactly one item of this profile. */
MUST_USE bool cbor_valid(struct slice s);
/* The head alone: type and argument (count, length, value; for CBOR_SIMPLE 20 false, 21 true, 22 null). */
uint64_t cbor_get_head(struct reader *r, enum cbor_type *type);

/* ---- writing ---- */

void cbor_put_uint(struct writer *w, uint64_t v);
void cbor_put_int(struct writer *w, int64_t v);
void cbor_put_bstr(struct writer *w, struct slice s);
void cbor_put_tstr(struct writer *w, struct slice s); /* fails the writer on what is not UTF-8 */
void cbor_put_text(struct writer *w, const char *s);
void cbor_put_bool(struct writer *w, bool v);
void cbor_put_null(struct writer *w);
void cbor_put_array(struct writer *w, size_t n);
/* The caller then writes n pairs with keys ascending by their encoding (0, 1, ..., -1, -2, ..., "a", "b", "aa"). */
void cbor_put_map(struct writer *w, size_t n);
void cbor_put_tag(struct writer *w, uint64_t tag);
void cbor_put_raw(struct writer *w, struct slice item);
void cbor_put_head(struct writer *w, enum cbor_type type, uint64_t arg);
/* A byte string around what is written between the two. */
MUST_USE size_t cbor_open_bstr(struct writer *w);
void cbor_close_bstr(struct writer *w, size_t mark);

#endif
