/* The row of a certificate that comes to be: made here alone, whether the certificate was asked for just now or is found in the
 * signer's journal.  What the certificate says of itself is read from it; the caller knows the rest. */
#ifndef KITH_SERVER_CERT_ROW_H
#define KITH_SERVER_CERT_ROW_H

#include "model/event.h"
#include "model/serial.h"
#include "store/tables.h"
#include "x509/cert.h"

/* What no certificate says of itself. */
struct cert_origin {
    enum cert_subject kind;
    const char *subject, *profile;
    int64_t issued_at;
};

/* Borrows the DER and the texts, and stays where it was made: cols point into it. */
struct cert_row {
    struct value cols[CERTIFICATE_COLS];
    int64_t id;
    struct serial serial;
    uint8_t digest[SHA256_SIZE]; /* of the DER: what the journal's record and the entry have in common */
    uint8_t spki_hash[SHA256_SIZE];
};

/* It counts, and its DER is stored as it is.  Errors: those of cert_read(), ERR_SERIAL. */
MUST_USE bool cert_row_make(struct cert_row *r, struct slice der, const struct cert_origin *from, struct err *e);
/* Enters it with its event, as the only row that changes. */
MUST_USE bool cert_row_enter(struct tx *tx, const struct cert_row *r, const struct event_draft *d, struct err *e);

/* Revokes the certificate of these columns.  `reason`: RFC 5280 section 5.3.1. */
void cert_cols_revoke(struct value cols[CERTIFICATE_COLS], const struct tx *tx, int reason);

#endif
