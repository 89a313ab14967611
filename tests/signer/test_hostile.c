/* A server that was taken over speaks to real signers: whatever is outside its profile is refused, and nothing that was
 * signed stays unseen.  argv: kith, kith-signer. */
#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/frame.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "model/serial.h"
#include "x509/crl.h"

#define DEV   "dev_01arz3ndektsv4rrffq69g5fav"
#define OTHER "dev_01arz3ndektsv4rrffq69g5faw"

static struct rig rig;
static int64_t now(void)
{
    return env_now_s(&rig.env);
}

/* What a good request looks like; each test spoils one thing. */
static struct issue_request good(struct key *k)
{
    return (struct issue_request){.profile = SLICE_LIT("ldevid"),
                                  .spki = key_get0_spki(k),
                                  .authority = {.kind = AUTHORITY_OPERATOR, .who = SLICE_LIT("alice")},
                                  .facts = {{SLICE_LIT("id"), SLICE_LIT(DEV)}, {SLICE_LIT("serial"), SLICE_LIT("S1")}},
                                  .facts_n = 2};
}

static void refuses_what_the_roster_and_the_profile_do_not_give(void **state)
{
    (void)state;
    struct err e;
    struct key *p256 = rig_key(&rig, KEY_P256), *rsa = rig_key(&rig, KEY_RSA2048), *ed = rig_key(&rig, KEY_ED25519);
    static const struct {
        const char *profile;
        enum authority_kind kind;
        enum err_code want;
    } rows[] = {
        {"nonesuch", AUTHORITY_OPERATOR, ERR_PROFILE_UNKNOWN},
        {"", AUTHORITY_OPERATOR, ERR_PROFILE_UNKNOWN},
        {"operator", AUTHORITY_CLAIM, ERR_AUTHORITY},
        {"operator", AUTHORITY_IDEVID, ERR_AUTHORITY},
        {"operator", AUTHORITY_SERVER, ERR_AUTHORITY},
        {"gateway", AUTHORITY_CLAIM, ERR_AUTHORITY},
        {"server", AUTHORITY_CLAIM, ERR_AUTHORITY},
        {"server", AUTHORITY_RENEWAL, ERR_AUTHORITY},
        {"code-signing", AUTHORITY_SERVER, ERR_AUTHORITY},
        {"code-signing", AUTHORITY_RENEWAL, ERR_AUTHORITY},
        {"idevid", AUTHORITY_CLAIM, ERR_AUTHORITY},
        {"ldevid", AUTHORITY_SERVER, ERR_AUTHORITY},
        {"ldevid", (enum authority_kind)0, ERR_AUTHORITY},
        {"subordinate-ca", AUTHORITY_OPERATOR, ERR_AUTHORITY},
        {"subordinate-ca", AUTHORITY_SERVER, ERR_AUTHORITY},
        {"subordinate-ca", AUTHORITY_RENEWAL, ERR_AUTHORITY},
        {"subordinate-ca", AUTHORITY_CLAIM, ERR_AUTHORITY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct issue_request q = good(p256);
        q.profile = slice_str(rows[i].profile);
        q.authority.kind = rows[i].kind;
        q.facts[q.facts_n++] = (struct fact){SLICE_LIT("name"), SLICE_LIT("evil")};
        if (rig_issue(&rig, &q, NULL, &e) || e.code != rows[i].want)
            fail_msg("%s on authority %d: %s", rows[i].profile, (int)rows[i].kind, e.what);
    }
    struct issue_request q = good(rsa);
    q.profile = SLICE_LIT("idevid");
    q.facts_n = 0;
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_PROFILE_FACT);
    q = good(ed); /* the platform's TLS certificate takes no Ed25519 */
    q.profile = SLICE_LIT("server");
    q.authority.kind = AUTHORITY_SERVER;
    q.facts[q.facts_n++] = (struct fact){SLICE_LIT("name"), SLICE_LIT("server")};
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_PROFILE_KEY);
    q = good(p256);
    q.spki = SLICE_LIT("no key at all");
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_PROFILE_KEY);
    key_free(p256);
    key_free(rsa);
    key_free(ed);
}

