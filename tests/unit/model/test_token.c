#include "../test.h"
#include "model/token.h"

#define URL    "https://kith.example:8443"
#define DEVICE "dev_01jdabcdefghjkmnpqrstvwxyz"
#define CLAIM  "abcdefghijklmnopqrstuvwxyz234567"

static const uint8_t root[SHA256_SIZE] = {1, 2, 3, 0xff};

static void comes_back_as_it_went_in(void **state)
{
    (void)state;
    struct err e = {0};
    char text[TOKEN_MAX];
    struct token t;
    assert_ok(token_format(URL, root, DEVICE, CLAIM, text, sizeof text, &e), e);
    assert_memory_equal(text, TOKEN_PREFIX, 6);
    assert_ok(token_parse(slice_str(text), &t, &e), e);
    assert_string_equal(t.url, URL);
    assert_memory_equal(t.root_sha256, root, sizeof root);
    assert_string_equal(t.device, DEVICE);
    assert_string_equal(t.claim, CLAIM);
}

static void fits_the_longest_url(void **state)
{
    (void)state;
    struct err e = {0};
    char url[TOKEN_URL_MAX + 2] = "https://", text[TOKEN_MAX];
    struct token t;
    memset(url + 8, 'h', TOKEN_URL_MAX - 8);
    assert_ok(token_format(url, root, DEVICE, CLAIM, text, sizeof text, &e), e);
    assert_ok(token_parse(slice_str(text), &t, &e), e);
    assert_string_equal(t.url, url);
    assert_err(token_format(url, root, DEVICE, CLAIM, text, 100, &e), e, ERR_LIMIT);
    assert_string_equal(text, "");
    url[TOKEN_URL_MAX] = 'h';
    assert_err(token_format(url, root, DEVICE, CLAIM, text, sizeof text, &e), e, ERR_TOKEN);
}

static void refuses_parts_that_no_token_has(void **state)
{
    (void)state;
    static const struct {
        const char *url, *device, *claim;
    } rows[] = {
        {"http://kith.example", DEVICE, CLAIM},
        {"https://", DEVICE, CLAIM},
        {"https:///x", DEVICE, CLAIM},
        {"https://kith.example/", DEVICE, CLAIM},
        {"https://user@kith.example", DEVICE, CLAIM},
        {"https://kith.example?x", DEVICE, CLAIM},
        {"https://kith example", DEVICE, CLAIM},
        {"https://kith.example\n", DEVICE, CLAIM},
        {URL, "", CLAIM},
        {URL, "op_01jdabcdefghjkmnpqrstvwxyz", CLAIM},
        {URL, DEVICE "0", CLAIM},
        {URL, DEVICE, ""},
        {URL, DEVICE, "abcdefghijklmnopqrstuvwxyz23456"},
        {URL, DEVICE, "abcdefghijklmnopqrstuvwxyz23456A"},
        {URL, DEVICE, "abcdefghijklmnopqrstuvwxyz234567a"},
    };
    struct err e = {0};
    char text[TOKEN_MAX];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_err(token_format(rows[i].url, root, rows[i].device, rows[i].claim, text, sizeof text, &e), e, ERR_TOKEN);
}

static void refuses_other_texts_and_never_quotes_them(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "", "kith1_", "kith2_hQE", "kith1_hQE", "kith1_====", ("kith1_" CLAIM), "kith1_gA", "kith1_hQJhYWBgYGA",
    };
    struct err e = {0};
    struct token t;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_err(token_parse(slice_str(rows[i]), &t, &e), e, ERR_TOKEN);
        assert_null(strstr(e.what, CLAIM));
    }
}

/* Whatever parses formats to the same text, and a flipped character never leaves the same token. */
static void survives_flips_and_cuts(void **state)
{
    (void)state;
    struct err e = {0};
    char text[TOKEN_MAX], bad[TOKEN_MAX], again[TOKEN_MAX];
    struct token t, first;
    assert_ok(token_format(URL, root, DEVICE, CLAIM, text, sizeof text, &e), e);
    assert_ok(token_parse(slice_str(text), &first, &e), e);
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        assert_err(token_parse(slice_of(text, i), &t, &e), e, ERR_TOKEN);
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, text, n + 1);
            bad[i] = (char)(bad[i] ^ 1 << bit);
            if (!token_parse(slice_of(bad, n), &t, &e)) {
                assert_null(strstr(e.hint, "kith.conf")); /* who reads a token has none */
                continue;
            }
            assert_memory_not_equal(&t, &first, sizeof t);
            assert_ok(token_format(t.url, t.root_sha256, t.device, t.claim, again, sizeof again, &e), e);
            assert_string_equal(again, bad);
        }
    }
    memcpy(bad, text, n + 1);
    memcpy(bad + n, text + 6, 4);
    assert_err(token_parse(slice_of(bad, n + 4), &t, &e), e, ERR_TOKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_went_in),        cmocka_unit_test(fits_the_longest_url),
        cmocka_unit_test(refuses_parts_that_no_token_has), cmocka_unit_test(refuses_other_texts_and_never_quotes_them),
        cmocka_unit_test(survives_flips_and_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
