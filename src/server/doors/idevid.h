/* Enrolment on the strength of a manufacturer's certificate (IEEE 802.1AR-2018): the chain leads to a registered anchor, and
 * the device is known by model and serial number. */
#ifndef KITH_SERVER_DOORS_IDEVID_H
#define KITH_SERVER_DOORS_IDEVID_H

#include "base/tls.h"
#include "server/issuer.h"

/* What a platform may have, for each enrolment by an IDevID looks through all: how many, and bytes of them. */
#define ANCHORS_MAX     32
#define ANCHORS_DER_MAX (64 * 1024)

/* `ssl`: where the CAs between it and the anchor are, if the device sent some.
 * Errors: ERR_DENIED (no path to an anchor), ERR_LIMIT, ERR_NOTFOUND (device), ERR_TOMBSTONE. */
MUST_USE bool est_by_idevid(struct app *app, struct issuance *is, SSL *ssl, struct slice der, struct err *e);

/* The claim of device `id` came on a connection with this certificate: nothing against it unless a registered manufacturer
 * says that it is another device.  Errors: ERR_TWO_DEVICES, ERR_LIMIT. */
MUST_USE bool idevid_is_not_anothers(struct app *app, const char *id, SSL *ssl, struct slice der, struct err *e);

#endif