/* No field asks for a longer life, for CA:TRUE or for usages: facts of such names are nothing. */
static void gives_the_profiles_validity_and_no_ca_whatever_is_asked(void **state)
{
    (void)state;
    struct err e;
    struct cert c;
    AUTO(buf_clear) struct buf der;
    buf_init(&der, CERT_MAX);
    struct key *k = rig_key(&rig, KEY_P256);
    struct issue_request q = good(k);
    static const char *const words[] = {"validity", "not_after", "ca", "is_ca", "basic-constraints", "key-usage"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        q.facts[q.facts_n++] = (struct fact){slice_str(words[i]), SLICE_LIT("999999999")};
    assert_ok(rig_issue(&rig, &q, &der, &e), e);
    assert_ok(cert_read(buf_slice(&der), &c, &e), e);
    assert_false(c.is_ca);
    assert_true(c.key_usage == KU_DIGITAL_SIGNATURE);
    assert_true(c.not_after <= now() + 90 * 86400);
    assert_ok(cert_verify(&crypto_openssl, &c, rig.ca.spki, &e), e);
    key_free(k);
}

static void refuses_names_of_others(void **state)
{
    (void)state;
    struct err e;
    struct key *k = rig_key(&rig, KEY_P256);
    static const struct {
        enum san_type type;
        const char *name;
    } rows[] = {
        {SAN_URI, "urn:kith:device:" OTHER}, {SAN_URI, "urn:kith:operator:alice"}, {SAN_DNS, "broker.example"},
        {SAN_URI, "https://x.example/"},     {SAN_RFC822, "a@x.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t names[256], list[256];
        struct writer n = WRITER_ARRAY(names), w = WRITER_ARRAY(list);
        struct san s = {.type = rows[i].type, .value = slice_str(rows[i].name)};
        san_put(&n, &s);
        writer_u8(&w, 0x30);
        writer_u8(&w, (uint8_t)n.n);
        writer_put(&w, writer_slice(&n));
        struct issue_request q = good(k);
        q.csr_san = writer_slice(&w);
        assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_PROFILE_SAN);
    }
    struct issue_request q = good(k);
    q.facts[q.facts_n++] = (struct fact){SLICE_LIT("csr.cn"), SLICE_LIT(OTHER)};
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_PROFILE_SAN);
    q = good(k);
    q.csr_san = SLICE_LIT("\x30\x05garb");
    assert_false(rig_issue(&rig, &q, NULL, &e));
    key_free(k);
}

static void refuses_claims_that_it_did_not_give(void **state)
{
    (void)state;
    struct err e;
    uint8_t nonce[16];
    char text[33];
    struct key *k = rig_key(&rig, KEY_P256);
    assert_ok(rig_claim(&rig, DEV, now() + 600, nonce, text, &e), e);
    struct issue_request q = good(k), bad;
    q.authority = (struct authority){
        .kind = AUTHORITY_CLAIM, .nonce = SLICE_ARRAY(nonce), .expires_at = now() + 600, .claim = slice_str(text)};
    int64_t at = q.authority.expires_at;
    assert_ok(rig_claim(&rig, DEV, at, nonce, text, &e), e);
    bad = q;
    bad.facts[0].value = SLICE_LIT(OTHER);
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    bad = q;
    bad.facts_n = 0;
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    bad = q;
    bad.authority.expires_at++;
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    bad = q;
    bad.authority.nonce.n--;
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    bad = q;
    bad.authority.claim = (struct slice){0};
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    for (int i = 0; i < 32; i++) {
        char forged[33];
        memcpy(forged, text, sizeof forged);
        forged[i] = forged[i] == 'a' ? 'b' : 'a';
        bad = q;
        bad.authority.claim = slice_str(forged);
        assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    }
    assert_ok(rig_issue(&rig, &q, NULL, &e), e);
    assert_ok(rig_claim(&rig, DEV, now() - 1, nonce, text, &e), e);
    q.authority.expires_at = now() - 1;
    assert_ok(rig_claim(&rig, DEV, q.authority.expires_at, nonce, text, &e), e);
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_AUTHORITY);
    assert_non_null(strstr(e.what, "expired"));
    key_free(k);
}

static struct issue_request renewal_of(struct key *k, struct slice der)
{
    struct issue_request q = good(k);
    q.authority = (struct authority){.kind = AUTHORITY_RENEWAL, .certificate = der};
    return q;
}

