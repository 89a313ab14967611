/* The platform over the network: EST (RFC 7030, 8951) and /device/v1, TLS pinned to one root.  Each call is a connection of
 * its own, for calls are rare and the credential changes between them. */
#ifndef KITH_AGENT_EST_H
#define KITH_AGENT_EST_H

#include "agent/platform.h"

struct est {
    const char *url;
    uint8_t root_sha256[SHA256_SIZE];
    const char *key_store; /* told with each request: "file" or "pkcs11" */
    int64_t timeout_ms;    /* of one call; 0: 30 s */
};

/* *e must outlive the table. */
struct platform est_platform(struct est *est);
/* Ends the call under way, from a signal handler too; no further one begins. */
void est_cancel(void);

#endif
