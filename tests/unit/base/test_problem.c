#include "../test.h"

#include <stdlib.h>

#include "base/problem.h"

static void what_was_printed_is_read_again(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    struct err a = {0}, b;
    FILE *f = open_memstream(&text, &n);
    fputs("2026-11-23T20:00:00Z WARN signer error[none] of it\n", f);
    err_set(&a, ERR_LIMIT, "too much");
    problem_print(f, "warning", &a);
    err_set(&a, ERR_JOURNAL_LOST, "signer issuing: \"x\": is not there");
    err_why(&a, "because");
    err_try(&a, "restore it");
    problem_print(f, "error", &a);
    problem_print(f, "error", &(struct err){.code = ERR_IO, .what = "another"});
    fclose(f);
    assert_true(problem_read(slice_of(text, n), "error", &b));
    assert_int_equal(b.code, a.code);
    assert_string_equal(b.what, a.what);
    assert_string_equal(b.why, a.why);
    assert_string_equal(b.hint, a.hint);
    assert_true(problem_read(slice_of(text, n), "warning", &b));
    assert_string_equal(b.what, "too much");
    assert_string_equal(b.hint, "");
    for (size_t cut = 0; cut < n; cut++)
        (void)problem_read(slice_of(text, cut), "error", &b);
    assert_false(problem_read(SLICE_LIT("talk\nerror without a code\nerror[io] none\n"), "error", &b));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_printed_is_read_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
