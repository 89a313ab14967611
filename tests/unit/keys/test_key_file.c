#include "../test.h"
#include "keys/crypto.h"
#include "keys/key.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64], pass_path[96], key_path[96], ref[128], ref_plain[128];
static struct key_env env;

static void put(const char *path, const char *text, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n && fchmod(fd, mode) == 0);
    close(fd);
}

static size_t get(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, buf, cap);
    close(fd);
    assert_true(n > 0);
    return (size_t)n;
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/kith-key-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(pass_path, sizeof pass_path, "%s/pass", dir);
    snprintf(key_path, sizeof key_path, "%s/key", dir);
    snprintf(ref, sizeof ref, "file:%s", key_path);
    snprintf(ref_plain, sizeof ref_plain, "file:%s?plain", key_path);
    env = (struct key_env){.passphrase_file = pass_path};
    put(pass_path, "correct horse\n", 14, 0600);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unlink(key_path);
    unlink(pass_path);
    return rmdir(dir);
}

static void makes_seals_and_opens_each_type(void **state)
{
    (void)state;
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (int plain = 0; plain < 2; plain++) {
            const char *r = plain ? ref_plain : ref;
            struct key *k, *again;
            struct err e = {0};
            struct stat st;
            assert_ok(key_generate(&env, r, types[i], &k, &e), e);
            assert_int_equal(key_type_of(k), types[i]);
            assert_string_equal(key_get0_ref(k), r);
            assert_int_equal(key_type_from_name(key_type_name(types[i])), types[i]);
            assert_int_equal(stat(key_path, &st), 0);
            assert_int_equal(st.st_mode & 07777, 0600);
            assert_err(key_generate(&env, r, types[i], &again, &e), e, ERR_KEY_EXISTS);
            assert_ok(key_open(&env, r, &again, &e), e);
            assert_slice(key_get0_spki(again), key_get0_spki(k));
            uint8_t sig[SIG_MAX];
            size_t n;
            struct signer s = key_signer(again);
            struct slice msg = SLICE_LIT("m");
            assert_ok(s.sign(s.ctx, &msg, 1, sig, &n, &e), e);
            assert_ok(crypto_openssl.verify(s.alg, key_get0_spki(k), &msg, 1, slice_of(sig, n), &e), e);
            key_free(k);
            key_free(key_dup(again));
            key_free(again);
            assert_ok(key_destroy(&env, r, &e), e);
            assert_int_equal(access(key_path, F_OK), -1);
            assert_err(key_open(&env, r, &again, &e), e, ERR_NOTFOUND);
        }
}

static void refuses_the_wrong_passphrase(void **state)
{
    (void)state;
    struct key *k;
    struct err e = {0};
    assert_ok(key_generate(&env, ref, KEY_P256, &k, &e), e);
    key_free(k);
    put(pass_path, "wrong\n", 6, 0600);
    assert_err(key_open(&env, ref, &k, &e), e, ERR_KEY_PASSPHRASE);
    assert_null(k);
    put(pass_path, "correct horse", 13, 0644);
    assert_err(key_open(&env, ref, &k, &e), e, ERR_FILE_MODE);
    put(pass_path, "correct horse", 13, 0600);
    assert_ok(key_open(&env, ref, &k, &e), e);
    key_free(k);
    assert_err(key_open(&(struct key_env){0}, ref, &k, &e), e, ERR_KEY_PASSPHRASE);
    assert_err(key_open(&env, ref_plain, &k, &e), e, ERR_KEY_FILE);
    assert_ok(key_destroy(&env, ref, &e), e);
}

/* Any changed character of either block: refused, or the same key (white space and the like). */
static void finds_a_changed_file(void **state)
{
    (void)state;
    struct key *k, *again;
    struct err e = {0};
    char text[4096], bad[4096];
    assert_ok(key_generate(&env, ref_plain, KEY_ED25519, &k, &e), e);
    size_t n = get(key_path, text, sizeof text), same = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(bad, text, n);
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        put(key_path, bad, n, 0600);
        if (!key_open(&env, ref_plain, &again, &e))
            continue;
        assert_slice(key_get0_spki(again), key_get0_spki(k));
        key_free(again);
        same++;
    }
    assert_true(same < n / 2);
    key_free(k);
    for (size_t cut = 0; cut < n; cut += 7) {
        put(key_path, text, cut, 0600);
        if (key_open(&env, ref_plain, &again, &e)) /* the public block alone may be lost */
            key_free(again);
        else
            assert_true(e.code == ERR_KEY_FILE || e.code == ERR_SECRET_FILE);
    }
    unlink(key_path);
    assert_ok(key_generate(&env, ref, KEY_ED25519, &k, &e), e);
    n = get(key_path, text, sizeof text);
    char *end = strstr(text, "-----END ENCRYPTED");
    assert_non_null(end);
    /* In the ciphertext, whose mode does not authenticate; before the last group of base64, which has bits that do not count.
     * What is left of the last block may look like padding: then it is the same key. */
    for (int back = 8; back < 60; back += 11) {
        memcpy(bad, text, n);
        char *at = bad + (end - text) - back;
        *at = *at == 'A' ? 'B' : 'A';
        put(key_path, bad, n, 0600);
        if (!key_open(&env, ref, &again, &e)) {
            assert_true(e.code == ERR_KEY_PASSPHRASE || e.code == ERR_KEY_MISMATCH);
            continue;
        }
        assert_true(back < 24);
        assert_slice(key_get0_spki(again), key_get0_spki(k));
        key_free(again);
    }
    key_free(k);
    unlink(key_path);
}

