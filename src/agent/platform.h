/* What the agent asks of the platform, as a table of functions: agent/est.h is the real one (EST and /device/v1 over TLS),
 * tests bring a small CA of their own. */
#ifndef KITH_AGENT_PLATFORM_H
#define KITH_AGENT_PLATFORM_H

#include "agent/credential.h"

struct platform_answer {
    struct buf certs;      /* DER end to end; empty if the platform wants to be asked again */
    int64_t retry_after_s; /* with or without success: when to ask again; 0: as we like */
};

struct platform_hello {
    int64_t server_time; /* 0: not said */
};

/* A request for a certificate: on a claim (device id and claim), or on the credential `by`, if that is given.  The CSR is made
 * when the connection is there: the platform may want its channel binding in it, as challengePassword; empty: none. */
struct platform_request {
    const char *device, *claim;
    const struct credential *by;
    bool (*make_csr)(void *arg, struct slice challenge, struct writer *w, struct err *e);
    void *arg;
};

struct platform {
    void *ctx;
    /* The CA certificates; the root must be the one of the fingerprint.  Unauthenticated. */
    bool (*cacerts)(void *ctx, struct platform_answer *out, struct err *e);
    bool (*enroll)(void *ctx, const struct platform_request *want, struct platform_answer *out, struct err *e);
    /* Shows that `by` works.  A device that was retired gets ERR_DEVICE_RETIRED, as
     * for renewal. */
    bool (*hello)(void *ctx, const struct credential *by, struct platform_hello *out, struct err *e);
};

#endif
