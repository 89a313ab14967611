/* A signer's start, rehearsed: kith-signer --check does what its start needs (keys, roster, root, the whole journal) short of
 * changing anything, says on stderr what is wrong, and ends.  The signer that is running is not in its way. */
#ifndef KITH_CA_SIGNER_CHECK_H
#define KITH_CA_SIGNER_CHECK_H

#include "base/child.h"

/* For child_check().  domain: "issuing" or "ledger". */
struct child signer_check_of(const char *domain, const char *program, const char *config, char *const *envp);

#endif
