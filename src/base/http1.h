/* Reads HTTP/1.1 messages' framing (RFC 9112), server side: request head and chunked bodies.  Strict where leniency lets
 * two parties disagree about where a request ends: CRLF only, no folded lines, one Content-Length, never beside
 * Transfer-Encoding, which may be `chunked` only.  No I/O, no heap. */
#ifndef KITH_BASE_HTTP1_H
#define KITH_BASE_HTTP1_H

#include "core/err.h"

#define HTTP1_FIELDS_MAX 64

struct http1_field {
    char *name, *value; /* into the text, NUL-terminated */
};

struct http1_head {
    char *method; /* into the text, NUL-terminated */
    char *target; /* origin form ("/a?b") or "*"; scheme and host of the absolute form are cut off */
    int minor;    /* 0 or 1 */
    struct http1_field fields[HTTP1_FIELDS_MAX];
    size_t fields_n;
    int64_t length; /* Content-Length, or -1 */
    bool chunked, keep_alive, expects_continue;
};

/* `text` is the head from the request line to the empty line; it is cut up in place, so the result lives as long.
 * Errors: http-request (with the section). */
MUST_USE bool http1_read_head(char *text, size_t n, struct http1_head *out, struct err *e);

/* Splits "/a/b?q" at its slashes, decodes %xx in each segment.  dst needs strlen(target) + 1 bytes and gets the segments one
 * after the other, each with a NUL.  Errors: http-request (bad escapes, control characters, dot segments, too many). */
#define HTTP1_SEGMENTS_MAX 24
struct http1_path {
    const char *seg[HTTP1_SEGMENTS_MAX];
    size_t n;
};
MUST_USE bool http1_read_path(const char *target, char *dst, struct http1_path *out, struct err *e);
/* %xx and, if asked, + of n bytes to dst (n + 1 bytes); false on bad escapes and NUL. */
MUST_USE bool http1_unescape(const char *s, size_t n, bool plus, char *dst);

/* A chunked body as it comes in pieces.  Call with what there is: *used bytes are done with, of which *data are body. */
struct http1_chunks {
    enum { CHUNK_SIZE, CHUNK_EXT, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_CR, CHUNK_LF, CHUNK_TRAILER, CHUNK_TRAILER_LF } at;
    uint64_t left;
    unsigned digits, extra, line;
    bool done;
};
MUST_USE bool http1_read_chunks(struct http1_chunks *c, struct slice in, size_t *used, struct slice *data,
                                struct err *e);

bool http1_is_token(const char *s, size_t n); /* RFC 9110 section 5.6.2, not empty */
bool http1_is_value(const char *s, size_t n); /* may stand in a field line */
/* True if the comma-separated list has the word, in any case. */
bool http1_list_has(const char *list, const char *word);

#endif
