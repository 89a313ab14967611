/* HTTP/1.1 (RFC 9112) for all of Kith's doors: TLS with an optional client certificate, plain TCP for what is signed
 * anyway, and a unix socket whose peer the kernel vouches for.
 *
 * A connection lives on one worker of the loop.  A handler is called on that worker with a request that is complete (body
 * included) and owns it until it answers: now or later, from any thread, exactly once, by http_answer(), http_problem(),
 * http_error() or http_stream_end().  What the accessors return is borrowed from the request and never changes, so any
 * thread may read it.  If the client goes away, the request stays valid; the answer is then dropped.
 *
 * Every deadline is a total, not a pause between two reads: a client that drips is dropped on time. */
#ifndef KITH_BASE_HTTP_SERVER_H
#define KITH_BASE_HTTP_SERVER_H

#include <sys/types.h>

#include "base/loop.h"
#include "base/tls.h"
#include "core/err.h"

struct http_server;
struct http_request;

enum http_door { HTTP_DOOR_TLS = 1, HTTP_DOOR_PLAIN = 2, HTTP_DOOR_LOCAL = 4 };

struct http_limits {
    int64_t handshake_ms;    /* TCP accepted to TLS finished: 10 s */
    int64_t header_ms;       /* first byte of a request to the end of its header: 10 s */
    int64_t body_ms;         /* end of the header to the end of the body: 60 s */
    int64_t answer_ms;       /* an answer must be taken by the client in this time: 60 s */
    int64_t idle_ms;         /* between requests, and before the first: 75 s */
    size_t header_max;       /* request line and header: 16 KiB */
    size_t body_max;         /* 1 MiB; a route may ask for more or less */
    unsigned per_address;    /* connections of one IPv4 address or IPv6 /64 (not LOCAL): 512 */
    unsigned connections;    /* in all, over all doors: 20,000 */
    unsigned requests;       /* on one connection, then it is closed: 100,000 */
    size_t stream_queue_max; /* bytes of a stream that the client does not take: 4 MiB, then it is dropped */
};
void http_limits_default(struct http_limits *l);

enum http_flag {
    HTTP_NEED_CERT = 1, /* without a client certificate: 401 before the handler is called */
    HTTP_NEED_AUTH = 2, /* a client certificate, HTTP Basic or the local socket; else 401 with WWW-Authenticate */
};

typedef void http_handler(struct http_request *req, void *arg);

/* Path: literal segments and {name} for one whole segment, at most HTTP_PARAMS_MAX; a last {name...} takes the rest with
 * its slashes.  A literal segment goes before a parameter.  GET serves HEAD too. */
struct http_route {
    const char *method;
    const char *path;
    http_handler *handler;
    void *arg;
    unsigned doors;  /* HTTP_DOOR_* that have it; 0: TLS and LOCAL */
    unsigned flags;  /* HTTP_NEED_* */
    unsigned auth;   /* the caller's own: for the admit hook */
    size_t body_max; /* 0: the server's limit */
};
#define HTTP_PARAMS_MAX 4

struct http_server_opts {
    struct loop *loop; /* borrowed, must outlive the server */
    struct http_limits limits;
    const char *realm; /* of HTTP Basic: "kith" if NULL */
    /* Judges a request before its handler; on false the error is answered.  May be NULL. */
    bool (*admit)(struct http_request *req, const struct http_route *route, void *arg, struct err *e);
    /* What an error is told as, to who asked.  On the thread that answers.  May be NULL. */
    void (*tell)(const struct http_request *req, struct err *e, void *arg);
    /* Called after each answer (access log, histograms).  On the worker's thread.  May be NULL. */
    void (*done)(struct http_request *req, int status, int64_t took_us, void *arg);
    void *arg;
};

/* Before loop_start() or after. */
MUST_USE bool http_server_new(const struct http_server_opts *opts, struct http_server **out, struct err *e);
/* Before the first listen.  Rows and their strings are borrowed for good.  Errors: usage (a path that is not one). */
MUST_USE bool http_server_add(struct http_server *s, const struct http_route *rows, size_t n, struct err *e);
/* Borrowed; for HTTP_DOOR_TLS. */
void http_server_set0_tls(struct http_server *s, struct tls_server *tls);

/* Not from a worker.  port 0 takes a free one; *bound (may be NULL) gets it.  Errors: http-listen. */
MUST_USE bool http_server_listen(struct http_server *s, enum http_door door, const char *host, uint16_t port,
                                 uint16_t *bound, struct err *e);
MUST_USE bool http_server_listen_unix(struct http_server *s, const char *path, unsigned mode, struct err *e);
/* A listening socket that a supervisor passed; the server closes it at the end. */
MUST_USE bool http_server_adopt(struct http_server *s, enum http_door door, int fd, struct err *e);
/* No new connections; idle ones are closed, requests under way are finished with Connection: close.  Not from a worker. */
void http_server_drain(struct http_server *s);
/* Closes everything.  Every request must have been answered (a stream: ended).  Not from a worker; before loop_free(). */
void http_server_free(struct http_server *s);
AUTO_FREE_FN(struct http_server *, http_server_free);

