/* What a signer was set up to sign: the profiles (by digest) and limits that `kith init` wrote into its roster, and by which
 * derive_key it knows what it gave out (ca/own_key.h).  The roster's own digest is pinned in the signer's journal, so a changed
 * roster, profile file or derive_key stops it. */
#ifndef KITH_CA_ROSTER_H
#define KITH_CA_ROSTER_H

#include "base/buf.h"
#include "ca/profile.h"
#include "core/crypto.h"

#define ROSTER_PROFILES_MAX 32

struct roster {
    int64_t version;
    int64_t rate_per_minute;
    struct profile *profiles; /* owned */
    size_t profiles_n;
    uint8_t derive_check[SHA256_SIZE];
    uint8_t digest[SHA256_SIZE];
};

/* Reads PATH and the profiles that it names from profiles_dir.  Errors: ERR_ROSTER, ERR_PROFILE. */
MUST_USE bool roster_read(const char *path, const char *profiles_dir, const struct crypto *crypto, struct roster *out,
                          struct err *e);
void roster_clear(struct roster *r);
const struct profile *roster_profile(const struct roster *r, struct slice name);
/* Writes the text of a roster over these profile files; for `kith init`. */
struct roster_file {
    const char *name; /* without ".profile" */
    uint8_t digest[SHA256_SIZE];
};
void roster_put(struct buf *b, int64_t rate_per_minute, const uint8_t derive_check[SHA256_SIZE],
                const struct roster_file *files, size_t n);

#endif
