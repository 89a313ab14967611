/* The certificates of root and issuing CA as they lie in the platform's directory, for all who read them there: one that is
 * missing, cut or changed is told with how it can be had again. */
#ifndef KITH_CA_CA_CERT_H
#define KITH_CA_CA_CERT_H

#include "base/buf.h"
#include "model/settings.h"
#include "x509/cert.h"

/* `name`: PATH_ROOT_CERT or PATH_ISSUING_CERT; *out lies in `der`, which the caller clears.  Whether the root signed the other is
 * root_list_check_issuing()'s to say.  Errors: setup (not there), io, too-big, der, cert. */
MUST_USE bool ca_cert_read(const struct settings *s, const char *name, struct buf *der, struct cert *out,
                           struct err *e);

#endif
