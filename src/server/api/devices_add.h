/* The handlers that add devices or make claims for them, and what the other routes of devices read in the same way. */
#ifndef KITH_SERVER_API_DEVICES_ADD_H
#define KITH_SERVER_API_DEVICES_ADD_H

#include "server/api/api.h"

extern const char *const devices_add_members[]; /* of a device's map */
call_handler devices_add_one, devices_add_batch, devices_add_claim;

/* The member "tags", as JSON in the arena; empty if it is not there. */
MUST_USE bool devices_add_tags(const struct json *in, struct arena *a, struct slice *out, struct err *e);

#endif
