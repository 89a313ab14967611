/* What the client's files share: a call under way, and what its failure means to the caller. */
#ifndef KITH_BASE_HTTP_CLIENT_IMPL_H
#define KITH_BASE_HTTP_CLIENT_IMPL_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "base/http_client.h"

/* Where the call or the client says nothing else. */
#define HTTP_REPLY_MAX  (1 << 20) /* of a body */
#define HTTP_TIMEOUT_MS 30000
#define HTTP_CONNECT_MS 10000

struct http_client {
    CURL *curl;
    struct http_client_opts o;
    char *unix_path, *agent;
    struct curl_slist *connect_to;
    char why[CURL_ERROR_SIZE];
    _Atomic bool cancelled;
    struct err tls_err; /* of the setting up of TLS, which libcurl calls back for */
};

/* One call under way. */
struct run {
    struct http_client *c;
    const struct http_call *call;
    struct http_reply *r;
    bool too_large, stopped, other_channel;
};

/* libcurl could not do it, or we stopped it.  Always false. */
MUST_USE bool http_client_failed(const struct run *run, CURLcode code, struct err *e);
/* The server answered with an error.  Always false. */
MUST_USE bool http_client_refused(const struct run *run, struct err *e);

#endif
