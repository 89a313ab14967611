/* A platform in miniature for tests of the feed and of gateways: an issuing CA, device certificates, signed heads over one
 * shard, frames.  Test code: it ends the program when something fails. */
#ifndef KITH_TESTS_GATE_KIT_H
#define KITH_TESTS_GATE_KIT_H

#include <openssl/types.h>

#include "base/buf.h"
#include "model/feed.h"

#define KIT_LIST   4096
#define KIT_ORIGIN "kith.test/feed"

struct kit_list {
    uint32_t v[KIT_LIST];
    size_t n;
};

struct kit {
    EVP_PKEY *key;
    X509 *cert;
    uint8_t *spki; /* OPENSSL_malloc'ed */
    size_t spki_n;
    struct signer signer;
    int64_t not_after; /* of device certificates: decides the shard */
    struct feed_key shard;
    uint32_t universe;
    struct kit_list revoked, held;
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    int64_t now_at, every_s;
    struct buf head; /* the newest */
};

void kit_init(struct kit *k, int64_t now_at, int64_t not_after);
void kit_clear(struct kit *k);
/* A key and the certificate for it with the next index; *index may be NULL. */
X509 *kit_device(struct kit *k, const char *id, EVP_PKEY **key, uint32_t *index);
/* The same with other usages, or as a CA. */
X509 *kit_device_as(struct kit *k, const char *id, const char *usage, const char *ext_usage, bool ca, EVP_PKEY **key);
/* For a TLS server on 127.0.0.1 and localhost, or a TLS client that is no device. */
X509 *kit_peer(struct kit *k, const char *cn, const char *usages, EVP_PKEY **key);
void kit_der(X509 *x, uint8_t **der, size_t *n); /* OPENSSL_free it */

struct kit_change {
    int revoke, hold, release; /* an index, or -1 */
};
#define KIT_NOTHING ((struct kit_change){-1, -1, -1})
/* The next head; its delta's frame is appended to out. */
void kit_step(struct kit *k, struct kit_change c, struct buf *out);
void kit_snapshot(const struct kit *k, struct buf *out); /* the frames of the newest head */
void kit_frame(struct buf *out, const struct feed_frame *f);
void kit_device_record(struct buf *out, const char *id, const char *model, const char *tag, const char *value,
                       bool removed);

#endif
