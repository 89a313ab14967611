/* Certificate requests, PKCS#10 (RFC 2986): read by the CA, written by the agent.  No heap. */
#ifndef KITH_X509_CSR_H
#define KITH_X509_CSR_H

#include "core/crypto.h"
#include "keys/key.h"
#include "x509/alg.h"
#include "x509/san.h"

#define CSR_MAX           16384
#define CSR_CHALLENGE_MAX 255

struct csr {
    struct slice der, info; /* info: what is signed */
    struct slice subject;   /* Name, whole */
    struct slice cn, serial_number;
    struct slice spki;
    enum key_type key_type; /* KEY_NONE: an RSA size between those that Kith makes */
    unsigned key_bits;
    struct slice san; /* requested GeneralNames, whole; empty if none */
    bool has_key_usage, has_eku;
    uint32_t key_usage, eku;
    bool wants_ca;          /* asked for basicConstraints cA; profiles decide, mostly against */
    struct slice challenge; /* challengePassword; empty if absent */
    enum sig_alg sig_alg;
    struct slice sig; /* as X.509 has it */
};

/* `der` is borrowed and must outlive *out.  The signature is not looked at.
 * Errors: ERR_CSR (syntax), ERR_SPKI, ERR_KEY_TYPE (a key that Kith does not take), ERR_SIG_ALG. */
MUST_USE bool csr_read(struct slice der, struct csr *out, struct err *e);
/* Proof of possession: the request is signed by the key in it.  Errors: ERR_CSR_POP. */
MUST_USE bool csr_verify(const struct crypto *c, const struct csr *csr, struct err *e);

struct csr_template {
    struct slice subject; /* Name */
    struct slice spki;
    const struct san *san;
    size_t san_n;
    uint32_t key_usage, eku; /* requested; 0: not */
    struct slice challenge;  /* printable or UTF-8, up to CSR_CHALLENGE_MAX */
};
MUST_USE bool csr_write(const struct csr_template *t, const struct signer *s, struct writer *w, struct err *e);

#endif
