/* One CRL that the server streams in: the entries are held against the revocation bits as they come, so that a list that
 * omits one revoked certificate, or names another, is refused before it is signed. */
#ifndef KITH_SIGNER_CRL_H
#define KITH_SIGNER_CRL_H

struct crl_build;
void crl_build_free(struct crl_build *b);

#endif
