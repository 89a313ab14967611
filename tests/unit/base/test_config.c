#include "../test.h"

#include <stdlib.h>

#include "base/config.h"

static const char *const backends[] = {"file", "pkcs11", NULL};

struct target {
    const char *listen, *dir, *org;
    int64_t node, validity_s, tick_ms, body_max;
    int backend;
    bool verbose;
    struct opt_list mechanisms;
};

#define AT(field) .offset = OPT_TARGET(struct target, field)
static const struct opt rows[] = {
    {.section = "server",
     .name = "listen",
     .type = OPT_TEXT,
     .def = "127.0.0.1:8443",
     AT(listen),
     .help = "Where it listens."},
    {.section = "server", .name = "dir", .type = OPT_PATH, .required = true, AT(dir), .help = "Its directory."},
    {.section = "server", .name = "node", .type = OPT_INT, .min = 1, .max = 127, .def = "1", AT(node)},
    {.section = "server", .name = "tick", .type = OPT_MS, .min = 10, .max = 10000, .def = "1s", AT(tick_ms)},
    {.section = "server", .name = "body_max", .type = OPT_BYTES, .def = "1M", AT(body_max)},
    {.section = "server", .name = "verbose", .type = OPT_BOOL, .def = "no", AT(verbose)},
    {.section = "ca",
     .name = "validity",
     .type = OPT_SECONDS,
     .min = 60,
     .max = 1000000000,
     .def = "90d",
     AT(validity_s)},
    {.section = "ca", .name = "org", .type = OPT_TEXT, .min = 0, .max = 64, .def = "", AT(org)},
    {.section = "hsm", .name = "backend", .type = OPT_ENUM, .words = backends, .def = "file", AT(backend)},
    {.section = "hsm", .name = "mechanisms", .type = OPT_LIST, .min = 0, .max = 3, .def = "", AT(mechanisms)},
};

static bool read(const char *text, struct target *t, struct arena *a, struct err *e)
{
    *t = (struct target){0};
    arena_init(a, 1 << 16);
    return config_read("kith.conf", slice_str(text), rows, ARRAY_LEN(rows), a, t, e);
}

static void reads_sections_keys_and_quotes(void **state)
{
    (void)state;
    struct err e = {0};
    struct target t;
    struct arena a;
    assert_ok(read("# comment\r\n"
                   "[server] # more\n"
                   "  dir = /var/lib/kith   # where\n"
                   "listen=\"[::1]:443\"\n"
                   "node = 127\n\ttick = 250ms\nbody_max=64k\nverbose=yes\n"
                   "\n[ca]\nvalidity = 2w\norg = \"A \\\"quoted\\\" \\\\ name\\n\\x41 # ${HOME}\"\n"
                   "[hsm]\nbackend = pkcs11\nmechanisms = a, b  c\n"
                   "[ca]\n",
                   &t, &a, &e),
              e);
    assert_string_equal(t.dir, "/var/lib/kith");
    assert_string_equal(t.listen, "[::1]:443");
    assert_int_equal(t.node, 127);
    assert_int_equal(t.tick_ms, 250);
    assert_int_equal(t.body_max, 65536);
    assert_true(t.verbose);
    assert_int_equal(t.validity_s, 14 * 86400);
    assert_string_equal(t.org, "A \"quoted\" \\ name\nA # ${HOME}");
    assert_int_equal(t.backend, 1);
    assert_int_equal(t.mechanisms.n, 3);
    assert_string_equal(t.mechanisms.v[2], "c");
    arena_clear(&a);
    assert_ok(read("[server]\ndir=a#b", &t, &a, &e), e);
    assert_string_equal(t.dir, "a#b");
    assert_string_equal(t.listen, "127.0.0.1:8443");
    assert_int_equal(t.validity_s, 90 * 86400);
    assert_int_equal(t.mechanisms.n, 0);
    assert_string_equal(t.org, "");
    arena_clear(&a);
}

