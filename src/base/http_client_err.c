/* What went wrong with a call, in the words of whoever made it. */
#include "base/http_client_impl.h"

#include <openssl/x509_vfy.h>
#include <strings.h>

#include "base/json.h"

static bool no_answer(const struct run *run, const char *where, struct err *e)
{
    const struct http_call *call = run->call;
    int64_t connect_ms = run->c->o.connect_ms ? run->c->o.connect_ms : HTTP_CONNECT_MS;
    int64_t ms = call->timeout_ms < 0 ? call->stall_ms : call->timeout_ms ? call->timeout_ms : HTTP_TIMEOUT_MS;
    curl_off_t sent_us = 0;
    (void)curl_easy_getinfo(run->c->curl, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
    if (sent_us <= 0) {
        ms = ms > 0 && ms < connect_ms ? ms : connect_ms;
        err_set(e, ERR_UNAVAILABLE, "%s: there is no connection within %lld s", where, (long long)(ms + 999) / 1000);
        return err_try(e, "are host, port and network right? A firewall may drop without a word, and a server that is "
                          "stopped takes no connection to its end");
    }
    err_set(e, ERR_UNAVAILABLE, "%s does not answer: nothing came within %lld s", where, (long long)(ms + 999) / 1000);
    err_why(e, "its process is stopped, or waits itself: for its disk, its database, a token");
    if (run->c->unix_path)
        return err_try(e, "look at the log of kithd, and at its processes: ps -C kithd,kith-server -o pid,stat,args (T "
                          "is stopped)");
    return err_try(e, "look at the server's log");
}

/* libcurl's own words are for who knows libcurl: they stand behind ours, where ours do not say all. */
static bool unreachable(const struct run *run, CURLcode code, const char *cause, struct err *e)
{
    const char *where = run->c->unix_path ? run->c->unix_path : ERR_QUOTE(slice_str(run->call->url));
    long os = 0;
    (void)curl_easy_getinfo(run->c->curl, CURLINFO_OS_ERRNO, &os);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return no_answer(run, where, e);
    case CURLE_COULDNT_RESOLVE_HOST:
        err_set(e, ERR_UNAVAILABLE, "%s: the name of the host is not known here", where);
        return err_try(e, "is the name right, and does this machine reach its name server? getent hosts NAME");
    case CURLE_COULDNT_CONNECT:
        err_set(e, ERR_UNAVAILABLE, "%s cannot be reached: %s", where, os ? strerror((int)os) : "no connection");
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        err_set(e, ERR_UNAVAILABLE, "%s closed the connection before it answered", where);
        err_why(e, "it ended or was restarted meanwhile, or something else listens there");
        break;
    default:
        err_set(e, ERR_UNAVAILABLE, "%s cannot be reached", where);
        err_why(e, "%s", cause);
    }
    if (run->c->unix_path)
        return err_try(e, "is kithd running? Its log says why not");
    return err_try(e, "is the server running, and are host, port and network right?");
}

static bool not_trusted(const char *url, const char *cause, struct err *e)
{
    if (strstr(cause, X509_verify_cert_error_string(X509_V_ERR_APPLICATION_VERIFICATION))) {
        err_set(e, ERR_TLS_TRUST, "%s: the server's certificate is not that of a platform's server",
                ERR_QUOTE(slice_str(url)));
        err_why(e, "it lacks the extended key usage id-kp-cmcRA (RFC 6402 section 2.10, RFC 7030 section 3.6.1); a "
                   "gateway may have the same host name");
        return err_try(e, "look who listens there; at the platform, profiles/server.profile has to give cmcRA");
    }
    if (strstr(cause, "subject name")) {
        err_set(e, ERR_TLS_TRUST, "%s: the server's certificate is for another host", ERR_QUOTE(slice_str(url)));
        err_why(e, "its root is trusted, but the URL's host is none of its names");
        return err_try(e, "the host as `kith status` has it in url, there; or name this one in hostnames of kith.conf");
    }
    if (strstr(cause, "not yet valid") || strstr(cause, "expired")) {
        err_set(e, ERR_TLS_TRUST, "%s: %s", ERR_QUOTE(slice_str(url)), cause);
        err_why(e, "by this machine's clock the server's certificate is not valid now");
        return err_try(e, "compare `date -u` here with the right time; else look at the server's clock");
    }
    err_set(e, ERR_TLS_TRUST, "%s: the server's certificate does not lead to the root that is trusted here",
            ERR_QUOTE(slice_str(url)));
    err_why(e, "%s", cause);
    return err_try(e,
                   "compare the SHA-256 of that root with what `kith ca ls` says at the platform: if it is the same, "
                   "something else listens there");
}