static void renews_a_certificate_only_as_what_it_was(void **state)
{
    (void)state;
    struct err e;
    AUTO(buf_clear) struct buf der, root;
    buf_init(&root, CERT_MAX);
    rig_device_cert(&rig, DEV, &der);
    struct key *k = rig_key(&rig, KEY_P256);
    struct issue_request q = renewal_of(k, buf_slice(&der)), bad;
    assert_ok(rig_issue(&rig, &q, NULL, &e), e);
    /* another device, another serial number of the device */
    bad = q;
    bad.facts[0].value = SLICE_LIT(OTHER);
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    bad = q;
    bad.facts[1].value = SLICE_LIT("S2");
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    /* a device's certificate for an operator's, a gateway's, an application's, under its own name and another */
    static const char *const profiles[] = {"operator", "gateway", "application"};
    static const char *const names[] = {DEV, "admin"};
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        for (size_t j = 0; j < ARRAY_LEN(names); j++) {
            bad = q;
            bad.profile = slice_str(profiles[i]);
            bad.facts[bad.facts_n++] = (struct fact){SLICE_LIT("name"), slice_str(names[j])};
            assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
        }
    /* the same names for more than before */
    bad = q;
    bad.profile = SLICE_LIT("wider");
    assert_err(rig_issue(&rig, &bad, NULL, &e), e, ERR_AUTHORITY);
    assert_non_null(strstr(e.what, "extended key usages"));
    /* certificates of others: the root's own, the issuing CA's, one with another signature */
    assert_ok(file_read(rig_path(&rig, "ca/root.cer"), CERT_MAX, &root, &e), e);
    bad = renewal_of(k, buf_slice(&root));
    assert_false(rig_issue(&rig, &bad, NULL, &e));
    bad = renewal_of(k, buf_slice(&rig.ca_der));
    assert_false(rig_issue(&rig, &bad, NULL, &e));
    der.p[der.n - 1] ^= 1;
    assert_false(rig_issue(&rig, &q, NULL, &e));
    der.p[der.n - 1] ^= 1;
    bad = renewal_of(k, SLICE_LIT("nothing"));
    assert_false(rig_issue(&rig, &bad, NULL, &e));
    /* held, released, revoked */
    struct rig_serial s = rig_serial_of(buf_slice(&der));
    assert_ok(rig_hold(&rig, &s, 1, NULL, 0, NULL, &e), e);
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_AUTHORITY);
    assert_ok(rig_hold(&rig, NULL, 0, &s, 1, NULL, &e), e);
    assert_ok(rig_issue(&rig, &q, NULL, &e), e);
    assert_ok(rig_revoke(&rig, &s, 1, 1, NULL, &e), e);
    assert_err(rig_issue(&rig, &q, NULL, &e), e, ERR_AUTHORITY);
    key_free(k);
}

