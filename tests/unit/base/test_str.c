#include "../test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

static void refuses_bytes_beyond_the_maximum_of_a_buf(void **state)
{
    (void)state;
    struct err e = {0};
    struct slice s;
    struct buf b;
    buf_init(&b, 5);
    assert_string_equal(buf_str(&b), "");
    buf_put_str(&b, "abc");
    buf_printf(&b, "%d", 12);
    assert_ok(buf_done(&b, &s, &e), e);
    assert_slice(s, SLICE_LIT("abc12"));
    buf_put_char(&b, 'x');
    assert_false(buf_ok(&b));
    assert_err(buf_done(&b, &s, &e), e, ERR_TOO_BIG);
    assert_int_equal(s.n, 0);
    buf_reset(&b);
    buf_printf(&b, "%s", "123456");
    assert_false(buf_ok(&b));
    buf_reset(&b);
    buf_put_str(&b, "hello");
    buf_drop(&b, 2);
    assert_string_equal(buf_str(&b), "llo");
    assert_null(buf_space(&b, 3));
    buf_clear(&b);
    assert_true(buf_ok(&b));
    char *p = buf_space(&b, 4);
    memcpy(p, "wxyz", 4);
    buf_added(&b, 4);
    assert_string_equal(buf_str(&b), "wxyz");
    buf_wipe(&b);
    assert_int_equal(b.n, 0);
}

static void grows_a_buf_far(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1 << 20; i++)
        buf_put_char(&b, (char)('a' + i % 26));
    assert_true(buf_ok(&b));
    assert_int_equal(b.n, 1 << 20);
    for (int i = 0; i < 1 << 20; i += 997)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_clear(&b);
}

static void bounds_an_arena(void **state)
{
    (void)state;
    struct err e = {0};
    struct arena a;
    arena_init(&a, 10000);
    for (int i = 0; i < 10; i++) {
        char *p = arena_printf(&a, "%s-%d", "name", i);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        assert_int_equal(strlen(p), 6);
    }
    uint8_t *big = arena_alloc(&a, 8000);
    assert_non_null(big);
    for (int i = 0; i < 8000; i++)
        assert_int_equal(big[i], 0);
    assert_ok(arena_ok(&a, &e), e);
    assert_null(arena_alloc(&a, 8000));
    assert_null(arena_alloc(&a, 1));
    assert_err(arena_ok(&a, &e), e, ERR_TOO_BIG);
    arena_clear(&a);
    assert_null(arena_array(&a, SIZE_MAX / 2, 4));
    arena_clear(&a);
    assert_slice(arena_dup(&a, SLICE_LIT("a\0b")), SLICE_LIT("a\0b"));
    arena_clear(&a);
}

static void encodes_and_decodes_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    static const struct {
        enum codec c;
        const char *bytes, *text;
    } rows[] = {
        {CODEC_BASE64, "", ""},
        {CODEC_BASE64, "f", "Zg=="},
        {CODEC_BASE64, "fo", "Zm8="},
        {CODEC_BASE64, "foo", "Zm9v"},
        {CODEC_BASE64, "foob", "Zm9vYg=="},
        {CODEC_BASE64, "fooba", "Zm9vYmE="},
        {CODEC_BASE64, "foobar", "Zm9vYmFy"},
        {CODEC_BASE64URL, "foob", "Zm9vYg"},
        {CODEC_BASE64URL, "\xff\xfe", "__4"},
        {CODEC_BASE32, "f", "my"},
        {CODEC_BASE32, "fo", "mzxq"},
        {CODEC_BASE32, "foo", "mzxw6"},
        {CODEC_BASE32, "foob", "mzxw6yq"},
        {CODEC_BASE32, "fooba", "mzxw6ytb"},
        {CODEC_BASE32, "foobar", "mzxw6ytboi"},
        {CODEC_HEX, "foobar", "666f6f626172"},
        {CODEC_HEX, "\xff", "ff"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        char text[32];
        uint8_t bytes[16];
        size_t n;
        struct slice in = slice_str(rows[i].bytes);
        assert_true(codec_encode(rows[i].c, in, text, sizeof text));
        assert_string_equal(text, rows[i].text);
        assert_int_equal(codec_text_len(rows[i].c, in.n), strlen(text));
        assert_true(codec_bytes_max(rows[i].c, strlen(text)) >= in.n);
        assert_ok(codec_decode(rows[i].c, slice_str(text), bytes, sizeof bytes, &n, &e), e);
        assert_slice(slice_of(bytes, n), in);
        assert_false(codec_encode(rows[i].c, in, text, strlen(rows[i].text)));
        if (in.n)
            assert_err(codec_decode(rows[i].c, slice_str(rows[i].text), bytes, in.n - 1, &n, &e), e, ERR_TOO_BIG);
    }
}

