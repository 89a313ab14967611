#include "../test.h"
#include "keys/p11_template.h"

#include <stdio.h>

/* One side in words: its attributes' types in hexadecimal, + or - for their values. */
static const char *text_of(const char *template, enum p11_side side, unsigned step)
{
    static char out[256];
    struct p11_template t;
    struct err e = {0};
    CK_ATTRIBUTE a[P11_TEMPLATE_MAX + 1];
    size_t at = 0;
    assert_ok(p11_template_read(template, &t, &e), e);
    CK_ULONG n = p11_template_put(&t, side, step, a);
    out[0] = 0;
    for (CK_ULONG i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, sizeof out - at, "%s%lx%c", i ? " " : "", a[i].type,
                               *(CK_BBOOL *)a[i].pValue ? '+' : '-');
    return out;
}

static void asks_for_less_when_a_token_refuses(void **state)
{
    (void)state;
    assert_string_equal(text_of(NULL, P11_PRIVATE, 0), "1+ 108+ 103+ 162- 2+ 105- 107- 10c-");
    assert_string_equal(text_of("generic", P11_PRIVATE, 1), "1+ 108+ 103+ 162-");
    assert_string_equal(text_of("generic", P11_PRIVATE, 2), "1+ 108+");
    assert_string_equal(text_of("generic", P11_PUBLIC, 1), "1+ 10a+");
    assert_string_equal(text_of("generic", P11_PUBLIC, 2), "1+");
}

static void asks_for_just_what_is_configured(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned steps;
        const char *private, *public;
    } rows[] = {
        {"generic", 2, "1+ 108+ 103+ 162- 2+ 105- 107- 10c-", "1+ 10a+"},
        {" , generic ,", 2, "1+ 108+ 103+ 162- 2+ 105- 107- 10c-", "1+ 10a+"},
        {"nshield-pool", 0, "1+ 2- 103+ 162- 108+ 107- 10c-", "1+ 10a+"},
        {"cloudhsm", 0, "1+ 2+ 103+ 162- 108+", "1+ 2+ 10a+"},
        {"generic, derive=omit, modifiable=no", 0, "1+ 108+ 103+ 162- 2+ 105- 107- 170-", "1+ 10a+"},
        {"derive=omit unwrap=omit", 0, "1+ 108+ 103+ 162- 2+ 105-", "1+ 10a+"},
        {"generic,private=no,verify=omit,public_private=no", 0, "1+ 108+ 103+ 162- 2- 105- 107- 10c-", "1+ 2-"},
        {"generic, always_authenticate=yes", 0, "1+ 108+ 103+ 162- 2+ 105- 107- 10c- 202+", "1+ 10a+"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct p11_template t;
        struct err e = {0};
        assert_ok(p11_template_read(rows[i].text, &t, &e), e);
        assert_int_equal(t.steps, rows[i].steps);
        assert_string_equal(text_of(rows[i].text, P11_PRIVATE, 0), rows[i].private);
        assert_string_equal(text_of(rows[i].text, P11_PUBLIC, 0), rows[i].public);
    }
}

static void refuses_what_it_does_not_know_or_what_frees_the_key(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "thales",
        "generic, luna",
        "generic, private",
        "generic, private=",
        "generic, private=true",
        "generic, privat=yes",
        "generic, token=no",
        "generic, =yes",
        "generic, sensitive=no",
        "generic, extractable=yes",
        "luna, extractable=yes",
        "generic, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=yes",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct p11_template t;
        struct err e = {0};
        assert_err(p11_template_read(bad[i], &t, &e), e, ERR_CONFIG);
        assert_int_equal(t.n[P11_PRIVATE], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_less_when_a_token_refuses),
        cmocka_unit_test(asks_for_just_what_is_configured),
        cmocka_unit_test(refuses_what_it_does_not_know_or_what_frees_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