static void revokes_for_good_and_only_what_it_gave_out(void **state)
{
    (void)state;
    struct err e;
    struct rig_head a, b;
    AUTO(buf_clear) struct buf der;
    rig_device_cert(&rig, DEV, &der);
    struct rig_serial s = rig_serial_of(buf_slice(&der)), wrong[3] = {s, s, s};
    wrong[0].b[14] ^= 1;   /* tail */
    wrong[1].b[3] ^= 0x40; /* index */
    wrong[2].b[0] ^= 3;    /* node */
    assert_ok(rig_head(&rig, &a, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct rig_serial both[] = {s, wrong[i]};
        assert_err(rig_revoke(&rig, both, 2, 1, NULL, &e), e, ERR_SERIAL);
        assert_err(rig_hold(&rig, both, 2, NULL, 0, NULL, &e), e, ERR_SERIAL);
    }
    static const int reasons[] = {-1, 6, 7, 8, 11, 1000};
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        assert_err(rig_revoke(&rig, &s, 1, reasons[i], NULL, &e), e, ERR_SIGNER_PROTOCOL);
    /* A request that failed did nothing, its good half too. */
    assert_ok(rig_head(&rig, &b, &e), e);
    assert_int_equal(b.seq, a.seq + 1);
    assert_memory_equal(b.prev, a.hash, SHA256_SIZE);
    assert_int_equal(b.revoked, a.revoked);
    assert_int_equal(b.held, a.held);
    assert_ok(rig_revoke(&rig, &s, 1, 1, &b, &e), e);
    assert_int_equal(b.revoked, a.revoked + 1);
    assert_ok(rig_hold(&rig, NULL, 0, &s, 1, &b, &e), e);
    assert_int_equal(b.revoked, a.revoked + 1);
    assert_ok(rig_hold(&rig, &s, 1, NULL, 0, &b, &e), e);
    assert_ok(rig_hold(&rig, NULL, 0, &s, 1, &b, &e), e);
    assert_int_equal(b.revoked, a.revoked + 1);
    assert_int_equal(b.held, a.held);
}

/* ---- CRLs ---- */

struct item {
    struct rig_serial s;
    int reason;
};

static bool crl(unsigned shard, const char *url, bool more, const struct item *v, size_t n, struct buf *out,
                struct err *e)
{
    uint8_t fields[4096];
    struct writer w = WRITER_ARRAY(fields);
    cbor_put_uint(&w, 1);
    cbor_put_uint(&w, shard);
    cbor_put_text(&w, url);
    cbor_put_bool(&w, more);
    cbor_put_array(&w, n);
    for (size_t i = 0; i < n; i++) {
        cbor_put_array(&w, 3);
        cbor_put_bstr(&w, SLICE_ARRAY(v[i].s.b));
        cbor_put_int(&w, now() + 864000); /* to come: the signer writes now */
        cbor_put_int(&w, v[i].reason);
    }
    buf_reset(out);
    bool ok = rig_call(&rig, RIG_ISSUING, REQUEST_CRL, writer_slice(&w), 5, out, e);
    if (ok && !more) {
        struct reader r = reader_of(buf_slice(out));
        uint8_t ref[SHA256_SIZE];
        sha256(cbor_get_bstr(&r), ref);
        memcpy(rig.open[rig.open_n++], ref, sizeof ref);
    }
    return ok;
}

/* A number that was given out, the first of a shard that nothing else uses. */
static struct item first_of_another_shard(struct key *k)
{
    struct err e;
    struct issue_request q = good(k);
    AUTO(buf_clear) struct buf der;
    q.profile = SLICE_LIT("ocsp-signing");
    q.facts[q.facts_n++] = (struct fact){SLICE_LIT("name"), SLICE_LIT("ocsp")};
    buf_init(&der, CERT_MAX);
    assert_ok(rig_issue(&rig, &q, &der, &e), e);
    struct item i = {rig_serial_of(buf_slice(&der)), 1};
    assert_memory_equal(i.s.b + 3, "\0\0\0\0", 4);
    return i;
}

static void signs_no_list_that_omits_or_adds(void **state)
{
    (void)state;
    struct err e;
    AUTO(buf_clear) struct buf out;
    struct buf der[4];
    struct item v[4];
    char url[128], other[128];
    buf_init(&out, 65536);
    struct key *k = rig_key(&rig, KEY_P256); /* one profile that nothing else uses: a shard of its own */
    for (int i = 0; i < 4; i++) {
        struct issue_request q = good(k);
        q.profile = SLICE_LIT("time-stamping");
        q.facts[q.facts_n++] = (struct fact){SLICE_LIT("name"), SLICE_LIT("tsa")};
        buf_init(&der[i], CERT_MAX);
        assert_ok(rig_issue(&rig, &q, &der[i], &e), e);
        v[i] = (struct item){rig_serial_of(buf_slice(&der[i])), 1};
    }
    unsigned shard = (unsigned)v[0].s.b[1] << 8 | v[0].s.b[2];
    snprintf(url, sizeof url, "http://localhost:8080/crl/issuing-01-%04x.crl", shard);
    snprintf(other, sizeof other, "http://localhost:8080/crl/issuing-01-%04x.crl", shard + 1);
    assert_ok(crl(shard, url, false, NULL, 0, &out, &e), e);
    struct rig_serial s[] = {v[0].s, v[1].s};
    assert_ok(rig_revoke(&rig, s, 2, 1, NULL, &e), e);
    assert_err(crl(shard, url, false, NULL, 0, &out, &e), e, ERR_CRL_OMITS);
    assert_err(crl(shard, url, false, v, 1, &out, &e), e, ERR_CRL_OMITS);
    assert_err(crl(shard, url, false, v + 1, 1, &out, &e), e, ERR_CRL_OMITS);
    assert_err(crl(shard, url, false, v, 3, &out, &e), e, ERR_CRL_OMITS); /* one not revoked */
    struct item swapped[] = {v[1], v[0]}, twice[] = {v[0], v[0]}, tail[] = {v[0], v[1]}, held[] = {v[0], v[1]};
    assert_err(crl(shard, url, false, swapped, 2, &out, &e), e, ERR_CRL_OMITS);
    assert_err(crl(shard, url, false, twice, 2, &out, &e), e, ERR_CRL_OMITS);
    tail[1].s.b[14] ^= 1;
    assert_err(crl(shard, url, false, tail, 2, &out, &e), e, ERR_CRL_OMITS);
    struct item foreign[] = {first_of_another_shard(k), v[1]}; /* its index is revoked here */
    assert_memory_equal(v[0].s.b + 3, foreign[0].s.b + 3, 4);
    assert_err(crl(shard, url, false, foreign, 2, &out, &e), e, ERR_CRL_OMITS);
    held[1].reason = 6;
    assert_err(crl(shard, url, false, held, 2, &out, &e), e, ERR_CRL_OMITS);
    held[1].reason = 8;
    assert_err(crl(shard, url, false, held, 2, &out, &e), e, ERR_SIGNER_PROTOCOL);
    /* An empty list of another shard under this one's URL would clear it. */
    assert_err(crl(shard + 1, url, false, NULL, 0, &out, &e), e, ERR_POLICY);
    assert_err(crl(shard, other, false, v, 2, &out, &e), e, ERR_POLICY);
    assert_err(crl(1, "http://localhost:8080/crl/issuing-01-0001.crl", false, NULL, 0, &out, &e), e, ERR_POLICY);
    /* What changes while a list comes in parts: [3 held], then 3 is released and 2 revoked, and the count fits again. */
    assert_ok(rig_hold(&rig, &v[3].s, 1, NULL, 0, NULL, &e), e);
    struct item parts[] = {v[0], v[1], v[3]};
    parts[2].reason = 6;
    assert_ok(crl(shard, url, true, parts, 3, &out, &e), e);
    assert_ok(rig_hold(&rig, NULL, 0, &v[3].s, 1, NULL, &e), e);
    assert_ok(rig_revoke(&rig, &v[2].s, 1, 4, NULL, &e), e);
    assert_err(crl(shard, url, false, NULL, 0, &out, &e), e, ERR_CRL_OMITS);
    /* The right one, in parts. */
    assert_ok(crl(shard, url, true, v, 2, &out, &e), e);
    v[2].reason = 4;
    assert_ok(crl(shard, url, false, v + 2, 1, &out, &e), e);
    struct reader r = reader_of(buf_slice(&out));
    struct slice list = cbor_get_bstr(&r);
    assert_int_equal(cbor_get_uint(&r), 2);
    struct crl c;
    assert_ok(crl_read(list, &c, &e), e);
    assert_true(c.this_update <= now());
    for (int i = 0; i < 4; i++)
        buf_clear(&der[i]);
    key_free(k);
}

/* ---- checkpoints ---- */

static void vouches_for_nothing_that_hides_a_signature(void **state)
{
    (void)state;
    struct err e;
    AUTO(buf_clear) struct buf der;
    rig_enter_all(&rig);
    for (int d = 0; d < RIG_DOMAINS; d++) {
        assert_ok(rig_stream(&rig, (enum rig_domain)d, &e), e);
        assert_ok(rig_cosign(&rig, (enum rig_domain)d, RIG_ORIGIN, &e), e);
        assert_err(rig_cosign(&rig, (enum rig_domain)d, "evil.example/log/01", &e), e, ERR_POLICY);
    }
    /* Issued and not entered. */
    rig_device_cert(&rig, DEV, &der);
    rig_enter(&rig, NULL);
    for (int d = 0; d < RIG_DOMAINS; d++)
        assert_ok(rig_stream(&rig, (enum rig_domain)d, &e), e);
    assert_err(rig_cosign(&rig, RIG_ISSUING, RIG_ORIGIN, &e), e, ERR_UNCOVERED);
    /* The ledger's signer knows of no certificates; verifiers want both lines, so its own is not enough. */
    assert_ok(rig_cosign(&rig, RIG_LEDGER, RIG_ORIGIN, &e), e);
    /* Nor after a crash. */
    rig_kill(&rig, RIG_ISSUING, SIGKILL);
    rig_start(&rig, RIG_ISSUING);
    assert_ok(rig_stream(&rig, RIG_ISSUING, &e), e);
    assert_err(rig_cosign(&rig, RIG_ISSUING, RIG_ORIGIN, &e), e, ERR_UNCOVERED);
    rig_enter_all(&rig);
    for (int d = 0; d < RIG_DOMAINS; d++) {
        assert_ok(rig_stream(&rig, (enum rig_domain)d, &e), e);
        assert_ok(rig_cosign(&rig, (enum rig_domain)d, RIG_ORIGIN, &e), e);
    }
    /* Leaves out of order. */
    uint64_t size = rig.streamed[RIG_ISSUING];
    rig_enter(&rig, NULL);
    rig.streamed[RIG_ISSUING] = size - 1;
    assert_err(rig_stream(&rig, RIG_ISSUING, &e), e, ERR_CONFLICT);
    rig.streamed[RIG_ISSUING] = size;
    assert_ok(rig_stream(&rig, RIG_ISSUING, &e), e);
    /* A checkpoint of a tree that the leaves do not make. */
    struct merkle_hash keep = rig.tree.at[0], *spoil = &rig.tree.at[__builtin_ctzll(rig.tree.size)];
    keep = *spoil;
    spoil->b[0] ^= 1;
    assert_err(rig_cosign(&rig, RIG_ISSUING, RIG_ORIGIN, &e), e, ERR_PROOF);
    *spoil = keep;
    assert_ok(rig_cosign(&rig, RIG_ISSUING, RIG_ORIGIN, &e), e);
    /* An older one. */
    struct merkle_frontier whole = rig.tree;
    merkle_frontier_init(&rig.tree);
    assert_err(rig_cosign(&rig, RIG_ISSUING, RIG_ORIGIN, &e), e, ERR_PROOF);
    rig.tree = whole;
}

/* After a start the tree is told again: another history is found out, and the right one heals it. */
static void finds_a_fork_after_a_restart(void **state)
{
    (void)state;
    struct err e;
    for (int d = 0; d < RIG_DOMAINS; d++) {
        enum rig_domain dom = (enum rig_domain)d;
        rig_enter_all(&rig);
        assert_ok(rig_stream(&rig, dom, &e), e);
        assert_ok(rig_cosign(&rig, dom, RIG_ORIGIN, &e), e);
        for (int round = 0; round < 2; round++) {
            rig_kill(&rig, dom, SIGKILL);
            rig_start(&rig, dom);
            struct merkle_frontier whole = rig.tree;
            size_t at = rig.leaves.n - 10; /* in the last entry's reference or commitment */
            assert_true(rig.streamed[d] < rig.tree.size);
            if (round == 0)
                rig.leaves.p[at] ^= 1;
            bool streamed = rig_stream(&rig, dom, &e);
            if (round == 0) {
                rig.leaves.p[at] ^= 1;
                assert_true(streamed);
                assert_err(rig_cosign(&rig, dom, RIG_ORIGIN, &e), e, ERR_PROOF);
                rig_kill(&rig, dom, SIGTERM); /* an end in order keeps no forked tree */
                rig_start(&rig, dom);
                assert_ok(rig_stream(&rig, dom, &e), e);
            }
            rig.tree = whole;
            assert_ok(rig_cosign(&rig, dom, RIG_ORIGIN, &e), e);
        }
    }
}

static int64_t last_signed_at(void)
{
    return rig_status(&rig, RIG_ISSUING).signed_at;
}

/* What a clock that was set back is found by, also after a kill that left no snapshot. */
static void knows_when_it_last_signed_over_a_kill(void **state)
{
    (void)state;
    struct err e;
    AUTO(buf_clear) struct buf der;
    rig_kill(&rig, RIG_ISSUING, SIGTERM);
    rig_start(&rig, RIG_ISSUING);
    usleep(1100 * 1000); /* what is signed now is later than the snapshot */
    rig_device_cert(&rig, DEV, &der);
    int64_t at = last_signed_at();
    assert_in_range(at, now() - 60, now());
    rig_kill(&rig, RIG_ISSUING, SIGKILL);
    rig_start(&rig, RIG_ISSUING);
    assert_int_equal(last_signed_at(), at);
    assert_ok(rig_head(&rig, NULL, &e), e);
}

static void chain_and_numbers_go_on_over_kills(void **state)
{
    (void)state;
    struct err e;
    struct rig_head last, h;
    assert_ok(rig_head(&rig, &last, &e), e);
    uint64_t universe = last.universe, revoked = last.revoked;
    unsigned serials_n = 0;
    struct rig_serial serials[40];
    for (int round = 0; round < 12; round++) {
        struct buf der;
        rig_device_cert(&rig, DEV, &der);
        struct rig_serial s = rig_serial_of(buf_slice(&der));
        buf_clear(&der);
        for (unsigned i = 0; i < serials_n; i++)
            assert_memory_not_equal(&serials[i], &s, 7); /* node, shard, index: never twice */
        serials[serials_n++] = s;
        if (round % 3 == 0) {
            assert_ok(rig_revoke(&rig, &s, 1, 1, &h, &e), e);
            revoked++;
        } else {
            assert_ok(rig_head(&rig, &h, &e), e);
        }
        assert_int_equal(h.seq, last.seq + 1);
        assert_memory_equal(h.prev, last.hash, SHA256_SIZE);
        assert_true(h.universe > universe);
        assert_int_equal(h.revoked, revoked);
        last = h;
        universe = h.universe;
        if (round % 2) {
            rig_kill(&rig, RIG_ISSUING, round % 4 == 1 ? SIGKILL : SIGTERM);
            rig_start(&rig, RIG_ISSUING);
        }
    }
}

/* ---- bytes ---- */

static void raw(struct slice bytes)
{
    int fd = rig_socket(&rig, RIG_ISSUING);
    char answer[4096];
    struct timeval t = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    if (send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) == (ssize_t)bytes.n) {
        shutdown(fd, SHUT_WR);
        while (recv(fd, answer, sizeof answer, 0) > 0) {
        }
    }
    close(fd);
}