static void refuses_all_but_one_form_of_a_text(void **state)
{
    (void)state;
    static const struct {
        enum codec c;
        const char *text;
    } rows[] = {
        {CODEC_BASE64, "Zg"},       {CODEC_BASE64, "Zg="},  {CODEC_BASE64, "Zg==="},   {CODEC_BASE64, "Zh=="},
        {CODEC_BASE64, "Zg==Zg=="}, {CODEC_BASE64, "Z"},    {CODEC_BASE64, "Zm9v\n"},  {CODEC_BASE64, "Zm9v===="},
        {CODEC_BASE64, "===="},     {CODEC_BASE64, "Zm8-"}, {CODEC_BASE64URL, "Zg=="}, {CODEC_BASE64URL, "Zh"},
        {CODEC_BASE64URL, "Z+8_"},  {CODEC_BASE64URL, "Z"}, {CODEC_BASE32, "MY"},      {CODEC_BASE32, "m"},
        {CODEC_BASE32, "mzx"},      {CODEC_BASE32, "mz1q"}, {CODEC_BASE32, "mz"},      {CODEC_BASE32, "mzxw6ytbo"},
        {CODEC_HEX, "a"},           {CODEC_HEX, "AB"},      {CODEC_HEX, "0g"},         {CODEC_HEX, "0x12"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        uint8_t bytes[16];
        size_t n;
        if (codec_decode(rows[i].c, slice_str(rows[i].text), bytes, sizeof bytes, &n, &e))
            fail_msg("row %zu \"%s\" was taken", i, rows[i].text);
        assert_int_equal(e.code, ERR_ENCODING);
        assert_int_equal(n, 0);
    }
}

/* Whatever decodes encodes to the same text. */
static void decodes_nothing_twice(void **state)
{
    (void)state;
    srand(7);
    for (int round = 0; round < 200000; round++) {
        enum codec c = (enum codec)(rand() % 4);
        static const char *const few[] = {"0189afAF", "AQgw+/=Z", "AQgw-_=Z", "aqy27AB="};
        char text[12], again[64];
        size_t n, len = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = few[c][rand() % 8];
        uint8_t bytes[16];
        if (!codec_decode(c, slice_of(text, len), bytes, sizeof bytes, &n, NULL))
            continue;
        assert_true(codec_encode(c, slice_of(bytes, n), again, sizeof again));
        assert_slice(slice_str(again), slice_of(text, len));
    }
}

static void reads_base64_in_lines(void **state)
{
    (void)state;
    struct err e = {0};
    uint8_t in[100], out[100];
    size_t n;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 7);
    struct buf b;
    buf_init(&b, 1000);
    codec_put_lines(&b, SLICE_ARRAY(in));
    assert_int_equal(b.p[64], '\n');
    assert_int_equal(b.p[b.n - 1], '\n');
    assert_ok(codec_decode_lines(buf_slice(&b), out, sizeof out, &n, &e), e);
    assert_slice(slice_of(out, n), SLICE_ARRAY(in));
    assert_err(codec_decode(CODEC_BASE64, buf_slice(&b), out, sizeof out, &n, &e), e, ERR_ENCODING);
    buf_clear(&b);
}

