/* One blocking HTTP client for command line, agent, gateway, station and connectors, over libcurl: https and http URLs and
 * unix sockets.  No proxy from the environment, no redirects, no cookies; answers are capped and the time is a total.
 * One thread uses a client at a time; it keeps its connections between calls. */
#ifndef KITH_BASE_HTTP_CLIENT_H
#define KITH_BASE_HTTP_CLIENT_H

#include "base/buf.h"
#include "base/tls.h"
#include "core/err.h"

struct http_client;

struct http_client_opts {
    struct tls_client tls;  /* copied; what it points to must outlive the client */
    const char *unix_path;  /* talk to this socket, whatever the URL's host; NULL: TCP */
    const char *connect_to; /* "HOST:PORT" to go to instead of the URL's, which still says who has to be there; NULL */
    const char *user_agent; /* "kith" if NULL */
    int64_t connect_ms;     /* 10 s if 0 */
};

struct http_call {
    const char *method; /* "GET" if NULL */
    const char *url;    /* http:// or https:// */
    const char *type;   /* Content-Type of the body */
    const char *accept; /* Accept; NULL: none */
    struct slice body;
    const char *user, *password; /* HTTP Basic; only over https or a unix socket */
    const char *const *headers;  /* further "Name: value", NULL at the end; NULL: none */
    size_t body_max;             /* of the answer: 1 MiB if 0 */
    int64_t timeout_ms;          /* in all: 30 s if 0; -1: none (streams) */
    /* Takes the body of a 2xx as it comes instead of reply->body; false ends the call with success. */
    bool (*on_data)(struct slice part, void *arg);
    void *arg;
    int64_t stall_ms; /* with on_data: no byte for so long is unavailable; 0: forever */
    /* Channel binding (tls.h): `binding` gets that of the connection that answered, "" without TLS.  With `only_on` the request
     * goes out over the connection of that binding or not at all: ERR_CHANNEL_BINDING, and the status is 0. */
    char *binding; /* TLS_BINDING_TEXT bytes */
    const char *only_on;
    bool any_status; /* statuses of 400 and more are no error: the caller reads them */
};

struct http_reply {
    int status;
    int64_t retry_after_s; /* Retry-After (RFC 9110 section 10.2.3), of refusals too; 0: none */
    struct buf body;
    struct buf head; /* fields of the last answer, "name: value\n", names in lower case */
};

MUST_USE bool http_client_new(const struct http_client_opts *opts, struct http_client **out, struct err *e);
void http_client_free(struct http_client *c);
AUTO_FREE_FN(struct http_client *, http_client_free);
/* Another thread may end a call that is under way (shutdown); it fails with unavailable. */
void http_client_cancel(struct http_client *c);

/* Errors: unavailable (not reached, time over; `try` says what to look at), tls-trust (the server's certificate), tls,
 * http-answer (not HTTP, larger than the cap); a problem+json answer becomes the error that the server sent, any other
 * status of 400 and more the nearest code; status and retry_after_s stay then.  *reply is good until http_reply_clear(). */
MUST_USE bool http_client_call(struct http_client *c, const struct http_call *call, struct http_reply *reply,
                               struct err *e);
void http_reply_clear(struct http_reply *r);
/* The first field of this name, copied to dst; false if absent or too long. */
bool http_reply_header(const struct http_reply *r, const char *name, char *dst, size_t cap);

#endif
