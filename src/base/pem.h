/* PEM (RFC 7468): blocks of base64 between lines that name what they hold.  Text outside of them is passed over; a block that
 * is cut, or ends as another than it began, is an error.  Private keys, which may be sealed, are OpenSSL's to read
 * (keys/key_file.c). */
#ifndef KITH_BASE_PEM_H
#define KITH_BASE_PEM_H

#include "base/buf.h"

#define PEM_CERT "CERTIFICATE"
#define PEM_CSR  "CERTIFICATE REQUEST"
#define PEM_CRL  "X509 CRL"

/* Borrows the text. */
struct pem_block {
    struct slice before; /* what was passed over */
    struct slice whole;  /* from its BEGIN to its END */
    struct slice label, base64;
};

void pem_put(struct buf *b, const char *label, struct slice der);

/* Goes past the next block of *text.  *found is false, and out->before what is left, when none begins any more.
 * Errors: syntax. */
MUST_USE bool pem_next(struct slice *text, struct pem_block *out, bool *found, struct err *e);
bool pem_is(const struct pem_block *b, const char *label);
/* Its bytes, behind what `der` has.  Errors: encoding, limit. */
MUST_USE bool pem_decode(const struct pem_block *b, struct buf *der, struct err *e);

/* The two for the next block with this label; others are passed over. */
MUST_USE bool pem_next_of(struct slice *text, const char *label, struct buf *der, bool *found, struct err *e);
/* The bytes of the first block with this label.  Errors: syntax (there is none), encoding, limit. */
MUST_USE bool pem_get(struct slice text, const char *label, struct buf *der, struct err *e);
/* As pem_get() where a file may be DER as well: then all of it. */
MUST_USE bool pem_or_der_get(struct slice file, const char *label, struct buf *der, struct err *e);
/* Could it be DER: does it begin with a SEQUENCE? */
bool pem_is_der(struct slice file);

#endif
