/* Every table as data: descriptors for rows (store/commit.h) and the migrations that create them.  The enums number the
 * columns, so that cols[DEVICE_STATE] is a value and rows_int(&r, DEVICE_STATE) reads what row_read() selected.
 *
 * Ledgered tables carry the platform's state: each change has its entry.  The others are exempt, each for a reason that
 * `kith ledger verify` prints and doc/spec/ledger.md lists. */
#ifndef KITH_STORE_TABLES_H
#define KITH_STORE_TABLES_H

#include "store/commit.h"

/* Ledgered: change only through tx_record(). */
extern const struct table table_model, table_device, table_certificate, table_operator, table_gateway, table_anchor,
    table_setting, table_idevid;
/* Exempt, bookkeeping of a node: tx_scratch(). */
extern const struct table table_gateway_ack, table_journal_mark, table_checkpoint, table_entry_filter, table_unanswered;
/* Exempt, the store's own: nobody writes them but commit.c and tx_tile_put(). */
extern const struct table table_entry, table_tile, table_log;

enum { MODEL_NAME, MODEL_SETTINGS /* JSON */, MODEL_CREATED_AT, MODEL_COLS };
enum {
    DEVICE_ID,
    DEVICE_MODEL,
    DEVICE_SERIAL, /* unique with the model */
    DEVICE_STATE,
    DEVICE_OWNER, /* null: not claimed */
    DEVICE_CREATED_AT,
    DEVICE_UPDATED_AT,
    DEVICE_TAGS,        /* JSON, null: none */
    DEVICE_LOCK_REASON, /* why it is suspended or in quarantine; null: it is not, or nobody said */
    /* its one-time claim, all null without one */
    DEVICE_CLAIM_DIGEST, /* SHA-256 of the claim's text */
    DEVICE_CLAIM_NONCE,  /* null from its use on */
    DEVICE_CLAIM_EXPIRES_AT,
    DEVICE_CLAIM_USED_AT, /* null: not used */
    DEVICE_CLAIM_SPKI64,  /* spki64_of() the key that used it */
    DEVICE_COLS
};
enum cert_subject { CERT_DEVICE, CERT_GATEWAY, CERT_OPERATOR, CERT_SERVER, CERT_CA };
enum {
    CERTIFICATE_ID,           /* issuer << 55 | node << 48 | shard << 32 | index (model/serial.h) */
    CERTIFICATE_TAIL,         /* the last 8 bytes of the serial number; the others are in the id (serial_of_row()) */
    CERTIFICATE_SUBJECT,      /* device id, or the gateway's, operator's, server's name; null: a CA's */
    CERTIFICATE_SUBJECT_KIND, /* enum cert_subject */
    CERTIFICATE_PROFILE,
    CERTIFICATE_SPKI, /* SHA-256 of the SubjectPublicKeyInfo */
    /* spki64_of() it in a device's first certificate with this key, unique: one key, one device.  Null in those that come
     * after it, in what was never delivered, and in those of others than devices. */
    CERTIFICATE_SPKI64,
    CERTIFICATE_NOT_BEFORE,
    CERTIFICATE_NOT_AFTER,
    CERTIFICATE_REVOKED_AT, /* null: not revoked */
    CERTIFICATE_REASON,     /* RFC 5280 section 5.3.1, null as revoked_at */
    CERTIFICATE_HOLD,       /* 1: on hold */
    CERTIFICATE_BASE, /* null: der is the certificate; else the one that it is compressed against (server/der_store.h) */
    CERTIFICATE_DER,
    CERTIFICATE_ISSUED_AT,
    CERTIFICATE_COLS
};
enum { OPERATOR_NAME, OPERATOR_ROLE, OPERATOR_SPKI, OPERATOR_CERT_ID, OPERATOR_ADDED_AT, OPERATOR_COLS };
enum { GATEWAY_NAME, GATEWAY_SITE, GATEWAY_CERT_ID, GATEWAY_ADDED_AT, GATEWAY_COLS };
enum { ANCHOR_NAME, ANCHOR_DER, ANCHOR_ADDED_AT, ANCHOR_POLICY /* JSON: what it may vouch for */, ANCHOR_COLS };
enum { SETTING_KEY, SETTING_VALUE, SETTING_COLS };
/* A device that got a certificate on an IDevID, by the manufacturer's anchor: the last such IDevID.  The row outlives the
 * anchor, so that a manufacturer's CA that has failed can be followed to its devices. */
