/* The revocation feed: what the issuing signer says about all live certificates, and how it travels to gateways
 * (doc/spec/feed.md gives the bytes).  Three things:
 *
 *   head    COSE_Sign1 by the issuing CA's key: number, hash of the head before, times, and for each live shard the
 *           hashes of two revocation sets (core/revset.h): revoked for good, and held.
 *   delta   what changed between a head and the one before it.
 *   frame   one message of the feed's stream: u32 big-endian length, then CBOR [kind, ...].
 *
 * Readers allocate nothing and borrow their input; feed_set_apply() and friends use the heap.  No I/O, no clock. */
#ifndef KITH_MODEL_FEED_H
#define KITH_MODEL_FEED_H

#include "core/cbor.h"
#include "core/crypto.h"
#include "core/err.h"

#define FEED_VERSION      1
#define FEED_CONTENT_TYPE "application/kith-feed-head+cbor" /* in the head's protected header; required */
#define FEED_FRAME_MAX    (16u << 20)
#define FEED_HEAD_MAX     (4u << 20)
#define FEED_ORIGIN_MAX   255
#define FEED_TAGS_MAX     32 /* of a device */
#define FEED_CURSOR_SIZE  24

/* ---- head ---- */

struct feed_key {
    uint8_t issuer, node;
    uint16_t shard;
};

struct feed_row {
    struct feed_key key;
    uint32_t universe; /* indexes allocated so far: the next one */
    uint32_t revoked_n, held_n;
    uint8_t revoked_hash[SHA256_SIZE], held_hash[SHA256_SIZE]; /* of the revset's bytes; the empty set has bytes too */
};

struct feed_head {
    struct slice origin;       /* "kith.example/log/01" */
    uint64_t seq;              /* from 1, each head one more */
    uint8_t prev[SHA256_SIZE]; /* SHA-256 of the payload of the head before; zeros in head 1 */
    int64_t time_at;           /* when it was made */
    int64_t next_at;           /* when the next one comes at the latest */
    size_t row_n;
    struct slice rows; /* their encoding; read with feed_row_next() */
};

int feed_key_cmp(struct feed_key a, struct feed_key b);

/* Appends the signed head.  Rows ascend by (issuer, node, shard).  h->rows and h->row_n are ignored; `hash` gets the
 * SHA-256 of the payload: the next head's prev.  `scratch` holds the payload while it is signed: at least
 * feed_head_payload_max(row_n) bytes.  Errors: usage (rows not ascending), limit, whatever the signer says. */
MUST_USE bool feed_head_write(struct writer *w, const struct signer *signer, const struct crypto *crypto,
                              const struct feed_head *h, const struct feed_row *rows, size_t row_n, uint8_t *scratch,
                              size_t scratch_n, uint8_t hash[SHA256_SIZE], struct err *e);
size_t feed_head_payload_max(size_t row_n);

/* Reads and verifies by the issuing CA's key (DER SubjectPublicKeyInfo and the one algorithm it is used with).
 * Every row is checked.  `hash` may be NULL.  Errors: feed (form), cose, crypto. */
MUST_USE bool feed_head_read(struct slice message, const struct crypto *crypto, struct slice spki, enum sig_alg alg,
                             struct feed_head *out, uint8_t hash[SHA256_SIZE], struct err *e);
/* for (struct reader r = feed_rows(&h); feed_row_next(&r, &row);) */
struct reader feed_rows(const struct feed_head *h);
MUST_USE bool feed_row_next(struct reader *r, struct feed_row *row);
MUST_USE bool feed_row_find(const struct feed_head *h, struct feed_key key, struct feed_row *row);

/* ---- delta: CBOR [seq, [* [issuer, node, shard, universe, [revoked], [held], [released]]]] ---- */

struct feed_delta_row {
    struct feed_key key;
    uint32_t universe;
    struct slice revoked, held, released; /* encoded arrays of ascending indexes; read with feed_index_next() */
};

struct feed_delta {
    uint64_t seq; /* of the head that it leads to */
    size_t row_n;
    struct slice rows;
};

/* An index list of a delta that is being written. */
struct feed_indexes {
    const uint32_t *p;
    size_t n;
};
void feed_delta_begin(struct writer *w, uint64_t seq, size_t row_n);
void feed_delta_row_put(struct writer *w, struct feed_key key, uint32_t universe, struct feed_indexes revoked,
                        struct feed_indexes held, struct feed_indexes released);

