#include "../mutate.h"
#include "../test.h"
#include "core/civil.h"
#include "core/der.h"
#include "core/oid.h"

static bool reads_uint(struct reader *r)
{
    return der_uint(r).n > 0;
}

static bool reads_int64(struct reader *r)
{
    der_int64(r);
    return true;
}

static bool reads_bool(struct reader *r)
{
    der_bool(r);
    return true;
}

static bool reads_default_false(struct reader *r)
{
    return der_bool_default_false(r);
}

static bool reads_oid(struct reader *r)
{
    return der_oid(r).n > 0;
}

static bool reads_bits(struct reader *r)
{
    der_bits(r);
    return true;
}

static bool reads_named(struct reader *r)
{
    der_named_bits(r);
    return true;
}

static bool reads_string(struct reader *r)
{
    uint8_t tag;
    der_string(r, &tag);
    return true;
}

static bool reads_time(struct reader *r)
{
    der_time(r);
    return true;
}

static bool reads_null(struct reader *r)
{
    der_null(r);
    return true;
}

static bool reads_item(struct reader *r)
{
    return der_next(r).tag != 0;
}

static bool reads_set_of(struct reader *r)
{
    struct reader in = der_enter_set_of(r, DER_SET);
    while (reader_left(&in))
        der_raw(&in);
    der_leave(r, &in);
    return true;
}

static const struct {
    bool (*read)(struct reader *r);
    struct slice der;
    bool good;
} forms[] = {
#define ROW(fn, s, good)                                                                                               \
    {                                                                                                                  \
        fn, OID_SLICE(s), good                                                                                         \
    }
    ROW(reads_uint, "\x02\x01\x00", true),
    ROW(reads_uint, "\x02\x01\x7f", true),
    ROW(reads_uint, "\x02\x02\x00\x80", true),
    ROW(reads_uint, "\x02\x02\x00\x7f", false),
    ROW(reads_uint, "\x02\x01\x80", false),
    ROW(reads_uint, "\x02\x00", false),
    ROW(reads_int64, "\x02\x08\x80\x00\x00\x00\x00\x00\x00\x00", true),
    ROW(reads_int64, "\x02\x09\x00\x80\x00\x00\x00\x00\x00\x00\x00", false),
    ROW(reads_int64, "\x02\x02\xff\x80", false),
    ROW(reads_int64, "\x02\x02\xff\x7f", true),
    ROW(reads_bool, "\x01\x01\xff", true),
    ROW(reads_bool, "\x01\x01\x00", true),
    ROW(reads_bool, "\x01\x01\x01", false),
    ROW(reads_bool, "\x01\x02\xff\xff", false),
    ROW(reads_default_false, "\x01\x01\xff", true),
    ROW(reads_default_false, "\x01\x01\x00", false),
    ROW(reads_oid, "\x06\x03\x55\x04\x03", true),
    ROW(reads_oid, "\x06\x00", false),
    ROW(reads_oid, "\x06\x02\x55\x84", false),
    ROW(reads_oid, "\x06\x03\x55\x80\x03", false),
    ROW(reads_oid, "\x06\x02\x80\x01", false),
    ROW(reads_bits, "\x03\x02\x00\xaa", true),
    ROW(reads_bits, "\x03\x01\x00", true),
    ROW(reads_bits, "\x03\x02\x01\xaa", false),
    ROW(reads_bits, "\x03\x00", false),
    ROW(reads_named, "\x03\x01\x00", true),
    ROW(reads_named, "\x03\x02\x05\xa0", true),
    ROW(reads_named, "\x03\x02\x04\xa0", false),
    ROW(reads_named, "\x03\x02\x05\xb0", false),
    ROW(reads_named, "\x03\x02\x08\x80", false),
    ROW(reads_named, "\x03\x01\x01", false),
    ROW(reads_named, "\x03\x06\x00\x00\x00\x00\x00\x01", false),
    ROW(reads_string, "\x0c\x02\xc3\xa9", true),
    ROW(reads_string, "\x0c\x02\xc3\x28", false),
    ROW(reads_string, "\x0c\x01\x00", false),
    ROW(reads_string, "\x0c\x02\xc0\xaf", false),
    ROW(reads_string, "\x0c\x03\xed\xa0\x80", false),
    ROW(reads_string, "\x0c\x04\xf4\x90\x80\x80", false),
    ROW(reads_string,
        "\x13\x03"
        "A-1",
        true),
    ROW(reads_string,
        "\x13\x01"
        "@",
        false),
    ROW(reads_string, "\x13\x01*", false),
    ROW(reads_string, "\x16\x01@", true),
    ROW(reads_string, "\x16\x01\x80", false),
    ROW(reads_string, "\x14\x01@", false),
    ROW(reads_time,
        "\x17\x0d"
        "491231235959Z",
        true),
    ROW(reads_time,
        "\x17\x0d"
        "500101000000Z",
        true),
    ROW(reads_time,
        "\x18\x0f"
        "20500101000000Z",
        true),
    ROW(reads_time,
        "\x18\x0f"
        "20491231235959Z",
        false),
    ROW(reads_time,
        "\x17\x0d"
        "490229000000Z",
        false),
    ROW(reads_time,
        "\x17\x0d"
        "490101240000Z",
        false),
    ROW(reads_time,
        "\x17\x0d"
        "49010100000 Z",
        false),
    ROW(reads_time,
        "\x17\x0b"
        "4901010000Z",
        false),
    ROW(reads_time,
        "\x17\x11"
        "490101000000+0000",
        false),
    ROW(reads_time,
        "\x18\x13"
        "20500101000000.000Z",
        false),
    ROW(reads_null, "\x05\x00", true),
    ROW(reads_null, "\x05\x01\x00", false),
    ROW(reads_item, "\x04\x80\x00\x00", false),
    ROW(reads_item, "\x04\x81\x01\x00", false),
    ROW(reads_item, "\x04\x82\x00\x01\x00", false),
    ROW(reads_item, "\x04\x02\x00", false),
    ROW(reads_item, "\x1f\x81\x01\x00", false),
    ROW(reads_item, "\x00\x00", false),
    ROW(reads_item, "\x04\x85\x00\x00\x00\x00\x01\x00", false),
    ROW(reads_set_of, "\x31\x06\x02\x01\x01\x02\x01\x02", true),
    ROW(reads_set_of, "\x31\x06\x02\x01\x02\x02\x01\x01", false),
    ROW(reads_set_of, "\x31\x00", true),
#undef ROW
};

