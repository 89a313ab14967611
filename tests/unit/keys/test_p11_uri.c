#include "../test.h"
#include "keys/p11_uri.h"

static void reads_what_names_a_key(void **state)
{
    (void)state;
    struct p11_uri u;
    struct err e = {0};
    assert_ok(p11_uri_read("pkcs11:token=My%20token;serial=0a;object=k%2F1;id=%00%FF1;type=private", &u, &e), e);
    assert_string_equal(p11_uri_text(&u.token), "My token");
    assert_string_equal(p11_uri_text(&u.object), "k/1");
    assert_slice(slice_of(u.id.bytes, u.id.n), slice_of("\0\xff"
                                                        "1",
                                                        3));
    assert_null(p11_uri_text(&u.model));
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "pkcs11:",
        "pkcs11:token=x",
        "pkcs11:object=",
        "pkcs11:object=a;",
        "pkcs11:object=a;object=b",
        "pkcs11:object",
        "pkcs11:object=a%2",
        "pkcs11:object=a%",
        "pkcs11:object=%zz",
        "pkcs11:object=a b",
        "pkcs11:object=%00",
        "pkcs11:object=a?pin-value=1234",
        "pkcs11:object=a?module-path=/x.so",
        "pkcs11:object=a;slot-id=1",
        "pkcs11:object=a;x-vendor=1",
        "pkcs11:object=a;type=cert",
        "PKCS11:object=a",
        "pkcs11:;object=a",
        "pkcs11:object=0123456789012345678901234567890123456789012345678901234567890123456789"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct p11_uri u;
        struct err e = {0};
        assert_err(p11_uri_read(bad[i], &u, &e), e, ERR_KEY_REF);
        assert_false(u.object.given || u.id.given);
        assert_null(strstr(e.what, "1234\"")); /* a PIN is not repeated */
    }
}

/* Each byte set to each value: read or refused, never beyond its bounds (under ASan). */
static void survives_changed_bytes(void **state)
{
    (void)state;
    static const char uri[] = "pkcs11:token=a%20b;object=k;id=%01%02";
    for (size_t i = 0; i < sizeof uri - 1; i++)
        for (int c = 0; c < 256; c++) {
            char text[sizeof uri];
            struct p11_uri u;
            memcpy(text, uri, sizeof uri);
            text[i] = (char)c;
            if (p11_uri_read(text, &u, NULL))
                assert_true(u.object.given || u.id.given);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_names_a_key),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(survives_changed_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
