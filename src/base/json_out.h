/* Writes JSON into a buf as it goes: members stand in the order in which they are put, so the order is stable.  Compact,
 * ASCII-safe escapes, U+2028 and what is not UTF-8 escaped or replaced.  Errors are the buf's sticky ones. */
#ifndef KITH_BASE_JSON_OUT_H
#define KITH_BASE_JSON_OUT_H

#include "base/buf.h"
#include "base/codec.h"

#define JSON_OUT_DEPTH_MAX 32

struct json_out {
    struct buf *b;
    uint32_t comma; /* bit for each depth: something stands before */
    uint32_t map;   /* bit for each depth: it is a map */
    uint8_t depth;
};

struct json_out json_out_of(struct buf *b);
/* key is NULL in lists and at the top. */
void json_out_map(struct json_out *o, const char *key);
void json_out_list(struct json_out *o, const char *key);
void json_out_end(struct json_out *o);                                  /* of the innermost map or list */
void json_out_text(struct json_out *o, const char *key, const char *v); /* NULL: null */
void json_out_slice(struct json_out *o, const char *key, struct slice v);
void json_out_int(struct json_out *o, const char *key, int64_t v);
void json_out_bool(struct json_out *o, const char *key, bool v);
void json_out_null(struct json_out *o, const char *key);
void json_out_time(struct json_out *o, const char *key, int64_t at); /* RFC 3339 */
void json_out_bytes(struct json_out *o, const char *key, enum codec c, struct slice v);
/* What is one whole JSON value already. */
void json_out_raw(struct json_out *o, const char *key, struct slice json);
/* True if every map and list was ended and the buf is sound. */
bool json_out_done(const struct json_out *o);
/* A JSON string with its quotes. */
void json_out_put_string(struct buf *b, struct slice s);

#endif
