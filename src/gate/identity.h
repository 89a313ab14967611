/* Whom a certificate names, if the platform's issuing CA gave it.  OpenSSL reads it: the broker has done so already. */
#ifndef KITH_GATE_IDENTITY_H
#define KITH_GATE_IDENTITY_H

#include "core/crypto.h"
#include "gate/gate.h"
#include "model/serial.h"

struct identity_issuer;

/* `pem`: the issuing CA's certificate, and its issuers up to the root; the issuing CA comes first.
 * Errors: gate-cert, out-of-memory. */
MUST_USE bool identity_issuer_read(struct slice pem, struct identity_issuer **out, struct err *e);
void identity_issuer_free(struct identity_issuer *i);
/* The key that signs the feed, too. */
struct slice identity_get0_spki(const struct identity_issuer *i);
enum sig_alg identity_sig_alg(const struct identity_issuer *i);
int64_t identity_not_after(const struct identity_issuer *i);

/* Signature, names, usages, serial and device id; not the time and not revocation.  Thread-safe.  Errors: gate-cert. */
MUST_USE bool identity_read(const struct identity_issuer *i, struct slice der, struct gate_peer *out, struct err *e);

#endif
