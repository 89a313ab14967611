#include "base/http_client_impl.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define HEAD_MAX (64 << 10)

static void init_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool http_client_new(const struct http_client_opts *opts, struct http_client **out, struct err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    pthread_once(&once, init_once);
    struct http_client *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(e, ERR_NOMEM, "out of memory for an HTTP client");
    c->o = *opts;
    c->curl = curl_easy_init();
    c->agent = strdup(opts->user_agent ? opts->user_agent : "kith");
    c->unix_path = opts->unix_path ? strdup(opts->unix_path) : NULL;
    if (opts->connect_to) {
        char line[300]; /* ":" and ":": whatever the URL has */
        snprintf(line, sizeof line, "::%s", opts->connect_to);
        c->connect_to = curl_slist_append(NULL, line);
    }
    if (!c->curl || !c->agent || (opts->unix_path && !c->unix_path) || (opts->connect_to && !c->connect_to)) {
        http_client_free(c);
        return err_set(e, ERR_NOMEM, "out of memory for an HTTP client");
    }
    *out = c;
    return true;
}

/* OpenSSL writes without MSG_NOSIGNAL, and libcurl leaves the signal to us (CURLOPT_NOSIGNAL): a server that went away must
 * not end the caller, neither during a call nor when kept connections are closed with a last TLS record. */
struct quiet {
    sigset_t pipe, before;
    bool was_pending;
};

static void quiet_begin(struct quiet *q)
{
    sigset_t pending;
    sigemptyset(&q->pipe);
    sigaddset(&q->pipe, SIGPIPE);
    sigpending(&pending);
    q->was_pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &q->pipe, &q->before);
}

static void quiet_end(struct quiet *q)
{
    struct timespec now = {0};
    if (!q->was_pending)
        while (sigtimedwait(&q->pipe, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    if (c->curl) {
        struct quiet q;
        quiet_begin(&q);
        curl_easy_cleanup(c->curl);
        quiet_end(&q);
    }
    curl_slist_free_all(c->connect_to);
    free(c->unix_path);
    free(c->agent);
    free(c);
}

void http_client_cancel(struct http_client *c)
{
    atomic_store(&c->cancelled, true);
}

static CURLcode on_ssl_ctx(CURL *curl, void *ctx, void *arg)
{
    (void)curl;
    struct http_client *c = arg;
    return tls_client_apply(ctx, &c->o.tls, &c->tls_err) ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    (void)one;
    struct run *run = arg;
    long status = 0;
    curl_easy_getinfo(run->c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (run->call->on_data && status >= 200 && status < 300) {
        run->stopped = !run->call->on_data(slice_of(p, n), run->call->arg);
        return run->stopped ? 0 : n;
    }
    buf_put(&run->r->body, slice_of(p, n));
    run->too_large = !buf_ok(&run->r->body);
    return run->too_large ? 0 : n;
}

/* libcurl tells of the TLS object only while a call is under way. */
static void get_binding(struct run *run, char out[TLS_BINDING_TEXT])
{
    struct curl_tlssessioninfo *tls = NULL;
    out[0] = 0;
    if (curl_easy_getinfo(run->c->curl, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls && tls->internals &&
        tls->backend == CURLSSLBACKEND_OPENSSL && !tls_binding(tls->internals, out, NULL))
        out[0] = 0;
}

/* The connection is there, new or kept, and nothing of this request was sent. */
static int on_connected(void *arg, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct run *run = arg;
    char binding[TLS_BINDING_TEXT];
    get_binding(run, binding);
    run->other_channel = strcmp(binding, run->call->only_on) != 0;
    return run->other_channel ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* Each header line once: a new status line (after 100 Continue) begins anew. */
static size_t on_head(char *p, size_t one, size_t n, void *arg)
{
    (void)one;
    struct run *run = arg;
    struct buf *b = &run->r->head;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) {
        buf_reset(b);
        if (run->call->binding)
            get_binding(run, run->call->binding);
        return n;
    }
    char *colon = memchr(p, ':', n);
    if (!colon)
        return n;
    for (char *q = p; q < colon; q++)
        buf_put_char(b, (char)tolower((unsigned char)*q));
    char *v = colon + 1, *end = p + n;
    while (v < end && (*v == ' ' || *v == '\t'))
        v++;
    while (end > v && isspace((unsigned char)end[-1]))
        end--;
    buf_put_str(b, ": ");
    buf_put(b, slice_of(v, (size_t)(end - v)));
    buf_put_char(b, '\n');
    run->too_large = !buf_ok(b);
    return run->too_large ? 0 : n;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    (void)total, (void)up_total, (void)up, (void)now;
    struct run *run = arg;
    return atomic_load(&run->c->cancelled) ? 1 : 0;
}

static struct curl_slist *fields_of(const struct http_call *call, bool *ok)
{
    struct curl_slist *list = NULL;
    char line[512];
    const char *own[][2] = {{"Content-Type", call->type}, {"Accept", call->accept}};
    *ok = true;
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        /* "Name:" without a value takes libcurl's own field away. */
        int n = snprintf(line, sizeof(line), own[i][1] ? "%s: %s" : "%s:", own[i][0], own[i][1] ? own[i][1] : "");
        struct curl_slist *more = n > 0 && (size_t)n < sizeof(line) ? curl_slist_append(list, line) : NULL;
        *ok &= more != NULL;
        list = more ? more : list;
    }
    for (const char *const *h = call->headers; h && *h; h++) {
        struct curl_slist *more = strpbrk(*h, "\r\n") ? NULL : curl_slist_append(list, *h);
        *ok &= more != NULL;
        list = more ? more : list;
    }
    struct curl_slist *more = curl_slist_append(list, "Expect:");
    *ok &= more != NULL;
    return more ? more : list;
}

static void set_method(CURL *h, const struct http_call *call)
{
    const char *m = call->method ? call->method : "GET";
    if (strcmp(m, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    } else if (strcmp(m, "GET") != 0 || call->body.n) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.n ? (const char *)call->body.p : "");
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, m);
    }
}

static void set_tls(struct http_client *c)
{
    CURL *h = c->curl;
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 2L);
    if (!c->o.tls.system_roots) {
        curl_easy_setopt(h, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(h, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    curl_easy_setopt(h, CURLOPT_SSL_CTX_DATA, c);
}

static void set_times(struct http_client *c, const struct http_call *call)
{
    CURL *h = c->curl;
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(c->o.connect_ms ? c->o.connect_ms : HTTP_CONNECT_MS));
    if (call->timeout_ms >= 0)
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ms ? call->timeout_ms : HTTP_TIMEOUT_MS));
    if (call->on_data && call->stall_ms) {
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)((call->stall_ms + 999) / 1000));
    }
}

