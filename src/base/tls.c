#include "base/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/codec.h"

struct tls_server {
    pthread_mutex_t lock; /* guards which context is the current one */
    SSL_CTX *ctx;
};

/* TLS 1.2: forward secrecy and AEAD only (RFC 9325 section 4.2). */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"

static bool tls_failed(struct err *e, enum err_code code, const char *what)
{
    char text[160] = "no cause given";
    unsigned long last = ERR_peek_error();
    if (last)
        ERR_error_string_n(last, text, sizeof(text));
    ERR_clear_error();
    return err_set(e, code, "%s: %s", what, text);
}

static X509 *cert_of(struct slice der)
{
    const unsigned char *p = der.p;
    X509 *x = der.n <= 0x10000 ? d2i_X509(NULL, &p, (long)der.n) : NULL;
    if (x && p != der.p + der.n) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static bool use_chain(SSL_CTX *ctx, EVP_PKEY *key, const struct slice *chain, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        X509 *x = cert_of(chain[i]);
        if (!x)
            return tls_failed(e, ERR_TLS, "a certificate of the chain cannot be read");
        int ok = i == 0 ? SSL_CTX_use_certificate(ctx, x) : SSL_CTX_add1_chain_cert(ctx, x);
        X509_free(x);
        if (ok != 1)
            return tls_failed(e, ERR_TLS, "a certificate of the chain cannot be used");
    }
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return tls_failed(e, ERR_TLS, "the TLS key does not fit its certificate");
    return true;
}

