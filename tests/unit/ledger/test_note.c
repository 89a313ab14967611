#include "ledger_test.h"

#include "../mutate.h"

static int setup(void **state)
{
    struct lab *t = calloc(1, sizeof(*t));
    lab_keys(t);
    *state = t;
    return 0;
}

#define TEXT TEST_ORIGIN "\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"

static size_t note_make(struct lab *t, uint8_t *buf, size_t cap)
{
    struct err e = {0};
    struct writer w = writer_of(buf, cap);
    writer_put(&w, SLICE_LIT(TEXT "\n"));
    for (int i = 0; i < 2; i++) {
        struct signer s = key_signer(t->key[i]);
        assert_ok(note_sign(&t->note_key[i], &s, SLICE_LIT(TEXT), 1700000000, &w, &e), e);
    }
    return w.n;
}

/* The example of golang.org/x/mod/sumdb/note. */
static void verifies_a_note_made_elsewhere(void **state)
{
    (void)state;
    static const char vkey[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    static const char text[] =
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKv"
        "qfqdngotpRZb6KE6RyyBwJnAM=\n";
    struct note_key k;
    struct note n;
    struct err e = {0};
    char again[NOTE_VKEY_MAX];
    assert_ok(note_key_read(&crypto_openssl, slice_str(vkey), &k, &e), e);
    note_key_write(&k, again);
    assert_string_equal(again, vkey);
    assert_ok(note_open(&crypto_openssl, slice_str(text), &k, 1, &n, &e), e);
    assert_int_equal(n.sigs_n, 1);
}

static void signs_and_cosigns(void **state)
{
    struct lab *t = *state;
    uint8_t buf[2048];
    struct err e = {0};
    struct note n;
    struct note_signed by[2];
    struct checkpoint c;
    size_t len = note_make(t, buf, sizeof(buf));
    assert_ok(note_open(&crypto_openssl, slice_of(buf, len), t->note_key, 2, &n, &e), e);
    assert_ok(note_verify(&crypto_openssl, &n, t->note_key, 2, by, &e), e);
    assert_int_equal(by[0].at, 0);
    assert_int_equal(by[1].at, 1700000000);
    assert_ok(checkpoint_read(n.text, &c, &e), e);
    assert_int_equal(c.size, 7);
    uint8_t out[256];
    struct writer w = WRITER_ARRAY(out);
    checkpoint_write(&w, &c);
    assert_slice(writer_slice(&w), n.text);
}

static void unknown_signatures_are_ignored_and_a_known_bad_one_rejects(void **state)
{
    struct lab *t = *state;
    uint8_t buf[8192];
    struct err e = {0};
    struct note n;
    size_t len = note_make(t, buf, sizeof(buf));
    struct writer w = writer_of(buf + len, sizeof(buf) - len);
    for (int i = 0; i < 20; i++)
        writer_put(&w, SLICE_LIT("\xe2\x80\x94 somebody.else AAAAAAAAAAAA\n"));
    len += w.n;
    assert_ok(note_open(&crypto_openssl, slice_of(buf, len), t->note_key, 2, &n, &e), e);
    assert_int_equal(n.sigs_n, 22);

    buf[sizeof(TEST_ORIGIN)] = '8'; /* the size in the text */
    assert_err(note_open(&crypto_openssl, slice_of(buf, len), t->note_key, 1, &n, &e), e, ERR_NOTE_SIG);
    assert_int_equal(n.sigs_n, 0);
}

static void a_wanted_signature_that_lacks_is_named(void **state)
{
    struct lab *t = *state;
    uint8_t buf[2048];
    struct err e = {0};
    struct note n;
    struct writer w = WRITER_ARRAY(buf);
    struct signer s = key_signer(t->key[0]);
    writer_put(&w, SLICE_LIT(TEXT "\n"));
    assert_ok(note_sign(&t->note_key[0], &s, SLICE_LIT(TEXT), 0, &w, &e), e);
    assert_ok(note_open(&crypto_openssl, writer_slice(&w), t->note_key, 1, &n, &e), e);
    assert_err(note_open(&crypto_openssl, writer_slice(&w), t->note_key, 2, &n, &e), e, ERR_NOTE_SIG);
    assert_non_null(strstr(e.what, "signer.kith.example"));
}

static void refuses_other_forms(void **state)
{
    (void)state;
    static const char *const notes[] = {
        "",
        "text\n",
        "text\n\n",
        "\n\n\xe2\x80\x94 a AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 a AAAAAAAA",
        "text\n\n\xe2\x80\x94 a  AAAAAAAA\n",
        "text\n\n- a AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 a+b AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 a AAAA\n",
        "text\n\n\xe2\x80\x94 a AAAAAAB=\n",
        "te\txt\n\n\xe2\x80\x94 a AAAAAAAA\n",
        "te\xff\n\n\xe2\x80\x94 a AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 a AAAAAAAA\r\n",
        "text\n\n\xe2\x80\x94 a\xc2\xa0 AAAAAAAA\n",
        "text\n\n\xe2\x80\x94 a AAAAAAAA\nmore\n",
    };
    static const char *const checkpoints[] = {
        "a\n1\n",
        "a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n18446744073709551616\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nx",
    };
    static const char *const vkeys[] = {
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "",
    };
    struct note n;
    struct checkpoint c;
    struct note_key k;
    for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
        struct err e = {0};
        assert_err(note_read(slice_str(notes[i]), &n, &e), e, ERR_NOTE);
    }
    for (size_t i = 0; i < ARRAY_LEN(checkpoints); i++) {
        struct err e = {0};
        assert_err(checkpoint_read(slice_str(checkpoints[i]), &c, &e), e, ERR_NOTE);
    }
    for (size_t i = 0; i < ARRAY_LEN(vkeys); i++) {
        struct err e = {0};
        assert_err(note_key_read(&crypto_openssl, slice_str(vkeys[i]), &k, &e), e, ERR_NOTE);
    }
}

