/* The operator API: handlers that may take their time.  A route's handler here runs in one of a few threads of its own, so
 * that devices at the doors never wait for an operator's report.  What waits for others (gateways, cosigners, a client that
 * takes an export) runs in another few, so that an operator never waits behind it. */
#ifndef KITH_SERVER_API_API_H
#define KITH_SERVER_API_API_H

#include "base/buf.h"
#include "base/json.h"
#include "base/json_out.h"
#include "server/access.h"
#include "server/app.h"

#define API_BODY_MAX (1u << 20)
#define API_OUT_MAX  (16u << 20)

/* What a handler works with.  It fills `out` (a JSON map is open already) and returns true, or sets *e. */
struct call;
typedef bool call_handler(struct call *c, struct err *e);
struct call {
    struct app *app;
    struct http_request *req;
    const struct who *who;
    struct db *db;
    struct json *in; /* the body, NULL if there is none */
    struct buf text;
    struct json_out out;
    int status;       /* 200 unless set */
    const char *type; /* other than JSON: then text is the body, and `out` is not used */
    bool answered;    /* the handler answered by itself */

    call_handler *then; /* set by the handler: goes on with the answer where waiting is allowed */
    uint64_t ticket;    /* for gateways_wait() */
    int64_t until_ms;
};

struct api_row {
    const char *method, *path;
    call_handler *handler;
    unsigned auth; /* and flags of the row */
    /* All that the request may have, NULL for nothing: parameters of the query for GET, members of the body for others. */
    const char *const *takes;
};
#define TAKES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define API_LINES  0x1000 /* the body is not one JSON text: the handler reads it */
#define API_WAITS  0x2000 /* the handler waits for others, or goes on for long */
#define API_QUERY  0x4000 /* the handler looks at every parameter of the query */

/* Threads for the handlers. */
MUST_USE bool api_start(struct err *e);
void api_stop(void);
bool api_is_stopping(void); /* what waits ends now */
/* Adds every row of the tables below to the server. */
MUST_USE bool api_add_routes(struct app *app, struct err *e);

extern const struct api_row api_devices[], api_models[], api_certs[], api_parties[], api_ledger[], api_entries[],
    api_status[], api_topics[], api_alarms[];
extern const size_t api_devices_n, api_models_n, api_certs_n, api_parties_n, api_ledger_n, api_entries_n, api_status_n,
    api_topics_n, api_alarms_n;

/* Handlers in a file of their own (api/statement.c, api/history.c). */
call_handler statement_show, history_show;

/* The body was JSON: what is wrong with a member is a slip in what is asked, and told as that.  Returns `ok`. */
bool call_member(bool ok, struct err *e);
/* A member of the body, or def. */
MUST_USE bool call_text(const struct call *c, const char *name, size_t max, const char *def, const char **out,
                        struct err *e);
MUST_USE bool call_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def, int64_t *out,
                       struct err *e);
/* The member "reason": one to revoke for good, or def. */
MUST_USE bool call_reason(const struct call *c, int def, int *out, struct err *e);
/* The device that the route's {id} names, by id or serial number.  To an owner the devices of others do not exist, and a
 * serial number that others have too is its own device's. */
struct device_row;
MUST_USE bool call_device(const struct call *c, struct device_row *out, struct err *e);
/* The owner that asks; NULL if it is somebody who may look at everything. */
const char *call_owner(const struct call *c);
/* A list of maps, one a row: `put` fills each.  *n (may be NULL) gets how many. */
MUST_USE bool call_list(struct call *c, const char *key, const struct sql *q, const struct value *args, size_t args_n,
                        void (*put)(struct call *c, const struct rows *r), int64_t *n, struct err *e);
/* A row of alarm_rows (server/alarms.h). */
void alarm_put(struct call *c, const struct rows *r);
/* What a list is narrowed by; "" if it is not there. */
MUST_USE bool call_query(const struct call *c, const char *name, char *dst, size_t cap, struct err *e);
/* A number of the query, or def.  Errors: usage, with the range. */
MUST_USE bool call_query_int(const struct call *c, const char *name, int64_t min, int64_t max, int64_t def,
                             int64_t *out, struct err *e);

#endif
