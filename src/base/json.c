#include "base/json.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/nearest.h"

static const char rfc[] = "RFC 8259";

static const json_t *node(const struct json *j)
{
    return (const json_t *)(const void *)j;
}

static const struct json *wrap(const json_t *j)
{
    return (const struct json *)(const void *)j;
}

/* jansson's own limit is 2048, deep enough for a small stack; so the text is looked through first.  What stands in strings
 * does not count; whether the rest is JSON is for the parser. */
static bool depth_fits(struct slice text, struct err *e)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                err_set(e, ERR_JSON, "JSON is nested deeper than %d at byte %zu", JSON_DEPTH_MAX, i + 1);
                return err_why(e, "%s section 9 lets a reader set this limit", rfc);
            }
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return true;
}

bool json_read(struct slice text, size_t max, struct json **out, struct err *e)
{
    json_error_t je;
    *out = NULL;
    if (text.n > max)
        return err_set(e, ERR_TOO_BIG, "JSON of %zu bytes, more than %zu", text.n, max);
    if (!depth_fits(text, e))
        return false;
    json_t *j = json_loadb(text.n ? (const char *)text.p : "", text.n, JSON_REJECT_DUPLICATES, &je);
    if (!j) {
        err_set(e, ERR_JSON, "line %d column %d: %s", je.line, je.column, ERR_QUOTE(slice_str(je.text)));
        return err_why(
            e, json_error_code(&je) == json_error_duplicate_key ? "%s section 4: names should be unique" : "%s", rfc);
    }
    *out = (struct json *)(void *)j;
    return true;
}

void json_free(struct json *j)
{
    json_decref((json_t *)(void *)j);
}

bool json_is_list(const struct json *j)
{
    return json_is_array(node(j));
}

bool json_is_map(const struct json *j)
{
    return json_is_object(node(j));
}

static const char *type_name(const json_t *j)
{
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

static const char *where(const char *name)
{
    return name ? name : "item";
}

/* One value of one type, or an error that says what was expected. */
static bool expect(const json_t *v, bool fits, const char *name, const char *want, struct err *e)
{
    if (fits)
        return true;
    if (!v)
        err_set(e, ERR_JSON, "\"%s\" is missing", where(name));
    else
        err_set(e, ERR_JSON, "\"%s\" is %s", where(name), type_name(v));
    return err_why(e, "it must be %s", want);
}

static bool text_of(const json_t *v, const char *name, size_t max, const char **out, struct err *e)
{
    *out = NULL;
    if (!expect(v, v && json_is_string(v), name, "a string", e))
        return false;
    if (json_string_length(v) > max) {
        err_set(e, ERR_JSON, "\"%s\" has %zu bytes", where(name), json_string_length(v));
        err_why(e, "at most %zu are allowed", max);
        return err_try(e, "a shorter one");
    }
    *out = json_string_value(v);
    return true;
}

static bool int_of(const json_t *v, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    *out = 0;
    if (!expect(v, v && json_is_integer(v), name, "an integer", e))
        return false;
    int64_t i = json_integer_value(v);
    if (i < min || i > max) {
        err_set(e, ERR_JSON, "\"%s\" is %" PRId64, where(name), i);
        return err_why(e, "it must be from %" PRId64 " to %" PRId64, min, max);
    }
    *out = i;
    return true;
}

bool json_get_text(const struct json *j, const char *name, size_t max, const char **out, struct err *e)
{
    return text_of(json_object_get(node(j), name), name, max, out, e);
}

bool json_get_int(const struct json *j, const char *name, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    return int_of(json_object_get(node(j), name), name, min, max, out, e);
}

bool json_get_bool(const struct json *j, const char *name, bool *out, struct err *e)
{
    const json_t *v = json_object_get(node(j), name);
    *out = false;
    if (!expect(v, v && json_is_boolean(v), name, "true or false", e))
        return false;
    *out = json_is_true(v);
    return true;
}

bool json_get_map(const struct json *j, const char *name, const struct json **out, struct err *e)
{
    const json_t *v = json_object_get(node(j), name);
    *out = NULL;
    if (!expect(v, v && json_is_object(v), name, "an object", e))
        return false;
    *out = wrap(v);
    return true;
}

bool json_get_list(const struct json *j, const char *name, const struct json **out, struct err *e)
{
    const json_t *v = json_object_get(node(j), name);
    *out = NULL;
    if (!expect(v, v && json_is_array(v), name, "an array", e))
        return false;
    *out = wrap(v);
    return true;
}

bool json_has(const struct json *j, const char *name)
{
    const json_t *v = json_object_get(node(j), name);
    return v && !json_is_null(v);
}

static bool is_in(const char *word, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(word, *names) == 0)
            return true;
    return false;
}