static void refuses_a_public_key_that_was_exchanged(void **state)
{
    (void)state;
    struct key *k;
    struct err e = {0};
    char one[4096], two[4096];
    size_t n[2];
    assert_ok(key_generate(&env, ref_plain, KEY_P256, &k, &e), e);
    key_free(k);
    n[0] = get(key_path, one, sizeof one - 1);
    unlink(key_path);
    assert_ok(key_generate(&env, ref_plain, KEY_P256, &k, &e), e);
    key_free(k);
    n[1] = get(key_path, two, sizeof two - 1);
    one[n[0]] = two[n[1]] = 0;
    char *private = strstr(one, "-----BEGIN PUBLIC"), *public = strstr(two, "-----BEGIN PUBLIC");
    *private = 0;
    strcat(one, public);
    put(key_path, one, strlen(one), 0600);
    assert_err(key_open(&env, ref_plain, &k, &e), e, ERR_KEY_MISMATCH);
    unlink(key_path);
}

/* None is no fault: a file from elsewhere has none. */
static void refuses_a_public_key_that_cannot_be_read(void **state)
{
    (void)state;
    struct key *k, *again;
    struct err e = {0};
    char text[4096];
    assert_ok(key_generate(&env, ref, KEY_ED25519, &k, &e), e);
    size_t n = get(key_path, text, sizeof text - 1);
    text[n] = 0;
    char *public = strstr(text, "-----BEGIN PUBLIC"), *line = strchr(public, '\n');
    line[2] = '*';
    put(key_path, text, n, 0600);
    assert_err(key_open(&env, ref, &again, &e), e, ERR_KEY_FILE);
    put(key_path, text, n - 30, 0600);
    assert_err(key_open(&env, ref, &again, &e), e, ERR_KEY_FILE);
    put(key_path, text, (size_t)(public - text), 0600);
    assert_ok(key_open(&env, ref, &again, &e), e);
    assert_slice(key_get0_spki(again), key_get0_spki(k));
    key_free(again);
    key_free(k);
    unlink(key_path);
}

static void refuses_a_sealed_key_that_others_may_read(void **state)
{
    (void)state;
    static const mode_t modes[] = {0644, 0640, 0604, 0620};
    struct key *k;
    struct err e = {0};
    assert_ok(key_generate(&env, ref, KEY_P256, &k, &e), e);
    key_free(k);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(key_path, modes[i]), 0);
        assert_err(key_open(&env, ref, &k, &e), e, ERR_FILE_MODE);
        assert_non_null(strstr(e.hint, "chmod 600 "));
    }
    assert_int_equal(chmod(key_path, 0600), 0);
    assert_ok(key_open(&env, ref, &k, &e), e);
    key_free(k);
    unlink(key_path);
}

static void guards_unsealed_keys_and_other_files(void **state)
{
    (void)state;
    struct key *k;
    struct err e = {0};
    assert_ok(key_generate(&env, ref_plain, KEY_P256, &k, &e), e);
    key_free(k);
    assert_int_equal(chmod(key_path, 0640), 0);
    assert_err(key_open(&env, ref_plain, &k, &e), e, ERR_FILE_MODE);
    assert_non_null(strstr(e.hint, "chmod 600 "));
    unlink(key_path);
    put(key_path, "dear diary", 10, 0600);
    assert_err(key_open(&env, ref, &k, &e), e, ERR_KEY_FILE);
    assert_err(key_destroy(&env, ref, &e), e, ERR_KEY_FILE);
    assert_int_equal(access(key_path, F_OK), 0);
    unlink(key_path);
}

static void refuses_references_that_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const refs[] = {"",      "key",    "file:", "file:/", "file:/tmp/", "file:/x?sealed",
                                       "tpm:x", "FILE:/x"};
    struct key *k;
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        struct err e = {0};
        assert_err(key_open(&env, refs[i], &k, &e), e, ERR_KEY_REF);
        assert_err(key_generate(&env, refs[i], KEY_P256, &k, &e), e, ERR_KEY_REF);
        assert_err(key_destroy(&env, refs[i], &e), e, ERR_KEY_REF);
    }
}

static void openssl_reads_what_we_wrote_and_we_what_it_wrote(void **state)
{
    (void)state;
    struct key *k;
    struct err e = {0};
    char cmd[1200];
    assert_ok(key_generate(&env, ref, KEY_P256, &k, &e), e);
    snprintf(cmd, sizeof cmd,
             "openssl pkcs8 -in %s -passin file:%s -out %s/x 2>/dev/null && rm %s && "
             "openssl pkcs8 -topk8 -scrypt -in %s/x -passout file:%s -out %s; s=$?; rm -f %s/x; exit $s",
             key_path, pass_path, dir, key_path, dir, pass_path, key_path, dir);
    assert_int_equal(system(cmd), 0);
    struct key *again;
    assert_ok(key_open(&env, ref, &again, &e), e);
    assert_slice(key_get0_spki(again), key_get0_spki(k));
    key_free(again);
    key_free(k);
    unlink(key_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_seals_and_opens_each_type),
        cmocka_unit_test(refuses_the_wrong_passphrase),
        cmocka_unit_test(finds_a_changed_file),
        cmocka_unit_test(refuses_a_public_key_that_was_exchanged),
        cmocka_unit_test(refuses_a_public_key_that_cannot_be_read),
        cmocka_unit_test(refuses_a_sealed_key_that_others_may_read),
        cmocka_unit_test(guards_unsealed_keys_and_other_files),
        cmocka_unit_test(refuses_references_that_it_does_not_understand),
        cmocka_unit_test(openssl_reads_what_we_wrote_and_we_what_it_wrote),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
