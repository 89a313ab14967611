/* Which of the root's lists may come after which. */
#include "../test.h"

#include "ca/root_list.h"

static void a_list_follows_only_one_of_a_lower_number_or_itself(void **state)
{
    (void)state;
    static const struct {
        struct root_list list, last;
        bool follows;
    } rows[] = {
        {{.number = 2, .digest = {2}}, {.number = 1, .digest = {1}}, true},
        {{.number = 2, .digest = {2}}, {.number = 2, .digest = {2}}, true},
        {{.number = 2, .digest = {3}}, {.number = 2, .digest = {2}}, false},
        {{.number = 1, .digest = {1}}, {.number = 2, .digest = {2}}, false},
        {{.number = UINT64_MAX, .digest = {1}}, {.number = 2, .digest = {2}}, true},
        {{.number = 2, .digest = {2}}, {.number = UINT64_MAX, .digest = {1}}, false},
        {{.number = 0, .digest = {1}}, {.number = 0, .digest = {0}}, true}, /* there was none */
        {{.number = 0, .digest = {1}}, {.number = 0, .digest = {2}}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        assert_int_equal(root_list_follows(&rows[i].list, &rows[i].last, &e), rows[i].follows);
        assert_int_equal(e.code, rows[i].follows ? ERR_NONE : ERR_CONFLICT);
        assert_true(rows[i].follows || e.why[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_follows_only_one_of_a_lower_number_or_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
