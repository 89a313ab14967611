#include "peer.h"

#include "../mutate.h"
#include "core/der.h"
#include "core/oid.h"

#define NOW INT64_C(1795435200) /* 2026-11-23 */

static const uint8_t serial[15] = {0x01, 0x02, 0xd9, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8};

static struct cert_template leaf_template(struct key *subject, struct key *issuer, const struct san *san, size_t n)
{
    return (struct cert_template){.serial = SLICE_ARRAY(serial),
                                  .sig_alg = key_sig_alg(issuer),
                                  .issuer = peer_name("CN=Kith Issuing"),
                                  .subject = peer_name("CN=dev_01jd3z7x9k2m4n6p8q0r2s4t6v, serialNumber=SN-42"),
                                  .not_before = NOW - 3600,
                                  .not_after = NOW + 90 * 86400,
                                  .spki = key_get0_spki(subject),
                                  .ski_method = SKI_SHA256,
                                  .basic_constraints = true,
                                  .path_len = -1,
                                  .key_usage = KU_DIGITAL_SIGNATURE,
                                  .eku = EKU_CLIENT_AUTH,
                                  .san = san,
                                  .san_n = n};
}

static struct slice issue(const struct cert_template *t, struct key *issuer, uint8_t *buf)
{
    struct signer s = key_signer(issuer);
    struct writer w = writer_of(buf, CERT_MAX);
    struct err e = {0};
    assert_ok(cert_issue(t, &crypto_openssl, &s, &w, &e), e);
    return writer_slice(&w);
}

static struct slice self_signed(struct key *k, uint8_t *buf)
{
    struct cert_template t = leaf_template(k, k, NULL, 0);
    t.subject = t.issuer;
    t.is_ca = true;
    t.key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN;
    t.eku = 0;
    return issue(&t, k, buf);
}

static void our_certificates_please_openssl(void **state)
{
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048};
    static const struct san san[] = {
        {.type = SAN_URI, .value = {(const uint8_t *)"urn:kith:device:dev_1", 21}},
        {.type = SAN_DNS, .value = {(const uint8_t *)"a.example", 9}},
        {.type = SAN_IP, .value = {(const uint8_t *)"\xc0\x00\x02\x01", 4}},
        {.type = SAN_RFC822, .value = {(const uint8_t *)"a@b.example", 11}},
        {SAN_HARDWARE_MODULE, {(const uint8_t *)"SN-42", 5}, {(const uint8_t *)"\x2b\x06\x01\x04\x01\x01", 6}},
    };
    const struct slice policies[] = {OID_ANY_POLICY};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct key *ca AUTO(key_free_auto) = peer_key(types[i]), *k AUTO(key_free_auto) = peer_key(KEY_P256);
        uint8_t root[CERT_MAX], buf[CERT_MAX];
        struct cert_template t = leaf_template(k, ca, san, ARRAY_LEN(san));
        struct cert c, r;
        struct err e = {0};
        peer_write("root.der", self_signed(ca, root));
        assert_ok(cert_read(self_signed(ca, root), &r, &e), e);
        t.aki = r.ski;
        t.crl_url = SLICE_LIT("http://kith.example/crl/1.crl");
        t.aia_ocsp = SLICE_LIT("http://kith.example/ocsp");
        t.aia_issuers = SLICE_LIT("http://kith.example/ca/1.cer");
        t.policies = policies;
        t.policies_n = 1;
        struct slice der = issue(&t, ca, buf);
        peer_write("leaf.der", der);
        peer_must("openssl x509 -inform DER -in root.der -out root.pem && openssl x509 -inform DER -in leaf.der -out "
                  "leaf.pem "
                  "&& openssl verify -x509_strict -attime 1795435200 -purpose sslclient -CAfile root.pem leaf.pem");
        peer_must("openssl x509 -in leaf.pem -noout -text");
        peer_out_has("URI:urn:kith:device:dev_1, DNS:a.example, IP Address:192.0.2.1, email:a@b.example, othername");
        peer_out_has("01:02:d9:00:00:00:07:01:02:03:04:05:06:07:08");
        peer_out_has("CA Issuers - URI:http://kith.example/ca/1.cer");
        assert_ok(cert_read(der, &c, &e), e);
        assert_ok(cert_verify(&crypto_openssl, &c, r.spki, &e), e);
        assert_slice(c.serial, SLICE_ARRAY(serial));
        assert_slice(c.crl_url, t.crl_url);
        assert_slice(c.aki, r.ski);
        assert_int_equal(c.not_after, NOW + 90 * 86400);
        assert_true(cert_allows(&c, KU_DIGITAL_SIGNATURE, EKU_CLIENT_AUTH));
        assert_false(cert_allows(&c, 0, EKU_SERVER_AUTH));
        for (size_t j = 0; j < ARRAY_LEN(san); j++)
            assert_true(san_holds(c.san, &san[j]));
        r.spki = key_get0_spki(k);
        assert_false(cert_verify(&crypto_openssl, &c, r.spki, &e));
    }
}

