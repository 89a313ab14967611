/* Bytes as text and back: hex, base64, base64url, base32.  Each has one form and decoding takes no other: no stray
 * characters, no non-zero trailing bits, padding exactly where the alphabet has it. */
#ifndef KITH_BASE_CODEC_H
#define KITH_BASE_CODEC_H

#include "base/buf.h"

enum codec {
    CODEC_HEX,       /* lower case */
    CODEC_BASE64,    /* RFC 4648 section 4, padded */
    CODEC_BASE64URL, /* RFC 4648 section 5, not padded */
    CODEC_BASE32,    /* RFC 4648 section 6 in lower case, not padded */
};

size_t codec_text_len(enum codec c, size_t bytes);
size_t codec_bytes_max(enum codec c, size_t chars);

/* dst gets the text and a NUL; false (and "") if cap is too small. */
MUST_USE bool codec_encode(enum codec c, struct slice s, char *dst, size_t cap);
void codec_put(struct buf *b, enum codec c, struct slice s);
/* Base64 in lines of 64 characters, as PEM and EST want it. */
void codec_put_lines(struct buf *b, struct slice s);

/* Errors: encoding (with the place), limit (dst too small). */
MUST_USE bool codec_decode(enum codec c, struct slice text, void *dst, size_t cap, size_t *n, struct err *e);
/* Base64 that may have white space in it (RFC 8951 bodies, PEM). */
MUST_USE bool codec_decode_lines(struct slice text, void *dst, size_t cap, size_t *n, struct err *e);

#endif
