/* What lies in the state directory for the other programs of the device: the root (agent/root_file.h), and in cert.pem the
 * issuers behind the device's own certificate.  The agent needs neither to work; who uses them would fail, or trust another. */
#ifndef KITH_AGENT_MEND_H
#define KITH_AGENT_MEND_H

#include "agent/steps.h"

/* Finds the root by its fingerprint among the platform's CA certificates, which stay in *cas.  Errors: ERR_AGENT_ROOT. */
MUST_USE bool mend_fetch_root(struct agent *a, struct platform_answer *cas, struct slice *root, struct err *e);
/* Is it all as the agent made it?  True where there is no credential.  Errors: ERR_AGENT_STATE, ERR_AGENT_ROOT, those of
 * chain_verify(), with the file. */
MUST_USE bool mend_check(const struct state *s, const struct conf *c, struct err *e);
/* Makes anew what is not: from what is sound here, else from what the platform sends and the fingerprint vouches for. */
MUST_USE bool mend_files(struct agent *a, struct err *e);

#endif
