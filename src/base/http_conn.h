/* Inside the HTTP server only: what its files share.  A worker's part of the server, its connections and their requests
 * belong to the worker's thread; other threads reach a request through the fields marked so. */
#ifndef KITH_BASE_HTTP_CONN_H
#define KITH_BASE_HTTP_CONN_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/http1.h"
#include "base/http_server.h"

/* Each state has one duration, so a list in order of arrival is in order of the deadlines: no heap, no timer each. */
enum http_wait { WAIT_HANDSHAKE, WAIT_IDLE, WAIT_HEADER, WAIT_BODY, WAIT_TAKEN, WAIT_LINGER, WAIT_NOTHING, WAIT_N };

enum conn_state { CONN_HANDSHAKE, CONN_HEADER, CONN_BODY, CONN_HANDLER, CONN_LAST, CONN_LINGER };

struct http_conn {
    struct http_worker *w;
    struct bufferevent *bev;
    SSL *ssl;
    int fd;
    enum http_door door;
    enum conn_state state;
    enum http_wait wait;
    int64_t deadline_ms;
    TAILQ_ENTRY(http_conn) link; /* of the list of its wait */
    uint8_t key[8];              /* of its address, for the limit */
    bool counted;                /* in the table of addresses */
    bool processing;             /* conn_process() is on the stack */
    bool paused;                 /* nothing is read while a handler works and enough has come */
    bool dropped;                /* its socket is shut, the event is yet to come */
    bool last;                   /* the answer under way is the last one */
    size_t scanned;              /* bytes of the input without the end of a header */
    uint64_t given;              /* bytes of answers put into the output, ever */
    uint64_t taken;              /* of those, taken when the deadline was set */
    unsigned served;
    uint8_t *cert;
    size_t cert_n;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    char peer[48];
    struct http_request *req; /* under way */
};

TAILQ_HEAD(conn_list, http_conn);

struct http_listener {
    struct evconnlistener *ev;
    struct http_worker *w;
    enum http_door door;
    SLIST_ENTRY(http_listener) link;
};

struct http_worker {
    struct http_server *s;
    unsigned number;
    struct conn_list waits[WAIT_N];
    struct loop_timer *sweep, *pause;
    SLIST_HEAD(, http_listener) listeners;
    int64_t now_ms; /* of the last look at the clock */
    int64_t date_at;
    char date[40];
    bool draining;
    struct http_counts counts; /* written here, read anywhere: by __atomic */
};

struct route_node;
struct address_table;

struct http_server {
    struct http_server_opts o;
    struct tls_server *tls;
    struct route_node *routes;
    struct address_table *addresses;
    _Atomic unsigned open;
    unsigned n;
    struct http_worker w[];
};

struct answer;

struct http_request {
    struct http_server *s;
    struct http_worker *w;
    struct http_conn *conn; /* the worker's; NULL when the client went away */
    _Atomic bool gone;
    bool is_head, keep_alive;
    bool streaming, stream_high;
    enum http_door door;
    int64_t began_us;
    int status;
    struct http1_head head;
    struct http1_path segs;
    const struct http_route *route;
    const char *params[HTTP_PARAMS_MAX];
    char *path;
    uint8_t *body;
    size_t body_n, body_cap, body_max;
    struct http1_chunks chunks;
    struct slice cert;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    char peer[48];
    char *user, *password;
    void *who;
    void (*who_free)(void *);
    struct answer *answer;
    struct http_stream stream;
    _Atomic size_t stream_queued, stream_out;
    char text[]; /* head, path, segments, certificate, credentials */
};

#define HTTP_COUNT(w, field) __atomic_store_n(&(w)->counts.field, (w)->counts.field + 1, __ATOMIC_RELAXED)

/* http_route.c */
MUST_USE bool http_routes_add(struct route_node **root, const struct http_route *row, struct err *e);
void http_routes_free(struct route_node *root);
enum http_found { HTTP_FOUND, HTTP_NO_PATH, HTTP_NO_METHOD };
/* Sets route and params of req; allow gets the methods that there are. */
enum http_found http_routes_find(const struct route_node *root, struct http_request *req, char *allow, size_t cap);

/* http_address.c */
struct address_table *address_table_new(void);
void address_table_free(struct address_table *t);
/* Counts one more of key unless there are max already. */
bool address_table_take(struct address_table *t, const uint8_t key[8], unsigned max);
void address_table_give(struct address_table *t, const uint8_t key[8]);

/* http_request.c: takes the head (n bytes, moved out of `in`).  False if it is malformed or memory ran out. */
MUST_USE bool http_request_new(struct http_conn *c, size_t head_n, struct http_request **out, struct err *e);
/* Takes what there is of the body; *done when it is whole. */
MUST_USE bool http_request_read_body(struct http_request *req, struct evbuffer *in, bool *done, struct err *e);
void http_request_free(struct http_request *req);

/* http_conn.c */
void http_conn_accept(struct http_worker *w, int fd, const struct sockaddr *sa, enum http_door door);
void http_conn_close(struct http_conn *c);
void http_conn_wait(struct http_conn *c, enum http_wait wait);
/* The answer is in the output: goes on with what the client sent next. */
void http_conn_answered(struct http_conn *c);
void http_conn_process(struct http_conn *c);
void http_worker_sweep(void *arg);

/* http_answer.c */
enum http_framing { HTTP_SIZED, HTTP_CHUNKED, HTTP_TO_THE_END };
struct http_shape {
    int status;
    const char *type;
    struct slice body;
    const struct http_field *fields;
    size_t n;
    bool is_head;
    enum http_framing framing;
};
struct answer *http_answer_make(const struct http_shape *s);
int http_answer_write(struct http_conn *c, const struct answer *a); /* its status */
void http_report(struct http_request *req);
void http_post(struct http_request *req, loop_fn *fn, void *arg);
/* http_stream.c */
void http_stream_written(struct http_conn *c);
/* http_answer.c */
void http_answer_free(struct answer *a);
/* On the worker's thread: judges the request by its route before its body is read; false if it is answered already. */
MUST_USE bool http_precheck(struct http_request *req);
void http_dispatch(struct http_request *req);
/* Answers something that is no request. */
void http_refuse(struct http_conn *c, int status, const struct err *e);

#endif