/* Wherever it stands: most is decoded by groups of four characters. */
static void finds_each_blank_and_each_stray_character(void **state)
{
    (void)state;
    struct err e = {0};
    uint8_t in[50], out[50];
    char text[80], odd[81];
    size_t n;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (uint8_t)(i * 29);
    assert_true(codec_encode(CODEC_BASE64, SLICE_ARRAY(in), text, sizeof text));
    size_t len = strlen(text);
    for (size_t at = 0; at <= len; at++) {
        char place[16];
        memcpy(odd, text, at);
        memcpy(odd + at + 1, text + at, len - at);
        odd[at] = '\n';
        assert_ok(codec_decode_lines(slice_of(odd, len + 1), out, sizeof out, &n, &e), e);
        assert_slice(slice_of(out, n), SLICE_ARRAY(in));
        odd[at] = '!';
        assert_err(codec_decode_lines(slice_of(odd, len + 1), out, sizeof out, &n, &e), e, ERR_ENCODING);
        snprintf(place, sizeof place, "place %zu", at + 1);
        assert_string_equal(strstr(e.what, "place"), place);
    }
    for (size_t cap = 0; cap < sizeof in; cap++)
        assert_err(codec_decode_lines(slice_of(text, len), out, cap, &n, &e), e, ERR_TOO_BIG);
}

static void copies_what_fits(void **state)
{
    (void)state;
    static const struct {
        size_t cap;
        const char *from, *to;
    } rows[] = {{1, "abc", ""}, {3, "abc", "ab"}, {4, "abc", "abc"}, {8, "", ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char dst[8];
        memset(dst, 'x', sizeof dst);
        str_copy(dst, rows[i].cap, rows[i].from);
        assert_string_equal(dst, rows[i].to);
    }
}

/* Whether it fits at once, or grows, or is too much. */
static void prints_into_a_buf(void **state)
{
    (void)state;
    char many[1024];
    for (size_t have = 0; have < 600; have += 7)
        for (size_t more = 0; more < sizeof many; more += 31) {
            struct buf b;
            buf_init(&b, 1000);
            for (size_t i = 0; i < have; i++)
                buf_put_char(&b, 'a');
            memset(many, 'b', more);
            many[more] = 0;
            buf_printf(&b, "%s", many);
            bool fits = have + more <= 1000;
            assert_int_equal(buf_ok(&b), fits);
            assert_int_equal(strlen(buf_str(&b)), fits ? have + more : have);
            assert_int_equal(strspn(buf_str(&b), "a"), have);
            buf_clear(&b);
        }
}

static void makes_ids_that_sort_by_time(void **state)
{
    (void)state;
    uint8_t zero[ID_RANDOM] = {0}, ones[ID_RANDOM];
    char a[ID_MAX], b[ID_MAX];
    memset(ones, 0xff, sizeof ones);
    id_make("dev_", 0, zero, a);
    assert_string_equal(a, "dev_00000000000000000000000000");
    id_make("dev_", (1ULL << 48) - 1, ones, a);
    assert_string_equal(a, "dev_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    /* From the ULID specification: 01ARZ3NDEKTSV4RRFFQ69G5FAV was made at 1469922850259. */
    assert_true(id_is_valid("dev_", "dev_01arz3ndektsv4rrffq69g5fav"));
    assert_int_equal(id_ms("dev_", "dev_01arz3ndektsv4rrffq69g5fav"), 1469922850259);
    id_make("dev_", 1700000000000, ones, a);
    id_make("dev_", 1700000000001, zero, b);
    assert_true(strcmp(a, b) < 0);
    assert_int_equal(id_ms("dev_", b), 1700000000001);
}

static void refuses_what_is_no_id(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "dev_",
        "01arz3ndektsv4rrffq69g5fav",
        "ord_01arz3ndektsv4rrffq69g5fav",
        "dev_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "dev_01arz3ndektsv4rrffq69g5fa",
        "dev_01arz3ndektsv4rrffq69g5favv",
        "dev_81arz3ndektsv4rrffq69g5fav",
        "dev_01arz3ndektsv4rrffq69g5fai",
        "dev_01arz3ndektsv4rrffq69g5fa/",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (id_is_valid("dev_", rows[i]))
            fail_msg("\"%s\" was taken", rows[i]);
}

static void writes_and_reads_times(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {1709164800000, "2024-02-29T00:00:00.000Z"},
        {4102444800123, "2100-01-01T00:00:00.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        char text[RFC3339_MAX];
        int64_t ms, at;
        assert_string_equal(rfc3339_format_ms(rows[i].ms, text), rows[i].text);
        assert_ok(rfc3339_parse_ms(text, &ms, &e), e);
        assert_int_equal(ms, rows[i].ms);
        assert_ok(rfc3339_parse(text, &at, &e), e);
        assert_int_equal(at, rows[i].ms >= 0 ? rows[i].ms / 1000 : (rows[i].ms - 999) / 1000);
    }
    assert_string_equal(RFC3339(1795431600), "2026-11-23T11:00:00Z");
    assert_string_equal(RFC3339(INT64_MAX), "9999-12-31T23:59:59Z");
    assert_string_equal(RFC3339(INT64_MIN), "0001-01-01T00:00:00Z");
    struct err e = {0};
    int64_t at;
    assert_ok(rfc3339_parse("2026-11-23t13:30:00.5+02:30", &at, &e), e);
    assert_int_equal(at, 1795431600);
}

static void refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2026",
        "2026-11-23",
        "2026-11-23T11:00:00",
        "2026-11-23T11:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T11:60:00Z",
        "2026-11-23T23:59:60Z",
        "2026-11-23T11:00:00.Z",
        "2026-11-23T11:00:00Zx",
        "2026-11-23T11:00:00+2:00",
        "2026-11-23T11:00:00+24:00",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        " 2026-11-23T11:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "+026-11-23T11:00:00Z",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t at;
        struct err e = {0};
        assert_err(rfc3339_parse(rows[i], &at, &e), e, ERR_TIME_TEXT);
        assert_int_equal(at, 0);
    }
}

