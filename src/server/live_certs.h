/* How many certificates of one device are good at once: as many as its model's `live_certificates` says.  One more makes those
 * issued longest ago superseded (RFC 5280 section 5.3.1), so that who has a copy of a key cannot hoard, and who renews is
 * never locked out.  The certificate that is shown for a renewal is spared: it has to work until the new one does.
 *
 * What was issued within the hour makes no room: a device that renews in a loop would fill the lists of revoked certificates
 * that all others read.
 *
 * Both belong into the transactions of an issuance. */
#ifndef KITH_SERVER_LIVE_CERTS_H
#define KITH_SERVER_LIVE_CERTS_H

#include "server/issuer.h"

#define LIVE_CERTS_DEFAULT "4" /* the current one, the one after it, and what a device lost that fell between them */
#define LIVE_CERTS_MIN     2
#define LIVE_CERTS_MAX     1000
#define LIVE_CERTS_ROOM_S  3600

/* Before it is signed.  Errors: ERR_LIVE_CERTIFICATES, with is->again_s. */
MUST_USE bool live_certs_check(struct tx *tx, struct issuance *is, struct err *e);
/* After it (is->cert_id) came to count: whatever two nodes decided meanwhile, no more than allowed are left. */
MUST_USE bool live_certs_keep(struct tx *tx, struct issuance *is, struct err *e);

#endif
