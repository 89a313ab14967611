/* New devices, and the claims with which they enrol.  What is done to them later: device_acts.h. */
#ifndef KITH_SERVER_DEVICE_ADD_H
#define KITH_SERVER_DEVICE_ADD_H

#include "server/app.h"
#include "server/records.h"

struct device_new {
    char id[DEVICE_ID_SIZE + 1];
    const char *model, *serial, *owner; /* owner NULL: none */
    struct slice tags;                  /* JSON, or empty */
    /* On a platform that has no model at all yet, its model is made with it; later a name that is not known is a slip. */
    bool model_may_be_new, model_made;
    bool gone; /* its serial number is that of a device that is gone for good */
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

#endif
