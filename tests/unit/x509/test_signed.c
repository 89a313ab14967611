#include "../test.h"

#include "core/der.h"
#include "core/oid.h"
#include "x509/signed.h"

static void put(struct writer *w, uint8_t last_arc, bool critical)
{
    uint8_t oid[] = {0x2a, last_arc};
    struct extension_mark x = extension_open(w, SLICE_ARRAY(oid), critical);
    der_put_null(w);
    extension_close(w, x);
}

static bool reads(struct slice der, size_t *n)
{
    struct reader r = reader_of(der);
    struct extensions x = extensions_enter(&r);
    struct extension ext;
    for (*n = 0; extensions_next(&x, &ext); ++*n)
        assert_slice(ext.value, SLICE_LIT("\x05\x00"));
    extensions_leave(&r, &x);
    return reader_end(&r);
}

static void takes_each_extension_once(void **state)
{
    static const struct {
        const char *arcs; /* the last arc of each */
        bool sound;
    } rows[] = {{"", true}, {"a", true}, {"abc", true}, {"aba", false}, {"abb", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t buf[256];
        struct writer w = WRITER_ARRAY(buf);
        size_t n, list = der_open(&w, DER_SEQUENCE);
        for (const char *a = rows[i].arcs; *a; a++)
            put(&w, (uint8_t)*a, a != rows[i].arcs);
        der_close(&w, list);
        assert_int_equal(reads(writer_slice(&w), &n), rows[i].sound);
    }
}

static void takes_no_more_than_its_maximum(void **state)
{
    (void)state;
    for (size_t count = EXTENSIONS_MAX; count <= EXTENSIONS_MAX + 1; count++) {
        uint8_t buf[1024];
        struct writer w = WRITER_ARRAY(buf);
        size_t n, list = der_open(&w, DER_SEQUENCE);
        for (size_t i = 0; i < count; i++)
            put(&w, (uint8_t)i, false);
        der_close(&w, list);
        assert_int_equal(reads(writer_slice(&w), &n), count == EXTENSIONS_MAX);
        assert_int_equal(n, EXTENSIONS_MAX);
    }
}

static void reads_one_signed_structure_and_nothing_behind_it(void **state)
{
    static const char good[] = "\x30\x0b\x30\x03\x02\x01\x07\x30\x00\x03\x02\x00\xff";
    struct signed_parts s;
    (void)state;
    assert_true(signed_read(slice_of(good, 13), &s));
    assert_slice(s.tbs, SLICE_LIT("\x30\x03\x02\x01\x07"));
    assert_int_equal(der_int64(&s.inside), 7);
    assert_slice(s.alg, SLICE_LIT("\x30\x00"));
    assert_slice(s.sig, SLICE_LIT("\xff"));
    assert_false(signed_read(slice_of(good, 14), &s)); /* its NUL */
    assert_null(s.tbs.p);
    assert_false(signed_read(slice_of(good, 12), &s));
    assert_false(signed_read((struct slice){0}, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_each_extension_once),
        cmocka_unit_test(takes_no_more_than_its_maximum),
        cmocka_unit_test(reads_one_signed_structure_and_nothing_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
