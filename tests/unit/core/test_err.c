#include "../test.h"

static void names_code_class_and_text(void **state)
{
    (void)state;
    struct err e = {0};
    assert_false(err_set(&e, ERR_DER, "tag %d", 5));
    err_why(&e, "X.690 section 8.1");
    err_ctx(&e, "csr");
    assert_string_equal(e.what, "csr: tag 5");
    assert_string_equal(e.why, "X.690 section 8.1");
    assert_int_equal(err_class_of(e.code), ERR_CLASS_SYNTAX);
    assert_int_equal(err_http_status(e.code), 400);
    assert_int_equal(err_exit_code(e.code), 6);
    assert_int_equal(err_from_slug(err_slug(e.code)), e.code);
}

static void gives_each_code_its_own_number_and_slug(void **state)
{
    (void)state;
    static const struct {
        enum err_code code;
        const char *slug;
    } rows[] = {
#define ERR_ROW(id, class, number, slug, explain) {id, slug},
#include "core/err_codes.h"
#undef ERR_ROW
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(rows[i].slug, rows[k].slug);
            assert_int_not_equal(rows[i].code & 0xffff, rows[k].code & 0xffff);
        }
}

static void escapes_what_came_from_outside(void **state)
{
    (void)state;
    char q[24];
    assert_string_equal(err_quote(SLICE_LIT("a\n\"\x1b"), q, sizeof q), "a\\x0a\\x22\\x1b");
    assert_string_equal(err_quote(SLICE_LIT("0123456789012345678901234"), q, sizeof q), "01234567890123456...");
    assert_string_equal(err_quote((struct slice){0}, q, sizeof q), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_code_class_and_text),
        cmocka_unit_test(gives_each_code_its_own_number_and_slug),
        cmocka_unit_test(escapes_what_came_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
