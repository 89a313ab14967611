/* Alarms: what somebody has to look at.  One stands, as the row "alarm:NAME" of the table setting, from its entry alarm.raised
 * until somebody ends it (alarm.cleared).  Status, /readyz, doctor and `kith alarm` read them here.
 *
 * "adopted" is the platform's own (server/adopt.h).  "claim:DEVICE" says that a device's claim was shown with a second key,
 * or that a second IDevID came for it (`code`).  Who holds such can cause it, so there is one for each device, no more than ALARM_CLAIMS_MAX in all, and behind those
 * "claim:others"; they warn, and neither the platform nor the device stops for them. */
#ifndef KITH_SERVER_ALARMS_H
#define KITH_SERVER_ALARMS_H

#include "server/app.h"

#define ALARM_ADOPTED    "adopted"
#define ALARM_NAME_SIZE  48
#define ALARM_CLAIMS_MAX 100

struct alarm {
    char name[ALARM_NAME_SIZE]; /* "": none */
    char device[DEVICE_ID_SIZE];
    char text[320];
    bool is_warning; /* of a claim */
};

/* In the transaction of what it is about; one of this name that stands already gets the new text. */
MUST_USE bool alarm_raise(struct tx *tx, const struct alarm *a, struct err *e);
/* *raised: the alarm that this raised; none if it stood already. */
MUST_USE bool alarm_raise_claim(struct tx *tx, const char *device, enum err_code code, struct alarm *raised,
                                struct err *e);
/* For the log, once it is committed. */
void alarm_log(struct app *app, const struct alarm *a);

/* All that stand; alarm_of_row() reads one from each row. */
extern const struct sql alarm_rows;
void alarm_of_row(const struct rows *r, struct alarm *out);

/* *was: it stood; else nothing is done.  `why` may be NULL. */
MUST_USE bool alarm_end(struct app *app, const char *name, const char *who, const char *why, bool *was, struct err *e);

#endif
