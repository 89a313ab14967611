/* The two certificates above all others, and the root's CRL: made here because no signer runs yet, or because the root is
 * offline.  Everything else is made by signers. */
#ifndef KITH_CLI_PKI_H
#define KITH_CLI_PKI_H

#include "base/buf.h"
#include "base/env.h"
#include "keys/key.h"
#include "x509/cert.h"
#include "x509/csr.h"

/* CN=NAME Root CA, O=NAME; self-signed. */
MUST_USE bool pki_make_root(struct key *root, const char *name, int64_t years, const struct env *env, struct buf *der,
                            struct err *e);
/* A CA below the root (path length 0) for this key.  plain_url: where CRL and root are fetched; NULL or "": not said. */
MUST_USE bool pki_make_issuing(struct key *root, const struct cert *root_cert, struct slice subject, struct slice spki,
                               const char *plain_url, int64_t years, const struct env *env, struct buf *der,
                               struct err *e);
/* The request for such a certificate; plain_url goes along as a URI. */
MUST_USE bool pki_make_request(struct key *issuing, const char *name, const char *plain_url, struct buf *der,
                               struct err *e);
/* The root's list of the certificates that it took back. */
struct pki_revoked {
    uint8_t serial[CERT_SERIAL_MAX];
    size_t serial_n;
    int64_t at;
    int reason;
};
MUST_USE bool pki_make_root_crl(struct key *root, const struct cert *root_cert, const struct pki_revoked *revoked,
                                size_t n, uint64_t number, int64_t days, const struct env *env, struct buf *der,
                                struct err *e);
/* What may stand in them for good as the organisation's name.  Errors: option. */
MUST_USE bool pki_name_check(const char *name, struct err *e);
/* The subject that CA certificates of this organisation have ("Root CA", "Issuing CA"). */
MUST_USE bool pki_ca_name(const char *name, const char *role, struct writer *w, struct err *e);

#endif