static void takes_one_form_of_each_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct reader r = reader_of(forms[i].der);
        bool good = forms[i].read(&r) && reader_end(&r);
        if (good != forms[i].good)
            fail_msg("row %zu (%s): %s", i, ERR_QUOTE(forms[i].der), good ? "accepted" : "refused");
    }
}

/* One structure with everything in it. */
static void put_all(struct writer *w)
{
    size_t seq = der_open(w, DER_SEQUENCE);
    der_put_bool(w, true);
    der_put_int(w, -129);
    der_put_int(w, INT64_MIN);
    der_put_uint(w, SLICE_LIT("\x00\x00\xff\x01"));
    der_put_bits(w, SLICE_LIT("\x01\x02"));
    der_put_named_bits(w, 1u << 0 | 1u << 2 | 1u << 8);
    der_put_octets(w, SLICE_LIT("octets"));
    der_put_null(w);
    der_put_oid(w, OID_HARDWARE_MODULE_NAME);
    der_put_string(w, SLICE_LIT("plain"));
    der_put_string(w, SLICE_LIT("sn@1"));
    der_put_ia5(w, SLICE_LIT("a@b"));
    der_put_time(w, INT64_C(2524607999));
    der_put_time(w, INT64_C(2524608000));
    der_put_time(w, DER_TIME_NEVER);
    size_t inner = der_open(w, DER_CONTEXT_CONS(3));
    uint8_t big[300] = {0};
    der_put_octets(w, SLICE_ARRAY(big));
    der_close(w, inner);
    size_t set = der_open(w, DER_SET);
    der_put_int(w, 300);
    der_put_int(w, 2);
    der_put_string(w, SLICE_LIT("z"));
    der_put_int(w, 1);
    der_close_set_of(w, set);
    der_close(w, seq);
}

static void reads_back_what_it_wrote(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct writer w = WRITER_ARRAY(buf), count = writer_counting();
    struct slice s;
    put_all(&w);
    put_all(&count);
    assert_true(writer_done(&w, &s));
    assert_int_equal(count.n, s.n);
    assert_true(der_valid(s));

    struct reader out = reader_of(s), r = der_enter(&out, DER_SEQUENCE), in;
    uint8_t tag;
    assert_true(der_bool(&r));
    assert_true(der_int64(&r) == -129);
    assert_true(der_int64(&r) == INT64_MIN);
    assert_slice(der_uint(&r), SLICE_LIT("\xff\x01"));
    assert_slice(der_bits(&r), SLICE_LIT("\x01\x02"));
    assert_int_equal(der_named_bits(&r), 1u << 0 | 1u << 2 | 1u << 8);
    assert_slice(der_octets(&r), SLICE_LIT("octets"));
    der_null(&r);
    assert_slice(der_oid(&r), OID_HARDWARE_MODULE_NAME);
    assert_slice(der_string(&r, &tag), SLICE_LIT("plain"));
    assert_int_equal(tag, DER_PRINTABLE_STRING);
    assert_slice(der_string(&r, &tag), SLICE_LIT("sn@1"));
    assert_int_equal(tag, DER_UTF8_STRING);
    assert_slice(der_ia5(&r), SLICE_LIT("a@b"));
    assert_int_equal(der_peek(&r), DER_UTC_TIME);
    assert_true(der_time(&r) == INT64_C(2524607999));
    assert_int_equal(der_peek(&r), DER_GENERALIZED_TIME);
    assert_true(der_time(&r) == INT64_C(2524608000));
    assert_true(der_time(&r) == DER_TIME_NEVER);
    assert_false(der_enter_optional(&r, DER_CONTEXT_CONS(2), &in));
    assert_true(der_enter_optional(&r, DER_CONTEXT_CONS(3), &in));
    assert_int_equal(der_octets(&in).n, 300);
    der_leave(&r, &in);
    in = der_enter_set_of(&r, DER_SET);
    assert_true(der_int64(&in) == 1);
    assert_true(der_int64(&in) == 2);
    assert_true(der_int64(&in) == 300);
    assert_slice(der_printable(&in), SLICE_LIT("z"));
    der_leave(&r, &in);
    der_leave(&out, &r);
    assert_true(reader_end(&out));
}

