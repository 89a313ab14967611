/* Certificates (RFC 5280): read and written without OpenSSL and without a heap.
 *
 * Reading yields a struct cert whose slices borrow the DER.  Only version 3, or version 1 without extensions, is taken; an
 * extension that comes twice is refused; a critical one that is not known is noted, and chain_verify() refuses it.
 * Writing is in two steps, so that a signer may stand between: cert_build_tbs() and cert_assemble(). */
#ifndef KITH_X509_CERT_H
#define KITH_X509_CERT_H

#include "core/crypto.h"
#include "x509/alg.h"
#include "x509/san.h"

#define CERT_MAX        16384
#define CERT_SERIAL_MAX 20
#define KEY_ID_SIZE     20

struct cert {
    struct slice der, tbs;
    struct slice serial; /* magnitude, big-endian, no leading zeros */
    struct slice issuer, subject;
    int64_t not_before, not_after; /* DER_TIME_NEVER: no end */
    struct slice spki;
    enum sig_alg sig_alg; /* SIG_NONE: one that we do not know; it verifies nothing */
    struct slice sig;     /* as X.509 has it */
    struct slice exts;    /* Extensions, whole; empty if absent */
    bool is_ca, has_key_usage, has_eku;
    int path_len; /* -1: no limit */
    uint32_t key_usage, eku;
    struct slice san; /* GeneralNames, whole; empty if absent */
    bool san_critical;
    struct slice ski, aki;         /* key identifiers */
    struct slice name_constraints; /* extnValue content, whole */
    struct slice crl_url;          /* the first URI of cRLDistributionPoints */
    struct slice unknown_critical; /* OID content of the first critical extension that is not known */
};

/* Errors: ERR_CERT. */
MUST_USE bool cert_read(struct slice der, struct cert *out, struct err *e);
/* Errors: ERR_CERT_SIGNATURE (says whose), policy (algorithm). */
MUST_USE bool cert_verify(const struct crypto *c, const struct cert *cert, struct slice issuer_spki, struct err *e);
bool cert_is_self_issued(const struct cert *c);
/* May it be used so: each bit of both; 0 asks for nothing, an extension that is absent allows all. */
bool cert_allows(const struct cert *c, uint32_t key_usage, uint32_t eku);

enum ski_method {
    SKI_NONE,
    SKI_SHA256, /* RFC 7093 section 2 (1): the left 160 bits of SHA-256 */
    SKI_SHA1,   /* RFC 5280 section 4.2.1.2 (1) */
};

/* What a certificate is to say.  Everything is borrowed; zeros leave the extension out. */
struct cert_template {
    struct slice serial; /* magnitude; 15 bytes of model/serial.h */
    enum sig_alg sig_alg;
    struct slice issuer, subject; /* Names */
    int64_t not_before, not_after;
    struct slice spki;
    struct slice aki; /* the issuer's key identifier */
    enum ski_method ski_method;
    uint32_t key_usage; /* critical */
    uint32_t eku;
    bool eku_critical;
    bool basic_constraints, is_ca; /* critical */
    int path_len;                  /* -1: none */
    const struct san *san;         /* critical if the subject is empty */
    size_t san_n;
    struct slice crl_url;
    struct slice aia_ocsp, aia_issuers; /* URLs */
    const struct slice *policies;       /* OID contents */
    size_t policies_n;
    const struct san *permitted, *excluded; /* name constraints: DNS, rfc822, URI; critical */
    size_t permitted_n, excluded_n;
    bool ocsp_no_check;
};

/* Errors: ERR_TEMPLATE (does not fit the buffer, or is not a certificate of RFC 5280). */
MUST_USE bool cert_build_tbs(const struct cert_template *t, const struct crypto *c, struct writer *w, struct err *e);
/* The certificate from its TBS and a signature in COSE form. */
MUST_USE bool cert_assemble(struct slice tbs, enum sig_alg alg, struct slice sig, struct writer *w, struct err *e);
/* Both, with the signature by s in between (t->sig_alg is s's). */
MUST_USE bool cert_issue(const struct cert_template *t, const struct crypto *c, const struct signer *s,
                         struct writer *w, struct err *e);
/* The key identifier of a SubjectPublicKeyInfo; false for SKI_NONE or bytes that are none. */
bool cert_key_id(const struct crypto *c, enum ski_method method, struct slice spki, uint8_t out[KEY_ID_SIZE]);

#endif
