/* The server process: what its parts share.  Set up once by main.c, then read-only; the parts have their own locks. */
#ifndef KITH_SERVER_APP_H
#define KITH_SERVER_APP_H

#include "base/arena.h"
#include "base/env.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/program.h"
#include "ca/client.h"
#include "ledger/tree.h"
#include "model/device.h"
#include "model/event.h"
#include "model/settings.h"
#include "store/commit.h"
#include "store/tables.h"
#include "x509/cert.h"

struct crls;
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
    struct crls *crls;

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

/* ADDRESS:PORT of the settings.  Errors: ERR_CONFIG. */
MUST_USE bool app_listen_at(const char *text, char *host, size_t cap, uint16_t *port, struct err *e);

/* Two keys: the log's and the issuing signer's; both have to have signed a checkpoint. */
struct note_key;
MUST_USE bool app_vkeys(struct app *app, struct note_key *keys, struct err *e);

/* Encodes an event's fields into buf; false if the catalogue does not have it so. */
MUST_USE bool event_make(const struct event_draft *d, const uint8_t *ref, uint8_t *buf, size_t cap, struct event *out,
                         struct err *e);

/* Enters an event that changes no row; not from a job. */
MUST_USE bool app_record(struct app *app, const struct event_draft *d, struct err *e);

extern const struct http_route est_routes[], public_routes[];
extern const size_t est_routes_n, public_routes_n;

#endif
