#include "../mutate.h"
#include "../test.h"
#include "core/oid.h"
#include "recode.h"

/* RFC 8949 appendix A, what is in our profile, and what is just outside of it. */
static const struct {
    struct slice cbor;
    bool good;
} items[] = {
#define ROW(s, good)                                                                                                   \
    {                                                                                                                  \
        OID_SLICE(s), good                                                                                             \
    }
    ROW("\x00", true),
    ROW("\x17", true),
    ROW("\x18\x18", true),
    ROW("\x18\x17", false),
    ROW("\x18\x64", true),
    ROW("\x19\x03\xe8", true),
    ROW("\x19\x00\xff", false),
    ROW("\x1a\x00\x0f\x42\x40", true),
    ROW("\x1a\x00\x00\xff\xff", false),
    ROW("\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", true),
    ROW("\x1b\x00\x00\x00\x00\xff\xff\xff\xff", false),
    ROW("\x1b\xff\xff\xff\xff\xff\xff\xff\xff", true),
    ROW("\x3b\xff\xff\xff\xff\xff\xff\xff\xff", true),
    ROW("\x20", true),
    ROW("\x38\x63", true),
    ROW("\x39\x03\xe7", true),
    ROW("\x1c", false),
    ROW("\xf4", true),
    ROW("\xf5", true),
    ROW("\xf6", true),
    ROW("\xf7", false),         /* undefined */
    ROW("\xf0", false),         /* simple(16) */
    ROW("\xf8\x18", false),     /* simple(24) */
    ROW("\xf9\x00\x00", false), /* 0.0 */
    ROW("\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", false),
    ROW("\xc1\x1a\x51\x4b\x67\xb0", true),
    ROW("\xd8\x20\x61\x61", true),
    ROW("\xd8\x01\x61\x61", false),
    ROW("\xc1", false),
    ROW("\x40", true),
    ROW("\x44\x01\x02\x03\x04", true),
    ROW("\x58\x04\x01\x02\x03\x04", false),
    ROW("\x60", true),
    ROW("\x64IETF", true),
    ROW("\x62\"\\", true),
    ROW("\x62\xc3\xbc", true),
    ROW("\x63\xe6\xb0\xb4", true),
    ROW("\x64\xf0\x90\x85\x91", true),
    ROW("\x62\xc3\x28", false),
    ROW("\x80", true),
    ROW("\x83\x01\x02\x03", true),
    ROW("\x83\x01\x82\x02\x03\x82\x04\x05", true),
    ROW("\x83\x01\x02", false),
    ROW("\x9b\xff\xff\xff\xff\xff\xff\xff\xff", false),
    ROW("\x9f\xff", false),
    ROW("\x5f\x41\x01\xff", false),
    ROW("\xbf\xff", false),
    ROW("\xff", false),
    ROW("\xa0", true),
    ROW("\xa2\x01\x02\x03\x04", true),
    ROW("\xa2\x03\x04\x01\x02", false),
    ROW("\xa2\x01\x02\x01\x02", false),
    ROW("\xa2\x61\x61\x01\x61\x62\x82\x02\x03", true),
    ROW("\xa2\x61\x62\x01\x61\x61\x82\x02\x03", false),
    ROW("\xa3\x0a\x00\x18\x64\x00\x20\x00", true), /* RFC 8949 section 4.2.1: 10, 100, -1 */
    ROW("\xa2\x20\x00\x0a\x00", false),
    ROW("\xa1\x82\x01\x02\xf6", true),
    ROW("\xa1\xa1\x01\x02\xa2\x01\x02\x03\x04", true),
    ROW("\x82\xa2\x01\x02\x01\x02\x00", false), /* a repeated key, further down */
    ROW("\xbb\x80\x00\x00\x00\x00\x00\x00\x00", false),
    ROW("\xa1\x01", false),
    ROW("", false),
    ROW("\x00\x00", false),
#undef ROW
};

static void takes_deterministic_items_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        if (cbor_valid(items[i].cbor) != items[i].good)
            fail_msg("row %zu (%s): %s", i, ERR_QUOTE(items[i].cbor), items[i].good ? "refused" : "accepted");
}

/* Reading item by item and passing over the whole agree, and what was read encodes to the same bytes. */
static void check_recode(struct slice s, void *ctx)
{
    (void)ctx;
    uint8_t buf[256];
    struct writer w = WRITER_ARRAY(buf);
    struct reader r = reader_of(s);
    recode_item(&r, &w);
    struct slice again;
    bool good = reader_end(&r) && writer_done(&w, &again);
    assert_int_equal(good, cbor_valid(s));
    if (good)
        assert_slice(again, s);
}

static void encodes_again_what_it_decoded(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        check_recode(items[i].cbor, NULL);
        mutate_each(items[i].cbor, check_recode, NULL);
    }
}