/* Who the client is, is judged by the route of each request; here only the possession of the key is proved. */
static int admit_any(X509_STORE_CTX *ctx, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

static int choose_http11(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                         unsigned in_n, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char mine[] = "\x08http/1.1";
    unsigned char *choice;
    if (SSL_select_next_proto(&choice, out_n, mine, sizeof(mine) - 1, in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = choice;
    return SSL_TLSEXT_ERR_OK;
}

/* Without extended master secret a man in the middle can make two sessions whose resumptions end in the same Finished
 * (RFC 7627 section 1): there are none.  A client of TLS 1.3 alone may leave the extension out and has full handshakes. */
static int see_hello(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *ext;
    size_t n;
    (void)alert, (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_extended_master_secret, &ext, &n) != 1)
        SSL_set_options(ssl, SSL_OP_NO_TICKET);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* OpenSSL's tickets have the client's certificate without what it sent behind it. */
static int ticket_made(SSL *ssl, void *arg)
{
    (void)arg;
    static const char sent_more[] = "chain";
    if (sk_X509_num(SSL_get_peer_cert_chain(ssl)) <= 0)
        return 1;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), sent_more, sizeof(sent_more));
}

static SSL_TICKET_RETURN ticket_shown(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_n,
                                      SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl, (void)name, (void)name_n, (void)arg;
    void *data = NULL;
    size_t n = 0;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 || n > 0)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

static SSL_CTX *server_ctx(EVP_PKEY *key, const struct slice *chain, size_t n, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    static const unsigned char id[] = "kith";
    if (!ctx || n == 0 || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1 || SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1) {
        tls_failed(e, ERR_TLS, "a TLS context cannot be made");
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, admit_any, NULL);
    /* Tickets hold the state; their keys are random, in memory, and change with the certificate. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_client_hello_cb(ctx, see_hello, NULL);
    SSL_CTX_set_session_ticket_cb(ctx, ticket_made, ticket_shown, NULL);
    SSL_CTX_set_max_cert_list(ctx, TLS_PEER_CHAIN_BYTES);
    SSL_CTX_set_alpn_select_cb(ctx, choose_http11, NULL);
    if (!use_chain(ctx, key, chain, n, e)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

bool tls_server_new(EVP_PKEY *key, const struct slice *chain, size_t n, struct tls_server **out, struct err *e)
{
    *out = NULL;
    struct tls_server *ts = calloc(1, sizeof(*ts));
    if (!ts)
        return err_set(e, ERR_NOMEM, "out of memory for TLS");
    pthread_mutex_init(&ts->lock, NULL);
    ts->ctx = server_ctx(key, chain, n, e);
    if (!ts->ctx) {
        tls_server_free(ts);
        return false;
    }
    *out = ts;
    return true;
}

bool tls_server_replace(struct tls_server *ts, EVP_PKEY *key, const struct slice *chain, size_t n, struct err *e)
{
    SSL_CTX *fresh = server_ctx(key, chain, n, e);
    if (!fresh)
        return false;
    pthread_mutex_lock(&ts->lock);
    SSL_CTX *old = ts->ctx;
    ts->ctx = fresh;
    pthread_mutex_unlock(&ts->lock);
    SSL_CTX_free(old);
    return true;
}

void tls_server_free(struct tls_server *ts)
{
    if (!ts)
        return;
    SSL_CTX_free(ts->ctx);
    pthread_mutex_destroy(&ts->lock);
    free(ts);
}

SSL *tls_server_accept(struct tls_server *ts)
{
    pthread_mutex_lock(&ts->lock);
    SSL *ssl = SSL_new(ts->ctx);
    pthread_mutex_unlock(&ts->lock);
    return ssl;
}

bool tls_peer_cert(SSL *ssl, uint8_t **der, size_t *n, struct err *e)
{
    *der = NULL;
    *n = 0;
    X509 *x = SSL_get0_peer_certificate(ssl);
    if (!x)
        return true;
    unsigned char *p = NULL;
    int len = i2d_X509(x, &p);
    if (len <= 0)
        return tls_failed(e, ERR_TLS, "the client's certificate cannot be read");
    uint8_t *own = malloc((size_t)len);
    if (own) {
        memcpy(own, p, (size_t)len);
        *der = own;
        *n = (size_t)len;
    }
    OPENSSL_free(p);
    return own || err_set(e, ERR_NOMEM, "out of memory for a client certificate");
}

bool tls_peer_chain(SSL *ssl, uint8_t der[TLS_PEER_CHAIN_BYTES], struct slice out[TLS_PEER_CHAIN_MAX], size_t *n,
                    struct err *e)
{
    STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl); /* a server's view: without the client's own */
    int count = sent ? sk_X509_num(sent) : 0;
    unsigned char *p = der;
    *n = 0;
    if (count > TLS_PEER_CHAIN_MAX) {
        err_set(e, ERR_LIMIT, "%d certificates came behind the client's", count);
        err_why(e, "at most %d are looked at", TLS_PEER_CHAIN_MAX);
        return err_try(e, "only the CAs between the certificate and its root");
    }
    for (int i = 0; i < count; i++) {
        X509 *x = sk_X509_value(sent, i);
        int len = i2d_X509(x, NULL);
        if (len <= 0 || (size_t)len > TLS_PEER_CHAIN_BYTES - (size_t)(p - der)) {
            *n = 0;
            return err_set(e, ERR_LIMIT, "the certificates behind the client's are larger than %d bytes",
                           TLS_PEER_CHAIN_BYTES);
        }
        out[i] = slice_of(p, (size_t)len);
        i2d_X509(x, &p);
        *n = (size_t)i + 1;
    }
    return true;
}

static bool can_bind(SSL *ssl, struct err *e)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1)
        return true;
    err_set(e, ERR_TLS, "a TLS 1.2 connection without extended master secret has no channel binding");
    return err_why(e, "RFC 7627 section 5.3");
}

bool tls_exporter(SSL *ssl, uint8_t out[32], struct err *e)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    memset(out, 0, 32);
    if (!can_bind(ssl, e))
        return false;
    if (SSL_export_keying_material(ssl, out, 32, label, sizeof(label) - 1, NULL, 0, 1) != 1)
        return tls_failed(e, ERR_TLS, "no channel binding");
    return true;
}

bool tls_unique(SSL *ssl, uint8_t out[TLS_BINDING_MAX], size_t *n, struct err *e)
{
    *n = 0;
    if (SSL_version(ssl) != TLS1_2_VERSION) {
        err_set(e, ERR_TLS, "tls-unique is asked of a TLS 1.3 connection");
        return err_why(e, "RFC 9266 section 4: use tls-exporter");
    }
    if (!can_bind(ssl, e))
        return false;
    bool server_first = SSL_session_reused(ssl) == 1; /* in a resumption the server's Finished comes first */
    bool mine = server_first == (SSL_is_server(ssl) == 1);
    *n = mine ? SSL_get_finished(ssl, out, TLS_BINDING_MAX) : SSL_get_peer_finished(ssl, out, TLS_BINDING_MAX);
    return *n > 0 || err_set(e, ERR_TLS, "the handshake is not finished");
}

