/* root.cer and root.pem: the platform's root certificate, for the other programs of the device.  The agent itself trusts the
 * fingerprint that came with the token (agent.conf): of these files it believes only what has that fingerprint, and makes anew
 * what is anything else. */
#ifndef KITH_AGENT_ROOT_FILE_H
#define KITH_AGENT_ROOT_FILE_H

#include "agent/state.h"
#include "core/crypto.h"

/* The root, DER, from whichever file still has it; false if none has. */
bool root_file_find(const struct state *s, const uint8_t sha256[SHA256_SIZE], struct buf *root);
/* Are both there, and nothing else than the root (empty: as root_file_find() found none)?  Errors: ERR_AGENT_STATE, ERR_AGENT_ROOT,
 * with the file. */
MUST_USE bool root_file_check(const struct state *s, struct slice root, struct err *e);
/* Writes what is not so. */
MUST_USE bool root_file_write(const struct state *s, struct slice root, struct err *e);

#endif
