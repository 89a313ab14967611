#include "peer.h"

#include "../mutate.h"
#include "core/der.h"
#include "core/oid.h"
#include "x509/chain.h"

#define NOW  INT64_C(1795435200) /* 2026-11-23 */
#define DAYS INT64_C(86400)

/* root > mid > leaf, each with a flaw put in by the row's function. */
struct tree {
    struct key *keys[3];
    struct cert_template t[3];
    uint8_t der[3][CERT_MAX], ids[3][KEY_ID_SIZE];
    struct cert certs[3];
};
enum { ROOT, MID, LEAF };

static struct tree tree;

static int tree_open(void **state)
{
    static const enum key_type types[] = {KEY_P384, KEY_ED25519, KEY_P256};
    if (peer_open(state) != 0)
        return 1;
    for (size_t i = 0; i < 3; i++)
        tree.keys[i] = peer_key(types[i]);
    return 0;
}

static int tree_close(void **state)
{
    for (size_t i = 0; i < 3; i++)
        key_free(tree.keys[i]);
    return peer_close(state);
}

static void plan(void)
{
    static const char *const names[] = {"CN=Root", "CN=Mid", "CN=unit, serialNumber=42"};
    for (size_t i = 0; i < 3; i++) {
        struct key *by = tree.keys[i ? i - 1 : 0];
        tree.t[i] =
            (struct cert_template){.serial = SLICE_LIT("\x07"),
                                   .sig_alg = key_sig_alg(by),
                                   .issuer = peer_name(names[i ? i - 1 : 0]),
                                   .subject = peer_name(names[i]),
                                   .not_before = NOW - DAYS,
                                   .not_after = NOW + 100 * DAYS,
                                   .spki = key_get0_spki(tree.keys[i]),
                                   .ski_method = SKI_SHA256,
                                   .basic_constraints = true,
                                   .is_ca = i < LEAF,
                                   .path_len = i == ROOT  ? 1
                                               : i == MID ? 0
                                                          : -1,
                                   .key_usage = i < LEAF ? KU_KEY_CERT_SIGN | KU_CRL_SIGN : KU_DIGITAL_SIGNATURE};
        assert_true(cert_key_id(&crypto_openssl, SKI_SHA256, key_get0_spki(by), tree.ids[i]));
        tree.t[i].aki = SLICE_ARRAY(tree.ids[i]);
    }
}

static void grow(void)
{
    struct err e = {0};
    for (size_t i = 0; i < 3; i++) {
        struct signer s = key_signer(tree.keys[i ? i - 1 : 0]);
        struct writer w = WRITER_ARRAY(tree.der[i]);
        assert_ok(cert_issue(&tree.t[i], &crypto_openssl, &s, &w, &e), e);
        assert_ok(cert_read(writer_slice(&w), &tree.certs[i], &e), e);
    }
}

static bool verify(const struct chain_rules *rules, struct chain *out, struct err *e)
{
    struct chain_rules usual = {.at = NOW};
    *e = (struct err){0};
    return chain_verify(&crypto_openssl, &tree.certs[LEAF], &tree.certs[MID], 1, &tree.certs[ROOT], 1,
                        rules ? rules : &usual, out, e);
}

static bool openssl_verifies(void)
{
    static const char *const names[] = {"root", "mid", "leaf"};
    for (size_t i = 0; i < 3; i++) {
        char line[128];
        snprintf(line, sizeof line, "%s.der", names[i]);
        peer_write(line, tree.certs[i].der);
        snprintf(line, sizeof line, "openssl x509 -inform DER -in %s.der -out %s.pem", names[i], names[i]);
        peer_must(line);
    }
    return peer_run("openssl verify -attime 1795435200 -CAfile root.pem -untrusted mid.pem leaf.pem");
}

static void finds_the_path_that_openssl_finds(void **state)
{
    struct chain out;
    struct err e;
    (void)state;
    plan();
    grow();
    assert_ok(verify(NULL, &out, &e), e);
    assert_int_equal(out.n, 3);
    assert_ptr_equal(out.path[0], &tree.certs[LEAF]);
    assert_ptr_equal(out.path[2], &tree.certs[ROOT]);
    assert_true(openssl_verifies());
}

static void not_yet(void)
{
    tree.t[LEAF].not_before = NOW + 1;
}
static void expired(void)
{
    tree.t[LEAF].not_after = NOW - 1;
}
static void mid_expired(void)
{
    tree.t[MID].not_after = NOW - 1;
}
static void mid_no_ca(void)
{
    tree.t[MID].is_ca = false;
    tree.t[MID].key_usage = KU_DIGITAL_SIGNATURE;
}
static void mid_no_cert_sign(void)
{
    tree.t[MID].key_usage = KU_CRL_SIGN;
}
static void path_too_long(void)
{
    tree.t[ROOT].path_len = 0;
}
static void other_issuer(void)
{
    tree.t[LEAF].issuer = peer_name("CN=Nobody");
}
static void other_key_id(void)
{
    tree.t[LEAF].aki = SLICE_LIT("01234567890123456789");
}
static void names_outside(void)
{
    static const struct san permitted = {.type = SAN_DNS, .value = {(const uint8_t *)"good.example", 12}};
    static const struct san san = {.type = SAN_DNS, .value = {(const uint8_t *)"evilgood.example", 16}};
    tree.t[MID].permitted = &permitted;
    tree.t[MID].permitted_n = 1;
    tree.t[LEAF].san = &san;
    tree.t[LEAF].san_n = 1;
}
static void names_excluded(void)
{
    static const struct san excluded = {.type = SAN_DNS, .value = {(const uint8_t *)"bad.example", 11}};
    static const struct san san = {.type = SAN_DNS, .value = {(const uint8_t *)"a.BAD.example", 13}};
    tree.t[MID].excluded = &excluded;
    tree.t[MID].excluded_n = 1;
    tree.t[LEAF].san = &san;
    tree.t[LEAF].san_n = 1;
}

