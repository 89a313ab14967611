/* Certificate revocation lists (RFC 5280 section 5): written from a source of entries that is asked twice (to measure, to
 * write), so that a million of them need one buffer and nothing beside it; read entry by entry in place. */
#ifndef KITH_X509_CRL_H
#define KITH_X509_CRL_H

#include "core/crypto.h"
#include "core/reader.h"
#include "core/writer.h"

#define CRL_MAX (1u << 30)

struct crl_entry {
    struct slice serial; /* magnitude */
    int64_t revoked_at;
    int reason; /* CRLReason; 0 (unspecified) is left out, as section 5.3.1 wants */
};

struct crl_template {
    struct slice issuer; /* Name */
    int64_t this_update, next_update;
    uint64_t number;
    struct slice aki;     /* the issuer's key identifier */
    struct slice idp_uri; /* issuingDistributionPoint, critical; empty: a list for all certificates */
};

/* Yields the entries in order, from the first one after rewind(); false from next() is the end, or failure if *e is set
 * (code not 0).  The slices live until the next call. */
struct crl_source {
    bool (*rewind)(void *ctx, struct err *e);
    bool (*next)(void *ctx, struct crl_entry *out, struct err *e);
    void *ctx;
};

/* The bytes that crl_write() needs at most for this list. */
MUST_USE bool crl_measure(const struct crl_template *t, const struct crl_source *src, enum sig_alg alg, size_t *size,
                          struct err *e);
/* Builds and signs in buf; *out borrows it (and need not begin at its beginning).
 * Errors: ERR_CRL (bad entry, source not the same twice, buffer too small), and the source's and signer's. */
MUST_USE bool crl_write(const struct crl_template *t, const struct crl_source *src, const struct signer *s,
                        uint8_t *buf, size_t cap, struct slice *out, struct err *e);

struct crl {
    struct slice der, tbs;
    struct slice issuer;
    int64_t this_update, next_update; /* next_update 0: absent */
    bool has_number;
    uint64_t number; /* saturates */
    struct slice aki, idp_uri;
    struct slice entries; /* content of revokedCertificates */
    enum sig_alg sig_alg;
    struct slice sig;
};

/* Reads all but the entries.  A delta list, an indirect one or an unknown critical extension is refused.
 * Errors: ERR_CRL. */
MUST_USE bool crl_read(struct slice der, struct crl *out, struct err *e);
/* Iterates: struct reader r = reader_of(crl.entries); while (crl_next(&r, &entry)) ...; then reader_end(&r) must hold. */
MUST_USE bool crl_next(struct reader *r, struct crl_entry *out);
/* Looks for a serial; *found is zeroed if it is not in the list.  Errors: ERR_CRL (an entry is malformed). */
MUST_USE bool crl_find(const struct crl *crl, struct slice serial, struct crl_entry *found, bool *is_there,
                       struct err *e);
/* Errors: ERR_CRL_SIGNATURE. */
MUST_USE bool crl_verify(const struct crypto *c, const struct crl *crl, struct slice issuer_spki, struct err *e);

#endif
