/* COSE_Sign1 (RFC 9052 section 4.2), tagged 18, in deterministic CBOR.  The algorithm stands in the protected header and
 * nowhere else; `crit` is refused (nothing beyond RFC 9052 is understood here); a label in both headers is refused.
 * The payload is never copied: it goes to the signer and to the verifier as one of several parts. */
#ifndef KITH_CORE_COSE_H
#define KITH_CORE_COSE_H

#include "core/cbor.h"
#include "core/crypto.h"

#define COSE_TAG_SIGN1 18

/* Header labels (IANA COSE). */
#define COSE_LABEL_ALG          1
#define COSE_LABEL_CRIT         2
#define COSE_LABEL_CONTENT_TYPE 3
#define COSE_LABEL_KID          4
#define COSE_LABEL_X5CHAIN      33
#define COSE_LABEL_RECEIPTS     394
#define COSE_LABEL_VDS          395
#define COSE_LABEL_VDP          396

/* Further header pairs, encoded already: `n` pairs whose keys ascend and come after those written here (alg 1, content
 * type 3; kid 4). */
struct cose_pairs {
    struct slice bytes;
    size_t n;
};

struct cose_opts {
    struct slice kid;          /* empty: none; goes unprotected */
    const char *content_type;  /* media type as text; NULL: see content_format */
    uint32_t content_format;   /* CoAP Content-Format; 0: none */
    struct slice external_aad; /* signed too, not carried */
    bool detached;             /* payload is signed, not carried */
    struct cose_pairs protected_more, unprotected_more;
};

/* What a message says, before anything is verified.  Borrows the input. */
struct cose_sign1 {
    enum sig_alg alg;          /* as the protected header names it; may be none that this build knows */
    struct slice kid;          /* from either header; empty: none */
    struct slice content_type; /* text; empty: none */
    uint32_t content_format;   /* 0: none */
    struct slice payload;      /* empty if detached */
    bool detached;
    struct slice protected_map;   /* the encoded map (content of the byte string) */
    struct slice unprotected_map; /* the encoded map */
    struct slice sig;
};

/* Appends the message to w.  With a counting writer nothing is signed and room for SIG_MAX is counted.
 * Errors: cose (options that cannot be written, buffer too small), whatever the signer says. */
MUST_USE bool cose_write_sign1(struct writer *w, const struct signer *signer, const struct cose_opts *opts,
                               struct slice payload, struct err *e);

/* Errors: cose. */
MUST_USE bool cose_read_sign1(struct slice message, struct cose_sign1 *out, struct err *e);

/* Verifies by the key in spki.  `payload` is given if and only if the message is detached (else an empty slice).  The
 * caller decides beforehand which algorithms the key may be used with: a message naming another than `alg` is refused.
 * Errors: cose (algorithm, payload given twice or not at all), crypto. */
MUST_USE bool cose_verify_sign1(const struct cose_sign1 *m, const struct crypto *crypto, struct slice spki,
                                enum sig_alg alg, struct slice external_aad, struct slice payload, struct err *e);

/* The encoded value of a label in one of the two maps; false if it is not there. */
MUST_USE bool cose_find(struct slice map, int64_t label, struct slice *value);

#endif
