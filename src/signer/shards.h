/* What a signer knows of each expiry shard of its issuer: how many indexes it has given out, which of them are revoked, which
 * are on hold.  Bits: 125 kB a million certificates.  Revocation is for good; a hold can be taken off.  One thread. */
#ifndef KITH_SIGNER_SHARDS_H
#define KITH_SIGNER_SHARDS_H

#include "core/crypto.h"
#include "core/writer.h"
#include "model/serial.h"

struct bits {
    uint64_t *words;
    uint32_t cap;   /* words */
    uint32_t count; /* bits set */
};

struct shard {
    uint8_t node;
    uint16_t number;
    uint32_t universe;      /* indexes given out: 0 .. universe-1 */
    uint32_t head_universe; /* what the last head said */
    struct bits revoked, held;
    uint64_t crl_number; /* of the last CRL; only rises */
    uint8_t revoked_digest[SHA256_SIZE], held_digest[SHA256_SIZE];
    bool stale; /* the digests are to be computed again */
};

struct shards {
    struct shard *v; /* sorted by node, then number */
    size_t n, cap;
};

void shards_clear(struct shards *s);
/* NULL if there is none. */
struct shard *shards_find(const struct shards *s, uint8_t node, uint16_t number);
/* Finds or adds; NULL only without memory.  Pointers to other shards are invalid after it. */
struct shard *shards_need(struct shards *s, uint8_t node, uint16_t number);
/* Does it stand in heads: it has certificates, and not all of them have expired.  No shard is ever forgotten: a clock that
 * ran ahead once must not make what was revoked good again, nor an index come twice. */
bool shard_is_live(const struct shard *s, int64_t now);

bool bits_has(const struct bits *b, uint32_t i);
/* Both return whether the bit changed; *ok becomes false without memory. */
bool bits_set(struct bits *b, uint32_t i, bool *ok);
bool bits_unset(struct bits *b, uint32_t i);
/* The first set bit at or after i, or UINT32_MAX. */
uint32_t bits_next(const struct bits *b, uint32_t i);

/* The revset (core/revset.h) of a shard's bits into a new buffer, which the caller frees. */
MUST_USE bool shard_encode_set(const struct shard *s, const struct bits *b, uint8_t **out, size_t *n, struct err *e);
/* Brings the digests up to date. */
MUST_USE bool shard_refresh(struct shard *s, const struct crypto *crypto, struct err *e);

#endif
