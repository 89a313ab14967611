#include "../test.h"

#include <stdio.h>
#include <stdlib.h>

#include "../mutate.h"
#include "ca/profile.h"
#include "core/der.h"
#include "core/oid.h"
#include "der_dump.h"
#include "keys/crypto.h"
#include "keys/spki.h"
#include "x509/name.h"

#define NOW INT64_C(1795435200) /* 2026-11-23 */
#define ID  "dev_01jd3z7x9k2m4n6p8q0r2s4t6v"

static const char *const shipped[] = {"ldevid",      "idevid",       "gateway",       "server",       "operator",
                                      "application", "code-signing", "time-stamping", "ocsp-signing", "subordinate-ca"};

/* The generator of P-256: a public key that is always the same. */
static const uint8_t point[65] = {0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
                                  0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
                                  0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
                                  0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
                                  0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};

static uint8_t spki_buf[SPKI_MAX], issuer_name[NAME_DER_MAX];
static struct slice spki;
static struct profile_issuer issuer;
static const struct profile_tag tags[] = {{{(const uint8_t *)"site", 4}, {(const uint8_t *)"hall 7", 6}}};
static struct profile_facts facts;

static int prepare(void **state)
{
    struct err e = {0};
    struct spki s = {.family = SPKI_P256, .point = SLICE_ARRAY(point)};
    struct writer w = WRITER_ARRAY(issuer_name);
    size_t n;
    (void)state;
    assert_ok(crypto_init(&e), e);
    assert_ok(spki_write(&s, spki_buf, &n, &e), e);
    spki = slice_of(spki_buf, n);
    assert_ok(name_write(&w, SLICE_LIT("CN=Kith Issuing, O=Acme"), &e), e);
    issuer = (struct profile_issuer){.subject = writer_slice(&w),
                                     .key_id = SLICE_LIT("0123456789abcdefghij"),
                                     .sig_alg = SIG_ES256,
                                     .not_after = NOW + INT64_C(3650) * 86400,
                                     .plain_url = "http://kith.example",
                                     .node = 1,
                                     .aia_issuers = SLICE_LIT("http://kith.example/ca/root.cer")};
    facts = (struct profile_facts){.id = SLICE_LIT(ID),
                                   .model = SLICE_LIT("Meter 3"),
                                   .serial = SLICE_LIT("SN-42"),
                                   .owner = SLICE_LIT("Acme"),
                                   .name = SLICE_LIT("hub-1"),
                                   .tags = tags,
                                   .tags_n = 1,
                                   .hw_type = SLICE_LIT("\x2b\x06\x01\x04\x01\x86\x8d\x1f\x01")};
    return 0;
}

static struct slice read_file(const char *dir, const char *name, const char *suffix, char *buf, size_t cap)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s is not there", path);
    size_t n = fread(buf, 1, cap, f);
    fclose(f);
    return slice_of(buf, n);
}

static struct profile load(const char *name)
{
    char text[PROFILE_FILE_MAX];
    struct profile p;
    struct err e = {0};
    assert_ok(profile_parse(&crypto_openssl, read_file(PROFILES, name, ".profile", text, sizeof text), &p, &e), e);
    return p;
}

static struct slice tbs_of(const char *name, uint8_t *buf)
{
    static const uint8_t serial[15] = {0x01, 0x02, 0xd9, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8};
    static struct profile_work work;
    struct profile p = load(name);
    struct cert_template t;
    struct writer w = writer_of(buf, CERT_MAX);
    struct err e = {0};
    assert_ok(profile_apply(&p, &facts, spki, &issuer, NOW, &t, &work, &e), e);
    t.serial = SLICE_ARRAY(serial);
    assert_ok(cert_build_tbs(&t, &crypto_openssl, &w, &e), e);
    return writer_slice(&w);
}

static void every_shipped_profile_makes_what_its_golden_dump_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        uint8_t buf[CERT_MAX];
        char *got = NULL, golden[16384], path[512];
        size_t n = 0;
        FILE *f = open_memstream(&got, &n);
        assert_non_null(f);
        dump_der(f, tbs_of(shipped[i], buf), 0);
        fclose(f);
        if (getenv("KITH_GOLDEN_WRITE")) {
            snprintf(path, sizeof path, "%s/%s.txt", GOLDEN, shipped[i]);
            f = fopen(path, "wb");
            assert_non_null(f);
            fwrite(got, 1, n, f);
            fclose(f);
        }
        struct slice want = read_file(GOLDEN, shipped[i], ".txt", golden, sizeof golden);
        if (!slice_eq(want, slice_of(got, n)))
            fail_msg("%s differs from its golden dump; it is now:\n%s", shipped[i], got);
        free(got);
    }
}

