/* What may be done to a device: its state changes, and with it its certificates, in one transaction; then gateways are told. */
#ifndef KITH_SERVER_DEVICE_ACTS_H
#define KITH_SERVER_DEVICE_ACTS_H

#include "server/app.h"
#include "server/feed_hub.h"
#include "server/records.h"

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

#endif
