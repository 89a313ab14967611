/* Who asks, and what he may: the local socket's peer, or the holder of a certificate of ours. */
#ifndef KITH_SERVER_ACCESS_H
#define KITH_SERVER_ACCESS_H

#include "base/http_server.h"
#include "x509/cert.h"

enum party { PARTY_UNKNOWN, PARTY_LOCAL, PARTY_DEVICE, PARTY_GATEWAY, PARTY_OPERATOR, PARTY_OTHER };
struct who {
    enum party party;
    char name[80];    /* as events have it: "operator:alice", "device:dev_...", "local:root" */
    char subject[72]; /* "alice", "dev_..." */
    char role[16];    /* of an operator; "admin" for root and our own user on the local socket */
    unsigned rights;  /* ACCESS_* of party and role */
    struct cert cert; /* of the peer, if it is of ours; borrows the request */
    int64_t cert_id;
    struct err refused; /* set: the certificate is known and does not count (revoked, held, could not be looked up) */
};
/* Of a request that access_admit() has looked at; never NULL. */
const struct who *access_who(const struct http_request *req);
/* What routes ask for (http_route.auth): one of these rights is enough.  Which role has which: the table in access.c. */
enum {
    ACCESS_ANY = 0,
    ACCESS_DEVICE = 1,
    ACCESS_GATEWAY = 2,
    ACCESS_READ = 4,    /* look at everything */
    ACCESS_ADD = 8,     /* make devices known, each with its first claim */
    ACCESS_ACT = 16,    /* change and withdraw devices and certificates */
    ACCESS_SET = 32,    /* models, topics, gateways, anchors */
    ACCESS_GRANT = 64,  /* who is an operator */
    ACCESS_OWNER = 128, /* an owner, about devices of its own: the handler looks (call_device) */
};
/* The admit hook of the server; `app` is a struct app. */
MUST_USE bool access_admit(struct http_request *req, const struct http_route *route, void *app, struct err *e);
/* The roles' names in the table's order; NULL past the end. */
const char *access_role(size_t i);

#endif
