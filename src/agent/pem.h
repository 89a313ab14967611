/* Certificates as PEM (RFC 7468): how they lie in the state directory, so that TLS clients can use them as they are. */
#ifndef KITH_AGENT_PEM_H
#define KITH_AGENT_PEM_H

#include "base/buf.h"

void pem_put_cert(struct buf *b, struct slice der);
/* Decodes the next certificate of *text into `der`, behind what it holds, and goes past it.  *found is false when no
 * further one begins.  Text between certificates is passed over.  Errors: syntax (cut, or not base64). */
MUST_USE bool pem_next_cert(struct slice *text, struct buf *der, bool *found, struct err *e);

#endif
