#include "../test.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_out.h"

static void reads_members_by_type_and_range(void **state)
{
    (void)state;
    struct err e = {0};
    AUTO(json_free_auto) struct json *j = NULL;
    const struct json *map, *list;
    const char *s;
    int64_t i;
    bool b;
    assert_ok(
        json_read(
            SLICE_LIT("{\"name\":\"m1\",\"n\":5,\"on\":true,\"map\":{\"z\":1,\"a\":2},\"list\":[\"x\",7],\"no\":null}"),
            1000, &j, &e),
        e);
    assert_ok(json_get_text(j, "name", 2, &s, &e), e);
    assert_string_equal(s, "m1");
    assert_err(json_get_text(j, "name", 1, &s, &e), e, ERR_JSON);
    assert_null(s);
    assert_err(json_get_text(j, "n", 10, &s, &e), e, ERR_JSON);
    assert_string_equal(e.what, "\"n\" is an integer");
    assert_err(json_get_text(j, "gone", 10, &s, &e), e, ERR_JSON);
    assert_string_equal(e.what, "\"gone\" is missing");
    assert_ok(json_get_int(j, "n", 5, 5, &i, &e), e);
    assert_int_equal(i, 5);
    assert_err(json_get_int(j, "n", 6, 9, &i, &e), e, ERR_JSON);
    assert_int_equal(i, 0);
    assert_err(json_get_int(j, "on", 0, 9, &i, &e), e, ERR_JSON);
    assert_ok(json_get_bool(j, "on", &b, &e), e);
    assert_true(b);
    assert_err(json_get_bool(j, "no", &b, &e), e, ERR_JSON);
    assert_ok(json_get_map(j, "map", &map, &e), e);
    assert_string_equal(json_key(map, 0), "z");
    assert_string_equal(json_key(map, 1), "a");
    assert_null(json_key(map, 2));
    assert_true(json_int(json_value(map, 1), &i) && i == 2);
    assert_ok(json_get_list(j, "list", &list, &e), e);
    assert_int_equal(json_count(list), 2);
    assert_ok(json_item_text(list, 0, 5, &s, &e), e);
    assert_string_equal(s, "x");
    assert_err(json_item_text(list, 1, 5, &s, &e), e, ERR_JSON);
    assert_ok(json_item_int(list, 1, 0, 9, &i, &e), e);
    assert_err(json_item_int(list, 2, 0, 9, &i, &e), e, ERR_JSON);
    assert_null(json_item(list, 2));
    assert_err(json_get_list(j, "map", &list, &e), e, ERR_JSON);
    assert_err(json_get_map(j, "list", &map, &e), e, ERR_JSON);
    assert_true(json_has(j, "n"));
    assert_false(json_has(j, "no"));
    static const char *const known[] = {"name", "n", "on", "map", "list", NULL};
    assert_err(json_only(j, known, &e), e, ERR_USAGE);
    assert_string_equal(e.hint, "did you mean \"n\"?");
    assert_err(json_only(list, known, &e), e, ERR_JSON);
}

static void refuses_what_is_not_strict_json(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "}",
        "{\"a\":1",
        "{\"a\":1}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":1}}",
        "{'a':1}",
        "{\"a\":1,}",
        "[1,]",
        "{a:1}",
        "// x\n{}",
        "[01]",
        "[+1]",
        "[.5]",
        "[NaN]",
        "[\"\\x\"]",
        "[\"a\nb\"]",
        "[\"\\u0000\"]",
        "[\"\xff\"]",
        "[\"\xc0\x80\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\\ud800\"]",
        "[99999999999999999999]",
        "{} {}",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct json *j;
        if (json_read(slice_str(rows[i]), 1000, &j, &e))
            fail_msg("row %zu %s was taken", i, rows[i]);
        assert_int_equal(e.code, ERR_JSON);
        assert_null(j);
    }
    struct err e = {0};
    struct json *j;
    assert_err(json_read(SLICE_LIT("[\"a\0b\"]"), 1000, &j, &e), e, ERR_JSON);
    assert_err(json_read(SLICE_LIT("[1,2,3]"), 6, &j, &e), e, ERR_TOO_BIG);
}

static void bounds_the_depth(void **state)
{
    (void)state;
    for (int depth = 1; depth <= 5000; depth += depth < 40 ? 1 : 1000) {
        struct err e = {0};
        struct json *j;
        struct buf b;
        buf_init(&b, 20000);
        for (int i = 0; i < depth; i++)
            buf_put_str(&b, i == 0 ? "[\"[[\\\"[\"," : "[");
        if (depth > 1)
            buf_put_str(&b, "1");
        else
            buf_put_str(&b, "2");
        for (int i = 0; i < depth; i++)
            buf_put_str(&b, "]");
        bool ok = json_read(buf_slice(&b), 20000, &j, &e);
        if (ok != (depth <= JSON_DEPTH_MAX))
            fail_msg("depth %d: %s", depth, ok ? "taken" : e.what);
        json_free(j);
        buf_clear(&b);
    }
}

