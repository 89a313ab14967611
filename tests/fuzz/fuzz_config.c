/* Reads a configuration twice over: by rows, and line by line; what was read is written and must be read back the same. */
#include "base/config.h"
#include "fuzz.h"

static const char *const words[] = {"file", "pkcs11", NULL}, *const schemes[] = {"http", "https", NULL};

struct target {
    const char *text, *path, *address, *url;
    int64_t n, seconds, ms, bytes, often, seldom;
    int word;
    bool on;
    struct opt_list list;
};

#define AT(field) .offset = OPT_TARGET(struct target, field)
static const struct opt rows[] = {
    {.section = "a", .name = "text", .type = OPT_TEXT, .help = "A text.", .def = "a b", .min = 1, .max = 20, AT(text)},
    {.section = "a", .name = "path", .type = OPT_PATH, AT(path)},
    {.section = "a", .name = "address", .type = OPT_ADDRESS, .min = 1, .max = 65535, AT(address)},
    {.section = "a", .name = "url", .type = OPT_URL, .words = schemes, .max = 40, AT(url)},
    {.section = "a", .name = "n", .type = OPT_INT, .min = -5, .max = 5, AT(n)},
    {.section = "b", .name = "seconds", .type = OPT_SECONDS, AT(seconds)},
    {.section = "b", .name = "ms", .type = OPT_MS, AT(ms)},
    {.section = "b", .name = "bytes", .type = OPT_BYTES, .min = 0, .max = 1 << 20, AT(bytes)},
    {.section = "b", .name = "word", .type = OPT_ENUM, .words = words, AT(word)},
    {.section = "b", .name = "on", .type = OPT_BOOL, AT(on)},
    {.section = "b",
     .name = "often",
     .type = OPT_SECONDS,
     .min = 1,
     .max = 86400,
     .def = "1h",
     .less_than = "seldom",
     AT(often)},
    {.section = "b", .name = "seldom", .type = OPT_SECONDS, .min = 1, .max = 86400, .def = "1d", AT(seldom)},
    {.section = "b", .name = "list", .type = OPT_LIST, .min = 0, .max = 4, AT(list)},
};

static bool write_line(void *ctx, const struct config_line *line, struct err *e)
{
    struct buf *b = ctx;
    (void)e;
    HOLDS(line->line >= 1 && line->column >= 1);
    if (line->key.n == 0) {
        buf_printf(b, "[%s]\n", line->section);
        return true;
    }
    buf_put(b, line->key);
    buf_put_str(b, " = ");
    config_put_value(b, line->value);
    buf_put_char(b, '\n');
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct target t = {0};
    struct arena a;
    struct err e = {0};
    struct buf once, twice;
    arena_init(&a, 1 << 16);
    if (config_read("f", s, rows, ARRAY_LEN(rows), &a, &t, &e)) {
        HOLDS(t.n >= -5 && t.n <= 5 && t.bytes >= 0 && t.bytes <= 1 << 20);
        HOLDS(t.often < t.seldom);
        HOLDS(t.list.n <= 4 && (!t.text || strlen(t.text) <= 20));
    } else {
        HOLDS(e.code == ERR_CONFIG || e.code == ERR_TOO_BIG);
    }
    (void)config_line_of(s, "b", "often");
    arena_clear(&a);
    buf_init(&once, 8 * CONFIG_MAX);
    buf_init(&twice, 8 * CONFIG_MAX);
    if (config_scan("f", s, write_line, &once, &e) && once.n <= CONFIG_MAX) {
        HOLDS(config_scan("f", buf_slice(&once), write_line, &twice, &e));
        HOLDS(slice_eq(buf_slice(&once), buf_slice(&twice)));
    }
    buf_clear(&once);
    buf_clear(&twice);
    return 0;
}