static void survives_malformed_and_giant_frames(void **state)
{
    (void)state;
    struct err e;
    AUTO(buf_clear) struct buf out;
    buf_init(&out, 4096);
    raw(SLICE_LIT("\xff\xff\xff\xff garbage"));
    raw(SLICE_LIT("\0\0\0\0"));
    raw(SLICE_LIT("\1\0\0\1"));
    raw(SLICE_LIT("\0\xff\xff\xff short"));
    raw(SLICE_LIT("\0\0\0\1\xff"));
    raw(SLICE_LIT("\0\0\0\3\x82\1\0"));
    raw(SLICE_LIT("\0\0\0\4\x82\1\x18\xc8"));
    raw(SLICE_LIT("\0\0\0\2\x80\x80"));
    raw(SLICE_LIT("\0\0\0\x0b\x9b\xff\xff\xff\xff\xff\xff\xff\xff\1\2"));
    for (int type = 1; type < REQUEST_TYPES + 2; type++)
        for (int n = 0; n < 256; n += 5) {
            uint8_t frame[16];
            struct writer w = WRITER_ARRAY(frame);
            writer_u32(&w, 5);
            writer_u8(&w, 0x83);
            writer_u8(&w, 1);
            writer_u8(&w, (uint8_t)type);
            writer_u8(&w, (uint8_t)n);
            writer_u8(&w, 0xff);
            raw(writer_slice(&w));
        }
    uint8_t huge[9] = {0x9b, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff};
    for (int t = 1; t < REQUEST_TYPES; t++)
        (void)rig_call(&rig, RIG_ISSUING, (enum request_type)t, SLICE_ARRAY(huge), 1, &out, &e);
    buf_reset(&out);
    assert_ok(rig_call(&rig, RIG_ISSUING, REQUEST_STATUS, (struct slice){0}, 0, &out, &e), e);
    /* Domains keep to themselves. */
    assert_err(rig_call(&rig, RIG_LEDGER, REQUEST_ISSUE, (struct slice){0}, 0, &out, &e), e, ERR_POLICY);
    assert_err(rig_call(&rig, RIG_LEDGER, REQUEST_HEAD, (struct slice){0}, 0, &out, &e), e, ERR_POLICY);
    assert_err(rig_call(&rig, RIG_ISSUING, REQUEST_TYPES, (struct slice){0}, 0, &out, &e), e, ERR_SIGNER_PROTOCOL);
}

