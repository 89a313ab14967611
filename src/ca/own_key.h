/* Are the keys that kith.conf names those that the platform was set up with?  Each is compared with what `kith init` wrote of
 * it: who signs with a key, who rehearses that, and who is asked whether all is well judge it here. */
#ifndef KITH_CA_OWN_KEY_H
#define KITH_CA_OWN_KEY_H

#include "ca/roster.h"
#include "keys/key.h"
#include "ledger/note.h"
#include "model/settings.h"
#include "x509/cert.h"

/* What secrets are derived for; doc/spec/identifiers.md. */
#define OWN_KEY_CLAIM  "claim"
#define OWN_KEY_SERIAL "serial"

/* A secret that is the same whenever it is asked for: SHA-256 of the derive key's signature over the label (Ed25519 is
 * deterministic, RFC 8032; what signs here signs nothing else that begins like this).  Errors: policy (not Ed25519). */
MUST_USE bool own_key_derive(struct key *k, const char *label, uint8_t out[SHA256_SIZE], struct err *e);
/* The same of a label that nothing else is derived for: it shows whether the key is the same, and gives nothing away. */
MUST_USE bool own_key_derive_check(struct key *k, uint8_t out[SHA256_SIZE], struct err *e);
/* Whether the roster was written with this derive_key: by another, every claim that was given out would be refused, and every
 * serial number taken for a stranger's.  Errors: key-mismatch. */
MUST_USE bool own_key_is_derive(struct key *k, const struct roster *r, struct err *e);
/* Whether a certificate is the key's; `role`: "issuing key".  Errors: key-mismatch. */
MUST_USE bool own_key_is_of(const struct key *k, const struct cert *c, const char *role, const char *path,
                            struct err *e);
/* The platform's file of verifier keys (PATH_VKEYS).  Errors: those of the file, note. */
MUST_USE bool own_key_vkeys(const struct crypto *c, const struct settings *s, struct note_key keys[NOTE_KEYS],
                            struct err *e);
/* Whether the platform's file of verifier keys names this key as the log's or its cosigner's (NOTE_KEY_*, ledger/note.h).  A
 * checkpoint by another would be in auditors' copies for good.  Errors: key-mismatch, and those of the file. */
MUST_USE bool own_key_vouches(const struct crypto *c, const struct key *k, int which, const char *path, struct err *e);

#endif