static void reads_integers_at_their_limits(void **state)
{
    (void)state;
    static const int64_t rows[] = {0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, INT64_MAX, -1, -24, -25, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t buf[16];
        struct writer w = WRITER_ARRAY(buf);
        cbor_put_int(&w, rows[i]);
        struct reader r = reader_of(writer_slice(&w));
        assert_true(cbor_get_int(&r) == rows[i]);
        assert_true(reader_end(&r));
    }
    struct reader over = reader_of(SLICE_LIT("\x1b\x80\x00\x00\x00\x00\x00\x00\x00"));
    cbor_get_int(&over);
    assert_false(reader_ok(&over));
    struct reader under = reader_of(SLICE_LIT("\x3b\x80\x00\x00\x00\x00\x00\x00\x00"));
    cbor_get_int(&under);
    assert_false(reader_ok(&under));
    struct reader above = reader_of(SLICE_LIT("\x18\x64"));
    assert_true(cbor_get_uint_max(&above, 99) == 0);
    assert_false(reader_ok(&above));
}

static void fails_on_another_type(void **state)
{
    (void)state;
    struct slice samples[] = {SLICE_LIT("\x01"), SLICE_LIT("\x20"), SLICE_LIT("\x41\x01"), SLICE_LIT("\x61\x61"),
                              SLICE_LIT("\x80"), SLICE_LIT("\xa0"), SLICE_LIT("\xc1\x00"), SLICE_LIT("\xf4")};
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        for (int type = CBOR_UINT; type <= CBOR_SIMPLE; type++) {
            struct reader r = reader_of(samples[i]);
            assert_int_equal(cbor_peek(&r), i);
            switch ((enum cbor_type)type) {
            case CBOR_UINT:
                cbor_get_uint(&r);
                break;
            case CBOR_BSTR:
                cbor_get_bstr_n(&r, 1);
                break;
            case CBOR_TSTR:
                cbor_get_tstr(&r);
                break;
            case CBOR_ARRAY:
                cbor_get_array_n(&r, 0);
                break;
            case CBOR_MAP:
                cbor_get_map(&r);
                break;
            case CBOR_TAG:
                cbor_get_tag_n(&r, 1);
                break;
            case CBOR_SIMPLE:
                cbor_get_bool(&r);
                break;
            default:
                if (cbor_get_int(&r) == 1)
                    reader_fail(&r);
                break;
            }
            assert_int_equal(reader_ok(&r), (int)i == type);
        }
}

static void stops_at_the_depth_limit(void **state)
{
    (void)state;
    static const uint8_t heads[] = {0x81, 0xc1};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        uint8_t buf[CBOR_DEPTH_MAX + 2];
        memset(buf, heads[i], sizeof buf);
        buf[CBOR_DEPTH_MAX] = buf[CBOR_DEPTH_MAX + 1] = 0;
        assert_true(cbor_valid(slice_of(buf, CBOR_DEPTH_MAX + 1)));
        buf[CBOR_DEPTH_MAX] = heads[i];
        assert_false(cbor_valid(slice_of(buf, CBOR_DEPTH_MAX + 2)));
        struct reader r = reader_of(slice_of(buf + CBOR_DEPTH_MAX - 2, 4));
        r.depth = 2;
        cbor_skip(&r);
        assert_false(reader_ok(&r));
    }
}

static void wraps_an_item_in_a_byte_string(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 23, 24, 255, 256, 700};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t buf[800], content[700];
        memset(content, 0x5a, sizeof content);
        struct writer w = WRITER_ARRAY(buf), count = writer_counting();
        struct writer *both[] = {&w, &count};
        for (size_t k = 0; k < 2; k++) {
            size_t mark = cbor_open_bstr(both[k]);
            writer_put(both[k], slice_of(content, sizes[i]));
            cbor_close_bstr(both[k], mark);
        }
        struct reader r = reader_of(writer_slice(&w));
        assert_int_equal(w.n, count.n);
        assert_slice(cbor_get_bstr(&r), slice_of(content, sizes[i]));
        assert_true(reader_end(&r));
    }
}

static void takes_one_raw_item_after_another(void **state)
{
    (void)state;
    struct reader r = reader_of(SLICE_LIT("\x82\x01\x02\xf6\xa1\x01\x02"));
    assert_slice(cbor_take_raw(&r), SLICE_LIT("\x82\x01\x02"));
    assert_true(cbor_take_null(&r));
    assert_false(cbor_take_null(&r));
    assert_slice(cbor_take_raw(&r), SLICE_LIT("\xa1\x01\x02"));
    assert_true(reader_end(&r));
    assert_int_equal(cbor_peek(&r), CBOR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_deterministic_items_only),   cmocka_unit_test(encodes_again_what_it_decoded),
        cmocka_unit_test(reads_integers_at_their_limits),   cmocka_unit_test(fails_on_another_type),
        cmocka_unit_test(stops_at_the_depth_limit),         cmocka_unit_test(wraps_an_item_in_a_byte_string),
        cmocka_unit_test(takes_one_raw_item_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
