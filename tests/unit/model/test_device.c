#include "../test.h"
#include "model/device.h"

static void lets_nothing_come_back_from_a_permanent_state(void **state)
{
    (void)state;
    struct err e;
    for (unsigned from = 0; from < DEVICE_STATES; from++)
        for (unsigned to = 0; to < DEVICE_STATES; to++)
            if (device_state_is_permanent((enum device_state)from)) {
                assert_err(device_transition((enum device_state)from, (enum device_state)to, &e), e, ERR_DEVICE_STATE);
                assert_false(device_may_enrol((enum device_state)from));
                assert_false(device_may_connect((enum device_state)from));
            }
}

static void follows_the_life_of_a_device(void **state)
{
    (void)state;
    struct err e;
    static const enum device_state life[] = {DEVICE_NONE,      DEVICE_ORDERED, DEVICE_MADE,        DEVICE_SHIPPED,
                                             DEVICE_CLAIMED,   DEVICE_ACTIVE,  DEVICE_QUARANTINED, DEVICE_ACTIVE,
                                             DEVICE_SUSPENDED, DEVICE_ACTIVE,  DEVICE_RETIRED};
    for (size_t i = 1; i < ARRAY_LEN(life); i++)
        assert_ok(device_transition(life[i - 1], life[i], &e), e);
    assert_err(device_transition(DEVICE_ACTIVE, DEVICE_CLAIMED, &e), e, ERR_DEVICE_STATE);
    assert_err(device_transition(DEVICE_ORDERED, DEVICE_ACTIVE, &e), e, ERR_DEVICE_STATE);
}

static void finds_each_state_by_its_name(void **state)
{
    (void)state;
    for (unsigned s = 1; s < DEVICE_STATES; s++)
        assert_int_equal(device_state_from_name(device_state_name((enum device_state)s)), s);
    assert_int_equal(device_state_from_name("lost"), DEVICE_NONE);
}

static void refuses_names_that_could_mislead(void **state)
{
    (void)state;
    struct err e;
    static const char *const good[] = {"a", "Pump 3000", "SN-0001/b"}, *const bad[] = {"",     " a",  "a ",
                                                                                       "a\nb", "a=b", "\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(name_check("serial", slice_str(good[i]), 64, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(name_check("serial", slice_str(bad[i]), 64, &e), e, ERR_NAME);
    assert_err(name_check("serial", SLICE_LIT("abc"), 2, &e), e, ERR_NAME);
    /* What a command would take for an option; a text that is no name may begin so. */
    assert_err(name_check("serial", SLICE_LIT("--help"), 64, &e), e, ERR_NAME);
    assert_err(party_name_check("operator", SLICE_LIT("-"), 64, &e), e, ERR_NAME);
    assert_ok(label_check("tag's value", SLICE_LIT("-40C"), 64, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_nothing_come_back_from_a_permanent_state),
        cmocka_unit_test(follows_the_life_of_a_device),
        cmocka_unit_test(finds_each_state_by_its_name),
        cmocka_unit_test(refuses_names_that_could_mislead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