static void knows_each_day_of_ten_thousand_years(void **state)
{
    (void)state;
    int64_t day = rfc3339_day(1, 1, 1);
    for (int y = 1; y <= 9999; y++)
        for (int m = 1; m <= 12; m++) {
            int y2, m2, d2;
            assert_int_equal(rfc3339_day(y, m, 1), day);
            rfc3339_date(day, &y2, &m2, &d2);
            assert_true(y2 == y && m2 == m && d2 == 1);
            bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
            day += m == 2 ? 28 + leap : m == 4 || m == 6 || m == 9 || m == 11 ? 30 : 31;
        }
}

static void finds_the_nearest_word(void **state)
{
    (void)state;
    static const char *const words[] = {"listen", "listen_plain", "database", "node", NULL};
    static const struct {
        const char *word, *want;
    } rows[] = {{"lisen", "listen"},
                {"lsiten", "listen"},
                {"datbase", "database"},
                {"databases", "database"},
                {"nodes", "node"},
                {"ndoe", "node"},
                {"zebra", NULL},
                {"", NULL},
                {"n", NULL},
                {"listen-plain", "listen_plain"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *got = nearest_in(slice_str(rows[i].word), words);
        if (rows[i].want ? !got || strcmp(got, rows[i].want) : got != NULL)
            fail_msg("\"%s\" is near to %s", rows[i].word, got ? got : "nothing");
    }
    assert_int_equal(nearest_distance(SLICE_LIT("kitten"), SLICE_LIT("sitting")), 3);
    assert_int_equal(nearest_distance(SLICE_LIT("ab"), SLICE_LIT("ba")), 1);
    assert_int_equal(nearest_distance(SLICE_LIT(""), SLICE_LIT("abc")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bytes_beyond_the_maximum_of_a_buf),
        cmocka_unit_test(grows_a_buf_far),
        cmocka_unit_test(bounds_an_arena),
        cmocka_unit_test(encodes_and_decodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(refuses_all_but_one_form_of_a_text),
        cmocka_unit_test(decodes_nothing_twice),
        cmocka_unit_test(reads_base64_in_lines),
        cmocka_unit_test(finds_each_blank_and_each_stray_character),
        cmocka_unit_test(copies_what_fits),
        cmocka_unit_test(prints_into_a_buf),
        cmocka_unit_test(makes_ids_that_sort_by_time),
        cmocka_unit_test(refuses_what_is_no_id),
        cmocka_unit_test(writes_and_reads_times),
        cmocka_unit_test(refuses_what_is_no_time),
        cmocka_unit_test(knows_each_day_of_ten_thousand_years),
        cmocka_unit_test(finds_the_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
