/* CRLReason (RFC 5280 section 5.3.1): why a certificate is on a list. */
#ifndef KITH_CORE_CRL_REASON_H
#define KITH_CORE_CRL_REASON_H

#include <stdbool.h>
#include <stdint.h>

/* FINAL: a certificate may be revoked for it.  The others are not for good: a hold may end, and an entry of a delta list
 * that takes another away is none by itself.  7 is not used. */
#define CRL_REASON_ROWS(FINAL, OTHER)                                                                                  \
    FINAL(UNSPECIFIED, 0, "unspecified")                                                                               \
    FINAL(KEY_COMPROMISE, 1, "keyCompromise")                                                                          \
    FINAL(CA_COMPROMISE, 2, "cACompromise")                                                                            \
    FINAL(AFFILIATION_CHANGED, 3, "affiliationChanged")                                                                \
    FINAL(SUPERSEDED, 4, "superseded")                                                                                 \
    FINAL(CESSATION, 5, "cessationOfOperation")                                                                        \
    OTHER(HOLD, 6, "certificateHold")                                                                                  \
    OTHER(REMOVED, 8, "removeFromCRL")                                                                                 \
    FINAL(PRIVILEGE_WITHDRAWN, 9, "privilegeWithdrawn")                                                                \
    FINAL(AA_COMPROMISE, 10, "aACompromise")

#define CRL_REASON_NUMBER(id, number, name) CRL_REASON_##id = number,
enum crl_reason { CRL_REASON_ROWS(CRL_REASON_NUMBER, CRL_REASON_NUMBER) };
#undef CRL_REASON_NUMBER

/* NULL if there is none of that number. */
const char *crl_reason_name(int64_t reason);
/* -1 if unknown. */
int crl_reason_from_name(const char *name);
bool crl_reason_is_known(int64_t reason);
/* May a certificate be revoked for it? */
bool crl_reason_is_final(int64_t reason);
/* The names of those that are, and a NULL. */
extern const char *const crl_reasons_final[];

#endif
