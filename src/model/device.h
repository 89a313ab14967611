/* A device and its one state machine.  No I/O: what may happen, not how it is stored.
 *
 * designed > ordered > made > shipped > claimed > active <> suspended / quarantined > retired (DESIGN section 2).  The states
 * before `claimed` belong to the factory; a device added by an operator begins as `claimed`.  `revoked`, `scrapped` and
 * `retired` are permanent: a tombstone passes no door. */
#ifndef KITH_MODEL_DEVICE_H
#define KITH_MODEL_DEVICE_H

#include "core/err.h"

#define DEVICE_ID_SIZE    31 /* "dev_" + 26 + NUL */
#define DEVICE_SERIAL_MAX 64
#define MODEL_NAME_MAX    64
#define OWNER_NAME_MAX    64
#define ANCHOR_NAME_MAX   63
#define TAG_MAX           64
#define DEVICE_WHY_MAX    200 /* bytes of why its state was changed */

enum device_state {
    DEVICE_NONE, /* not known */
    DEVICE_ORDERED,
    DEVICE_MADE,
    DEVICE_SHIPPED,
    DEVICE_CLAIMED, /* may enrol */
    DEVICE_ACTIVE,
    DEVICE_SUSPENDED,   /* by a person */
    DEVICE_QUARANTINED, /* by a rule */
    DEVICE_RETIRED,
    DEVICE_REVOKED,
    DEVICE_SCRAPPED,
    DEVICE_STATES
};

const char *device_state_name(enum device_state s);
const char *const *device_state_names(void);                /* all that a device may be in, and a NULL */
enum device_state device_state_from_name(const char *name); /* DEVICE_NONE if there is none of that name */

/* May a device go from one state to another?  Errors: conflict (and what would be possible). */
MUST_USE bool device_transition(enum device_state from, enum device_state to, struct err *e);
bool device_state_is_permanent(enum device_state s);
/* What is said of one in a permanent state.  Always false: ERR_TOMBSTONE. */
bool device_refuse_gone(const char *id, enum device_state s, struct err *e);
/* May it get a first certificate, renew one, use one? */
bool device_may_enrol(enum device_state s);
bool device_may_renew(enum device_state s);
bool device_may_connect(enum device_state s);

/* A text that people give: 1 to max bytes of [A-Za-z0-9._:/+@-] and space inside.  `what` stands in the error.  Errors: usage. */
MUST_USE bool label_check(const char *what, struct slice text, size_t max, struct err *e);
/* A name that they give (model, serial, owner, gateway, operator): the same, not beginning with '-'. */
MUST_USE bool name_check(const char *what, struct slice name, size_t max, struct err *e);

/* A name that may become a file's: as name_check(), without '/' and not beginning with '.'. */
MUST_USE bool party_name_check(const char *what, struct slice name, size_t max, struct err *e);

#endif