bool http_client_failed(const struct run *run, CURLcode code, struct err *e)
{
    const struct http_client *c = run->c;
    const char *cause = c->why[0] ? c->why : curl_easy_strerror(code);
    const char *url = run->call->url;
    if (c->tls_err.code) {
        *e = c->tls_err;
        return false;
    }
    if (run->other_channel) {
        err_set(e, ERR_CHANNEL_BINDING, "%s: the connection that the request was made for is closed",
                ERR_QUOTE(slice_str(url)));
        err_why(e, "RFC 7030 section 3.5; nothing of the request was sent over the new one");
        return err_try(e, "again; a proxy that closes connections after each request cannot be passed");
    }
    if (run->too_large)
        return err_set(e, ERR_HTTP_ANSWER, "%s answered more than %zu bytes", ERR_QUOTE(slice_str(url)),
                       run->r->body.max);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_set(e, ERR_USAGE, "%s is not an http or https URL", ERR_QUOTE(slice_str(url)));
    case CURLE_PEER_FAILED_VERIFICATION:
        return not_trusted(url, cause, e);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        err_set(e, ERR_TLS, "%s: no TLS connection was made", ERR_QUOTE(slice_str(url)));
        return err_why(e, "%s", cause);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_PARTIAL_FILE:
        err_set(e, ERR_HTTP_ANSWER, "%s: the answer is cut, or is not HTTP", ERR_QUOTE(slice_str(url)));
        return err_why(e, "%s", cause);
    case CURLE_OUT_OF_MEMORY:
        return err_set(e, ERR_NOMEM, "out of memory for %s", ERR_QUOTE(slice_str(url)));
    case CURLE_ABORTED_BY_CALLBACK:
        return err_set(e, ERR_UNAVAILABLE, "the call to %s was cancelled", ERR_QUOTE(slice_str(url)));
    default:
        return unreachable(run, code, cause, e);
    }
}

static enum err_code code_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return ERR_DENIED;
    case 404:
    case 410:
        return ERR_NOTFOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
    case 431:
        return ERR_TOO_BIG;
    case 429:
        return ERR_RATE;
    case 502:
    case 503:
    case 504:
        return ERR_UNAVAILABLE;
    default:
        return status >= 500 ? ERR_INTERNAL : ERR_USAGE;
    }
}

/* What a Kith server says of its error comes through whole, so that a person sees the same words on both sides. */
bool http_client_refused(const struct run *run, struct err *e)
{
    const struct http_reply *r = run->r;
    char type[96];
    AUTO(json_free_auto) struct json *j = NULL;
    err_set(e, code_of_status(r->status), "%s answered %d", ERR_QUOTE(slice_str(run->call->url)), r->status);
    if (!http_reply_header(r, "content-type", type, sizeof(type)) ||
        strncasecmp(type, "application/problem+json", 24) != 0 ||
        !json_read(buf_slice(&r->body), HTTP_REPLY_MAX, &j, NULL))
        return false;
    const char *slug = NULL, *detail = NULL, *rule = NULL, *hint = NULL;
    enum err_code code = e->code;
    if (json_get_text(j, "code", 64, &slug, NULL) && err_from_slug(slug) != ERR_NONE)
        code = err_from_slug(slug);
    if (!json_get_text(j, "detail", ERR_WHAT_MAX, &detail, NULL))
        return false;
    err_set(e, code, "%s", detail);
    if (json_get_text(j, "rule", ERR_WHY_MAX, &rule, NULL))
        err_why(e, "%s", rule);
    if (json_get_text(j, "try", ERR_TRY_MAX, &hint, NULL))
        err_try(e, "%s", hint);
    return false;
}
