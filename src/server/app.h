/* The server process: what its parts share.  Set up once by main.c, then read-only; the parts have their own locks. */
#ifndef KITH_SERVER_APP_H
#define KITH_SERVER_APP_H

#include "base/arena.h"
#include "base/env.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "ca/client.h"
#include "ledger/tree.h"
#include "model/device.h"
#include "model/event.h"
#include "model/settings.h"
#include "store/commit.h"
#include "store/tables.h"
#include "x509/cert.h"

#define KITH_VERSION "0.1.0"

struct issuer;
struct der_store;
struct feed_hub;
struct notary;

struct app {
    struct env env;
    struct arena arena;
    struct settings settings;
    const struct crypto *crypto;
    struct loop *loop;
    struct http_server *http;
    struct tls_server *tls;
    struct commit *commit;
    struct tree *tree;
    struct client *issuing; /* certificates, CRLs, leaves */
    struct client *urgent;  /* revocations: never behind certificates */
    struct client *ledger;
    struct issuer *issuer;
    struct der_store *ders;
    struct feed_hub *feed;
    struct notary *notary;

    uint64_t entries_at_start;     /* of the ledger, before this start entered anything */
    struct slice root_der, ca_der; /* in the arena */
    struct cert root, ca;
};

/* The calling thread's connection for reading; NULL if it cannot be opened, which each query tells (store/db.h). */
struct db *app_db(struct app *app);
static inline int64_t app_now(const struct app *app)
{
    return env_now_s(&app->env);
}

/* Who asks, found by the admit hook (server/access.c). */
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
const struct who *app_who(const struct http_request *req);
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
bool access_admit(struct http_request *req, const struct http_route *route, void *app, struct err *e);
/* The roles' names in the table's order; NULL past the end. */
const char *access_role(size_t i);

/* Two keys: the log's and the issuing signer's; both have to have signed a checkpoint. */
struct note_key;
MUST_USE bool app_vkeys(struct app *app, struct note_key *keys, struct err *e);

/* Encodes an event's fields into buf; false if the catalogue does not have it so. */
MUST_USE bool event_make(const struct event_draft *d, const uint8_t *ref, uint8_t *buf, size_t cap, struct event *out,
                         struct err *e);

/* Enters an event that changes no row; not from a job. */
MUST_USE bool app_record(struct app *app, const struct event_draft *d, struct err *e);

extern const struct http_route est_routes[], api_routes[], public_routes[];
extern const size_t est_routes_n, api_routes_n, public_routes_n;

#endif
