/* DER (X.690), read and written strictly: one encoding for a value, everything else is refused.
 *
 * Reading is over struct reader with its sticky error: read a whole structure, then ask once.  der_enter() gives a reader
 * of what is inside; der_leave() fails the outer one unless the inner one was read to its end without failure, so that the
 * outermost reader_end() tells of all of it.  Nesting is bounded by reader.depth.  Every slice borrows the input.
 *
 * Tags are single bytes (numbers up to 30; higher ones do not occur in PKIX and are refused).  `_as` variants read or
 * write the same type under an IMPLICIT tag. */
#ifndef KITH_CORE_DER_H
#define KITH_CORE_DER_H

#include "core/reader.h"
#include "core/writer.h"

#define DER_BOOLEAN          0x01
#define DER_INTEGER          0x02
#define DER_BIT_STRING       0x03
#define DER_OCTET_STRING     0x04
#define DER_NULL             0x05
#define DER_OID              0x06
#define DER_ENUMERATED       0x0a
#define DER_UTF8_STRING      0x0c
#define DER_PRINTABLE_STRING 0x13
#define DER_IA5_STRING       0x16
#define DER_UTC_TIME         0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE         0x30
#define DER_SET              0x31
#define DER_CONTEXT(n)       (0x80 | (n)) /* [n] IMPLICIT of a primitive type */
#define DER_CONTEXT_CONS(n)  (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a constructed type */

/* 99991231235959Z: no well-defined end (RFC 5280 section 4.1.2.5). */
#define DER_TIME_NEVER INT64_C(253402300799)

/* ---- reading ---- */

struct der_item {
    uint8_t tag;
    struct slice content, whole; /* whole: with tag and length */
};

/* The next tag without taking it; 0 (which is no tag) at the end. */
uint8_t der_peek(const struct reader *r);
struct der_item der_next(struct reader *r);
/* The content of the next element, which must have this tag. */
struct slice der_expect(struct reader *r, uint8_t tag);
/* The whole of the next element, of any tag or of this one. */
struct slice der_raw(struct reader *r);
struct slice der_raw_as(struct reader *r, uint8_t tag);

struct reader der_enter(struct reader *r, uint8_t tag);
/* SET OF: also checks that the elements ascend (X.690 section 11.6). */
struct reader der_enter_set_of(struct reader *r, uint8_t tag);
/* OPTIONAL: true if the element is there and was entered. */
MUST_USE bool der_enter_optional(struct reader *r, uint8_t tag, struct reader *inner);
void der_leave(struct reader *r, const struct reader *inner);

/* The magnitude of an INTEGER that is not negative, without leading zeros (zero is one byte 00). */
struct slice der_uint(struct reader *r);
struct slice der_uint_as(struct reader *r, uint8_t tag);
int64_t der_int64(struct reader *r);
int64_t der_int64_as(struct reader *r, uint8_t tag); /* ENUMERATED too */
bool der_bool(struct reader *r);
/* BOOLEAN DEFAULT FALSE: absent means false, and FALSE written out is refused (X.690 section 11.5). */
bool der_bool_default_false(struct reader *r);
struct slice der_oid(struct reader *r); /* content; compare with core/oid.h */
/* BIT STRING of whole bytes: keys and signatures. */
struct slice der_bits(struct reader *r);
/* Named bits (X.690 section 11.2.2): bit i of the answer is named bit i.  More than 32 of them fail. */
uint32_t der_named_bits(struct reader *r);
uint32_t der_named_bits_as(struct reader *r, uint8_t tag);
struct slice der_octets(struct reader *r);
/* Strings, with their character set checked; UTF-8 without NUL. */
struct slice der_utf8(struct reader *r);
struct slice der_printable(struct reader *r);
struct slice der_ia5(struct reader *r);
struct slice der_ia5_as(struct reader *r, uint8_t tag);
/* Any of the three; *tag (may be NULL) says which. */
struct slice der_string(struct reader *r, uint8_t *tag);
/* Time of certificates and CRLs: UTCTime before 2050, GeneralizedTime from then on (RFC 5280 section 4.1.2.5); Unix
 * seconds. */
int64_t der_time(struct reader *r);
/* GeneralizedTime of any year, whole seconds, Z (OCSP, time stamps). */
int64_t der_generalized_time(struct reader *r);
int64_t der_generalized_time_as(struct reader *r, uint8_t tag);
void der_null(struct reader *r);

/* True if `s` is exactly one element, sound all the way down (contents of universal types included; an OCTET or BIT
 * STRING is not looked into). */
MUST_USE bool der_valid(struct slice s);

/* ---- writing ---- */

/* Opens an element and returns the mark for der_close(), which puts in the length. */
MUST_USE size_t der_open(struct writer *w, uint8_t tag);
void der_close(struct writer *w, size_t mark);
/* Closes a SET OF: sorts what was written since the mark.  For small sets (it moves bytes in place). */
void der_close_set_of(struct writer *w, size_t mark);

void der_put(struct writer *w, uint8_t tag, struct slice content);
/* Tag and length of an element whose content of n bytes follows; for what is too large to be moved by der_close(). */
void der_put_head(struct writer *w, uint8_t tag, size_t n);
size_t der_head_size(size_t n);
/* An element that is DER already. */
void der_put_raw(struct writer *w, struct slice whole);
void der_put_uint(struct writer *w, struct slice magnitude); /* big-endian; leading zeros are dropped */
void der_put_uint_as(struct writer *w, uint8_t tag, struct slice magnitude);
void der_put_int(struct writer *w, int64_t v);
void der_put_int_as(struct writer *w, uint8_t tag, int64_t v);
void der_put_bool(struct writer *w, bool v);
void der_put_oid(struct writer *w, struct slice content);
void der_put_bits(struct writer *w, struct slice whole_bytes);
void der_put_named_bits(struct writer *w, uint32_t bits);
void der_put_named_bits_as(struct writer *w, uint8_t tag, uint32_t bits);
void der_put_octets(struct writer *w, struct slice s);
/* These fail the writer if a character is outside the type's set. */
void der_put_utf8(struct writer *w, struct slice s);
void der_put_printable(struct writer *w, struct slice s);
void der_put_ia5(struct writer *w, struct slice s);
/* PrintableString where its characters suffice, else UTF8String. */
void der_put_string(struct writer *w, struct slice s);
void der_put_time(struct writer *w, int64_t at); /* picks by RFC 5280 section 4.1.2.5; years 1950 to 9999 */
void der_put_generalized_time(struct writer *w, int64_t at);
void der_put_generalized_time_as(struct writer *w, uint8_t tag, int64_t at);
void der_put_null(struct writer *w);

/* Character sets, for those who build names. */
bool der_is_printable(struct slice s);
bool der_is_ia5(struct slice s);
bool der_is_utf8(struct slice s); /* without NUL */

#endif
