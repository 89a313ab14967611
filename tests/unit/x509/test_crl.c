#include "peer.h"

#include "../mutate.h"
#include "core/der.h"
#include "x509/crl.h"

#define NOW INT64_C(1795435200)

/* n entries whose serials count up; the first byte has its high bit set in every second one. */
struct count {
    uint32_t n, i, flaw_at;
    uint8_t serial[15];
    bool shrinks;
};

static bool count_rewind(void *ctx, struct err *e)
{
    struct count *c = ctx;
    (void)e;
    if (c->shrinks && c->i)
        c->n--;
    c->i = 0;
    return true;
}

static bool count_next(void *ctx, struct crl_entry *out, struct err *e)
{
    struct count *c = ctx;
    if (c->i == c->n)
        return false;
    if (c->flaw_at && c->i == c->flaw_at)
        return err_set(e, ERR_IO, "the table broke");
    memset(c->serial, 1, sizeof c->serial);
    c->serial[0] = c->i & 1 ? 0x81 : 0x01;
    for (size_t k = 0; k < 4; k++)
        c->serial[3 + k] = (uint8_t)(c->i >> (24 - 8 * k));
    *out = (struct crl_entry){SLICE_ARRAY(c->serial), NOW - 60, c->i % 3 ? 1 : 0};
    c->i++;
    return true;
}

static struct crl_source source_of(struct count *c)
{
    return (struct crl_source){count_rewind, count_next, c};
}

static struct crl_template usual(void)
{
    return (struct crl_template){.issuer = peer_name("CN=Kith Issuing"),
                                 .this_update = NOW,
                                 .next_update = NOW + 86400,
                                 .number = 0x1234,
                                 .aki = SLICE_LIT("01234567890123456789"),
                                 .idp_uri = SLICE_LIT("http://kith.example/crl/1.crl")};
}

static struct slice make(struct key *k, struct count *count, uint8_t **buf)
{
    struct crl_template t = usual();
    struct crl_source src = source_of(count);
    struct signer s = key_signer(k);
    struct slice out;
    size_t size;
    struct err e = {0};
    assert_ok(crl_measure(&t, &src, s.alg, &size, &e), e);
    *buf = malloc(size);
    assert_non_null(*buf);
    assert_ok(crl_write(&t, &src, &s, *buf, size, &out, &e), e);
    return out;
}

static void our_lists_please_openssl(void **state)
{
    static const enum key_type types[] = {KEY_P256, KEY_P384, KEY_ED25519, KEY_RSA2048};
    static const uint32_t counts[] = {0, 1, 3, 5, 2000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct key *k AUTO(key_free_auto) = peer_key(types[i]);
        uint8_t root[CERT_MAX];
        struct signer s = key_signer(k);
        struct writer w = WRITER_ARRAY(root);
        struct err e = {0};
        struct cert_template t = {.serial = SLICE_LIT("\x01"),
                                  .sig_alg = s.alg,
                                  .issuer = peer_name("CN=Kith Issuing"),
                                  .not_before = NOW,
                                  .not_after = NOW + 1,
                                  .spki = key_get0_spki(k),
                                  .is_ca = true,
                                  .basic_constraints = true,
                                  .path_len = -1};
        t.subject = t.issuer;
        assert_ok(cert_issue(&t, &crypto_openssl, &s, &w, &e), e);
        peer_write("root.der", writer_slice(&w));
        peer_must("openssl x509 -inform DER -in root.der -out root.pem");
        for (size_t j = 0; j < ARRAY_LEN(counts); j++) {
            struct count count = {.n = counts[j]};
            uint8_t *buf;
            struct slice der = make(k, &count, &buf);
            struct crl c;
            struct crl_entry entry;
            uint32_t seen = 0;
            peer_write("crl.der", der);
            peer_must("openssl crl -verify -CAfile root.pem -inform DER -in crl.der -noout -text");
            peer_out_has("verify OK");
            peer_out_has(counts[j] ? "Revoked Certificates:" : "No Revoked Certificates");
            peer_out_has("URI:http://kith.example/crl/1.crl");
            assert_ok(crl_read(der, &c, &e), e);
            assert_ok(crl_verify(&crypto_openssl, &c, key_get0_spki(k), &e), e);
            assert_int_equal(c.number, 0x1234);
            assert_int_equal(c.next_update, NOW + 86400);
            assert_slice(c.idp_uri, usual().idp_uri);
            assert_slice(c.aki, usual().aki);
            struct reader r = reader_of(c.entries);
            while (crl_next(&r, &entry)) {
                assert_int_equal(entry.reason, seen % 3 ? 1 : 0);
                assert_int_equal(entry.revoked_at, NOW - 60);
                seen++;
            }
            assert_true(reader_end(&r));
            assert_int_equal(seen, counts[j]);
            free(buf);
        }
    }
}