static void refuses_as_openssl_does(void **state)
{
    static const struct row {
        void (*spoil)(void);
        enum err_code code;
    } rows[] = {
        {not_yet, ERR_CHAIN_TIME},           {expired, ERR_CHAIN_TIME},           {mid_expired, ERR_CHAIN_TIME},
        {mid_no_ca, ERR_CHAIN_RULE},         {mid_no_cert_sign, ERR_CHAIN_RULE},  {path_too_long, ERR_CHAIN_RULE},
        {other_issuer, ERR_CHAIN_UNTRUSTED}, {other_key_id, ERR_CHAIN_UNTRUSTED}, {names_outside, ERR_CHAIN_RULE},
        {names_excluded, ERR_CHAIN_RULE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chain out;
        struct err e;
        plan();
        rows[i].spoil();
        grow();
        if (verify(NULL, &out, &e) || e.code != rows[i].code)
            fail_msg("row %zu: %s %s", i, err_slug(e.code), e.what);
        assert_int_equal(out.n, 0);
        if (openssl_verifies())
            fail_msg("row %zu: openssl takes it", i);
    }
}

static void refuses_a_signature_by_another_key(void **state)
{
    struct chain out;
    struct err e;
    (void)state;
    plan();
    grow();
    tree.certs[ROOT].spki = key_get0_spki(tree.keys[LEAF]);
    assert_false(verify(NULL, &out, &e));
    plan();
    grow();
    tree.certs[LEAF].sig = slice_of(tree.certs[LEAF].sig.p, tree.certs[LEAF].sig.n - 1);
    assert_err(verify(NULL, &out, &e), e, ERR_CERT_SIGNATURE);
}

static void an_expired_leaf_may_pass_where_renewal_asks(void **state)
{
    struct chain out;
    struct err e;
    struct chain_rules rules = {.at = NOW, .leaf_may_be_expired = true};
    (void)state;
    plan();
    expired();
    grow();
    assert_ok(verify(&rules, &out, &e), e);
    plan();
    mid_expired();
    grow();
    assert_err(verify(&rules, &out, &e), e, ERR_CHAIN_TIME);
}

static void an_idevid_without_end_is_good_for_ever(void **state)
{
    struct chain out;
    struct err e;
    struct chain_rules rules = {.at = INT64_C(4102444800) /* 2100 */, .key_usage = KU_DIGITAL_SIGNATURE};
    (void)state;
    plan();
    for (size_t i = 0; i < 3; i++)
        tree.t[i].not_after = DER_TIME_NEVER;
    grow();
    assert_ok(verify(&rules, &out, &e), e);
}

static void usages_are_held(void **state)
{
    struct chain out;
    struct err e;
    struct chain_rules client = {.at = NOW, .eku = EKU_CLIENT_AUTH}, sign = {.at = NOW, .key_usage = KU_KEY_AGREEMENT};
    (void)state;
    plan();
    tree.t[LEAF].eku = EKU_SERVER_AUTH;
    grow();
    assert_err(verify(&client, &out, &e), e, ERR_CHAIN_RULE);
    assert_err(verify(&sign, &out, &e), e, ERR_CHAIN_RULE);
    tree.t[LEAF].eku = EKU_CLIENT_AUTH | EKU_SERVER_AUTH;
    grow();
    assert_ok(verify(&client, &out, &e), e);
}

/* openssl issues what our writer does not make: a critical extension that nobody knows. */
static void refuses_an_unknown_critical_extension(void **state)
{
    uint8_t buf[4096];
    struct cert c;
    struct chain out;
    struct chain_rules rules = {.at = 0};
    struct err e = {0};
    (void)state;
    peer_must(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -subj /CN=r -outform DER "
        "-out r.der -addext 1.2.3.4=critical,DER:0500");
    assert_ok(cert_read(peer_read("r.der", buf, sizeof buf), &c, &e), e);
    assert_true(c.unknown_critical.n > 0);
    rules.at = c.not_before;
    assert_err(chain_verify(&crypto_openssl, &c, NULL, 0, &c, 1, &rules, &out, &e), e, ERR_CHAIN_RULE);
}

static void loops_and_crowds_end(void **state)
{
    static struct cert pool[64];
    struct chain out;
    struct chain_rules rules = {.at = NOW};
    struct err e = {0};
    (void)state;
    plan();
    tree.t[ROOT].path_len = tree.t[MID].path_len = -1;
    grow();
    for (size_t i = 0; i < ARRAY_LEN(pool); i++)
        pool[i] = tree.certs[i & 1 ? ROOT : MID];
    assert_false(chain_verify(&crypto_openssl, &tree.certs[LEAF], pool, ARRAY_LEN(pool), NULL, 0, &rules, &out, &e));
    assert_true(e.code != ERR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_path_that_openssl_finds),
        cmocka_unit_test(refuses_as_openssl_does),
        cmocka_unit_test(refuses_a_signature_by_another_key),
        cmocka_unit_test(an_expired_leaf_may_pass_where_renewal_asks),
        cmocka_unit_test(an_idevid_without_end_is_good_for_ever),
        cmocka_unit_test(usages_are_held),
        cmocka_unit_test(refuses_an_unknown_critical_extension),
        cmocka_unit_test(loops_and_crowds_end),
    };
    return cmocka_run_group_tests(tests, tree_open, tree_close);
}