static void the_digest_is_that_of_the_file(void **state)
{
    (void)state;
    char text[PROFILE_FILE_MAX];
    struct slice file = read_file(PROFILES, "ldevid", ".profile", text, sizeof text);
    struct profile p = load("ldevid");
    uint8_t digest[SHA256_SIZE];
    sha256(file, digest);
    assert_memory_equal(p.digest, digest, SHA256_SIZE);
    assert_string_equal(p.name, "ldevid");
    assert_int_equal(p.renew_expired_days, 30);
    assert_int_equal(p.by, PROFILE_BY_CLAIM | PROFILE_BY_IDEVID | PROFILE_BY_RENEWAL | PROFILE_BY_ADMIN);
}

#define GOOD                                                                                                           \
    "name = t\nversion = 1\nfor = claim\nkeys = p256\nvalidity = 1d\nvalidity-max = 2d\nsubject = CN=%{id}\n"          \
    "key-usage = digitalSignature\n"

static void refuses_files_with_the_place_and_the_nearest_word(void **state)
{
    static const struct row {
        const char *text, *what, *hint;
    } rows[] = {
        {GOOD "crll = yes\n", "line 9, column 1", "did you mean crl?"},
        {GOOD "crl = yes\ncrl = no\n", "line 10, column 1: comes twice", ""},
        {GOOD "crl = yess\n", "line 9, column 7", "did you mean yes?"},
        {GOOD "extended-key-usage = clientAuth, serverAut\n", "line 9, column 34", "did you mean serverAuth?"},
        {GOOD "san = uri:urn:%{idd}\n", "line 9, column 7", "did you mean %{id}?"},
        {GOOD "san = urii:x\n", "line 9, column 7", "did you mean uri?"},
        {GOOD "backdate = 1w\n", "line 9, column 12", ""},
        {GOOD "path-length = 0\n", "ca = yes", ""},
        {GOOD "policies = 1.2.x\n", "line 9, column 12", ""},
        {GOOD "nonsense\n", "line 9, column 1: not \"key = value\"", ""},
        {"name = t\n", "\"version\" is missing", ""},
        {"name = T\n", "line 1, column 8", ""},
        {"subject = CNN=x\n", "line 1, column 11", ""},
        {"keys = p257\n", "line 1, column 8", "did you mean p256?"},
    };
    struct profile p;
    struct err e = {0};
    (void)state;
    assert_ok(profile_parse(&crypto_openssl, SLICE_LIT(GOOD), &p, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        e = (struct err){0};
        assert_err(profile_parse(&crypto_openssl, slice_str(rows[i].text), &p, &e), e, ERR_PROFILE);
        if (!strstr(e.what, rows[i].what) || !strstr(e.hint, rows[i].hint))
            fail_msg("row %zu: %s; %s", i, e.what, e.hint);
    }
}

static bool apply(const struct profile *p, const struct profile_facts *f, struct slice key, struct cert_template *t,
                  struct err *e)
{
    static struct profile_work work;
    *e = (struct err){0};
    return profile_apply(p, f, key, &issuer, NOW, t, &work, e);
}

static void takes_host_names_and_no_others(void **state)
{
    static const char *const bad[] = {"*", "bad_host!", "example..com", "-x"};
    static const char *const takers[] = {"gateway", "server"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(takers) * ARRAY_LEN(bad); i++) {
        struct profile p = load(takers[i % 2]);
        uint8_t der[128];
        struct writer w = WRITER_ARRAY(der);
        struct cert_template t;
        struct profile_facts f = facts;
        struct err e;
        san_put_all(&w, &(struct san){.type = SAN_DNS, .value = slice_str(bad[i / 2])}, 1);
        f.csr_san = writer_slice(&w);
        assert_err(apply(&p, &f, spki, &t, &e), e, ERR_SAN);
    }
}

/* No other certificate can stand where the platform's server does. */
static void only_the_server_has_the_platforms_usage(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shipped); i++) {
        struct profile p = load(shipped[i]);
        bool server = strcmp(shipped[i], "server") == 0;
        assert_true(!!(p.eku & EKU_CMC_RA) == server && !(p.eku & EKU_ANY));
        if (server)
            assert_int_equal(p.by, PROFILE_BY_SERVER);
    }
}

static void refuses_what_is_outside(void **state)
{
    (void)state;
    struct profile ldevid = load("ldevid"), server = load("server");
    struct profile_facts f = facts;
    struct cert_template t;
    struct err e;
    uint8_t other[80], ip[80];
    struct writer ow = WRITER_ARRAY(other), iw = WRITER_ARRAY(ip);
    struct san s = {.type = SAN_URI, .value = SLICE_LIT("urn:kith:device:dev_01jd3z7x9k2m4n6p8q0r2s4t6w")};
    san_put_all(&ow, &s, 1);
    s = (struct san){.type = SAN_IP, .value = SLICE_LIT("\x7f\0\0\1")};
    san_put_all(&iw, &s, 1);

    assert_true(apply(&ldevid, &f, spki, &t, &e));
    f.csr_san = writer_slice(&ow); /* another device's name */
    assert_err(apply(&ldevid, &f, spki, &t, &e), e, ERR_PROFILE_SAN);
    assert_null(t.issuer.p);
    f.csr_san = writer_slice(&iw); /* a kind of name that this profile does not take */
    assert_err(apply(&ldevid, &f, spki, &t, &e), e, ERR_PROFILE_SAN);
    assert_true(apply(&server, &f, spki, &t, &e));
    assert_int_equal(t.san_n, 1);
    f = facts;
    f.csr_cn = SLICE_LIT("dev_01jd3z7x9k2m4n6p8q0r2s4t6w");
    assert_err(apply(&ldevid, &f, spki, &t, &e), e, ERR_PROFILE_SAN);
    f = facts;
    f.validity_s = 400 * 86400;
    assert_err(apply(&ldevid, &f, spki, &t, &e), e, ERR_PROFILE_VALIDITY);
    f = facts;
    f.serial = (struct slice){0};
    assert_err(apply(&ldevid, &f, spki, &t, &e), e, ERR_PROFILE_FACT);
    ldevid.key_types = 1u << KEY_ED25519;
    assert_err(apply(&ldevid, &facts, spki, &t, &e), e, ERR_PROFILE_KEY);
    assert_err(apply(&ldevid, &facts, SLICE_LIT("x"), &t, &e), e, ERR_PROFILE_KEY);
}