static void names_place_and_nearest_word_of_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what, *hint;
    } table[] = {
        {"[server]\n lisen = x\n", "kith.conf:2:2: section [server] has no \"lisen\"", "did you mean \"listen\"?"},
        {"[sever]\n", "kith.conf:1:1: there is no section [sever]", "did you mean [server]?"},
        {"[server]\nvalidity = 1d\n", "kith.conf:2:1: section [server] has no \"validity\"",
         "it belongs into section [ca]"},
        {"[server]\ndir=/a\ndir=/b\n", "kith.conf:3:1: \"dir\" was set on line 2 already", ""},
        {"dir=/a\n", "kith.conf:1:1: section [] has no \"dir\"", "it belongs into section [server]"},
        {"[server]\nnode = 128\n", "kith.conf:2:1: node: \"128\" is not in the range", "node = 1"},
        {"[server]\nnode = 1x\n", "kith.conf:2:1: node: \"1x\" is not a whole number", "node = 1"},
        {"[server]\nnode = 99999999999999999999\n",
         "kith.conf:2:1: node: \"99999999999999999999\" is not a whole number", "node = 1"},
        {"[server]\nverbose = maybe\n", "kith.conf:2:1: verbose: \"maybe\" is not yes or no", "verbose = no"},
        {"[hsm]\nbackend = pkcs12\n", "kith.conf:2:1: backend: \"pkcs12\" is not a word that is known here",
         "did you mean \"pkcs11\"?"},
        {"[hsm]\nmechanisms = a b c d\n",
         "kith.conf:2:1: mechanisms: \"a b c d\" is not a list of a length that is allowed", "mechanisms = A,B"},
        {"[server\n", "kith.conf:1:8: ']' is expected", ""},
        {"[server] x\n", "kith.conf:1:10: nothing but a comment may follow ']'", ""},
        {"[]\n", "kith.conf:1:2: a section's name is expected: [name]", ""},
        {"[server]\ndir\n", "kith.conf:2:4: '=' is expected", ""},
        {"[server]\ndir = \n", "kith.conf:2:7: a value is missing",
         "write \"\" for an empty text, or remove the line for the default"},
        {"[server]\ndir = \"\"\n", "kith.conf:2:1: dir: \"\" is not a path", "dir = PATH"},
        {"[server]\ndir = \"abc\n", "kith.conf:2:7: the quote is not closed on this line", ""},
        {"[server]\ndir = \"abc\" x\n", "kith.conf:2:13: nothing but a comment may follow the value", ""},
        {"[server]\ndir = a\"b\"\n", "kith.conf:2:8: a quote must stand around the whole value", ""},
        {"[server]\ndir = \"\\q\"\n", "kith.conf:2:8: an escape is one of \\\" \\\\ \\n \\t \\xNN", ""},
        {"[server]\ndir = \"\\x00\"\n", "kith.conf:2:8: an escape is one of \\\" \\\\ \\n \\t \\xNN", ""},
        {"[server]\nDIR = a\n", "kith.conf:2:1: a key in lower case or a [section] is expected", ""},
        {"[server]\ndir = a\x01\n", "kith.conf:2:8: a control character", ""},
        {"[server]\n", "kith.conf: \"dir\" is missing in section [server]", "add dir = PATH"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err e = {0};
        struct target t;
        struct arena a;
        if (read(table[i].text, &t, &a, &e))
            fail_msg("taken: %s", table[i].text);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_string_equal(e.what, table[i].what);
        assert_string_equal(e.hint, table[i].hint);
        arena_clear(&a);
    }
}

static void gives_the_allowed_range_with_an_error(void **state)
{
    (void)state;
    struct err e = {0};
    struct target t;
    struct arena a;
    assert_false(read("[server]\ntick = 1h\n", &t, &a, &e));
    assert_string_equal(e.why, "allowed: 10 to 10000 ms");
    arena_clear(&a);
}

