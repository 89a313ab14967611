#include "kit.h"

#include "keys/crypto.h"
#include "keys/key.h"
#include "model/serial.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#define NEED(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "kit: %s:%d: %s\n", __FILE__, __LINE__, #x);                                               \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static bool sign(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    uint8_t der[128];
    size_t der_n = sizeof der;
    NEED(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, ctx) == 1);
    for (size_t i = 0; i < n; i++)
        NEED(EVP_DigestSignUpdate(md, parts[i].p, parts[i].n) == 1);
    NEED(EVP_DigestSignFinal(md, der, &der_n) == 1);
    EVP_MD_CTX_free(md);
    return sig_from_der(SIG_ES256, slice_of(der, der_n), sig, SIG_MAX, sig_n, e);
}

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX c;
    X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &c, nid, value);
    NEED(ext && X509_add_ext(x, ext, -1));
    X509_EXTENSION_free(ext);
}

static X509 *cert_new(const char *cn, EVP_PKEY *key, const uint8_t *serial, size_t serial_n, int64_t from, int64_t to)
{
    X509 *x = X509_new();
    BIGNUM *bn = BN_bin2bn(serial, (int)serial_n, NULL);
    NEED(x && bn && X509_set_version(x, 2) && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)));
    BN_free(bn);
    NEED(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0));
    NEED(ASN1_TIME_set(X509_getm_notBefore(x), from) && ASN1_TIME_set(X509_getm_notAfter(x), to));
    NEED(X509_set_pubkey(x, key));
    return x;
}