bool tls_binding(SSL *ssl, char out[TLS_BINDING_TEXT], struct err *e)
{
    uint8_t bytes[TLS_BINDING_MAX];
    size_t n = 32;
    out[0] = 0;
    if (!(SSL_version(ssl) == TLS1_2_VERSION ? tls_unique(ssl, bytes, &n, e) : tls_exporter(ssl, bytes, e)))
        return false;
    return codec_encode(CODEC_BASE64, slice_of(bytes, n), out, TLS_BINDING_TEXT) ||
           err_set(e, ERR_INTERNAL, "a channel binding of %zu bytes", n);
}

/* Looks for the root of the known fingerprint among what the server sent and trusts that one only. */
static bool verify_by_fingerprint(X509_STORE_CTX *ctx, const struct tls_client *want)
{
    STACK_OF(X509) *sent = X509_STORE_CTX_get0_untrusted(ctx);
    STACK_OF(X509) *roots = sk_X509_new_null();
    for (int i = 0; roots && i < sk_X509_num(sent); i++) {
        X509 *x = sk_X509_value(sent, i);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        if (X509_digest(x, EVP_sha256(), digest, &n) == 1 && n == 32 && memcmp(digest, want->root_sha256, 32) == 0 &&
            X509_self_signed(x, 1) == 1)
            sk_X509_push(roots, x);
    }
    bool ok = false;
    if (roots && sk_X509_num(roots) > 0) {
        X509_STORE_CTX_set0_trusted_stack(ctx, roots);
        ok = X509_verify_cert(ctx) == 1;
        X509_STORE_CTX_set0_trusted_stack(ctx, NULL);
    } else {
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN);
    }
    sk_X509_free(roots);
    return ok;
}

/* RFC 6402 section 2.10; RFC 7030 section 3.6.1.  "Any usage" is not this one. */
static bool is_platform(X509 *x)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    bool found = false;
    for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages); i++)
        found |= OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i)) == NID_cmcRA;
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

static int verify_server(X509_STORE_CTX *ctx, void *arg)
{
    const struct tls_client *want = arg;
    bool ok = want->root_sha256 ? verify_by_fingerprint(ctx, want) : X509_verify_cert(ctx) == 1;
    if (!ok || !want->platform || is_platform(X509_STORE_CTX_get0_cert(ctx)))
        return ok;
    X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION); /* no other check here ends so */
    return 0;
}

static bool trust_root(SSL_CTX *ctx, struct slice der, struct err *e)
{
    X509 *x = cert_of(der);
    X509_STORE *store = X509_STORE_new();
    bool ok = x && store && X509_STORE_add_cert(store, x) == 1;
    X509_free(x);
    if (!ok) {
        X509_STORE_free(store);
        return tls_failed(e, ERR_TLS, "the root certificate cannot be used");
    }
    SSL_CTX_set_cert_store(ctx, store);
    return true;
}

bool tls_client_apply(SSL_CTX *ctx, const struct tls_client *want, struct err *e)
{
    ERR_clear_error(); /* what others left would be told as our cause */
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 || SSL_CTX_set_cipher_list(ctx, CIPHERS_12) != 1)
        return tls_failed(e, ERR_TLS, "a TLS context cannot be set up");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (want->root_sha256 || want->platform)
        SSL_CTX_set_cert_verify_callback(ctx, verify_server, (void *)(uintptr_t)want);
    if (want->root.n) {
        if (!trust_root(ctx, want->root, e))
            return false;
    } else if (!want->root_sha256 && !want->system_roots) {
        return err_set(e, ERR_USAGE, "no root certificate to trust was given");
    } else if (want->system_roots && SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return tls_failed(e, ERR_TLS, "the host's root certificates cannot be read");
    }
    return !want->key || use_chain(ctx, want->key, want->chain, want->chain_n, e);
}