static void own_names_may_be_asked_for(void **state)
{
    (void)state;
    struct profile p = load("ldevid");
    struct profile_facts f = facts;
    struct cert_template t;
    struct err e;
    uint8_t own[80];
    struct writer w = WRITER_ARRAY(own);
    struct san s = {.type = SAN_URI, .value = SLICE_LIT("urn:kith:device:" ID)};
    san_put_all(&w, &s, 1);
    f.csr_san = writer_slice(&w);
    f.csr_cn = SLICE_LIT(ID);
    assert_ok(apply(&p, &f, spki, &t, &e), e);
    assert_int_equal(t.san_n, 1);
}

static void the_issuer_s_end_cuts_but_for_idevids(void **state)
{
    (void)state;
    struct profile ldevid = load("ldevid"), idevid = load("idevid");
    struct profile_issuer kept = issuer;
    struct cert_template t;
    struct err e;
    issuer.not_after = NOW + 86400;
    assert_ok(apply(&ldevid, &facts, spki, &t, &e), e);
    assert_int_equal(t.not_after, NOW + 86400);
    assert_ok(apply(&idevid, &facts, spki, &t, &e), e);
    assert_int_equal(t.not_after, DER_TIME_NEVER);
    issuer.not_after = NOW;
    assert_err(apply(&ldevid, &facts, spki, &t, &e), e, ERR_PROFILE_VALIDITY);
    issuer = kept;
}

static void values_cannot_break_out_of_their_place(void **state)
{
    static const char text[] =
        "name = t\nversion = 1\nfor = claim\nkeys = p256\nvalidity = 1d\nvalidity-max = 2d\n"
        "subject = CN=%{name}, O=%{tag:site}\nsan = uri:urn:x:%{name}\nkey-usage = digitalSignature\n";
    struct profile p;
    struct profile_facts f = facts;
    struct cert_template t;
    struct err e = {0};
    (void)state;
    assert_ok(profile_parse(&crypto_openssl, slice_str(text), &p, &e), e);
    f.name = SLICE_LIT("a, O=Other+CN=b %");
    assert_ok(apply(&p, &f, spki, &t, &e), e);
    assert_slice(name_get0_cn(t.subject), f.name);
    assert_slice(name_get0(t.subject, OID_O), SLICE_LIT("hall 7"));
    assert_slice(t.san[0].value, SLICE_LIT("urn:x:a%2C%20O%3DOther+CN%3Db%20%25"));
    f.name = SLICE_LIT("a\0b");
    assert_err(apply(&p, &f, spki, &t, &e), e, ERR_PROFILE_FACT);
}

static void judge_variant(struct slice variant, void *ctx)
{
    struct profile p;
    struct cert_template t;
    struct err e = {0};
    (void)ctx;
    if (!profile_parse(&crypto_openssl, variant, &p, &e)) {
        assert_true(e.code != ERR_NONE);
        return;
    }
    if (!apply(&p, &facts, spki, &t, &e))
        assert_true(e.code != ERR_NONE);
}

static void survives_flips_cuts_and_doubles(void **state)
{
    char text[PROFILE_FILE_MAX];
    (void)state;
    mutate_each(read_file(PROFILES, "ldevid", ".profile", text, sizeof text), judge_variant, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shipped_profile_makes_what_its_golden_dump_says),
        cmocka_unit_test(takes_host_names_and_no_others),
        cmocka_unit_test(only_the_server_has_the_platforms_usage),
        cmocka_unit_test(the_digest_is_that_of_the_file),
        cmocka_unit_test(refuses_files_with_the_place_and_the_nearest_word),
        cmocka_unit_test(refuses_what_is_outside),
        cmocka_unit_test(own_names_may_be_asked_for),
        cmocka_unit_test(the_issuer_s_end_cuts_but_for_idevids),
        cmocka_unit_test(values_cannot_break_out_of_their_place),
        cmocka_unit_test(survives_flips_cuts_and_doubles),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