static long memory_kb(pid_t pid)
{
    char path[64], line[128];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld", &kb) == 1)
            break;
    fclose(f);
    return kb;
}

/* One request of 10 bytes is answered with up to a megabyte.  Who asks and asks and never reads gets no memory for it, and
 * holds nobody up; once he reads, he gets on. */
static void keeps_little_for_a_peer_that_does_not_read(void **state)
{
    (void)state;
    enum { PEERS = 4, ASKED_MAX = 400000 };
    struct err e;
    AUTO(buf_clear) struct buf out;
    static const uint8_t frame[] = {0, 0, 0, 4, 0x83, 1, REQUEST_JOURNAL, 0};
    int fd[PEERS], asked = 0;
    char answers[65536];
    buf_init(&out, 4096);
    for (int i = 0; i < 20; i++) { /* so that the journal is worth reading */
        AUTO(buf_clear) struct buf der;
        rig_device_cert(&rig, "dev_01arz3ndektsv4rrffq69g5fav", &der);
    }
    long before = memory_kb(rig.pid[RIG_ISSUING]);
    for (int i = 0; i < PEERS; i++)
        fd[i] = rig_socket(&rig, RIG_ISSUING); /* does not block */
    for (int idle = 0; idle < 100 && asked < ASKED_MAX;) {
        int n = 0;
        for (int i = 0; i < PEERS; i++)
            n += send(fd[i], frame, sizeof frame, MSG_NOSIGNAL) == (ssize_t)sizeof frame;
        asked += n;
        idle = n ? 0 : idle + 1;
        if (!n)
            usleep(10000);
    }
    long more = memory_kb(rig.pid[RIG_ISSUING]) - before;
    buf_reset(&out);
    assert_ok(rig_call(&rig, RIG_ISSUING, REQUEST_STATUS, (struct slice){0}, 0, &out, &e), e);
    if (more > 80 * 1024)
        fail_msg("%d requests of %d peers that do not read took %ld kB", asked, PEERS, more);
    long got = 0;
    for (int idle = 0; idle < 500 && got < 16L << 20;) {
        ssize_t n = recv(fd[0], answers, sizeof answers, 0);
        got += n > 0 ? n : 0;
        idle = n > 0 ? 0 : idle + 1;
        if (n <= 0)
            usleep(10000);
    }
    print_message("asked %d times, %ld kB more, then read %ld kB\n", asked, more, got / 1024);
    assert_true(got > 5 << 20); /* more than was waiting */
    for (int i = 0; i < PEERS; i++)
        close(fd[i]);
    buf_reset(&out);
    assert_ok(rig_call(&rig, RIG_ISSUING, REQUEST_STATUS, (struct slice){0}, 0, &out, &e), e);
}

