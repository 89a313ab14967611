/* An entry's leaf and payload as bytes (doc/spec/ledger.md), read strictly, and the checks that bind them together. */
#ifndef KITH_LEDGER_ENTRY_H
#define KITH_LEDGER_ENTRY_H

#include "core/cbor.h"
#include "core/crypto.h"

#define ENTRY_VERSION     1
#define ENTRY_SALT_SIZE   16
#define ENTRY_LEAF_MAX    65535
#define ENTRY_PAYLOAD_MAX (1 << 20)
#define ENTRY_SEQ_NONE    UINT64_MAX

struct entry {
    uint8_t node;
    int64_t time_ms;
    uint16_t type;
    uint8_t commitment[SHA256_SIZE];
    size_t changes_n;
    struct slice changes; /* encoded items; entry_change_next() */
    const uint8_t *ref;   /* 32 bytes, or NULL */
};

struct entry_change {
    uint8_t table;
    const uint8_t *keyhash, *rowhash;
    bool removed;      /* rowhash is zeros */
    struct slice keys; /* from the payload: the encoded array of key values; empty without one */
};

/* Errors: ledger-entry. */
MUST_USE bool entry_read(struct slice leaf, struct entry *out, struct err *e);

/* Checks salt and payload against the leaf: commitment, and each change's key against its keyhash.
 * `fields` gets the payload's fields.  Errors: ledger-entry. */
MUST_USE bool entry_check_payload(const struct crypto *c, const struct entry *en, struct slice salt,
                                  struct slice payload, struct slice *fields, struct err *e);

/* for (struct entry_changes it = entry_changes(&en, payload); entry_change_next(&it, &ch);)
 * payload: one that was checked, or empty. */
struct entry_changes {
    struct reader leaf, payload;
    size_t left;
};
struct entry_changes entry_changes(const struct entry *en, struct slice payload);
MUST_USE bool entry_change_next(struct entry_changes *it, struct entry_change *out);

#endif