static void never_overruns_a_small_buffer(void **state)
{
    (void)state;
    struct writer count = writer_counting();
    put_all(&count);
    for (size_t cap = 0; cap < count.n; cap++) {
        uint8_t *buf = malloc(cap ? cap : 1);
        struct writer w = writer_of(buf, cap);
        struct slice s;
        put_all(&w);
        assert_false(writer_done(&w, &s));
        free(buf);
    }
}

static void refuses_to_write_what_it_would_not_read(void **state)
{
    (void)state;
    uint8_t buf[64];
    struct slice s;
    struct writer w = WRITER_ARRAY(buf);
    der_put_printable(&w, SLICE_LIT("a@b"));
    assert_false(writer_done(&w, &s));
    w = WRITER_ARRAY(buf);
    der_put_utf8(&w, SLICE_LIT("\xff"));
    assert_false(writer_done(&w, &s));
    w = WRITER_ARRAY(buf);
    der_put_time(&w, INT64_C(-631152001)); /* 1949 */
    assert_false(writer_done(&w, &s));
    w = WRITER_ARRAY(buf);
    der_put_time(&w, DER_TIME_NEVER + 1);
    assert_false(writer_done(&w, &s));
}

static void stops_at_the_depth_limit(void **state)
{
    (void)state;
    uint8_t buf[128];
    for (size_t depth = READER_DEPTH_DEFAULT; depth <= READER_DEPTH_DEFAULT + 1; depth++) {
        struct writer w = WRITER_ARRAY(buf);
        size_t mark[READER_DEPTH_DEFAULT + 1];
        for (size_t i = 0; i < depth; i++)
            mark[i] = der_open(&w, DER_SEQUENCE);
        for (size_t i = depth; i > 0; i--)
            der_close(&w, mark[i - 1]);
        assert_int_equal(der_valid(writer_slice(&w)), depth == READER_DEPTH_DEFAULT);
    }
}

static void fails_the_outer_reader_if_the_inner_was_not_finished(void **state)
{
    (void)state;
    struct reader r = reader_of(SLICE_LIT("\x30\x03\x02\x01\x05")), in = der_enter(&r, DER_SEQUENCE);
    der_leave(&r, &in);
    assert_false(reader_ok(&r));
}

static void knows_the_calendar(void **state)
{
    (void)state;
    static const struct {
        struct civil c;
        int64_t at;
    } rows[] = {
        {{1970, 1, 1, 0, 0, 0}, 0},
        {{2000, 2, 29, 12, 0, 0}, 951825600},
        {{1900, 3, 1, 0, 0, 0}, -2203891200},
        {{0, 1, 1, 0, 0, 0}, INT64_C(-62167219200)},
        {{9999, 12, 31, 23, 59, 59}, DER_TIME_NEVER},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct civil c;
        int64_t at;
        assert_true(civil_to_unix(&rows[i].c, &at));
        assert_true(at == rows[i].at);
        assert_true(civil_from_unix(at, &c));
        assert_memory_equal(&c, &rows[i].c, sizeof c);
    }
    /* Each day of it, there and back. */
    int64_t at = rows[3].at, back;
    for (struct civil c; civil_from_unix(at, &c); at += 86400) {
        assert_true(civil_to_unix(&c, &back));
        assert_true(back == at);
    }
    assert_true(at == DER_TIME_NEVER + 1);
    assert_false(civil_to_unix(&(struct civil){1900, 2, 29, 0, 0, 0}, &at));
}

/* Whatever is taken for valid can be taken apart with the item reader alone and covers all its bytes. */
static void check_variant(struct slice s, void *ctx)
{
    (void)ctx;
    if (!der_valid(s))
        return;
    struct reader r = reader_of(s);
    assert_int_equal(der_raw(&r).n, s.n);
    assert_true(reader_end(&r));
}

static void survives_mutation(void **state)
{
    (void)state;
    uint8_t buf[1024];
    struct writer w = WRITER_ARRAY(buf);
    put_all(&w);
    mutate_each(writer_slice(&w), check_variant, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_one_form_of_each_value),
        cmocka_unit_test(reads_back_what_it_wrote),
        cmocka_unit_test(never_overruns_a_small_buffer),
        cmocka_unit_test(refuses_to_write_what_it_would_not_read),
        cmocka_unit_test(stops_at_the_depth_limit),
        cmocka_unit_test(fails_the_outer_reader_if_the_inner_was_not_finished),
        cmocka_unit_test(knows_the_calendar),
        cmocka_unit_test(survives_mutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
