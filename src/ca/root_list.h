/* Whether the root has taken the issuing CA back: its list of what it revoked, beside the certificates in DIR/ca.  Who issues,
 * who is asked whether all is well and who brings a new list in judge it here.  A list that is past its date still says what
 * was revoked, so it is told and stops nothing; one that is missing or not the root's says nothing, and then nothing is
 * issued.  Nor is anything issued by a list that is older than one that was gone by: what that revoked would be good again. */
#ifndef KITH_CA_ROOT_LIST_H
#define KITH_CA_ROOT_LIST_H

#include "base/buf.h"
#include "x509/cert.h"
#include "x509/crl.h"

#define ROOT_LIST_MAX (64u << 20) /* bytes of the file */

struct root_list {
    uint64_t number;
    int64_t next_update; /* 0: it says none */
    bool revokes;        /* the issuing CA */
    uint8_t digest[SHA256_SIZE];
};

/* `issuing` may be NULL.  Errors: ERR_CRL, ERR_CRL_SIGNATURE. */
MUST_USE bool root_list_read(const struct crypto *crypto, struct slice der, const struct cert *root,
                             const struct cert *issuing, struct root_list *out, struct err *e);
/* Whether a list may come after `last` (its number and digest count; a digest of zeros: there was none): numbers only grow,
 * and one number is one list.  Errors: ERR_CONFLICT. */
MUST_USE bool root_list_follows(const struct root_list *list, const struct root_list *last, struct err *e);
/* Whether the issuing CA may issue, by the list in the file; `last` is what was gone by before, or NULL where nobody knows.
 * *out is set by ERR_CA_REVOKED, too.  Errors: ERR_CA_REVOKED, ERR_ROOT_CRL. */
MUST_USE bool root_list_check(const struct crypto *crypto, const char *file, const struct cert *root,
                              const struct cert *issuing, const struct root_list *last, struct root_list *out,
                              struct err *e);
/* The list in the file for who checks certificates, whatever it revokes: `der` is empty and holds ROOT_LIST_MAX.
 * Errors: ERR_ROOT_CRL. */
MUST_USE bool root_list_get(const struct crypto *crypto, const char *file, const struct cert *root,
                            const struct root_list *last, struct buf *der, struct err *e);

/* Whether both certificates are whole and the root signed the issuing one: a bit that flipped in a signature is seen by every
 * TLS client.  Dates are judged elsewhere: a CA that is over still has lists to serve.  Errors: signature, chain-*. */
MUST_USE bool root_list_check_issuing(const struct crypto *crypto, const struct cert *root, const struct cert *issuing,
                                      struct err *e);

#endif