/* Checks the whole delta: order, ranges.  Errors: feed. */
MUST_USE bool feed_delta_read(struct slice bytes, struct feed_delta *out, struct err *e);
struct reader feed_delta_rows(const struct feed_delta *d);
MUST_USE bool feed_delta_row_next(struct reader *r, struct feed_delta_row *row);
struct reader feed_indexes(struct slice list); /* one of a row's three lists */
MUST_USE bool feed_index_next(struct reader *r, uint32_t *index);

/* ---- sets: one shard's two revsets, as a gateway keeps them ---- */

/* Owns both buffers (one allocation: free(set->mem)); an empty universe has empty sets with bytes. */
struct feed_set {
    struct feed_key key;
    uint32_t universe;
    struct slice revoked, held; /* revset bytes */
    void *mem;
};

void feed_set_clear(struct feed_set *s);
/* Copies the bytes after checking that both are sets over `universe`.  Errors: syntax, feed, out-of-memory. */
MUST_USE bool feed_set_make(struct feed_key key, uint32_t universe, struct slice revoked, struct slice held,
                            struct feed_set *out, struct err *e);
/* The set from member lists (ascending). */
MUST_USE bool feed_set_build(struct feed_key key, uint32_t universe, struct feed_indexes revoked,
                             struct feed_indexes held, struct feed_set *out, struct err *e);
/* The set after a delta's row.  `old` NULL or of universe 0: a new shard.  What is revoked or held already may not be
 * added again, what is not held may not be released, the universe never shrinks.  Errors: feed, out-of-memory. */
MUST_USE bool feed_set_apply(const struct feed_set *old, const struct feed_delta_row *d, struct feed_set *out,
                             struct err *e);
/* Is the set what the head's row says?  Errors: feed-hash. */
MUST_USE bool feed_set_check(const struct feed_set *s, const struct feed_row *row, const struct crypto *crypto,
                             struct err *e);
/* The row of a head that describes a set. */
MUST_USE bool feed_set_row(const struct feed_set *s, const struct crypto *crypto, struct feed_row *row, struct err *e);
/* Can `now` come after `was`?  Revocation is for good: each revoked index stays, the universe does not shrink.
 * Errors: feed-fork. */
MUST_USE bool feed_set_follows(const struct feed_set *was, const struct feed_set *now, struct err *e);

/* ---- frames ---- */

enum feed_kind {
    FEED_SNAPSHOT = 1, /* [1, head bstr]: a snapshot begins; one FEED_ROW for each row of the head follows, in order */
    FEED_DELTA = 2,    /* [2, head bstr, delta bstr]; one without rows: a new head with the same sets */
    FEED_DEVICE = 4,   /* [4, device id, site, model, {tag: value}, [cert ids], removed bool] */
    FEED_DEVICES_DONE = 5, /* [5]: the whole directory was sent; who was not named is gone */
    FEED_POLICY = 6,       /* [6, text]: topic patterns */
    FEED_ROW = 7,          /* [7, issuer, node, shard, revoked bstr, held bstr] */
    FEED_RESUMED = 8,      /* [8]: no whole directory comes; what follows changes the one that the gateway has */
    FEED_CURSOR = 9,       /* [9, bstr]: names the directory as it is after all that came before */
};

struct feed_device {
    struct slice id, site, model;
    struct slice tags;  /* encoded map of text to text; feed_tag_find() */
    struct slice certs; /* encoded array of uint, ascending; empty since the sets say which certificates count */
    bool removed;
};

struct feed_frame {
    enum feed_kind kind;
    struct slice head;  /* SNAPSHOT, DELTA: the COSE message */
    struct slice delta; /* DELTA: feed_delta_read() */
    struct feed_device device;
    struct slice policy;
    struct slice cursor;
    struct feed_key key; /* ROW */
    struct slice revoked, held;
};

/* Appends length and body; the sticky error of w tells. */
void feed_frame_put(struct writer *w, const struct feed_frame *f);
/* Reads one body (without the length).  Kinds above those here yield kind 0 and true: to be passed over.
 * Errors: feed. */
MUST_USE bool feed_frame_read(struct slice body, struct feed_frame *out, struct err *e);
/* Takes the first frame from `stream`: true with *taken 0 if it is not whole yet.  Errors: feed (too long, empty). */
MUST_USE bool feed_frame_split(struct slice stream, struct slice *body, size_t *taken, struct err *e);
MUST_USE bool feed_tag_find(struct slice tags, struct slice name, struct slice *value);

#endif