static void finds_a_serial(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    struct count count = {.n = 100};
    uint8_t *buf, wanted[15];
    struct crl c;
    struct crl_entry entry;
    bool there;
    struct err e = {0};
    assert_ok(crl_read(make(k, &count, &buf), &c, &e), e);
    memcpy(wanted, count.serial, 15);
    assert_ok(crl_find(&c, SLICE_ARRAY(wanted), &entry, &there, &e), e);
    assert_true(there);
    wanted[14] ^= 1;
    assert_ok(crl_find(&c, SLICE_ARRAY(wanted), &entry, &there, &e), e);
    assert_false(there);
    free(buf);
}

static void reads_what_openssl_writes(void **state)
{
    (void)state;
    uint8_t buf[8192];
    struct crl c;
    struct crl_entry entry;
    struct err e = {0};
    peer_must(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -subj /CN=r -out r.pem && "
        "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db\\ndefault_md=sha256\\ncrlnumber=n\\n"
        "default_crl_days=1\\ncrl_extensions=x\\n[x]\\nauthorityKeyIdentifier=keyid\\n' >conf && echo 0A >n && "
        "printf 'R\\t491231235959Z\\t261101000000Z,keyCompromise\\t00F1\\tunknown\\t/CN=a\\n"
        "R\\t491231235959Z\\t261101000000Z\\t02\\tunknown\\t/CN=b\\n' >db && "
        "openssl ca -config conf -gencrl -keyfile k.pem -cert r.pem -out c.pem && openssl crl -in c.pem -outform DER "
        "-out c.der && openssl x509 -in r.pem -outform DER -out r.der");
    assert_ok(crl_read(peer_read("c.der", buf, sizeof buf), &c, &e), e);
    assert_int_equal(c.number, 10);
    uint8_t root[4096];
    struct cert r;
    assert_ok(cert_read(peer_read("r.der", root, sizeof root), &r, &e), e);
    assert_ok(crl_verify(&crypto_openssl, &c, r.spki, &e), e);
    assert_slice(c.aki, r.ski);
    struct reader it = reader_of(c.entries);
    bool compromise = false;
    size_t n = 0;
    for (; crl_next(&it, &entry); n++)
        compromise |= entry.reason == 1 && slice_eq(entry.serial, SLICE_LIT("\xf1"));
    assert_true(reader_end(&it) && compromise && n == 2);
}

static void refuses_a_source_that_fails_or_moves(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    struct crl_template t = usual();
    struct signer s = key_signer(k);
    static uint8_t buf[65536];
    struct slice out;
    struct err e = {0};
    struct count moving = {.n = 9, .shrinks = true}, broken = {.n = 9, .flaw_at = 4}, good = {.n = 9};
    struct crl_source src = source_of(&moving);
    assert_err(crl_write(&t, &src, &s, buf, sizeof buf, &out, &e), e, ERR_CRL);
    src = source_of(&broken);
    assert_err(crl_write(&t, &src, &s, buf, sizeof buf, &out, &e), e, ERR_IO);
    src = source_of(&good);
    assert_err(crl_write(&t, &src, &s, buf, 300, &out, &e), e, ERR_CRL);
    assert_null(out.p);
}

static void a_million_entries_need_one_buffer_under_64_mb(void **state)
{
    (void)state;
    struct count count = {.n = 1000000};
    struct crl_template t = usual();
    struct crl_source src = source_of(&count);
    size_t size;
    struct err e = {0};
    assert_ok(crl_measure(&t, &src, SIG_ES256, &size, &e), e);
    print_message("CRL of a million: %zu bytes\n", size);
    assert_true(size < 64000000);
}

static void judge_variant(struct slice variant, void *ctx)
{
    const struct crl *good = ctx;
    struct crl c;
    struct crl_entry entry;
    struct err e = {0};
    if (!crl_read(variant, &c, &e)) {
        assert_true(e.code != ERR_NONE);
        return;
    }
    struct reader r = reader_of(c.entries);
    while (crl_next(&r, &entry))
        ;
    if (reader_end(&r))
        assert_int_equal(variant.n, good->der.n);
}

static void survives_flips_cuts_and_doubles(void **state)
{
    (void)state;
    struct key *k AUTO(key_free_auto) = peer_key(KEY_P256);
    struct count count = {.n = 3};
    uint8_t *buf;
    struct crl c;
    struct err e = {0};
    assert_ok(crl_read(make(k, &count, &buf), &c, &e), e);
    mutate_each(c.der, judge_variant, &c);
    free(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_lists_please_openssl),
        cmocka_unit_test(finds_a_serial),
        cmocka_unit_test(reads_what_openssl_writes),
        cmocka_unit_test(refuses_a_source_that_fails_or_moves),
        cmocka_unit_test(a_million_entries_need_one_buffer_under_64_mb),
        cmocka_unit_test(survives_flips_cuts_and_doubles),
    };
    return cmocka_run_group_tests(tests, peer_open, peer_close);
}
