/* What Kith wants of TLS (RFC 8446; RFC 5246 with RFC 7627), for both sides.  Keys come as EVP_PKEY, certificates as DER;
 * no file is read.
 *
 * A server admits any well-formed client certificate: the handshake proves possession of its key and nothing else, and
 * each request is judged by its route.  OpenSSL's objects never leave this module but as SSL and SSL_CTX pointers. */
#ifndef KITH_BASE_TLS_H
#define KITH_BASE_TLS_H

#include <openssl/types.h>

#include "core/err.h"

struct tls_server;

/* chain[0] is the certificate of the key, then its issuers.  Devices that enrol with nothing but the root's fingerprint
 * need the root in the chain too.  The key is shared (its count goes up).  Errors: tls. */
MUST_USE bool tls_server_new(EVP_PKEY *key, const struct slice *chain, size_t n, struct tls_server **out,
                             struct err *e);
/* New handshakes get the new certificate; what is connected stays.  From any thread. */
MUST_USE bool tls_server_replace(struct tls_server *ts, EVP_PKEY *key, const struct slice *chain, size_t n,
                                 struct err *e);
void tls_server_free(struct tls_server *ts);
AUTO_FREE_FN(struct tls_server *, tls_server_free);
/* A new server-side connection object, or NULL; from any thread. */
SSL *tls_server_accept(struct tls_server *ts);

/* DER of the peer's certificate, malloc'ed; *n is 0 if it has none.  Of resumed sessions too. */
MUST_USE bool tls_peer_cert(SSL *ssl, uint8_t **der, size_t *n, struct err *e);

/* The certificates that a client sent behind its own, DER, one after the other in `der`: not trusted, nothing looked at them.
 * A session of such a client is not resumed, since a ticket holds the client's own certificate only.  Errors: limit. */
#define TLS_PEER_CHAIN_MAX   8           /* certificates */
#define TLS_PEER_CHAIN_BYTES (32 * 1024) /* of all that a client sends: what is longer fails in the handshake */
MUST_USE bool tls_peer_chain(SSL *ssl, uint8_t der[TLS_PEER_CHAIN_BYTES], struct slice out[TLS_PEER_CHAIN_MAX],
                             size_t *n, struct err *e);

/* Channel binding.  Errors: tls, of a TLS 1.2 connection without extended master secret as well (RFC 7627 section 5.3,
 * RFC 9266 section 3): such clients are served, without it and without resumption. */
#define TLS_BINDING_MAX 64
/* RFC 9266: "EXPORTER-Channel-Binding", 32 bytes. */
MUST_USE bool tls_exporter(SSL *ssl, uint8_t out[32], struct err *e);
/* RFC 5929 section 3, TLS 1.2 only: the first Finished of the handshake.  Errors: tls (TLS 1.3 has none). */
MUST_USE bool tls_unique(SSL *ssl, uint8_t out[TLS_BINDING_MAX], size_t *n, struct err *e);
/* The one that fits the connection's version, in base64, as a CSR's challengePassword has it (RFC 7030 section 3.5). */
#define TLS_BINDING_TEXT (TLS_BINDING_MAX * 4 / 3 + 4)
MUST_USE bool tls_binding(SSL *ssl, char out[TLS_BINDING_TEXT], struct err *e);

/* What a client trusts and how it shows itself.  Everything is borrowed. */
struct tls_client {
    struct slice root;          /* DER of the one root that servers must lead to, or empty */
    const uint8_t *root_sha256; /* instead: SHA-256 of the DER of a root that the server sends along; 32 bytes */
    bool system_roots;          /* instead: what this host trusts (connectors to other people's servers) */
    bool platform;              /* the server's certificate must have the usage id-kp-cmcRA: no gateway's does */
    EVP_PKEY *key;              /* NULL: no client certificate */
    const struct slice *chain;  /* of the key: chain[0] is its certificate */
    size_t chain_n;
};

/* Sets up a client's SSL_CTX: TLS 1.2 or later, verification as `want` says.  `want` must outlive the context's use.
 * The host name is the caller's to check (libcurl does).  Errors: tls. */
MUST_USE bool tls_client_apply(SSL_CTX *ctx, const struct tls_client *want, struct err *e);

#endif
