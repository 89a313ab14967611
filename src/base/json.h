/* JSON from outside (RFC 8259): capped size and depth, no member twice, members taken by name and type with errors that
 * name them.  The tree is owned by whoever read it; everything got from it is borrowed. */
#ifndef KITH_BASE_JSON_H
#define KITH_BASE_JSON_H

#include "base/json_out.h"
#include "core/err.h"
#include "core/slice.h"

struct json;

#define JSON_DEPTH_MAX 32

MUST_USE bool json_read(struct slice text, size_t max, struct json **out, struct err *e);
void json_free(struct json *j);
AUTO_FREE_FN(struct json *, json_free);

bool json_is_list(const struct json *j);
bool json_is_map(const struct json *j);

/* Members that must be there.  Errors: json (missing, wrong type, out of range; the member is named). */
MUST_USE bool json_get_text(const struct json *j, const char *name, size_t max, const char **out, struct err *e);
MUST_USE bool json_get_int(const struct json *j, const char *name, int64_t min, int64_t max, int64_t *out,
                           struct err *e);
MUST_USE bool json_get_bool(const struct json *j, const char *name, bool *out, struct err *e);
MUST_USE bool json_get_map(const struct json *j, const char *name, const struct json **out, struct err *e);
MUST_USE bool json_get_list(const struct json *j, const char *name, const struct json **out, struct err *e);
bool json_has(const struct json *j, const char *name); /* null counts as absent */
/* Refuses members that are not in the NULL-terminated list, with the nearest word.  Errors: usage; json (no map). */
MUST_USE bool json_only(const struct json *j, const char *const *names, struct err *e);

size_t json_count(const struct json *list);
const struct json *json_item(const struct json *list, size_t i); /* NULL beyond the end */
MUST_USE bool json_item_text(const struct json *list, size_t i, size_t max, const char **out, struct err *e);
MUST_USE bool json_item_int(const struct json *list, size_t i, int64_t min, int64_t max, int64_t *out, struct err *e);
/* Members of a map in the order of the text: json_key(j, i) and json_value(j, i) for i below json_count(). */
const char *json_key(const struct json *map, size_t i);
const struct json *json_value(const struct json *map, size_t i);
/* The scalar as it is; NULL or false if it is of another type. */
const char *json_text(const struct json *j);
bool json_int(const struct json *j, int64_t *out);
/* Writes the whole tree, members in the order of the text. */
void json_put(struct json_out *o, const char *key, const struct json *j);

#endif
