/* PEM (RFC 7468), as operators' tools have it. */
#ifndef KITH_SERVER_PEM_H
#define KITH_SERVER_PEM_H

#include "base/buf.h"
#include "core/err.h"

void pem_put(struct buf *b, const char *label, struct slice der);
/* The first block with this label into der[cap].  Errors: ERR_SYNTAX. */
MUST_USE bool pem_get(struct slice text, const char *label, uint8_t *der, size_t cap, size_t *n, struct err *e);

#endif
