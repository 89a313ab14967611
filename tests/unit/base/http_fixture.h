/* A server on loopback with a TLS certificate made for the test, and raw clients that say what no library would. */
#ifndef KITH_TESTS_UNIT_BASE_HTTP_FIXTURE_H
#define KITH_TESTS_UNIT_BASE_HTTP_FIXTURE_H

#include "../test.h"

#include <openssl/ssl.h>

#include "base/http_client.h"
#include "base/http_server.h"
#include "base/loop.h"
#include "base/tls.h"

struct identity {
    EVP_PKEY *key;
    uint8_t der[2048];
    struct slice cert;
};
/* Self-signed if issuer is NULL.  A name that looks like an address becomes one in the SAN. */
void identity_make(struct identity *id, const char *name, const struct identity *issuer, bool ca);
/* A server's: `usages` as OpenSSL writes extendedKeyUsage. */
void identity_make_server(struct identity *id, const char *name, const struct identity *issuer, const char *usages);
void identity_clear(struct identity *id);

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct tls_server *tls;
    struct identity root, leaf, device;
    uint16_t tls_port, plain_port;
    char unix_path[64];
};
void fixture_start(struct fixture *f, unsigned workers, const struct http_limits *limits);
void fixture_stop(struct fixture *f);

int raw_connect(uint16_t port);
int raw_connect_from(uint32_t from, uint16_t port); /* an address of 127/8, host order */
void raw_send(int fd, const void *p, size_t n);
/* Reads until `want` was seen, the end or the time is over; the text is NUL-terminated.  Returns what came. */
size_t raw_read(int fd, char *dst, size_t cap, const char *want, int timeout_ms);
/* True if the peer closes within the time. */
bool raw_closes(int fd, int timeout_ms);
/* A TLS client; version 0: any.  NULL if the handshake fails.  SIGPIPE is ignored until raw_tls_end(). */
SSL *raw_tls(SSL_CTX *ctx, uint16_t port);
SSL_CTX *raw_tls_ctx(const struct fixture *f, bool with_cert, int version);
void raw_tls_end(SSL *ssl);
int64_t raw_now_ms(void);

/* How often GET /late, which answers after 100 ms, has begun. */
extern _Atomic unsigned fixture_late;
extern _Atomic bool fixture_hold; /* while set, late answers wait */

#endif
