/* An entry's leaf and payload as bytes (doc/spec/ledger.md), read strictly, and the check that binds them together. */
#ifndef KITH_LEDGER_ENTRY_H
#define KITH_LEDGER_ENTRY_H

#include "core/cbor.h"
#include "core/crypto.h"

#define ENTRY_VERSION     1
#define ENTRY_SALT_SIZE   16
#define ENTRY_LEAF_MAX    65535 /* C2SP tlog-tiles: entry bundles have 16-bit lengths */
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

struct entry_change {
    uint8_t table;
    struct slice keys;      /* the encoded array of key values */
    const uint8_t *rowhash; /* 32 bytes; NULL: the row is removed */
};

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
