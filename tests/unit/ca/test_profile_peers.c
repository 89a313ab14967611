/* What each shipped profile makes, under a real root and issuing CA, is good to OpenSSL, GnuTLS and Python's cryptography; and
 * what OpenSSL makes with the same extensions, a request and a certificate, is read here as the same. */
#include "../x509/peer.h"

#include <time.h>

#include "ca/profile.h"
#include "core/der.h"
#include "x509/chain.h"
#include "x509/csr.h"

static const struct row {
    const char *profile, *purpose; /* of openssl verify; it has none for code signing, nor for IDevIDs */
    uint32_t eku;
    bool names; /* the request may ask for host names */
} rows[] = {
    {"ldevid", "sslclient", EKU_CLIENT_AUTH, false},
    {"idevid", "any", 0, false},
    {"gateway", "sslserver", EKU_SERVER_AUTH | EKU_CLIENT_AUTH, true},
    {"server", "sslserver", EKU_SERVER_AUTH | EKU_CMC_RA, true},
    {"operator", "sslclient", EKU_CLIENT_AUTH, false},
    {"application", "sslclient", EKU_CLIENT_AUTH, false},
    {"code-signing", "any", EKU_CODE_SIGNING, false},
    {"time-stamping", "timestampsign", EKU_TIME_STAMPING, false},
    {"ocsp-signing", "ocsphelper", EKU_OCSP_SIGNING, false},
    {"subordinate-ca", "crlsign", 0, false},
};

static struct key *root_key, *ca_key;
static uint8_t root_der[CERT_MAX], ca_der[CERT_MAX];
static struct cert root, ca;
static int64_t now;

static void make_ca(const struct cert *issuer, const struct key *own, struct key *by, const char *name, int path_len,
                    uint8_t *der, struct cert *out)
{
    struct signer s = key_signer(by);
    struct writer w = writer_of(der, CERT_MAX);
    struct err e = {0};
    struct cert_template t = {.serial = SLICE_LIT("\x01"),
                              .sig_alg = s.alg,
                              .subject = peer_name(name),
                              .not_before = now - 3600,
                              .not_after = now + INT64_C(20) * 365 * 86400,
                              .spki = key_get0_spki(own),
                              .ski_method = SKI_SHA256,
                              .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN,
                              .basic_constraints = true,
                              .is_ca = true,
                              .path_len = path_len};
    t.issuer = issuer ? issuer->subject : t.subject;
    if (issuer)
        t.aki = issuer->ski;
    assert_ok(cert_issue(&t, &crypto_openssl, &s, &w, &e), e);
    assert_ok(cert_read(writer_slice(&w), out, &e), e);
}

static int open_cas(void **state)
{
    if (peer_open(state) != 0)
        return 1;
    now = time(NULL);
    root_key = peer_key(KEY_P256);
    ca_key = peer_key(KEY_P256);
    make_ca(NULL, root_key, root_key, "CN=Kith Root", -1, root_der, &root);
    make_ca(&root, ca_key, root_key, "CN=Kith Issuing", 1, ca_der, &ca);
    peer_write("root.der", root.der);
    peer_write("ca.der", ca.der);
    peer_must("for c in root ca; do openssl x509 -inform DER -in $c.der -out $c.pem; done");
    return 0;
}

static int close_cas(void **state)
{
    key_free(root_key);
    key_free(ca_key);
    return peer_close(state);
}

/* The certificate of a profile, as the issuing signer would make it. */
static void issue(const struct row *row, const struct key *key, uint8_t *der, struct cert *out)
{
    static const uint8_t serial[15] = {0x01, 0x02, 0xd9, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8};
    static struct profile_work work;
    static uint8_t san[64];
    const struct profile_issuer issuer = {.subject = ca.subject,
                                          .key_id = ca.ski,
                                          .sig_alg = key_sig_alg(ca_key),
                                          .not_after = ca.not_after,
                                          .plain_url = "http://kith.example",
                                          .node = 1,
                                          .aia_issuers = SLICE_LIT("http://kith.example/ca/issuing.cer")};
    struct profile_facts facts = {.id = SLICE_LIT("dev_01jd3z7x9k2m4n6p8q0r2s4t6v"),
                                  .model = SLICE_LIT("Meter 3"),
                                  .serial = SLICE_LIT("SN-42"),
                                  .name = SLICE_LIT("hub-1"),
                                  .hw_type = SLICE_LIT("\x2b\x06\x01\x04\x01\x86\x8d\x1f\x01")};
    char path[300], text[PROFILE_FILE_MAX];
    struct profile p;
    struct cert_template t;
    struct signer s = key_signer(ca_key);
    struct writer w = writer_of(der, CERT_MAX), names = WRITER_ARRAY(san);
    struct err e = {0};
    snprintf(path, sizeof path, PROFILES "/%s.profile", row->profile);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    if (row->names) {
        san_put_all(&names, &(struct san){.type = SAN_DNS, .value = SLICE_LIT("hub-1.example")}, 1);
        facts.csr_san = writer_slice(&names);
    }
    assert_ok(profile_parse(&crypto_openssl, slice_of(text, n), &p, &e), e);
    assert_ok(profile_apply(&p, &facts, key_get0_spki(key), &issuer, now, &t, &work, &e), e);
    t.serial = SLICE_ARRAY(serial);
    assert_ok(cert_issue(&t, &crypto_openssl, &s, &w, &e), e);
    assert_ok(cert_read(writer_slice(&w), out, &e), e);
}

