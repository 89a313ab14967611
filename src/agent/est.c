#include "agent/est.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/http_client.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "core/der.h"
#include "core/oid.h"
#include "keys/crypto.h"
#include "x509/certs_only.h"
#include "x509/csr.h"

#define EST           "/.well-known/est/"
#define AGENT         "kith-agent/0.1"
#define ANSWER_MAX    (256 << 10)
#define URL_MAX       512
#define CSRATTRS_MAX  4096
#define BINDING_TRIES 3
#define AGAIN_MAX     (7 * 86400)

static _Atomic(struct http_client *) under_way;
static atomic_bool cancelled;

void est_cancel(void)
{
    atomic_store(&cancelled, true);
    struct http_client *c = atomic_load(&under_way);
    if (c)
        http_client_cancel(c);
}

static bool open_client(struct est *est, const struct credential *by, struct http_client **out, struct err *e)
{
    struct http_client_opts o = {.user_agent = AGENT, .tls = {.root_sha256 = est->root_sha256, .platform = true}};
    if (by) {
        o.tls.key = by->evp;
        o.tls.chain = by->chain;
        o.tls.chain_n = by->chain_n;
    }
    return http_client_new(&o, out, e);
}

/* The reply is to be cleared if it succeeded. */
static bool call_on(const struct est *est, struct http_client *c, struct http_call *call, const char *path,
                    struct http_reply *reply, struct err *e)
{
    char url[URL_MAX];
    *reply = (struct http_reply){0};
    int n = snprintf(url, sizeof url, "%s%s", est->url, path);
    if (n < 0 || (size_t)n >= sizeof url)
        return err_set(e, ERR_USAGE, "the platform's URL is too long");
    call->url = url;
    call->body_max = ANSWER_MAX;
    call->timeout_ms = est->timeout_ms;
    atomic_store(&under_way, c);
    bool ok = atomic_load(&cancelled) ? err_set(e, ERR_UNAVAILABLE, "the agent was asked to stop")
                                      : http_client_call(c, call, reply, e);
    atomic_store(&under_way, NULL);
    if (reply->retry_after_s > AGAIN_MAX)
        reply->retry_after_s = AGAIN_MAX;
    return ok;
}

/* One connection, one request. */
static bool call(struct est *est, const struct credential *by, struct http_call *call, const char *path,
                 struct http_reply *reply, struct err *e)
{
    struct http_client *c;
    *reply = (struct http_reply){0};
    if (!open_client(est, by, &c, e))
        return false;
    bool ok = call_on(est, c, call, path, reply, e);
    http_client_free(c);
    return ok;
}

/* Base64 of a certs-only message (RFC 7030 section 4.2.3). */
static bool read_certs(const struct http_reply *reply, struct buf *out, struct err *e)
{
    char type[96];
    struct slice text = buf_slice(&reply->body), certs;
    struct buf der;
    size_t n = 0;
    if (!http_reply_header(reply, "content-type", type, sizeof type) ||
        strncasecmp(type, "application/pkcs7-mime", 22) != 0) {
        err_set(e, ERR_HTTP_ANSWER, "the platform answered %d, but not with certificates", reply->status);
        err_why(e, "RFC 7030 section 4.2.3: application/pkcs7-mime");
        return err_try(e, "is the URL in the token that of an EST server?");
    }
    size_t cap = codec_bytes_max(CODEC_BASE64, text.n);
    buf_init(&der, ANSWER_MAX);
    char *p = buf_space(&der, cap ? cap : 1);
    bool ok = p ? codec_decode_lines(text, p, cap, &n, e) : err_set(e, ERR_NOMEM, "certificates");
    ok = ok && certs_only_read(slice_of(p, n), &certs, e);
    if (ok)
        buf_put(out, certs);
    ok = ok && (buf_ok(out) || err_set(e, ERR_LIMIT, "the platform sent more certificates than a chain has"));
    buf_clear(&der);
    return ok || err_ctx(e, "the platform's answer");
}

static bool est_cacerts(void *ctx, struct platform_answer *out, struct err *e)
{
    struct http_call get = {.accept = "application/pkcs7-mime"};
    struct http_reply reply;
    bool ok = call(ctx, NULL, &get, EST "cacerts", &reply, e);
    out->retry_after_s = reply.retry_after_s;
    if (!ok)
        return err_ctx(e, "CA certificates");
    ok = read_certs(&reply, &out->certs, e);
    http_reply_clear(&reply);
    return ok;
}

/* Whether CsrAttrs (RFC 7030 section 4.5.2) name challengePassword, bare or as an attribute. */
static bool names_challenge(struct slice text)
{
    uint8_t der[CSRATTRS_MAX];
    size_t n = 0;
    bool named = false;
    if (!codec_decode_lines(text, der, sizeof der, &n, NULL))
        return false;
    struct reader r = reader_of(slice_of(der, n)), list = der_enter(&r, DER_SEQUENCE), attribute;
    while (reader_left(&list)) {
        struct slice one = der_raw(&list), oid;
        r = reader_of(one);
        if (der_peek(&r) == DER_OID) {
            oid = der_oid(&r);
        } else {
            attribute = der_enter(&r, DER_SEQUENCE);
            oid = der_oid(&attribute);
        }
        named = named || slice_eq(oid, OID_CHALLENGE_PASSWORD);
    }
    return named;
}

