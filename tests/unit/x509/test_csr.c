#include "peer.h"

#include "../mutate.h"
#include "core/der.h"
#include "x509/csr.h"

static struct slice make_csr(struct key *k, const struct csr_template *more, uint8_t *buf)
{
    struct csr_template t = *more;
    struct signer s = key_signer(k);
    struct writer w = writer_of(buf, CSR_MAX);
    struct err e = {0};
    t.spki = key_get0_spki(k);
    assert_ok(csr_write(&t, &s, &w, &e), e);
    return writer_slice(&w);
}

static struct csr_template usual(void)
{
    static const struct san san[] = {{.type = SAN_DNS, .value = {(const uint8_t *)"a.example", 9}},
                                     {.type = SAN_URI, .value = {(const uint8_t *)"urn:kith:device:dev_1", 21}}};
    return (struct csr_template){.subject = peer_name("CN=dev_1, serialNumber=42"),
                                 .san = san,
                                 .san_n = 2,
                                 .key_usage = KU_DIGITAL_SIGNATURE,
                                 .eku = EKU_CLIENT_AUTH,
                                 .challenge = SLICE_LIT("secret 1")};
}

static void our_requests_please_openssl(void **state)
{
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct key *k AUTO(key_free_auto) = peer_key(types[i]);
        uint8_t buf[CSR_MAX];
        struct csr_template t = usual();
        struct slice der = make_csr(k, &t, buf);
        struct csr c;
        struct err e = {0};
        peer_write("csr.der", der);
        peer_must("openssl req -verify -inform DER -in csr.der -noout -text");
        peer_out_has("DNS:a.example, URI:urn:kith:device:dev_1");
        peer_out_has("TLS Web Client Authentication");
        peer_out_has("secret 1");
        assert_ok(csr_read(der, &c, &e), e);
        assert_ok(csr_verify(&crypto_openssl, &c, &e), e);
        assert_int_equal(c.key_type, types[i]);
        assert_slice(c.cn, SLICE_LIT("dev_1"));
        assert_slice(c.serial_number, SLICE_LIT("42"));
        assert_slice(c.challenge, SLICE_LIT("secret 1"));
        assert_int_equal(c.eku, EKU_CLIENT_AUTH);
        assert_int_equal(c.key_usage, KU_DIGITAL_SIGNATURE);
        assert_slice(c.spki, key_get0_spki(k));
    }
}

static void reads_what_openssl_requests(void **state)
{
    static const struct row {
        const char *how;
        enum key_type type;
        unsigned bits;
        enum sig_alg alg;
    } rows[] = {
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha256", KEY_P256, 256, SIG_ES256},
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384", KEY_P384, 384, SIG_ES384},
        {"-newkey ed25519", KEY_ED25519, 256, SIG_EDDSA},
        {"-newkey rsa:2048 -sha256", KEY_RSA2048, 2048, SIG_RS256},
        {"-newkey rsa:2048 -sha384", KEY_RSA2048, 2048, SIG_RS384},
        {"-newkey rsa:2048 -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32", KEY_RSA2048, 2048,
         SIG_PS256},
        {"-newkey rsa:3072 -sha256", KEY_RSA3072, 3072, SIG_RS256},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[512];
        uint8_t buf[CSR_MAX];
        struct csr c;
        struct err e = {0};
        snprintf(line, sizeof line,
                 "openssl req -new -nodes -keyout k.pem -subj /O=Acme/CN=unit -outform DER -out o.der %s "
                 "-addext subjectAltName=DNS:b.example,IP:192.0.2.1 -addext keyUsage=critical,digitalSignature",
                 rows[i].how);
        peer_must(line);
        assert_ok(csr_read(peer_read("o.der", buf, sizeof buf), &c, &e), e);
        assert_int_equal(c.key_type, rows[i].type);
        assert_int_equal(c.key_bits, rows[i].bits);
        assert_slice(c.cn, SLICE_LIT("unit"));
        assert_true(san_holds(c.san, &(struct san){.type = SAN_DNS, .value = SLICE_LIT("b.example")}));
        assert_int_equal(c.sig_alg, rows[i].alg);
        assert_ok(csr_verify(&crypto_openssl, &c, &e), e);
    }
}