static void reads_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t s, bytes; /* -1: refused */
    } table[] = {{"0", 0, 0},
                 {"90", 90, 90},
                 {"90s", 90, -1},
                 {"15m", 900, -1},
                 {"2h", 7200, -1},
                 {"1d", 86400, -1},
                 {"1w", 604800, -1},
                 {"64k", -1, 65536},
                 {"8M", -1, 8 << 20},
                 {"1G", -1, 1 << 30},
                 {"", -1, -1},
                 {"s", -1, -1},
                 {"1 s", -1, -1},
                 {"1.5h", -1, -1},
                 {"+1", -1, -1},
                 {"0x10", -1, -1},
                 {"9223372036854775807", INT64_MAX, INT64_MAX},
                 {"9223372036854775808", -1, -1},
                 {"9223372036854775807w", -1, -1},
                 {"-", -1, -1}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t v;
        assert_int_equal(opt_parse_seconds(slice_str(table[i].text), &v, NULL), table[i].s >= 0);
        assert_int_equal(v, table[i].s >= 0 ? table[i].s : 0);
        assert_int_equal(opt_parse_bytes(slice_str(table[i].text), &v, NULL), table[i].bytes >= 0);
        assert_int_equal(v, table[i].bytes >= 0 ? table[i].bytes : 0);
    }
}

static bool keep_value(void *ctx, const struct config_line *line, struct err *e)
{
    (void)e;
    buf_put(ctx, line->value);
    return true;
}

static void reads_back_each_value_that_it_wrote(void **state)
{
    (void)state;
    srand(13);
    for (int round = 0; round < 20000; round++) {
        struct err e = {0};
        uint8_t bytes[8];
        struct slice v = slice_of(bytes, (size_t)rand() % sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(rand() % 2 ? " \"#\\ab\n\t"[rand() % 8] : 1 + rand() % 255);
        struct buf text, back;
        buf_init(&text, 200);
        buf_init(&back, 200);
        buf_put_str(&text, "k = ");
        config_put_value(&text, v);
        buf_put_str(&text, " # end\n");
        assert_ok(config_scan("f", buf_slice(&text), keep_value, &back, &e), e);
        assert_slice(buf_slice(&back), v);
        buf_clear(&text);
        buf_clear(&back);
    }
}

static void survives_damaged_files(void **state)
{
    (void)state;
    static const char good[] =
        "[server]\ndir = \"/a\\x41\" # c\nnode=5\n[ca]\nvalidity = 2w\n[hsm]\nmechanisms = a, b\n";
    srand(9);
    for (int round = 0; round < 50000; round++) {
        char text[sizeof good];
        struct target t;
        struct arena a;
        memcpy(text, good, sizeof good);
        for (int i = 1 + rand() % 3; i > 0; i--)
            text[rand() % (int)sizeof good] = (char)(rand() % 3 ? "[]=\"\\#\n x"[rand() % 9] : rand());
        arena_init(&a, 4096);
        t = (struct target){0};
        bool ok = config_read("f", slice_of(text, (size_t)rand() % sizeof good), rows, ARRAY_LEN(rows), &a, &t, NULL);
        if (ok)
            assert_true(t.dir && t.node >= 1 && t.node <= 127);
        arena_clear(&a);
    }
}

static void a_number_of_a_request_is_plain_and_in_its_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t max;
        bool ok;
    } numbers[] = {
        {"1", 10, true},
        {"10", 10, true},
        {"11", 10, false},
        {"0", 10, false},
        {"", 10, false},
        {"-1", 10, false},
        {"+1", 10, false},
        {" 1", 10, false},
        {"1 ", 10, false},
        {"1k", 10, false},
        {"9223372036854775807", INT64_MAX, true},
        {"9223372036854775808", INT64_MAX, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t v;
        struct err e = {0};
        if (opt_parse_int("limit", slice_str(numbers[i].text), 1, numbers[i].max, &v, &e) != numbers[i].ok)
            fail_msg("\"%s\": %s", numbers[i].text, e.what);
        if (!numbers[i].ok && (e.code != ERR_USAGE || !strstr(e.why, "whole number") || v != 0))
            fail_msg("\"%s\": %s, %s", numbers[i].text, e.what, e.why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_of_a_request_is_plain_and_in_its_range),
        cmocka_unit_test(reads_sections_keys_and_quotes),
        cmocka_unit_test(names_place_and_nearest_word_of_an_error),
        cmocka_unit_test(gives_the_allowed_range_with_an_error),
        cmocka_unit_test(reads_units),

        cmocka_unit_test(reads_back_each_value_that_it_wrote),
        cmocka_unit_test(survives_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