/* As doc/spec/ledger.md has it, for who signs as for who verifies. */
static void a_file_of_keys_has_empty_lines_and_comments(void **state)
{
    struct lab *t = *state;
    char text[2 * NOTE_VKEY_MAX + 64], vkeys[NOTE_KEYS][NOTE_VKEY_MAX];
    struct note_key keys[NOTE_KEYS];
    struct err e = {0};
    for (size_t i = 0; i < NOTE_KEYS; i++)
        note_key_write(&t->note_key[i], vkeys[i]);
    snprintf(text, sizeof text, "# ours\n\n%s\n# the issuing signer\n%s\n# a witness\nnone\n", vkeys[0], vkeys[1]);
    assert_ok(note_keys_read(&crypto_openssl, slice_str(text), keys, &e), e);
    assert_memory_equal(keys, t->note_key, sizeof keys);
    snprintf(text, sizeof text, "%s\n# %s\n", vkeys[0], vkeys[1]);
    assert_err(note_keys_read(&crypto_openssl, slice_str(text), keys, &e), e, ERR_NOTE);
    assert_non_null(strstr(e.what, "fewer"));
}

static void take_variant(struct slice v, void *ctx)
{
    struct lab *t = ctx;
    struct note n;
    struct checkpoint c;
    if (note_open(&crypto_openssl, v, t->note_key, 2, &n, NULL)) {
        assert_slice(n.text, SLICE_LIT(TEXT));
        assert_true(checkpoint_read(n.text, &c, NULL));
    }
}

/* What is still accepted says the same: only a signature line that stands there twice. */
static void every_variant_is_refused_or_says_the_same(void **state)
{
    struct lab *t = *state;
    uint8_t buf[2048];
    size_t len = note_make(t, buf, sizeof(buf));
    mutate_each(slice_of(buf, len), take_variant, t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_a_note_made_elsewhere),
        cmocka_unit_test(signs_and_cosigns),
        cmocka_unit_test(unknown_signatures_are_ignored_and_a_known_bad_one_rejects),
        cmocka_unit_test(a_wanted_signature_that_lacks_is_named),
        cmocka_unit_test(refuses_other_forms),
        cmocka_unit_test(a_file_of_keys_has_empty_lines_and_comments),
        cmocka_unit_test(every_variant_is_refused_or_says_the_same),
    };
    return cmocka_run_group_tests(tests, setup, lab_teardown);
}