static void refuses_keys_and_algorithms_that_are_not_taken(void **state)
{
    static const struct row {
        const char *how;
        enum err_code code;
    } rows[] = {
        {"-newkey rsa:1024 -sha256", ERR_KEY_TYPE},
        {"-newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -sha256", ERR_KEY_TYPE},
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha256", ERR_KEY_TYPE},
        {"-newkey rsa:2048 -sha1", ERR_SIG_ALG},
        {"-newkey rsa:2048 -sha512", ERR_SIG_ALG},
        {"-newkey ed448", ERR_KEY_TYPE},
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha256", ERR_SIG_ALG},
        {"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha384", ERR_SIG_ALG},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char line[256];
        uint8_t buf[CSR_MAX];
        struct csr c;
        struct err e = {0};
        snprintf(line, sizeof line, "openssl req -new -nodes -keyout k.pem -subj /CN=u -outform DER -out o.der %s",
                 rows[i].how);
        peer_must(line);
        assert_err(csr_read(peer_read("o.der", buf, sizeof buf), &c, &e), e, rows[i].code);
    }
}

static void refuses_a_request_signed_by_another_key(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256), *other AUTO(key_free_auto) = peer_key(KEY_P256);
    uint8_t buf[CSR_MAX];
    struct signer s = key_signer(other);
    struct writer w = WRITER_ARRAY(buf);
    struct csr_template t = usual();
    struct csr c;
    struct err e = {0};
    t.spki = key_get0_spki(k);
    assert_ok(csr_write(&t, &s, &w, &e), e);
    assert_ok(csr_read(writer_slice(&w), &c, &e), e);
    assert_err(csr_verify(&crypto_openssl, &c, &e), e, ERR_CSR_POP);
}

static void refuses_what_is_not_one_request(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    static uint8_t buf[CSR_MAX + 8];
    struct csr_template t = usual();
    struct slice der = make_csr(k, &t, buf);
    struct csr c;
    struct err e = {0};
    buf[der.n] = 0;
    assert_err(csr_read(slice_of(buf, der.n + 1), &c, &e), e, ERR_CSR);
    assert_err(csr_read(slice_of(buf, CSR_MAX + 1), &c, &e), e, ERR_CSR);
    assert_err(csr_read(slice_of(buf, der.n - 1), &c, &e), e, ERR_CSR);
    assert_err(csr_read((struct slice){0}, &c, &e), e, ERR_CSR);
    assert_null(c.der.p);
}

static void judge_variant(struct slice variant, void *ctx)
{
    const struct csr *good = ctx;
    struct csr c;
    struct err e = {0};
    if (!csr_read(variant, &c, &e)) {
        assert_true(e.code != ERR_NONE);
        assert_null(c.der.p);
        return;
    }
    assert_int_equal(variant.n, good->der.n); /* what was cut or grew is never one request */
}

static void survives_flips_cuts_and_doubles(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    uint8_t buf[CSR_MAX];
    struct csr_template t = usual();
    struct csr c;
    struct err e = {0};
    assert_ok(csr_read(make_csr(k, &t, buf), &c, &e), e);
    mutate_each(c.der, judge_variant, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_requests_please_openssl),
        cmocka_unit_test(reads_what_openssl_requests),
        cmocka_unit_test(refuses_keys_and_algorithms_that_are_not_taken),
        cmocka_unit_test(refuses_a_request_signed_by_another_key),
        cmocka_unit_test(refuses_what_is_not_one_request),
        cmocka_unit_test(survives_flips_cuts_and_doubles),
    };
    return cmocka_run_group_tests(tests, peer_open, peer_close);
}
