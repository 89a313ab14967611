#include "../../unit/test.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/p11.h"

#include "../../unit/keys/tls_pair.h"
#include "token.h"

static struct p11 *p11;
static struct key_env env;

static int open_token(void **state)
{
    (void)state;
    struct err e = {0};
    if (!p11_open(SOFTHSM, TOKEN_LABEL, token_pin, NULL, &p11, &e)) {
        fprintf(stderr, "%s (%s)\n", e.what, e.why);
        return 1;
    }
    env.p11 = p11;
    return 0;
}

static int close_token(void **state)
{
    (void)state;
    p11_free(p11);
    return 0;
}

static void check_sign(struct key *k, enum sig_alg alg)
{
    struct err e = {0};
    struct slice parts[] = {SLICE_LIT("to be "), SLICE_LIT("signed")};
    uint8_t sig[SIG_MAX];
    size_t n;
    assert_ok(key_sign(k, alg, parts, 2, sig, &n, &e), e);
    assert_ok(crypto_openssl.verify(alg, key_get0_spki(k), parts, 2, slice_of(sig, n), &e), e);
}

static void makes_finds_and_uses_each_type(void **state)
{
    (void)state;
    static const struct {
        enum key_type type;
        enum sig_alg algs[4];
    } rows[] = {{KEY_P256, {SIG_ES256}},
                {KEY_P384, {SIG_ES384}},
                {KEY_ED25519, {SIG_EDDSA}},
                {KEY_RSA2048, {SIG_PS256, SIG_PS384, SIG_RS256, SIG_RS384}}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct key *k, *again;
        struct err e = {0};
        char ref[128];
        snprintf(ref, sizeof ref, "pkcs11:token=kith%%20test;object=%s", key_type_name(rows[i].type));
        assert_true(p11_can_sign(p11, rows[i].type) && p11_can_generate(p11, rows[i].type));
        assert_err(key_open(&env, ref, &k, &e), e, ERR_P11_OBJECT);
        assert_ok(key_generate(&env, ref, rows[i].type, &k, &e), e);
        assert_int_equal(key_type_of(k), rows[i].type);
        assert_err(key_generate(&env, ref, rows[i].type, &again, &e), e, ERR_KEY_EXISTS);
        assert_ok(key_open(&env, ref, &again, &e), e);
        assert_slice(key_get0_spki(again), key_get0_spki(k));
        for (size_t a = 0; a < 4 && rows[i].algs[a]; a++) {
            check_sign(k, rows[i].algs[a]);
            check_sign(again, rows[i].algs[a]);
        }
        key_free(k);
        key_free(again);
        assert_ok(key_destroy(&env, ref, &e), e);
        assert_err(key_open(&env, ref, &k, &e), e, ERR_P11_OBJECT);
    }
}

static void finds_by_id_and_by_both(void **state)
{
    (void)state;
    struct key *k, *again;
    struct err e = {0};
    assert_ok(key_generate(&env, "pkcs11:object=a;id=%01%02", KEY_P256, &k, &e), e);
    assert_ok(key_open(&env, "pkcs11:id=%01%02", &again, &e), e);
    assert_slice(key_get0_spki(again), key_get0_spki(k));
    key_free(again);
    key_free(k);
    assert_err(key_open(&env, "pkcs11:object=b;id=%01%02", &k, &e), e, ERR_P11_OBJECT);
    assert_err(key_open(&env, "pkcs11:token=other;id=%01%02", &k, &e), e, ERR_P11_OBJECT);
    assert_err(key_open(&env, "pkcs11:manufacturer=Nobody;id=%01%02", &k, &e), e, ERR_P11_OBJECT);
    assert_ok(key_open(&env, "pkcs11:manufacturer=SoftHSM%20project;type=private;id=%01%02", &k, &e), e);
    key_free(k);
    assert_err(key_open(&(struct key_env){0}, "pkcs11:id=%01", &k, &e), e, ERR_P11_MODULE);
    assert_ok(key_destroy(&env, "pkcs11:object=a", &e), e);
}

static void serves_tls_with_a_key_on_the_token(void **state)
{
    (void)state;
    static const enum key_type types[] = {KEY_P256, KEY_ED25519, KEY_RSA2048};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct key *k;
        struct err e = {0};
        assert_ok(key_generate(&env, "pkcs11:object=tls", types[i], &k, &e), e);
        handshake(k, TLS1_2_VERSION, NULL);
        handshake(k, TLS1_3_VERSION, NULL);
        key_free(k);
        assert_ok(key_destroy(&env, "pkcs11:object=tls", &e), e);
    }
}

static void shows_health_and_capabilities(void **state)
{
    (void)state;
    struct err e = {0};
    struct p11_health h;
    struct p11_caps c;
    assert_ok(p11_check(p11, &e), e);
    p11_health(p11, &h);
    assert_int_equal(h.state, P11_HEALTHY);
    assert_string_equal(h.label, TOKEN_LABEL);
    assert_true(h.sessions >= 1 && h.sessions <= h.sessions_max);
    p11_caps(p11, &c);
    assert_true(c.ecdsa && c.eddsa && c.rsa_pss && c.rsa_pkcs && c.mechanisms > 20);
}

static void says_what_is_wrong_with_module_or_token(void **state)
{
    (void)state;
    struct p11 *p;
    struct err e = {0};
    assert_err(p11_open("/nonexistent.so", TOKEN_LABEL, token_pin, NULL, &p, &e), e, ERR_P11_MODULE);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_finds_and_uses_each_type),          cmocka_unit_test(finds_by_id_and_by_both),
        cmocka_unit_test(serves_tls_with_a_key_on_the_token),      cmocka_unit_test(shows_health_and_capabilities),
        cmocka_unit_test(says_what_is_wrong_with_module_or_token),
    };
    token_end(token_make() ? cmocka_run_group_tests(tests, open_token, close_token) : 77);
}
