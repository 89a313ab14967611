/* What only the running server can say about itself; one table of checks for /readyz, status and doctor. */
#ifndef KITH_SERVER_HEALTH_H
#define KITH_SERVER_HEALTH_H

#include "server/api/api.h"
#include "server/feed_hub.h"

#define HEALTH_CHECKS_MAX 16

/* Who asks from outside is told which part is not well; more over the local socket and to operators. */
#define HEALTH_INSIDE "kith doctor, on the platform, says why"

struct health_finding {
    const char *name;
    bool ok, warns; /* warns: all is in order, and yet somebody should look */
    char detail[320];
    const char *hint;
};

struct health {
    bool ready; /* all of those that devices need */
    size_t n;
    struct health_finding checks[HEALTH_CHECKS_MAX];
};

void health_check(struct app *app, struct health *out);

#endif