enum {
    IDEVID_ANCHOR, /* its name */
    IDEVID_DEVICE,
    IDEVID_DIGEST,    /* SHA-256 of the IDevID certificate */
    IDEVID_SERIAL_NO, /* its serial number, as in DER */
    IDEVID_SEEN_AT,
    IDEVID_COLS
};

enum { GATEWAY_ACK_GATEWAY, GATEWAY_ACK_SEQ, GATEWAY_ACK_AT, GATEWAY_ACK_COLS };
enum { JOURNAL_MARK_SIGNER, JOURNAL_MARK_POSITION, JOURNAL_MARK_COLS };
enum { CHECKPOINT_NODE, CHECKPOINT_SIZE, CHECKPOINT_NOTE, CHECKPOINT_AT, CHECKPOINT_COLS };
enum { ENTRY_FILTER_POS, ENTRY_FILTER_DATA, ENTRY_FILTER_COLS }; /* server/entry_filter.h */
/* A certificate that was signed, never answered, and may be asked for again (server/unanswered.h). */
enum { UNANSWERED_CERT, UNANSWERED_CREDENTIAL /* SHA-256 */, UNANSWERED_COLS };

/* An entry's key is one integer, so that the log is a plain append: entry_pos(node, seq). */
enum { ENTRY_POS, ENTRY_TIME_MS, ENTRY_TYPE, ENTRY_LEAF, ENTRY_SALT, ENTRY_PAYLOAD, ENTRY_COLS };
enum { TILE_NODE, TILE_LEVEL, TILE_IDX, TILE_DATA, TILE_COLS };
enum { LOG_NODE, LOG_ORIGIN, LOG_CREATED_MS, LOG_COLS };

#define ENTRY_NODE_SHIFT 56

static inline int64_t entry_pos(uint8_t node, uint64_t seq)
{
    return (int64_t)((uint64_t)node << ENTRY_NODE_SHIFT | seq);
}
static inline uint64_t entry_seq(int64_t pos)
{
    return (uint64_t)pos & ((UINT64_C(1) << ENTRY_NODE_SHIFT) - 1);
}
/* A node's entries from one on: the first and the last key that they can have, both included.  (The key after the last one
 * of node 127 is no integer.) */
static inline void entry_range(uint8_t node, uint64_t from, struct value out[2])
{
    out[0] = value_int(entry_pos(node, from));
    out[1] = value_int(entry_pos(node, (UINT64_C(1) << ENTRY_NODE_SHIFT) - 1));
}

/* How many entries of the node the database has. */
MUST_USE bool log_size_load(struct db *db, uint8_t node, uint64_t *size, struct err *e);

/* The first 8 bytes of a SHA-256 as an integer for an index.  (Two keys that agree in them are taken for one, and refused.) */
int64_t spki64_of(const uint8_t spki[32]);

extern const struct table *const tables_all[];
extern const size_t tables_n;
const struct table *table_by_number(uint8_t number); /* NULL: none */

/* Creates or brings up to date; on a writable connection, in one transaction.  Errors: store-schema. */
MUST_USE bool tables_migrate(struct db *db, struct err *e);
/* Refuses a database that is not ours, older or newer than this program, or (ERR_STORE_EMPTY) without any table. */
MUST_USE bool tables_check(struct db *db, struct err *e);
#define SCHEMA_VERSION 3
/* The i-th script that made the schema, as it is written for SQLite; NULL behind the last. */
const char *tables_script(size_t i);

#endif
