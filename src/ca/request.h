/* What is said between those who want signatures and a signer (DESIGN section 3): typed requests, never digests.
 *
 * A frame (base/frame.h) holds one deterministic CBOR array: a request is [id, type, ...], its answer [id, 0, ...] or
 * [id, code, what, why, try].  Answers come in any order.  doc/spec/signer.md lists the fields.
 *
 * Everything read borrows the frame. */
#ifndef KITH_CA_REQUEST_H
#define KITH_CA_REQUEST_H

#include "core/crypto.h"
#include "core/reader.h"
#include "core/writer.h"
#include "model/serial.h"

#define REQUEST_FRAME_MAX (16u << 20)
#define REQUEST_SMALL_MAX 8192 /* what the server's ISSUE requests keep to */

enum request_type {
    REQUEST_STATUS = 1, /* [] -> signer_status */
    REQUEST_ISSUE,      /* issue_request -> [certificate bstr] */
    REQUEST_REVOKE,     /* [[[serial bstr, reason]...]] -> [head, delta] */
    REQUEST_HOLD,       /* [[serial...], [released serial...]] -> [head, delta] */
    REQUEST_HEAD,       /* [] -> [head, delta]: a new head over the same sets */
    REQUEST_SETS,       /* [] -> [head, [[issuer, node, shard, revoked set, held set]...]] */
    REQUEST_CRL,        /* [node, shard, url, more, [[serial, at, reason]...]] -> [] or, at the end, [CRL, number] */
    REQUEST_LEAVES,     /* [first, [leaf...]] -> [size] */
    REQUEST_COSIGN,     /* [checkpoint text] -> [signature line, journal position up to which all is covered] */
    REQUEST_CLAIM,      /* [device, nonce, expires] -> [claim text] */
    REQUEST_JOURNAL,    /* [from] -> [next, end, [record...]] */
    REQUEST_TYPES
};

/* What entitles to a certificate.  The signer checks each by itself as far as it can. */
enum authority_kind {
    AUTHORITY_CLAIM = 1, /* a claim that this signer derived */
    AUTHORITY_IDEVID,    /* a manufacturer's certificate; on the server's word so far */
    AUTHORITY_RENEWAL,   /* a certificate of ours for the same subject */
    AUTHORITY_OPERATOR,  /* an operator's act; on the server's word so far */
    AUTHORITY_SERVER,    /* the server's own TLS certificate */
};

#define CLAIM_NONCE_SIZE 16
#define CLAIM_TEXT_SIZE  32 /* base32 of 20 bytes */

struct authority {
    enum authority_kind kind;
    struct slice nonce; /* claim */
    int64_t expires_at;
    struct slice claim;
    struct slice certificate; /* IDevID, renewal: DER */
    struct slice who;         /* operator's name */
};

/* A placeholder of the profile's templates and its value: "id" dev_..., "model", "serial", "owner", "tag:site" ... */
struct fact {
    struct slice name, value;
};
#define FACTS_MAX 32

struct issue_request {
    struct slice profile;
    struct slice spki;
    struct slice
        csr_san; /* GeneralNames that the CSR asked for, or empty; copied only where the profile says san-from-request */
    struct authority authority;
    struct fact facts[FACTS_MAX];
    size_t facts_n;
};

void issue_request_put(struct writer *w, const struct issue_request *r);
void issue_request_get(struct reader *r, struct issue_request *out);

/* What a signer says of itself. */
struct signer_status {
    struct slice domain;
    uint64_t leaves;    /* of the ledger, that it has seen */
    uint64_t uncovered; /* how much of what it signed no leaf names */
    uint64_t journal_at;
    struct slice vouch_spki; /* the key for checkpoints */
    uint64_t head_seq, issued, refused;
    int64_t signed_at;         /* the last signature */
    struct slice token, fault; /* the state of its token, and what went wrong with it last */
    int64_t clock_off_s;
    struct slice damage;       /* found in its journal */
    uint64_t vouched_size;     /* of the tree under the last checkpoint */
    bool forked;               /* the leaves that it got are of another tree */
    struct slice vouched_root; /* SHA256_SIZE */
    uint64_t root_list;        /* number of the root's newest list that it went by */
    struct slice root_digest;  /* of that list, SHA256_SIZE; zeros: none yet */
};
#define SIGNER_STATUS_FIELDS 18

void signer_status_put(struct writer *w, const struct signer_status *s);
void signer_status_get(struct reader *r, struct signer_status *out);

/* [id, type and then `n` fields that the caller puts. */
void request_put(struct writer *w, uint64_t id, enum request_type type, size_t n);
/* The head of a request; the reader stands before the fields.  Errors: ERR_SIGNER_PROTOCOL. */
MUST_USE bool request_get(struct reader *r, uint64_t *id, enum request_type *type, size_t *n, struct err *e);

void answer_put(struct writer *w, uint64_t id, size_t n);
void answer_put_error(struct writer *w, uint64_t id, const struct err *error);
/* The head of an answer; false with the signer's own error if it refused.  Errors: also ERR_SIGNER_PROTOCOL. */
MUST_USE bool answer_get(struct reader *r, size_t *n, struct err *e);
/* Fields were read to the end as expected. */
MUST_USE bool answer_end(const struct reader *r, struct err *e);

/* The text of a claim: base32 of HMAC-SHA256(key, "kith-claim-v1" 00 device 00 nonce expires)[0..20). */
void claim_derive(struct slice key, struct slice device, struct slice nonce, int64_t expires_at,
                  void (*hmac)(struct slice key, struct slice msg, uint8_t out[SHA256_SIZE]),
                  char out[CLAIM_TEXT_SIZE + 1]);

/* What stands in a signer's journal; records are CBOR arrays [kind, time s, ...]. */
enum journal_kind {
    JOURNAL_CERT = 1,  /* DER, authority, SHA-256 of claim nonce or certificate shown, profile, device */
    JOURNAL_REVOKE,    /* serial, reason */
    JOURNAL_HOLD,      /* serial */
    JOURNAL_RELEASE,   /* serial */
    JOURNAL_HEAD,      /* seq, SHA-256 of the head's payload, the shards that grew */
    JOURNAL_CRL,       /* node, shard, number, SHA-256 of the CRL */
    JOURNAL_COSIGN,    /* size, root */
    JOURNAL_SETUP,     /* the first record: digest of the roster (issuing) or of the log's verifier key (ledger) */
    JOURNAL_CLOCK,     /* an operator said that the clock is right: from here on times may be earlier */
    JOURNAL_ROOT_LIST, /* number, SHA-256 of the root's list that was gone by from here on */
};

/* The digest by which an entry names what the record is about; `fields` as journal_record_read() leaves it.  False with
 * e->code == 0: no entry names such a record. */
MUST_USE bool journal_record_ref(const struct crypto *c, enum journal_kind kind, struct reader *fields,
                                 uint8_t ref[SHA256_SIZE], struct err *e);
/* Begins a record: *fields stands before what its kind has, which is there whole, with nothing behind it.
 * Errors: ERR_JOURNAL. */
MUST_USE bool journal_record_read(struct slice record, struct reader *fields, enum journal_kind *kind, int64_t *at,
                                  struct err *e);

#endif