/* "wider": what ldevid gives, and serverAuth beside it. */
static void add_wider_profile(void)
{
    static const char *const usage = "extended-key-usage = clientAuth", *const name = "name = ldevid";
    struct err e;
    uint8_t digest[SHA256_SIZE];
    AUTO(buf_clear) struct buf in, out, roster;
    buf_init(&in, 65536);
    buf_init(&out, 65536);
    buf_init(&roster, 65536);
    assert_ok(file_read(rig_path(&rig, "profiles/ldevid.profile"), 65536, &in, &e), e);
    const char *text = buf_str(&in), *named = strstr(text, name), *used = strstr(text, usage);
    assert_true(named && used && named < used);
    named += strlen(name);
    used += strlen(usage);
    buf_printf(&out, "name = wider%.*s, serverAuth%s", (int)(used - named), named, used);
    assert_ok(file_write_atomic(rig_path(&rig, "profiles/wider.profile"), 0600, buf_slice(&out), &e), e);
    assert_ok(file_read(rig_path(&rig, "signers/issuing/roster"), 65536, &roster, &e), e);
    sha256(buf_slice(&out), digest);
    buf_put_str(&roster, "wider = ");
    codec_put(&roster, CODEC_HEX, SLICE_ARRAY(digest));
    buf_put_char(&roster, '\n');
    rig_set_roster(&rig, buf_slice(&roster));
}