static void writes_members_in_the_order_given(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "a", "q\"\\\n\x01\x7f\xff\xc3\xa4\xe2\x80\xa8</script>");
    json_out_text(&o, "none", NULL);
    json_out_list(&o, "list");
    json_out_bool(&o, NULL, true);
    json_out_map(&o, NULL);
    json_out_end(&o);
    json_out_list(&o, NULL);
    json_out_end(&o);
    json_out_end(&o);
    json_out_time(&o, "at", 1795431600);
    json_out_bytes(&o, "fp", CODEC_HEX, SLICE_LIT("\xab"));
    assert_false(json_out_done(&o));
    json_out_end(&o);
    assert_true(json_out_done(&o));
    assert_string_equal(buf_str(&b),
                        "{\"v\":1,\"a\":\"q\\\"\\\\\\n\\u0001\\u007f\\ufffd\xc3\xa4\\u2028</script>\",\"none\":null,"
                        "\"list\":[true,{},[]],\"at\":\"2026-11-23T11:00:00Z\",\"fp\":\"ab\"}");
    struct json *j;
    struct err e = {0};
    assert_ok(json_read(buf_slice(&b), 1000, &j, &e), e);
    json_free(j);
    buf_clear(&b);
}

static void refuses_to_write_what_is_not_json(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    for (int wrong = 0; wrong < 6; wrong++) {
        buf_reset(&b);
        struct json_out o = json_out_of(&b);
        if (wrong == 4) {
            json_out_int(&o, NULL, 1);
            json_out_int(&o, NULL, 1);
            assert_false(json_out_done(&o));
            continue;
        }
        json_out_map(&o, NULL);
        if (wrong == 0)
            json_out_int(&o, NULL, 1);
        if (wrong == 1) {
            json_out_list(&o, "l");
            json_out_int(&o, "x", 1);
            json_out_end(&o);
        }
        json_out_end(&o);
        if (wrong == 2)
            json_out_end(&o);
        if (wrong == 3)
            json_out_map(&o, NULL);
        for (int i = 0; wrong == 5 && i < 100; i++)
            json_out_list(&o, NULL);
        assert_false(json_out_done(&o));
    }
    buf_clear(&b);
}

/* Any bytes as a string come back the same, if they were UTF-8, and always as JSON. */
static void writes_any_bytes_as_a_string(void **state)
{
    (void)state;
    srand(3);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[12];
        struct buf b;
        struct json *j;
        struct err e = {0};
        buf_init(&b, 1000);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)(rand() % 3 ? 0x80 + rand() % 0x80 : 1 + rand() % 0x7f);
        struct json_out o = json_out_of(&b);
        json_out_slice(&o, NULL, SLICE_ARRAY(bytes));
        buf_put_str(&b, "]");
        struct buf c;
        buf_init(&c, 1000);
        buf_printf(&c, "[%s", buf_str(&b));
        assert_ok(json_read(buf_slice(&c), 1000, &j, &e), e);
        json_free(j);
        buf_clear(&b);
        buf_clear(&c);
    }
}

static void writes_a_tree_as_it_was_read(void **state)
{
    (void)state;
    struct err e = {0};
    AUTO(json_free_auto) struct json *j = NULL;
    static const char text[] = "{\"z\":[1,-2,true,null,{\"a\":{}},[]],\"b\":\"x\",\"a\":1.5}";
    struct buf b;
    buf_init(&b, 1000);
    assert_ok(json_read(slice_str(text), 1000, &j, &e), e);
    struct json_out o = json_out_of(&b);
    json_put(&o, NULL, j);
    assert_true(json_out_done(&o));
    assert_string_equal(buf_str(&b), text);
    buf_clear(&b);
}

static void survives_damaged_json(void **state)
{
    (void)state;
    static const char good[] =
        "{\"name\":\"m\\u00e4\",\"list\":[1,-2.5e3,true,null,{\"a\":{}}],\"z\":\"\\ud83d\\ude00\"}";
    srand(5);
    for (int round = 0; round < 50000; round++) {
        uint8_t bytes[sizeof good];
        struct json *j;
        memcpy(bytes, good, sizeof good);
        for (int i = 1 + rand() % 3; i > 0; i--)
            bytes[rand() % (int)sizeof good] = (uint8_t)(rand() % 4 ? "{}[]\",:\\0"[rand() % 9] : rand());
        if (json_read(slice_of(bytes, (size_t)rand() % sizeof good), 1000, &j, NULL))
            json_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members_by_type_and_range),
        cmocka_unit_test(refuses_what_is_not_strict_json),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(writes_members_in_the_order_given),
        cmocka_unit_test(refuses_to_write_what_is_not_json),
        cmocka_unit_test(writes_any_bytes_as_a_string),
        cmocka_unit_test(survives_damaged_json),
        cmocka_unit_test(writes_a_tree_as_it_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