/* --- what a request says --- */
enum http_door http_door(const struct http_request *req);
const char *http_method(const struct http_request *req);
const char *http_path(const struct http_request *req); /* percent-decoded, without the query */
/* Of the route's {name}; NULL if the route has none such. */
const char *http_param(const struct http_request *req, const char *name);
/* First value of the query, decoded; NULL if absent, too long or escaped badly.  Scans each time. */
const char *http_query(const struct http_request *req, const char *name, char *dst, size_t cap);
bool http_has_query(const struct http_request *req, const char *name);
/* All of the query in its order, decoded, until fn returns false; for routes that refuse what they do not know.
 * Errors: http-request, fn's. */
#define HTTP_QUERY_NAME_MAX  64
#define HTTP_QUERY_VALUE_MAX 1024
typedef bool http_query_fn(void *ctx, const char *name, const char *value, struct err *e);
MUST_USE bool http_query_each(const struct http_request *req, http_query_fn *fn, void *ctx, struct err *e);
/* The first field of this name (in any case), without white space around; NULL if absent. */
const char *http_header(const struct http_request *req, const char *name);
struct slice http_body(const struct http_request *req);
bool http_is_type(const struct http_request *req, const char *media_type); /* Content-Type without parameters */
/* HTTP Basic (RFC 7617): false if absent or malformed.  User and password are NUL-terminated and borrowed. */
bool http_basic(const struct http_request *req, const char **user, const char **password);
struct slice http_peer_cert(const struct http_request *req); /* DER; empty without one */
const char *http_peer(const struct http_request *req);       /* "192.0.2.1", "2001:db8::1", "local" */
bool http_peer_cred(const struct http_request *req, uid_t *uid, gid_t *gid, pid_t *pid); /* LOCAL only */
unsigned http_worker(const struct http_request *req);
/* The TLS object, for channel binding: in the handler or admit hook only, on its thread, before they return; else NULL. */
SSL *http_tls(const struct http_request *req);
/* A place for the admit hook to leave what it found (who it is); never touched here.  Freed by `fn` after the answer. */
void http_set0_who(struct http_request *req, void *who, void (*fn)(void *));
void *http_get0_who(const struct http_request *req);
bool http_gone(const struct http_request *req); /* the client went away: no need to work on */

/* --- answers --- */
struct http_field {
    const char *name, *value;
};
#define HTTP_FIELDS_MAX 16

/* Copies everything it needs.  fields may be NULL; n of them.  type NULL: no Content-Type (and no body expected). */
void http_answer(struct http_request *req, int status, const char *type, struct slice body,
                 const struct http_field *fields, size_t n);
void http_answer_text(struct http_request *req, int status, const char *text);
/* problem+json (RFC 9457) with members code, detail, rule, try; status from the code's class. */
void http_error(struct http_request *req, const struct err *e);
/* The same with another status and fields (405 with Allow, 401 with a challenge, 202 with Retry-After ...). */
void http_problem(struct http_request *req, int status, const struct err *e, const struct http_field *fields, size_t n);

/* Chunked answers that go on for long.  From any thread after start.  on_close is called on the worker when the client went
 * away (once, never after http_stream_end()); on_drain when the queue fell below half of what was asked by `low`. */
struct http_stream {
    void (*on_close)(struct http_request *req, void *arg);
    void (*on_drain)(struct http_request *req, void *arg);
    void *arg;
    size_t low; /* on_drain once the queue is at or below it after having been above */
};
void http_stream_start(struct http_request *req, int status, const char *type, const struct http_field *fields,
                       size_t n, const struct http_stream *events);
/* Copies.  False if the client is gone or memory ran out; the queue's limit drops the client. */
bool http_stream_write(struct http_request *req, struct slice bytes);
size_t http_stream_pending(const struct http_request *req); /* bytes that the client did not take yet */
/* Ends the body and gives the request back; needed after on_close too. */
void http_stream_end(struct http_request *req);
/* The same for a body that cannot be completed: the connection ends without the last chunk, so that nobody takes it for whole.
 * (An HTTP/1.0 client cannot tell.) */
void http_stream_cut(struct http_request *req);

/* --- counters, for /metrics; sums over the workers --- */
struct http_counts {
    uint64_t accepted, open; /* connections */
    uint64_t refused_address, refused_total, refused_descriptors;
    uint64_t handshakes, handshake_failures, resumed;
    uint64_t timeout_handshake, timeout_header, timeout_body, timeout_answer, timeout_idle;
    uint64_t bad_request, too_large, dropped_streams;
    uint64_t requests, by_class[6]; /* by_class[2]: 2xx */
    uint64_t by_status[600];        /* index: status */
};
void http_server_count(const struct http_server *s, struct http_counts *out);

#endif
