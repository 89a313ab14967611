#include "../test.h"
#include "core/crl_reason.h"

/* RFC 5280 section 5.3.1 has 0 to 10 without 7; a hold and what a delta list takes away are not for good. */
static void knows_the_reasons_of_the_standard_and_which_are_for_good(void **state)
{
    (void)state;
    size_t final = 0;
    for (int64_t i = -2; i < 300; i++) {
        const char *name = crl_reason_name(i);
        bool known = i >= 0 && i <= 10 && i != 7, ends = i == 6 || i == 8;
        assert_int_equal(crl_reason_is_known(i), known);
        assert_int_equal(name != NULL, known);
        assert_int_equal(crl_reason_is_final(i), known && !ends);
        if (name)
            assert_int_equal(crl_reason_from_name(name), i);
        if (crl_reason_is_final(i))
            assert_string_equal(crl_reasons_final[final++], name);
    }
    assert_null(crl_reasons_final[final]);
    assert_int_equal(crl_reason_from_name("keycompromise"), -1);
    assert_int_equal(crl_reason_from_name(""), -1);
    assert_string_equal(crl_reason_name(CRL_REASON_HOLD), "certificateHold");
    assert_string_equal(crl_reason_name(CRL_REASON_KEY_COMPROMISE), "keyCompromise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_reasons_of_the_standard_and_which_are_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