static int start(void **state)
{
    (void)state;
    rig_make(&rig, 0);
    add_wider_profile();
    rig_start(&rig, RIG_ISSUING);
    rig_start(&rig, RIG_LEDGER);
    return 0;
}

static int end(void **state)
{
    (void)state;
    rig_remove(&rig);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_the_roster_and_the_profile_do_not_give),
        cmocka_unit_test(gives_the_profiles_validity_and_no_ca_whatever_is_asked),
        cmocka_unit_test(refuses_names_of_others),
        cmocka_unit_test(refuses_claims_that_it_did_not_give),
        cmocka_unit_test(renews_a_certificate_only_as_what_it_was),
        cmocka_unit_test(revokes_for_good_and_only_what_it_gave_out),
        cmocka_unit_test(signs_no_list_that_omits_or_adds),
        cmocka_unit_test(vouches_for_nothing_that_hides_a_signature),
        cmocka_unit_test(finds_a_fork_after_a_restart),
        cmocka_unit_test(knows_when_it_last_signed_over_a_kill),
        cmocka_unit_test(chain_and_numbers_go_on_over_kills),
        cmocka_unit_test(survives_malformed_and_giant_frames),
        cmocka_unit_test(keeps_little_for_a_peer_that_does_not_read),
    };
    if (!rig_programs(argc, argv))
        return 2;
    return cmocka_run_group_tests(tests, start, end);
}