/* Asks what a CSR should have, on the connection that is to carry it; *binding is that of the connection.  A platform that does
 * not say wants nothing (RFC 7030 section 4.5.2). */
static bool ask_attributes(const struct est *est, struct http_client *c, const struct platform_request *want,
                           bool *bind, char binding[TLS_BINDING_TEXT], struct err *e)
{
    struct http_reply reply;
    struct http_call get = {.accept = "application/csrattrs", .any_status = true, .binding = binding};
    binding[0] = 0;
    if (!want->by) {
        get.user = want->device;
        get.password = want->claim;
    }
    if (!call_on(est, c, &get, EST "csrattrs", &reply, e))
        return false;
    *bind = *bind || (reply.status == 200 && names_challenge(buf_slice(&reply.body)));
    http_reply_clear(&reply);
    return true;
}

static bool post_csr(const struct est *est, struct http_client *c, const struct platform_request *want,
                     const char *binding, struct http_reply *reply, struct err *e)
{
    uint8_t der[CSR_MAX];
    char body[2 * CSR_MAX], storage[48];
    struct writer w = WRITER_ARRAY(der);
    struct slice csr;
    const char *const headers[] = {storage, NULL};
    *reply = (struct http_reply){0};
    if (!want->make_csr(want->arg, slice_str(binding), &w, e))
        return false;
    /* no line breaks: RFC 8951 section 3.1 */
    if (!writer_done(&w, &csr) || !codec_encode(CODEC_BASE64, csr, body, sizeof body))
        return err_set(e, ERR_LIMIT, "a request of %zu bytes is too long", w.n);
    struct http_call post = {.method = "POST",
                             .type = "application/pkcs10",
                             .accept = "application/pkcs7-mime",
                             .headers = est->key_store ? headers : NULL,
                             .body = slice_str(body),
                             .only_on = binding[0] ? binding : NULL};
    snprintf(storage, sizeof storage, "Kith-Key-Storage: %s", est->key_store ? est->key_store : "");
    if (!want->by) {
        post.user = want->device;
        post.password = want->claim;
    }
    return call_on(est, c, &post, want->by ? EST "simplereenroll" : EST "simpleenroll", reply, e);
}

/* The connection may be closed between the question and the request, and a platform may find out only from the request that it
 * wants the channel bound: each is tried again. */
static bool send_csr(const struct est *est, struct http_client *c, const struct platform_request *want,
                     struct http_reply *reply, struct err *e)
{
    char binding[TLS_BINDING_TEXT];
    bool bind = false;
    for (int try = 1;; try++) {
        *reply = (struct http_reply){0};
        if (!ask_attributes(est, c, want, &bind, binding, e))
            return false;
        if (post_csr(est, c, want, bind ? binding : "", reply, e))
            return true;
        bool helps = !bind || reply->status == 0;
        if (e->code != ERR_CHANNEL_BINDING || !helps || try == BINDING_TRIES)
            return false;
        bind = true;
    }
}

static bool est_enroll(void *ctx, const struct platform_request *want, struct platform_answer *out, struct err *e)
{
    struct est *est = ctx;
    struct http_client *c;
    struct http_reply reply;
    if (!open_client(est, want->by, &c, e))
        return false;
    bool ok = send_csr(est, c, want, &reply, e);
    http_client_free(c);
    out->retry_after_s = reply.retry_after_s;
    if (!ok)
        return err_ctx(e, want->by ? "renewal" : "enrolment");
    if (reply.status == 202) /* RFC 7030 section 4.2.3: certs stays empty */
        ok = true;
    else
        ok = read_certs(&reply, &out->certs, e);
    http_reply_clear(&reply);
    return ok;
}

static bool read_hello(struct slice text, struct platform_hello *out, struct err *e)
{
    struct json *j;
    const char *when;
    if (!json_read(text, ANSWER_MAX, &j, e))
        return false;
    bool ok = true;
    if (json_has(j, "server_time"))
        ok = json_get_text(j, "server_time", RFC3339_MAX, &when, e) && rfc3339_parse(when, &out->server_time, e);
    json_free(j);
    return ok;
}

static bool est_hello(void *ctx, const struct credential *by, struct platform_hello *out, struct err *e)
{
    struct est *est = ctx;
    struct buf body;
    struct http_reply reply;
    *out = (struct platform_hello){0};
    buf_init(&body, 1024);
    struct json_out o = json_out_of(&body);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "agent", AGENT);
    json_out_text(&o, "key_store", est->key_store);
    json_out_text(&o, "key_type", key_type_name(key_type_of(by->key)));
    json_out_end(&o);
    struct http_call post = {
        .method = "POST", .type = "application/json", .accept = "application/json", .body = buf_slice(&body)};
    bool ok = call(est, by, &post, "/device/v1/hello", &reply, e);
    buf_clear(&body);
    if (!ok)
        return err_ctx(e, "hello");
    struct platform_hello h = {0};
    ok = reply.status == 204 || read_hello(buf_slice(&reply.body), &h, e);
    http_reply_clear(&reply);
    if (!ok)
        return err_ctx(e, "the platform's answer to hello");
    *out = h;
    return true;
}

struct platform est_platform(struct est *est)
{
    return (struct platform){est, est_cacerts, est_enroll, est_hello};
}
