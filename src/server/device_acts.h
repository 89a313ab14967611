/* What may be done to a device: its state changes, and with it its certificates, in one transaction; then gateways are told. */
#ifndef KITH_SERVER_DEVICE_ACTS_H
#define KITH_SERVER_DEVICE_ACTS_H

#include "server/app.h"
#include "server/feed_hub.h"
#include "server/records.h"

struct device_new {
    char id[DEVICE_ID_SIZE + 1];
    const char *model, *serial, *owner; /* owner NULL: none */
    struct slice tags;                  /* JSON, or empty */
    /* On a platform that has no model at all yet, its model is made with it; later a name that is not known is a slip. */
    bool model_may_be_new, model_made;
    /* a claim for it */
    bool claim_wanted;
    int64_t claim_expires_at;
    uint8_t nonce[CLAIM_NONCE_SIZE], digest[SHA256_SIZE];
    char claim[CLAIM_TEXT_SIZE + 1]; /* goes to the caller, never into the database */
};
/* Makes an id and, if wanted, a claim (asks the signer). */
MUST_USE bool device_prepare(struct app *app, struct device_new *d, struct err *e);
/* Errors: ERR_CONFLICT (model and serial number are taken), ERR_NOTFOUND (model). */
MUST_USE bool device_add(struct app *app, struct device_new *d, size_t n, const char *who, struct err *each,
                         struct err *e);
/* A new claim for a device that exists; the one before dies. */
MUST_USE bool device_claim(struct app *app, struct device_new *d, const char *who, struct err *e);

struct device_act {
    const char *device, *who, *why;
    enum device_state to;
    int reason;            /* CRLReason, for states that revoke */
    enum device_state now; /* what it became */
    uint64_t ticket;       /* feed_hub_wait() */
    size_t certs;          /* revoked, held or released */
};
MUST_USE bool device_change_state(struct app *app, struct device_act *a, struct err *e);

/* Into quarantine on behalf of a rule; from any thread, does not wait. */
void device_quarantine(struct app *app, const char *device, const char *why);

/* Another owner (NULL: none) or other tags (JSON; empty: none). */
struct device_edit {
    const char *device, *who, *why;
    bool owner_changes, tags_change;
    const char *owner;
    const char *owner_was; /* what has to be so still: "" nobody's; NULL: whatever it is.  Errors: ERR_CONFLICT */
    struct slice tags;
};
MUST_USE bool device_edit(struct app *app, const struct device_edit *ed, struct err *e);

/* One certificate, by its id. */
MUST_USE bool cert_revoke(struct app *app, int64_t id, int reason, const char *who, uint64_t *ticket, struct err *e);

#endif
