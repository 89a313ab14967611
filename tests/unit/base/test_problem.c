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
    fputs("error: a module's own word\n", f);
    problem_print(f, "error", &a);
    problem_print(f, "error", &(struct err){.code = ERR_IO, .what = "another"});
    fclose(f);
    struct slice rest = slice_of(text, n), all = rest;
    assert_true(problem_read(&rest, "error", &b));
    assert_int_equal(b.code, a.code);
    assert_string_equal(b.what, a.what);
    assert_string_equal(b.why, a.why);
    assert_string_equal(b.hint, a.hint);
    assert_true(problem_read(&rest, "error", &b));
    assert_string_equal(b.what, "another");
    assert_false(problem_read(&rest, "error", &b));
    assert_true(problem_read(&all, "warning", &b));
    assert_string_equal(b.what, "too much");
    assert_string_equal(b.hint, "");
    for (size_t cut = 0; cut < n; cut++) {
        struct slice part = slice_of(text, cut);
        (void)problem_read(&part, "error", &b);
    }
    struct slice talk = SLICE_LIT("talk\nerror without a code\nerror[io] none\n");
    assert_false(problem_read(&talk, "error", &b));
    free(text);
}

static void what_a_word_brings_steers_no_terminal(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    struct err e = {0};
    FILE *f = open_memstream(&text, &n);
    err_set(&e, ERR_USAGE, "no \x1b[31m \xc3\xa4\ntry: rm");
    err_why(&e, "\r");
    err_try(&e, "\x7f");
    problem_print(f, "error", &e);
    fclose(f);
    assert_string_equal(text, "error[usage]: no \\x1b[31m \xc3\xa4\\x0atry: rm\nwhy: \\x0d\ntry: \\x7f\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_printed_is_read_again),
                                       cmocka_unit_test(what_a_word_brings_steers_no_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
