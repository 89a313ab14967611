#include "../test.h"
#include "core/reader.h"
#include "core/writer.h"

static void reads_back_what_was_written(void **state)
{
    (void)state;
    uint8_t buf[32];
    struct writer w = WRITER_ARRAY(buf), count = writer_counting();
    struct writer *both[] = {&w, &count};
    for (size_t i = 0; i < 2; i++) {
        writer_u8(both[i], 1);
        writer_u16(both[i], 0x0203);
        writer_u32(both[i], 0x04050607);
        writer_u64(both[i], 0x08090a0b0c0d0e0f);
        writer_put(both[i], SLICE_LIT("xy"));
    }
    struct slice s;
    assert_true(writer_done(&w, &s));
    assert_int_equal(s.n, 17);
    assert_int_equal(count.n, 17);
    struct reader r = reader_of(s);
    assert_int_equal(reader_peek(&r), 1);
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_false(reader_end(&r));
    assert_slice(reader_rest(&r), SLICE_LIT("xy"));
    assert_true(reader_end(&r));
}

static void stays_failed_after_a_read_past_the_end(void **state)
{
    (void)state;
    struct reader r = reader_of(SLICE_LIT("abc"));
    assert_int_equal(reader_u32(&r), 0);
    assert_false(reader_ok(&r));
    assert_int_equal(reader_u8(&r), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_false(reader_end(&r));
}

static void stays_failed_after_a_write_past_the_end(void **state)
{
    (void)state;
    uint8_t buf[3];
    struct writer w = WRITER_ARRAY(buf);
    struct slice s;
    writer_u32(&w, 1);
    writer_u8(&w, 1);
    assert_false(writer_done(&w, &s));
    assert_int_equal(s.n, 0);
}

static void takes_a_text_line_by_line(void **state)
{
    (void)state;
    struct slice rest = SLICE_LIT("one\n\nthree\r\nlast");
    static const char *const lines[] = {"one", "", "three\r", "last", "", ""};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_slice(slice_take_line(&rest), slice_str(lines[i]));
    rest = (struct slice){0};
    assert_int_equal(slice_take_line(&rest).n, 0);
    rest = SLICE_LIT("end\n");
    assert_slice(slice_take_line(&rest), SLICE_LIT("end"));
    assert_int_equal(rest.n, 0);
    struct slice line;
    rest = SLICE_LIT("\n# no\none\n\n#\n two #\n#");
    assert_true(slice_take_said_line(&rest, &line));
    assert_slice(line, SLICE_LIT("one"));
    assert_true(slice_take_said_line(&rest, &line));
    assert_slice(line, SLICE_LIT(" two #"));
    assert_false(slice_take_said_line(&rest, &line));
    assert_int_equal(line.n + rest.n, 0);
}

static void takes_a_word_and_a_number_from_the_front(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max, number;
        const char *rest; /* NULL: there is none */
    } rows[] = {
        {"0", 0, 0, ""},
        {"0x", 9, 0, "x"},
        {"17 18", 17, 17, " 18"},
        {"17", 16, 0, NULL},
        {"5", 4, 0, NULL},
        {"018", 99, 0, NULL},
        {"00", 99, 0, NULL},
        {"", 99, 0, NULL},
        {"-1", 99, 0, NULL},
        {" 1", 99, 0, NULL},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, ""},
        {"18446744073709551616", UINT64_MAX, 0, NULL},
        {"99999999999999999999", UINT64_MAX, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice rest = slice_str(rows[i].text);
        uint64_t v = 0;
        assert_int_equal(slice_take_decimal(&rest, rows[i].max, &v), rows[i].rest != NULL);
        assert_int_equal(v, rows[i].number);
        assert_slice(rest, slice_str(rows[i].rest ? rows[i].rest : rows[i].text));
    }
    struct slice s = SLICE_LIT("key x");
    assert_false(slice_take_prefix(&s, SLICE_LIT("kez")) || slice_take_prefix(&s, SLICE_LIT("key xy")));
    assert_true(slice_take_prefix(&s, SLICE_LIT("key ")) && slice_take_prefix(&s, (struct slice){0}));
    assert_slice(s, SLICE_LIT("x"));
    s = (struct slice){0};
    assert_false(slice_take_prefix(&s, SLICE_LIT("x")));
    assert_true(slice_take_prefix(&s, (struct slice){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),
        cmocka_unit_test(takes_a_word_and_a_number_from_the_front),
        cmocka_unit_test(stays_failed_after_a_read_past_the_end),
        cmocka_unit_test(stays_failed_after_a_write_past_the_end),
        cmocka_unit_test(takes_a_text_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
