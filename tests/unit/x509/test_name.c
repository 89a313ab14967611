#include "peer.h"

#include "base/host.h"
#include "core/oid.h"
#include "x509/oid_text.h"
#include "x509/san.h"

static void writes_names_and_reads_them_back(void **state)
{
    static const struct row {
        const char *in, *out;
    } rows[] = {
        {"CN=dev_1", "CN=dev_1"},
        {" cn = dev 1 ,serialnumber= 42", "CN=dev 1, serialNumber=42"},
        {"CN=a\\, b, O=x\\+y", "CN=a\\, b, O=x\\+y"},
        {"CN=\\ a\\ , C=DE", "CN=\\ a\\ , C=DE"},
        {"CN=\xc3\xa4\\C3\\A4", "CN=\xc3\xa4\xc3\xa4"},
        {"CN=a+OU=b, O=c", "CN=a+OU=b, O=c"},
        {"2.5.4.12=Dr", "title=Dr"},
        {"1.2.3.4=x, DC=example", "1.2.3.4=x, DC=example"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t text[NAME_TEXT_MAX];
        struct writer w = WRITER_ARRAY(text);
        struct err e = {0};
        assert_ok(name_text(peer_name(rows[i].in), &w, &e), e);
        assert_slice(writer_slice(&w), slice_str(rows[i].out));
    }
}

static void refuses_names_that_mean_nothing(void **state)
{
    static const char *const rows[] = {
        "CN",
        "CN=",
        "X=1",
        "CN=a,",
        "CN=a;b",
        "CN=a\\",
        "CN=a\\z",
        "C=DEU",
        "serialNumber=a_b",
        "CN=#0401",
        "CN=\xff",
        "DC=\xc3\xa4",
        "CN=a\\00b",
        "CN=0123456789012345678901234567890123456789012345678901234567890123x",
        "O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1,O=1",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t der[NAME_DER_MAX];
        struct writer w = WRITER_ARRAY(der);
        struct err e = {0};
        assert_err(name_write(&w, slice_str(rows[i]), &e), e, ERR_DN);
    }
}

static void finds_the_most_specific_attribute(void **state)
{
    (void)state;
    struct slice name = peer_name("CN=inner, serialNumber=7, CN=outer");
    assert_slice(name_get0_cn(name), SLICE_LIT("inner"));
    assert_slice(name_get0_serial_number(name), SLICE_LIT("7"));
    assert_int_equal(name_get0_cn(peer_name("O=x")).n, 0);
    assert_int_equal(name_count(name, OID_CN), 2);
    assert_int_equal(name_count(name, OID_SERIAL_NUMBER), 1);
    assert_int_equal(name_count(peer_name("O=x"), OID_CN), 0);
    assert_int_equal(name_count(peer_name("CN=a, serialNumber=1+serialNumber=2"), OID_SERIAL_NUMBER), 2);
}

static void openssl_reads_the_same_name(void **state)
{
    (void)state;
    peer_write("name.der", peer_name("CN=a\\, b, OU=x+UID=7, O=\xc3\xa4, C=DE"));
    peer_must("openssl asn1parse -inform DER -in name.der");
    peer_out_has("UTF8STRING");
    peer_out_has("PRINTABLESTRING   :DE");
}

static void reads_and_writes_alternative_names(void **state)
{
    static const char *const rows[] = {
        "dns:a.example",  "uri:urn:kith:device:dev_1", "ip:192.0.2.7",
        "ip:2001:db8::1", "email:a@example.com",       "hw:1.3.6.1.4.1.99999.1:SN-42",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t store[64], der[256], text[128];
        struct writer ws = WRITER_ARRAY(store), wd = WRITER_ARRAY(der), wt = WRITER_ARRAY(text);
        struct san s, back[4];
        size_t n;
        struct err e = {0};
        assert_ok(san_from_text(slice_str(rows[i]), &ws, &s, &e), e);
        san_put_all(&wd, &s, 1);
        assert_ok(san_read(writer_slice(&wd), back, 4, &n, &e), e);
        assert_int_equal(n, 1);
        assert_true(san_eq(&s, &back[0]));
        assert_true(san_holds(writer_slice(&wd), &s));
        san_text(&wt, &back[0]);
        assert_slice(writer_slice(&wt), slice_str(rows[i]));
    }
}

static void refuses_alternative_names_that_mislead(void **state)
{
    static const char *const texts[] = {"dns:",  "dns:a b", "ip:1.2.3",    "ip:1.2.3.4.5",
                                        "foo:x", "hw:1:x",  "uri:\xc3\xa4"};
    static const struct slice ders[] = {
        OID_SLICE("\x30\x00"),
        OID_SLICE("\x30\x05\x82\x03"
                  "a\0b"),
        OID_SLICE("\x30\x05\x87\x03\x01\x02\x03"),
        OID_SLICE("\x30\x02\x82\x00"),
        OID_SLICE("\x30\x03\x89\x01\x01"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        uint8_t store[64];
        struct writer w = WRITER_ARRAY(store);
        struct san s;
        struct err e = {0};
        assert_err(san_from_text(slice_str(texts[i]), &w, &s, &e), e, ERR_SAN);
    }
    for (size_t i = 0; i < ARRAY_LEN(ders); i++) {
        struct san s[2];
        size_t n;
        struct err e = {0};
        assert_err(san_read(ders[i], s, 2, &n, &e), e, ERR_SAN);
    }
}

static void knows_a_host_name(void **state)
{
#define LABEL60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"localhost", true},
        {"a.example", true},
        {"x--1.Example", true},
        {"3com.example", true},
        {"1.2.3.x", true},
        {LABEL60 "aaa.x", true},
        {LABEL60 "aaaa.x", false},
        {"", false},
        {"a b,*", false},
        {"a b", false},
        {"*", false},
        {"*.example", false},
        {"bad_host!", false},
        {"a_b.example", false},
        {"example..com", false},
        {"-x", false},
        {"x-", false},
        {"a-.b", false},
        {".a", false},
        {"a.", false},
        {"10.0.0.300", false},
        {"7", false},
        {"a/b", false},
        {"a\nb", false},
        {"\xc3\xa4.example", false},
        {LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".aaaaaaaaaa", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        if (host_check_name(slice_str(rows[i].name), &e) != rows[i].good)
            fail_msg("\"%s\"", rows[i].name);
        assert_true(rows[i].good || (e.code == ERR_SAN && e.why[0] && e.hint[0]));
        assert_null(strstr(e.what, "address")); /* some of these are one */
    }
}

static void dns_names_compare_without_case(void **state)
{
    (void)state;
    struct san a = {.type = SAN_DNS, .value = SLICE_LIT("A.Example")},
               b = {.type = SAN_DNS, .value = SLICE_LIT("a.eXample")};
    assert_true(san_eq(&a, &b));
    a.type = b.type = SAN_URI;
    assert_false(san_eq(&a, &b));
}

static void object_identifiers_in_dots(void **state)
{
    static const char *const good[] = {"1.2.840.113549.1.9.14", "2.5.29.17", "0.9.2342.19200300.100.1.1", "2.999.3"};
    static const char *const bad[] = {
        "", "1", "3.1", "1.40", "1..2", "1.02", "1.2.", "x", "1.2.99999999999999999999999"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint8_t der[40], text[80];
        struct writer w = WRITER_ARRAY(der), t = WRITER_ARRAY(text);
        oid_from_text(&w, slice_str(good[i]));
        oid_text(&t, writer_slice(&w));
        assert_slice(writer_slice(&t), slice_str(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t der[40];
        struct writer w = WRITER_ARRAY(der);
        oid_from_text(&w, slice_str(bad[i]));
        assert_false(writer_ok(&w));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_names_and_reads_them_back),
        cmocka_unit_test(refuses_names_that_mean_nothing),
        cmocka_unit_test(finds_the_most_specific_attribute),
        cmocka_unit_test(openssl_reads_the_same_name),
        cmocka_unit_test(reads_and_writes_alternative_names),
        cmocka_unit_test(refuses_alternative_names_that_mislead),
        cmocka_unit_test(knows_a_host_name),
        cmocka_unit_test(dns_names_compare_without_case),
        cmocka_unit_test(object_identifiers_in_dots),
    };
    return cmocka_run_group_tests(tests, peer_open, peer_close);
}