static void set_up(struct run *run, struct curl_slist *fields)
{
    struct http_client *c = run->c;
    const struct http_call *call = run->call;
    CURL *h = c->curl;
    curl_easy_reset(h); /* options only: connections and sessions stay */
    curl_easy_setopt(h, CURLOPT_URL, call->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h, CURLOPT_USERAGENT, c->agent);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, fields);
    if (c->unix_path)
        curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
    if (c->connect_to)
        curl_easy_setopt(h, CURLOPT_CONNECT_TO, c->connect_to);
    if (call->user) {
        curl_easy_setopt(h, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(h, CURLOPT_USERNAME, call->user);
        curl_easy_setopt(h, CURLOPT_PASSWORD, call->password);
    }
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, run);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, run);
    curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(h, CURLOPT_XFERINFODATA, run);
    if (call->only_on) {
        curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_connected);
        curl_easy_setopt(h, CURLOPT_PREREQDATA, run);
    }
    set_method(h, call);
    set_tls(c);
    set_times(c, call);
}

static bool check_call(const struct http_client *c, const struct http_call *call, struct err *e)
{
    if (!call->url)
        return err_set(e, ERR_USAGE, "no URL was given");
    if (call->user && !c->unix_path && strncasecmp(call->url, "https://", 8) != 0) {
        err_set(e, ERR_USAGE, "a password is not sent to %s", ERR_QUOTE(slice_str(call->url)));
        return err_why(e, "RFC 7617 section 4: HTTP Basic needs TLS");
    }
    return true;
}

static CURLcode perform(CURL *h)
{
    struct quiet q;
    quiet_begin(&q);
    CURLcode code = curl_easy_perform(h);
    quiet_end(&q);
    return code;
}

bool http_client_call(struct http_client *c, const struct http_call *call, struct http_reply *reply, struct err *e)
{
    *reply = (struct http_reply){0};
    buf_init(&reply->body, call->body_max ? call->body_max : HTTP_REPLY_MAX);
    buf_init(&reply->head, HEAD_MAX);
    if (!check_call(c, call, e))
        return false;
    struct err ignored;
    e = e ? e : &ignored;
    bool ok;
    struct run run = {.c = c, .call = call, .r = reply};
    struct curl_slist *fields = fields_of(call, &ok);
    c->why[0] = 0;
    c->tls_err = (struct err){0};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (ok) {
        set_up(&run, fields);
        code = perform(c->curl);
    }
    curl_slist_free_all(fields);
    long status = 0;
    if (!run.other_channel)
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    curl_off_t again = 0;
    if (curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &again) == CURLE_OK && again > 0)
        reply->retry_after_s = again;
    if (code != CURLE_OK && !run.stopped)
        ok = http_client_failed(&run, code, e);
    else if (status >= 400 && !call->any_status)
        ok = http_client_refused(&run, e);
    else
        ok = true;
    if (!ok)
        http_reply_clear(reply);
    return ok;
}

void http_reply_clear(struct http_reply *r)
{
    buf_clear(&r->body);
    buf_clear(&r->head);
}

bool http_reply_header(const struct http_reply *r, const char *name, char *dst, size_t cap)
{
    size_t len = strlen(name);
    for (const char *p = buf_str(&r->head); *p;) {
        size_t n = strcspn(p, "\n");
        if (n > len + 1 && strncasecmp(p, name, len) == 0 && p[len] == ':') {
            size_t v = n - len - 2;
            if (v >= cap)
                return false;
            memcpy(dst, p + len + 2, v);
            dst[v] = 0;
            return true;
        }
        p += n + (p[n] == '\n');
    }
    return false;
}
