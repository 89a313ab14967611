/* What is read as JSON and written again is read as the same. */
#include "base/json.h"
#include "fuzz.h"

#define SIZE_LIMIT 65536

static bool is_scalar(const struct json *j)
{
    int64_t v;
    return json_text(j) || json_int(j, &v);
}

/* Each member asked for as each type: at most one answer, and none that is out of what was asked for. */
static void ask(const struct json *map, const char *name)
{
    const char *text;
    const struct json *sub;
    int64_t v;
    bool on;
    struct err e = {0};
    int fits = 0;
    if (json_get_text(map, name, 8, &text, &e)) {
        HOLDS(strlen(text) <= 8);
        fits++;
    }
    if (json_get_int(map, name, -100, 100, &v, &e)) {
        HOLDS(v >= -100 && v <= 100);
        fits++;
    }
    fits += json_get_bool(map, name, &on, &e);
    fits += json_get_map(map, name, &sub, &e);
    fits += json_get_list(map, name, &sub, &e);
    HOLDS(fits <= 1 && (fits == 0 || json_has(map, name)));
}

static void walk(const struct json *j)
{
    static const char *const names[] = {"name", "serial", "tags", NULL};
    struct err e = {0};
    if (json_only(j, names, &e))
        HOLDS(json_count(j) < ARRAY_LEN(names));
    if (json_is_map(j)) {
        for (size_t i = 0; names[i]; i++)
            ask(j, names[i]);
        for (size_t i = 0; i < json_count(j); i++)
            walk(json_value(j, i));
    } else if (json_is_list(j)) {
        for (size_t i = 0; i < json_count(j); i++) {
            const char *text;
            int64_t v;
            bool is_text = json_item_text(j, i, 8, &text, &e), is_int = json_item_int(j, i, -100, 100, &v, &e);
            HOLDS(!(is_text && is_int) && (!(is_text || is_int) || is_scalar(json_item(j, i))));
            walk(json_item(j, i));
        }
        HOLDS(json_item(j, json_count(j)) == NULL);
    }
}

static bool write_again(struct slice text, struct buf *out)
{
    struct json *j;
    struct err e = {0};
    if (!json_read(text, SIZE_LIMIT, &j, &e)) {
        HOLDS(e.code == ERR_JSON || e.code == ERR_TOO_BIG);
        return false;
    }
    walk(j);
    struct json_out o = json_out_of(out);
    json_put(&o, NULL, j);
    json_free(j);
    HOLDS(json_out_done(&o));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf once, twice;
    buf_init(&once, 8 * SIZE_LIMIT);
    buf_init(&twice, 8 * SIZE_LIMIT);
    if (write_again(slice_of(data, n), &once) && once.n <= SIZE_LIMIT) {
        HOLDS(write_again(buf_slice(&once), &twice));
        HOLDS(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    struct json *j;
    struct err e = {0};
    HOLDS(n < 2 || (!json_read(slice_of(data, n), n - 1, &j, &e) && e.code == ERR_TOO_BIG));
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
