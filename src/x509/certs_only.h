/* CMS SignedData without signatures (RFC 5652 section 5, "certs-only"): how EST hands out certificates (RFC 7030 section 4.2.3). */
#ifndef KITH_X509_CERTS_ONLY_H
#define KITH_X509_CERTS_ONLY_H

#include "core/err.h"
#include "core/reader.h"
#include "core/writer.h"

void certs_only_write(struct writer *w, const struct slice *certs, size_t n);
/* The certificates, in the order of the message; *certs is their encoding end to end (each a SEQUENCE).  Errors: ERR_DER. */
MUST_USE bool certs_only_read(struct slice der, struct slice *certs, struct err *e);
/* Takes the next certificate from what certs_only_read() gave; false at the end. */
MUST_USE bool certs_only_next(struct slice *certs, struct slice *cert);

#endif