static void a_typical_device_certificate_is_small(void **state)
{
    static const struct san san = {.type = SAN_URI,
                                   .value = {(const uint8_t *)"urn:kith:device:dev_01jd3z7x9k2m4n6p8q0r2s4t6v", 46}};
    (void)state;
    struct key *ca AUTO(key_free_auto) = peer_key(KEY_P256), *k AUTO(key_free_auto) = peer_key(KEY_P256);
    uint8_t buf[CERT_MAX], id[KEY_ID_SIZE];
    struct cert_template t = leaf_template(k, ca, &san, 1);
    assert_true(cert_key_id(&crypto_openssl, SKI_SHA256, key_get0_spki(ca), id));
    t.aki = SLICE_ARRAY(id);
    t.ski_method = SKI_NONE;
    t.basic_constraints = false;
    struct slice der = issue(&t, ca, buf);
    print_message("device certificate: %zu bytes\n", der.n);
    assert_true(der.n <= 475);
}

static void reads_what_openssl_issues(void **state)
{
    static const char *const how[] = {
        "-newkey ec -pkeyopt ec_paramgen_curve:P-256",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384",
        "-newkey ed25519",
        "-newkey rsa:2048",
        "-newkey rsa:2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        char line[512];
        uint8_t buf[CERT_MAX];
        struct cert c;
        struct err e = {0};
        snprintf(line, sizeof line,
                 "openssl req -x509 -nodes -keyout k.pem -subj /O=Acme/CN=root -days 30 -outform DER -out o.der %s "
                 "-addext keyUsage=critical,keyCertSign -addext subjectAltName=DNS:b.example",
                 how[i]);
        peer_must(line);
        assert_ok(cert_read(peer_read("o.der", buf, sizeof buf), &c, &e), e);
        assert_true(c.is_ca && c.path_len == -1 && c.key_usage == KU_KEY_CERT_SIGN);
        assert_true(cert_is_self_issued(&c));
        assert_int_equal(c.not_after - c.not_before, 30 * 86400);
        assert_int_equal(c.ski.n, 20);
        assert_ok(cert_verify(&crypto_openssl, &c, c.spki, &e), e);
    }
}

static void an_end_without_end(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    uint8_t buf[CERT_MAX];
    struct cert_template t = leaf_template(k, k, NULL, 0);
    struct cert c;
    struct err e = {0};
    t.not_after = DER_TIME_NEVER;
    assert_ok(cert_read(issue(&t, k, buf), &c, &e), e);
    assert_int_equal(c.not_after, DER_TIME_NEVER);
    peer_write("leaf.der", c.der);
    peer_must("openssl x509 -inform DER -in leaf.der -noout -enddate");
    peer_out_has("Dec 31 23:59:59 9999 GMT");
}

static void makes_no_certificate_that_others_refuse(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    static const uint8_t zero[1] = {0};
    struct cert_template good = leaf_template(k, k, NULL, 0), bad[8];
    static const struct san empty = {.type = SAN_DNS};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = good;
    bad[0].serial = SLICE_ARRAY(zero);
    bad[1].issuer = peer_name("");
    bad[2].subject = peer_name("");
    bad[3].not_after = bad[3].not_before - 1;
    bad[4].key_usage = KU_KEY_CERT_SIGN;
    bad[5].is_ca = true;
    bad[5].basic_constraints = false;
    bad[6].san = &empty;
    bad[6].san_n = 1;
    bad[7].sig_alg = SIG_NONE;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t buf[CERT_MAX];
        struct writer w = WRITER_ARRAY(buf);
        struct err e = {0};
        assert_err(cert_build_tbs(&bad[i], &crypto_openssl, &w, &e), e, ERR_TEMPLATE);
    }
}

static void judge_variant(struct slice variant, void *ctx)
{
    const struct cert *good = ctx;
    struct cert c;
    struct err e = {0};
    if (!cert_read(variant, &c, &e)) {
        assert_true(e.code != ERR_NONE);
        return;
    }
    assert_int_equal(variant.n, good->der.n);
}

static void survives_flips_cuts_and_doubles(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    static const struct san san = {.type = SAN_DNS, .value = {(const uint8_t *)"a.example", 9}};
    uint8_t buf[CERT_MAX];
    struct cert_template t = leaf_template(k, k, &san, 1);
    struct cert c;
    struct err e = {0};
    assert_ok(cert_read(issue(&t, k, buf), &c, &e), e);
    mutate_each(c.der, judge_variant, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_certificates_please_openssl),
        cmocka_unit_test(a_typical_device_certificate_is_small),
        cmocka_unit_test(reads_what_openssl_issues),
        cmocka_unit_test(an_end_without_end),
        cmocka_unit_test(makes_no_certificate_that_others_refuse),
        cmocka_unit_test(survives_flips_cuts_and_doubles),
    };
    return cmocka_run_group_tests(tests, peer_open, peer_close);
}