void kit_init(struct kit *k, int64_t now_at, int64_t not_after)
{
    static const uint8_t one = 1;
    *k = (struct kit){.now_at = now_at, .every_s = 60, .not_after = not_after};
    NEED(crypto_init(NULL));
    k->key = EVP_EC_gen("P-256");
    k->cert = cert_new("Kith Test Issuing CA", k->key, &one, 1, now_at - 86400, now_at + 3650 * 86400LL);
    X509_set_issuer_name(k->cert, X509_get_subject_name(k->cert));
    add_ext(k->cert, k->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_ext(k->cert, k->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_ext(k->cert, k->cert, NID_subject_key_identifier, "hash");
    NEED(X509_sign(k->cert, k->key, EVP_sha256()));
    k->spki_n = (size_t)i2d_PUBKEY(k->key, &k->spki);
    k->signer = (struct signer){SIG_ES256, sign, k->key};
    k->shard = (struct feed_key){ISSUER_ISSUING, 1, shard_of(not_after)};
    buf_init(&k->head, FEED_HEAD_MAX);
}

void kit_clear(struct kit *k)
{
    EVP_PKEY_free(k->key);
    X509_free(k->cert);
    OPENSSL_free(k->spki);
    buf_clear(&k->head);
}

X509 *kit_device_as(struct kit *k, const char *id, const char *usage, const char *ext_usage, bool ca, EVP_PKEY **key)
{
    struct serial s = {ISSUER_ISSUING, 1, k->shard.shard, k->universe, {1, 2, 3, 4, 5, 6, 7, 8}};
    uint8_t serial[SERIAL_SIZE];
    serial_put(&s, serial);
    EVP_PKEY *own = EVP_EC_gen("P-256");
    X509 *x = cert_new(id, own, serial, sizeof serial, k->now_at - 60, k->not_after);
    X509_set_issuer_name(x, X509_get_subject_name(k->cert));
    if (ca)
        add_ext(x, k->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_ext(x, k->cert, NID_key_usage, usage);
    add_ext(x, k->cert, NID_ext_key_usage, ext_usage);
    add_ext(x, k->cert, NID_authority_key_identifier, "keyid");
    NEED(X509_sign(x, k->key, EVP_sha256()));
    k->universe++;
    if (key)
        *key = own;
    else
        EVP_PKEY_free(own);
    return x;
}

X509 *kit_device(struct kit *k, const char *id, EVP_PKEY **key, uint32_t *index)
{
    if (index)
        *index = k->universe;
    return kit_device_as(k, id, "critical,digitalSignature", "clientAuth", false, key);
}

X509 *kit_peer(struct kit *k, const char *cn, const char *usages, EVP_PKEY **key)
{
    static uint8_t serial[2] = {2, 0};
    serial[1]++;
    *key = EVP_EC_gen("P-256");
    X509 *x = cert_new(cn, *key, serial, sizeof serial, k->now_at - 60, k->not_after);
    X509_set_issuer_name(x, X509_get_subject_name(k->cert));
    add_ext(x, k->cert, NID_key_usage, "critical,digitalSignature");
    add_ext(x, k->cert, NID_ext_key_usage, usages);
    add_ext(x, k->cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    add_ext(x, k->cert, NID_authority_key_identifier, "keyid");
    NEED(X509_sign(x, k->key, EVP_sha256()));
    return x;
}

void kit_der(X509 *x, uint8_t **der, size_t *n)
{
    *der = NULL;
    int len = i2d_X509(x, der);
    NEED(len > 0);
    *n = (size_t)len;
}

static void list_add(struct kit_list *l, uint32_t v)
{
    size_t i = l->n;
    NEED(l->n < KIT_LIST);
    for (; i && l->v[i - 1] > v; i--)
        l->v[i] = l->v[i - 1];
    NEED(!i || l->v[i - 1] != v);
    l->v[i] = v;
    l->n++;
}

static void list_remove(struct kit_list *l, uint32_t v)
{
    size_t i = 0;
    while (i < l->n && l->v[i] != v)
        i++;
    NEED(i < l->n);
    memmove(&l->v[i], &l->v[i + 1], (--l->n - i) * sizeof l->v[0]);
}

static void set_of(const struct kit *k, struct feed_set *set)
{
    struct err e = {0};
    if (!feed_set_build(k->shard, k->universe, (struct feed_indexes){k->revoked.v, k->revoked.n},
                        (struct feed_indexes){k->held.v, k->held.n}, set, &e)) {
        fprintf(stderr, "kit: %s\n", e.what);
        abort();
    }
}

void kit_frame(struct buf *out, const struct feed_frame *f)
{
    struct writer size = writer_counting();
    feed_frame_put(&size, f);
    NEED(!size.bad);
    struct writer w = writer_of(buf_space(out, size.n), size.n);
    feed_frame_put(&w, f);
    NEED(writer_ok(&w));
    buf_added(out, size.n);
}

void kit_step(struct kit *k, struct kit_change c, struct buf *out)
{
    struct err e = {0};
    struct feed_set set;
    struct feed_row row;
    uint8_t scratch[1024], message[2048], delta[256];
    uint32_t v[3] = {(uint32_t)c.revoke, (uint32_t)c.hold, (uint32_t)c.release};
    if (c.revoke >= 0)
        list_add(&k->revoked, v[0]);
    if (c.hold >= 0)
        list_add(&k->held, v[1]);
    if (c.release >= 0)
        list_remove(&k->held, v[2]);
    set_of(k, &set);
    NEED(feed_set_row(&set, &crypto_openssl, &row, &e));
    feed_set_clear(&set);
    struct feed_head h = {
        .origin = SLICE_LIT(KIT_ORIGIN), .seq = ++k->seq, .time_at = k->now_at, .next_at = k->now_at + k->every_s};
    memcpy(h.prev, k->hash, SHA256_SIZE);
    struct writer w = WRITER_ARRAY(message), d = WRITER_ARRAY(delta);
    NEED(feed_head_write(&w, &k->signer, &crypto_openssl, &h, &row, 1, scratch, sizeof scratch, k->hash, &e));
    buf_reset(&k->head);
    buf_put(&k->head, writer_slice(&w));
    feed_delta_begin(&d, k->seq, 1);
    feed_delta_row_put(&d, k->shard, k->universe, (struct feed_indexes){&v[0], c.revoke >= 0},
                       (struct feed_indexes){&v[1], c.hold >= 0}, (struct feed_indexes){&v[2], c.release >= 0});
    if (out)
        kit_frame(out,
                  &(struct feed_frame){.kind = FEED_DELTA, .head = buf_slice(&k->head), .delta = writer_slice(&d)});
}

void kit_snapshot(const struct kit *k, struct buf *out)
{
    struct feed_set set;
    set_of(k, &set);
    kit_frame(out, &(struct feed_frame){.kind = FEED_SNAPSHOT, .head = buf_slice(&k->head)});
    kit_frame(out, &(struct feed_frame){.kind = FEED_ROW, .key = k->shard, .revoked = set.revoked, .held = set.held});
    feed_set_clear(&set);
}

void kit_device_record(struct buf *out, const char *id, const char *model, const char *tag, const char *value,
                       bool removed)
{
    uint8_t tags[256];
    struct writer w = WRITER_ARRAY(tags);
    cbor_put_map(&w, tag ? 1 : 0);
    if (tag) {
        cbor_put_text(&w, tag);
        cbor_put_text(&w, value);
    }
    kit_frame(out, &(struct feed_frame){.kind = FEED_DEVICE,
                                        .device = {.id = slice_str(id),
                                                   .site = SLICE_LIT("s1"),
                                                   .model = slice_str(model),
                                                   .tags = writer_slice(&w),
                                                   .removed = removed}});
}