bool json_only(const struct json *j, const char *const *names, struct err *e)
{
    if (!expect(node(j), json_is_map(j), "body", "an object", e))
        return false;
    for (size_t i = 0; i < json_count(j); i++) {
        const char *key = json_key(j, i);
        if (is_in(key, names))
            continue;
        err_set(e, ERR_USAGE, "\"%s\" is not a member that is known here", ERR_QUOTE(slice_str(key)));
        err_why(e, "what is not understood would be left out without a word");
        const char *near = nearest_in(slice_str(key), names);
        return near       ? err_try(e, "did you mean \"%s\"?", near)
               : names[0] ? err_try(e, "without it; \"%s\" is one that is known", names[0])
                          : err_try(e, "without a body");
    }
    return true;
}

size_t json_count(const struct json *list)
{
    return json_is_map(list) ? json_object_size(node(list)) : json_array_size(node(list));
}

const struct json *json_item(const struct json *list, size_t i)
{
    return wrap(json_array_get(node(list), i));
}

bool json_item_text(const struct json *list, size_t i, size_t max, const char **out, struct err *e)
{
    return text_of(json_array_get(node(list), i), NULL, max, out, e) || err_ctx(e, "[%zu]", i);
}

bool json_item_int(const struct json *list, size_t i, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    return int_of(json_array_get(node(list), i), NULL, min, max, out, e) || err_ctx(e, "[%zu]", i);
}

/* jansson has no index into an object, so this walks: fine for the sizes that are let in at once. */
static void *iter_at(const struct json *map, size_t i)
{
    json_t *j = (json_t *)(void *)(uintptr_t)map;
    void *it = json_object_iter(j);
    for (; it && i; i--)
        it = json_object_iter_next(j, it);
    return it;
}

const char *json_key(const struct json *map, size_t i)
{
    void *it = iter_at(map, i);
    return it ? json_object_iter_key(it) : NULL;
}

const struct json *json_value(const struct json *map, size_t i)
{
    void *it = iter_at(map, i);
    return it ? wrap(json_object_iter_value(it)) : NULL;
}

const char *json_text(const struct json *j)
{
    return j ? json_string_value(node(j)) : NULL;
}

static void put_scalar(struct json_out *o, const char *key, const json_t *v)
{
    char text[40];
    switch (json_typeof(v)) {
    case JSON_STRING:
        json_out_slice(o, key, slice_of(json_string_value(v), json_string_length(v)));
        return;
    case JSON_INTEGER:
        json_out_int(o, key, json_integer_value(v));
        return;
    case JSON_REAL:
        json_out_raw(o, key,
                     slice_of(text, json_dumpb(v, text, sizeof text, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        json_out_bool(o, key, json_is_true(v));
        return;
    default:
        json_out_null(o, key);
    }
}

/* Recursive; json_read() has bounded the depth. */
static void put_tree(struct json_out *o, const char *key, const json_t *v)
{
    if (json_is_object(v)) {
        json_t *map = (json_t *)(uintptr_t)v;
        json_out_map(o, key);
        for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it))
            put_tree(o, json_object_iter_key(it), json_object_iter_value(it));
        json_out_end(o);
    } else if (json_is_array(v)) {
        json_out_list(o, key);
        for (size_t i = 0; i < json_array_size(v); i++)
            put_tree(o, NULL, json_array_get(v, i));
        json_out_end(o);
    } else {
        put_scalar(o, key, v);
    }
}

void json_put(struct json_out *o, const char *key, const struct json *j)
{
    if (j)
        put_tree(o, key, node(j));
    else
        json_out_null(o, key);
}

bool json_int(const struct json *j, int64_t *out)
{
    *out = j && json_is_integer(node(j)) ? json_integer_value(node(j)) : 0;
    return j && json_is_integer(node(j));
}
