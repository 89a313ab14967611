/* One key with its certificate, as it lies in a slot of the state directory. */
#ifndef KITH_AGENT_CREDENTIAL_H
#define KITH_AGENT_CREDENTIAL_H

#include <openssl/types.h>

#include "agent/conf.h"
#include "agent/state.h"
#include "x509/cert.h"

#define CREDENTIAL_CHAIN_MAX 6

struct credential {
    unsigned slot;
    bool found; /* the key was there before us: never destroyed */
    struct key *key;
    EVP_PKEY *evp; /* the same key for TLS */
    struct buf der;
    struct slice chain[CREDENTIAL_CHAIN_MAX]; /* the device's first; empty without certificate */
    size_t chain_n;
    struct cert cert;
    int64_t received_at;
};

void credential_init(struct credential *c);
void credential_clear(struct credential *c);

/* What to do about a credential that cannot be read: behind any error that says nothing of it. */
bool credential_damaged(const struct state *s, struct err *e);
/* Opens the key of a slot.  Errors: those of key_open(). */
MUST_USE bool credential_open_key(const struct state *s, const struct key_env *env, unsigned slot,
                                  struct credential *out, struct err *e);
/* The same, and makes the key if it is not there. */
MUST_USE bool credential_make_key(const struct state *s, const struct key_env *env, unsigned slot, enum key_type type,
                                  struct credential *out, struct err *e);
/* Reads cert.pem behind an opened key; chain_n stays 0 if there is none.  Errors: ERR_AGENT_CERT (not of this key). */
MUST_USE bool credential_read_cert(const struct state *s, struct credential *c, struct err *e);
/* Key and certificate of a credential that is in use: that there is none is damage too. */
MUST_USE bool credential_open(const struct state *s, const struct key_env *env, unsigned slot, struct credential *out,
                              struct err *e);
/* A certificate that names a device names this one, or the directory holds what is another's.  Errors: ERR_AGENT_CERT. */
MUST_USE bool credential_is_of(const struct credential *c, const char *device, struct err *e);
/* Do the certificates behind the device's own lead to the root, at a time when they all held?  Errors: those of chain_verify(). */
MUST_USE bool credential_leads_to(const struct credential *c, struct slice root, struct err *e);
/* The certificate alone, without the key (status). */
MUST_USE bool credential_peek(const struct state *s, unsigned slot, struct credential *out, struct err *e);

/* Checks what the platform gave for this key: the first certificate is for it and leads to the root by way of `issuers` (DER
 * end to end); then writes cert.pem.  Errors: ERR_AGENT_CERT, those of chain_verify(). */
MUST_USE bool credential_store_cert(const struct state *s, const struct credential *c, struct slice certs,
                                    struct slice issuers, struct slice root, int64_t now, struct err *e);

/* When to renew: the given part of the life that began when the certificate came (it may be backdated), spread over a
 * twentieth of that life by the certificate's own digest, so that devices enrolled together do not come back together. */
int64_t credential_renew_at(const struct credential *c, int64_t percent);
bool credential_is_expired(const struct credential *c, int64_t now);

/* The reference of the key in a slot, for a store of agent.conf: its own file, or the URI with the slot's number behind the
 * object's label; slot 1 uses the URI as it is, for a key that the factory made.  Errors: ERR_KEY_REF. */
MUST_USE bool credential_ref(const struct state *s, const struct conf *conf, unsigned slot, struct buf *out,
                             struct err *e);
/* Destroys the key of a slot, unless it was found, and removes the slot. */
MUST_USE bool credential_destroy(const struct state *s, const struct key_env *env, unsigned slot, struct err *e);

#endif
