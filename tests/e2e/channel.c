/* One TLS connection whose channel binding comes out before anything goes in; python3's ssl knows no exporter.
 *
 *     est_channel PORT CA-FILE 1.2|1.3
 *
 * prints the base64 of tls-unique (RFC 5929) or tls-exporter (RFC 9266), sends what stdin has, prints the answer. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

static int die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    return 1;
}

static int dial(const char *port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static void print_binding(SSL *ssl)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char b[64], text[128];
    size_t n = 32;
    if (SSL_version(ssl) == TLS1_2_VERSION)
        n = SSL_get_finished(ssl, b, sizeof b);
    else if (SSL_export_keying_material(ssl, b, n, label, sizeof label - 1, NULL, 0, 1) != 1)
        n = 0;
    EVP_EncodeBlock(text, b, (int)n);
    printf("%s\n", text);
    fflush(stdout);
}

static void talk(SSL *ssl)
{
    static char bytes[65536];
    size_t n = 0, got;
    while (n < sizeof bytes && (got = fread(bytes + n, 1, sizeof bytes - n, stdin)) > 0)
        n += got;
    if (n == 0 || SSL_write(ssl, bytes, (int)n) <= 0)
        return;
    for (int r; (r = SSL_read(ssl, bytes, sizeof bytes)) > 0;)
        fwrite(bytes, 1, (size_t)r, stdout);
}

int main(int argc, char **argv)
{
    alarm(60);
    if (argc != 4)
        return die("est_channel PORT CA-FILE 1.2|1.3");
    int version = strcmp(argv[3], "1.2") == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, fd = dial(argv[1]);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (fd < 0 || !ctx || SSL_CTX_load_verify_locations(ctx, argv[2], NULL) != 1 ||
        SSL_CTX_set_min_proto_version(ctx, version) != 1 || SSL_CTX_set_max_proto_version(ctx, version) != 1)
        return die("no connection");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL *ssl = SSL_new(ctx);
    if (!ssl || SSL_set1_host(ssl, "localhost") != 1 || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
        return die("handshake");
    print_binding(ssl);
    talk(ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return 0;
}
