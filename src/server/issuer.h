/* Issuing a certificate in the order of DESIGN section 3: reserve claim, key and state in one transaction; let the signer
 * sign; in a second transaction check the state again and store certificate and entry; only then answer.
 *
 * While the notary makes a checkpoint the issuer is held: nothing is then between signer and store. */
#ifndef KITH_SERVER_ISSUER_H
#define KITH_SERVER_ISSUER_H

#include "ca/profile.h"
#include "ca/request.h"
#include "model/device.h"
#include "server/app.h"
#include "server/cert_acts.h"
#include "server/der_store.h"
#include "server/reservations.h"

#define ISSUANCE_DER_MAX  DER_STORE_MAX
#define ISSUANCE_SPKI_MAX 640
#define ISSUANCE_SAN_MAX  512

struct issuance {
    struct job job;
    struct app *app;
    struct issuance *next;

    /* what is asked for */
    enum authority_kind authority;
    enum cert_subject kind;
    const char *via;                /* "est", "api" */
    char who[80];                   /* actor, as events have it */
    char profile[PROFILE_NAME_MAX]; /* for devices: filled from the model if empty */
    char subject[72];               /* device id, or the name of a gateway, operator, server */
    uint8_t spki[ISSUANCE_SPKI_MAX];
    size_t spki_n;
    /* A party that is made known with it: the table of its kind, keyed by the name (`subject`), and what writes the row with its
     * entry, in the transaction that stores the certificate.  A name that is taken gets none.  NULL: the subject is known. */
    const struct table *party;
    bool (*enlist)(struct tx *tx, const struct issuance *is, struct err *e);
    uint8_t san[ISSUANCE_SAN_MAX]; /* GeneralNames that the request had */
    size_t san_n;
    bool bound; /* the request names the connection that it came by (RFC 7030 section 3.5) */
    char claim[CLAIM_TEXT_SIZE + 1];
    uint8_t old_der[ISSUANCE_DER_MAX]; /* renewal: the certificate before; IDevID */
    size_t old_der_n;
    int64_t shown_id;                 /* renewal: its id */
    char anchor[ANCHOR_NAME_MAX + 1]; /* IDevID: whose word it is */
    struct slice idevid_serial;       /* in old_der */
    char storage[16];                 /* where the key is, as its holder says; empty: not said */

    /* found while reserving */
    struct reservation reservation;
    uint8_t spki_hash[SHA256_SIZE];
    uint8_t nonce[CLAIM_NONCE_SIZE];
    int64_t claim_expires_at;
    bool proven;           /* a right that is good was shown: what is refused is refused to the subject */
    bool claim_is_genuine; /* the one that was given out, whether it serves or not */
    char model[MODEL_NAME_MAX + 1], serial[DEVICE_SERIAL_MAX + 1], owner[OWNER_NAME_MAX + 1];
    bool quarantine;   /* refused for a second key or IDevID, and its model wants it */
    bool repeated;     /* der is what the same request got before */
    bool delivered;    /* and it was never answered: its hold is taken off */
    int live_max;      /* how many of its certificates are good at once (server/live_certs.h) */
    int64_t again_s;   /* refused for that long; 0: it would be the same later */
    int64_t waiting;   /* a certificate that was never answered and may be this request's; 0: none */
    bool is_base;      /* it was stored as it is: others may lean on it (server/der_store.h) */
    struct err voided; /* set: signed, but the state had changed; recorded as revoked, never delivered */

    /* the answer */
    uint8_t der[ISSUANCE_DER_MAX];
    size_t der_n;
    int64_t cert_id;
    struct marks marks; /* certificates that this one changed the state of; the issuer's */
    /* Called once, in some thread, with the certificate or the error; frees the issuance. */
    void (*done)(struct issuance *is, const struct err *e);
    void *arg;
};

MUST_USE bool issuer_new(struct app *app, struct issuer **out, struct err *e);
void issuer_submit(struct issuer *i, struct issuance *is);
/* The same, waited for; sets is->done and is->arg.  Not from a worker of the loop or the commit thread. */
MUST_USE bool issuer_wait(struct issuer *i, struct issuance *is, struct err *e);

/* For the notary: no signature is asked for until issuer_release(); returns when none is under way.  False: not in time. */
MUST_USE bool issuer_hold(struct issuer *i, int timeout_ms);
void issuer_release(struct issuer *i);
/* Others that have something signed count themselves in, so that the hold waits for them too (revocations, CRLs). */
void issuer_enter(struct issuer *i); /* waits while held */
void issuer_leave(struct issuer *i);

struct reservations *issuer_get0_reservations(struct issuer *i);

/* The key and the names that a request has.  Errors: ERR_LIMIT. */
struct csr;
MUST_USE bool issue_take_csr(struct issuance *is, const struct csr *csr, struct err *e);
/* The database's rules of the two transactions, in issue_rules.c. */
bool issue_reserve(struct tx *tx, struct issuance *is, struct err *e);
bool issue_store(struct tx *tx, struct issuance *is, struct err *e);
/* What is said of an operator, gateway or anchor whose name another one has.  Always false. */
bool party_is_taken(const struct table *t, const char *name, struct err *e);

#endif
