/* An entry's leaf and payload as bytes (doc/spec/ledger.md): how they are written, how they are read, strictly, and what binds
 * them together.  The form of an entry is known here and nowhere else. */
#ifndef KITH_STORE_ENTRY_H
#define KITH_STORE_ENTRY_H

#include "core/cbor.h"
#include "core/crypto.h"
#include "store/commit.h"

#define ENTRY_VERSION     1
#define ENTRY_SALT_SIZE   16
#define ENTRY_LEAF_MAX    65535 /* C2SP tlog-tiles: entry bundles have 16-bit lengths */
#define ENTRY_LEAF_OURS   128   /* bytes of a leaf that entry_put_leaf() writes, at most */
#define ENTRY_PAYLOAD_MAX (1 << 20)
#define ENTRY_SEQ_NONE    UINT64_MAX

struct entry {
    uint8_t node;
    int64_t time_ms;
    uint16_t type;
    uint8_t commitment[SHA256_SIZE];
    const uint8_t *ref; /* 32 bytes, or NULL */
};

struct entry_payload {
    struct slice fields;  /* the encoded map of the event */
    struct slice changes; /* encoded items; entry_change_next() */
    size_t changes_n;
};

/* An entry with what its leaf committed to, as files carry it: [leaf, salt, payload]. */
#define ENTRY_KEPT_MAX (ENTRY_LEAF_MAX + ENTRY_PAYLOAD_MAX + 256)
struct entry_kept {
    struct slice leaf, salt, payload; /* salt and payload without bytes at NULL: erased, both */
};

struct entry_change {
    uint8_t table;
    struct slice keys;      /* the encoded array of key values */
    const uint8_t *rowhash; /* 32 bytes; NULL: the row is removed */
};

/* SHA-256(salt || payload). */
void entry_commit(const struct crypto *c, const uint8_t salt[ENTRY_SALT_SIZE], struct slice payload,
                  uint8_t out[SHA256_SIZE]);

/* ---- writing: the writer's sticky error tells ---- */

void entry_put_leaf(struct writer *w, const struct entry *en);
/* The beginning of a payload: `fields` a CBOR map (empty: none); changes_n times entry_put_change() follow. */
void entry_put_payload(struct writer *w, struct slice fields, size_t changes_n);
/* `keys`: the table's first columns; `rowhash` NULL: the row is removed. */
void entry_put_change(struct writer *w, const struct table *t, const struct value *keys, const uint8_t *rowhash);

void entry_put_kept(struct writer *w, const struct entry_kept *k);

/* ---- reading ---- */

/* The reader's sticky error tells. */
struct entry_kept entry_get_kept(struct reader *r);

/* Errors: ledger-entry. */
MUST_USE bool entry_read(struct slice leaf, struct entry *out, struct err *e);
/* The form alone.  Errors: ledger-entry. */
MUST_USE bool entry_read_payload(struct slice payload, struct entry_payload *out, struct err *e);
/* Salt and payload give the leaf's commitment, and the payload is in its form.  Errors: ledger-entry. */
MUST_USE bool entry_check_payload(const struct crypto *c, const struct entry *en, struct slice salt,
                                  struct slice payload, struct entry_payload *out, struct err *e);

/* for (struct reader r = entry_changes(&p); entry_change_next(&r, &ch);) */
struct reader entry_changes(const struct entry_payload *p);
MUST_USE bool entry_change_next(struct reader *r, struct entry_change *out);

#endif