static void is_good_to_the_peers(const struct row *row, const struct cert *c)
{
    char line[400];
    peer_write("leaf.der", c->der);
    peer_must("openssl x509 -inform DER -in leaf.der -out leaf.pem");
    snprintf(line, sizeof line, "openssl verify -x509_strict -CAfile root.pem -untrusted ca.pem -purpose %s leaf.pem",
             row->purpose);
    peer_must(line);
    peer_must("cat leaf.pem ca.pem > chain.pem; certtool --verify --load-ca-certificate root.pem --infile chain.pem");
    peer_must("/usr/bin/python3 -W error -c \"\n"
              "from cryptography import x509\n"
              "from cryptography.hazmat.primitives import hashes\n"
              "from cryptography.hazmat.primitives.asymmetric import ec\n"
              "leaf, ca = (x509.load_der_x509_certificate(open(n, 'rb').read()) for n in ('leaf.der', 'ca.der'))\n"
              "ca.public_key().verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))\n"
              "assert leaf.issuer == ca.subject\n"
              "assert all(not isinstance(x.value, x509.UnrecognizedExtension) for x in leaf.extensions)\n\"");
}

static void is_good_to_us(const struct row *row, const struct cert *c)
{
    const struct chain_rules rules = {.at = now + 60, .eku = row->eku}; /* OpenSSL's begin after `now` */
    struct chain path;
    struct err e = {0};
    assert_ok(chain_verify(&crypto_openssl, c, &ca, 1, &root, 1, &rules, &path, &e), e);
    assert_int_equal(path.n, 3);
    assert_int_equal(c->unknown_critical.n, 0);
}

/* OpenSSL takes all that the certificate asks for into a request, and makes a certificate of that. */
static void openssl_says_the_same(const struct row *row, const struct cert *ours)
{
    uint8_t csr_der[CSR_MAX], theirs_der[CERT_MAX];
    struct csr csr;
    struct cert theirs;
    struct err e = {0};
    peer_must("openssl x509 -in leaf.pem -x509toreq -copy_extensions copyall -signkey leaf.key -out again.csr");
    peer_must("openssl req -in again.csr -outform DER -out csr.der");
    peer_must(
        "openssl x509 -req -in again.csr -copy_extensions copyall -CA ca.pem -CAkey ca.key -set_serial 7 -days 30 "
        "-outform DER -out theirs.der");
    assert_ok(csr_read(peer_read("csr.der", csr_der, sizeof csr_der), &csr, &e), e);
    assert_ok(csr_verify(&crypto_openssl, &csr, &e), e);
    assert_slice(csr.subject, ours->subject);
    assert_slice(csr.san, ours->san);
    assert_int_equal(csr.key_usage, ours->key_usage);
    assert_int_equal(csr.eku, ours->eku);
    assert_int_equal(csr.wants_ca, ours->is_ca);
    assert_ok(cert_read(peer_read("theirs.der", theirs_der, sizeof theirs_der), &theirs, &e), e);
    is_good_to_us(row, &theirs);
    assert_slice(theirs.subject, ours->subject);
    assert_slice(theirs.issuer, ours->issuer);
    assert_slice(theirs.spki, ours->spki);
    assert_slice(theirs.san, ours->san); /* it may add a subjectKeyIdentifier, so not all of the list is the same */
    assert_slice(theirs.aki, ours->aki);
    assert_slice(theirs.crl_url, ours->crl_url);
    assert_int_equal(theirs.san_critical, ours->san_critical);
    assert_int_equal(theirs.key_usage, ours->key_usage);
    assert_int_equal(theirs.eku, ours->eku);
    assert_int_equal(theirs.is_ca, ours->is_ca);
    assert_int_equal(theirs.path_len, ours->path_len);
}

static void each_profile_in_both_directions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t der[CERT_MAX];
        char line[80];
        struct cert c;
        struct key *key AUTO(key_free_auto) = peer_key(KEY_P256);
        print_message("  %s\n", rows[i].profile);
        snprintf(line, sizeof line, "cp key%zu.pem leaf.key; cp key1.pem ca.key", 2 + i);
        peer_must(line); /* root, issuing CA, then one a row: as peer_key() counts */
        issue(&rows[i], key, der, &c);
        is_good_to_the_peers(&rows[i], &c);
        is_good_to_us(&rows[i], &c);
        openssl_says_the_same(&rows[i], &c);
    }
}

/* IEEE 802.1AR-2018 section 8: no end, the hardware module's name, the key identifier of the issuer, usage critical. */
static void an_idevid_is_one_of_802_1ar(void **state)
{
    (void)state;
    uint8_t der[CERT_MAX];
    struct key *key AUTO(key_free_auto) = peer_key(KEY_P256);
    struct cert c;
    struct san san[2];
    size_t n;
    struct err e = {0};
    issue(&rows[1], key, der, &c);
    assert_int_equal(c.not_after, DER_TIME_NEVER);
    assert_true(name_get0_serial_number(c.subject).n > 0);
    assert_slice(c.aki, ca.ski);
    assert_int_equal(c.key_usage, KU_DIGITAL_SIGNATURE);
    assert_false(c.is_ca || c.has_eku);
    assert_ok(san_read(c.san, san, ARRAY_LEN(san), &n, &e), e);
    assert_int_equal(n, 1);
    assert_int_equal(san[0].type, SAN_HARDWARE_MODULE);
    assert_slice(san[0].value, SLICE_LIT("SN-42"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_profile_in_both_directions),
        cmocka_unit_test(an_idevid_is_one_of_802_1ar),
    };
    return cmocka_run_group_tests(tests, open_cas, close_cas);
}
