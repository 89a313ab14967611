/* Each kind of key in each back end, beside OpenSSL: as a CA whose certificates `openssl verify` takes, and as the key of a TLS
 * server and client that openssl s_client and s_server shake hands with, in TLS 1.2 and 1.3. */
#include "../../unit/test.h"
#include "base/tls.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "keys/p11.h"
#include "keys/provider.h"
#include "x509/cert.h"
#include "x509/name.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "token.h"

extern char **environ;

enum back_end { IN_FILE, IN_TOKEN, BACK_ENDS };

static struct key_env env;
static char root_path[128], leaf_path[128], peer_key[128], peer_path[128], out_path[128];

/* Signature algorithms of a kind: the first is its default.  tls12: what TLS 1.2 has to be held to, if anything. */
static const struct kind {
    enum key_type type;
    enum sig_alg algs[5];
    const char *tls12[2], *shown; /* by `openssl x509 -text`, of the default */
} kinds[] = {
    {KEY_P256, {SIG_ES256}, {NULL}, "ecdsa-with-SHA256"},
    {KEY_P384, {SIG_ES384}, {NULL}, "ecdsa-with-SHA384"},
    {KEY_ED25519, {SIG_EDDSA}, {NULL}, "ED25519"},
    {KEY_RSA2048, {SIG_PS256, SIG_PS384, SIG_RS256, SIG_RS384}, {"RSA-PSS+SHA256", "RSA+SHA256"}, "rsassaPss"},
    {KEY_RSA3072, {SIG_PS256, SIG_RS256}, {"RSA-PSS+SHA384", "RSA+SHA384"}, "rsassaPss"},
    {KEY_RSA4096, {SIG_PS256, SIG_RS256}, {"RSA-PSS+SHA256", "RSA+SHA256"}, "rsassaPss"},
};

/* --- OpenSSL's own program --- */

/* Its output goes to a file; stdin is empty. */
static pid_t openssl_start(const char *const *words)
{
    union {
        const char *const *given;
        char *const *taken;
    } argv = {.given = words};
    posix_spawn_file_actions_t acts;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_addopen(&acts, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&acts, 1, out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&acts, 1, 2);
    assert_int_equal(posix_spawnp(&pid, "openssl", &acts, NULL, argv.taken, environ), 0);
    posix_spawn_file_actions_destroy(&acts);
    return pid;
}

static int openssl_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *openssl_said(void)
{
    static char text[32768];
    int fd = open(out_path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void openssl_does(const char *const *words, const char *shown)
{
    int code = openssl_end(openssl_start(words));
    if (code != 0 || (shown && !strstr(openssl_said(), shown)))
        fail_msg("openssl %s: exit %d, %s", words[1], code, openssl_said());
}

/* --- certificates --- */

static bool sign_as(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e);

struct choice {
    struct key *key;
    enum sig_alg alg;
};

static bool sign_as(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e)
{
    struct choice *c = ctx;
    return key_sign(c->key, c->alg, parts, n, sig, sig_n, e);
}

static void put_pem(const char *path, struct slice der)
{
    const unsigned char *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    FILE *f = fopen(path, "w");
    assert_true(x && f && PEM_write_X509(f, x));
    fclose(f);
    X509_free(x);
}

/* By ca with alg; a CA certificate of its own, or one of a TLS end for spki. */
static void issue(struct key *ca, enum sig_alg alg, bool is_ca, const char *path)
{
    uint8_t root[200], leaf[200], der[CERT_MAX], serial[] = {1, 2, 3}, key_id[KEY_ID_SIZE];
    struct writer r = WRITER_ARRAY(root), l = WRITER_ARRAY(leaf), w = WRITER_ARRAY(der);
    struct err e = {0};
    struct choice choice = {ca, alg};
    struct signer s = {.alg = alg, .sign = sign_as, .ctx = &choice};
    const struct san host = {.type = SAN_DNS, .value = SLICE_LIT("localhost")};
    int64_t now = time(NULL);
    assert_ok(name_write(&r, SLICE_LIT("CN=Root"), &e) && name_write(&l, SLICE_LIT("CN=localhost"), &e), e);
    assert_true(cert_key_id(&crypto_openssl, SKI_SHA256, key_get0_spki(ca), key_id));
    serial[2] = is_ca;
    struct cert_template t = {.serial = SLICE_ARRAY(serial),
                              .sig_alg = alg,
                              .issuer = writer_slice(&r),
                              .subject = is_ca ? writer_slice(&r) : writer_slice(&l),
                              .not_before = now - 60,
                              .not_after = now + 3600,
                              .spki = key_get0_spki(ca),
                              .aki = SLICE_ARRAY(key_id),
                              .ski_method = SKI_SHA256,
                              .key_usage = is_ca ? KU_KEY_CERT_SIGN | KU_CRL_SIGN : KU_DIGITAL_SIGNATURE,
                              .eku = is_ca ? 0 : EKU_SERVER_AUTH | EKU_CLIENT_AUTH,
                              .basic_constraints = true,
                              .is_ca = is_ca,
                              .path_len = -1,
                              .san = is_ca ? NULL : &host,
                              .san_n = !is_ca};
    assert_ok(cert_issue(&t, &crypto_openssl, &s, &w, &e), e);
    put_pem(path, writer_slice(&w));
}

static void is_a_ca(const struct kind *k, struct key *key)
{
    const char *const verify[] = {"openssl",  "verify",    "-x509_strict",     "-check_ss_sig", "-CAfile", root_path,
                                  "-purpose", "sslserver", "-verify_hostname", "localhost",     leaf_path, NULL};
    const char *const text[] = {"openssl", "x509", "-in", leaf_path, "-noout", "-text", NULL};
    for (size_t i = ARRAY_LEN(k->algs); i-- > 0;) {
        if (k->algs[i] == SIG_NONE)
            continue;
        issue(key, k->algs[i], true, root_path);
        issue(key, k->algs[i], false, leaf_path);
        openssl_does(verify, ": OK");
    }
    openssl_does(text, k->shown);
}

/* --- TLS --- */

static struct sockaddr_in listen_somewhere(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(*fd, 4), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &n), 0);
    return at;
}

static SSL_CTX *context(const SSL_METHOD *m, EVP_PKEY *key, int version, const char *algs, const char *peers)
{
    SSL_CTX *c = SSL_CTX_new(m);
    assert_true(c && SSL_CTX_use_certificate_file(c, leaf_path, SSL_FILETYPE_PEM) == 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(c, key), 1);
    assert_true(SSL_CTX_set_min_proto_version(c, version) && SSL_CTX_set_max_proto_version(c, version));
    assert_true(!algs || SSL_CTX_set1_sigalgs_list(c, algs));
    assert_int_equal(SSL_CTX_load_verify_locations(c, peers, NULL), 1);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return c;
}

/* The server's half, with s a fresh server-side object. */
static void serves_s_client(SSL *s, int door, struct sockaddr_in a, int version)
{
    char at[32];
    snprintf(at, sizeof at, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    const char *const words[] = {"openssl",
                                 "s_client",
                                 "-connect",
                                 at,
                                 version == TLS1_2_VERSION ? "-tls1_2" : "-tls1_3",
                                 "-CAfile",
                                 root_path,
                                 "-verify_return_error",
                                 "-verify_hostname",
                                 "localhost",
                                 "-servername",
                                 "localhost",
                                 "-cert",
                                 peer_path,
                                 "-key",
                                 peer_key,
                                 "-brief",
                                 NULL};
    pid_t pid = openssl_start(words);
    int fd = accept(door, NULL, NULL);
    assert_true(fd >= 0 && SSL_set_fd(s, fd) == 1);
    int ok = SSL_accept(s);
    char byte;
    if (ok == 1)
        (void)SSL_read(s, &byte, 1); /* until the peer, whose stdin is empty, is done */
    else
        ERR_print_errors_fp(stderr);
    SSL_shutdown(s);
    close(fd);
    int code = openssl_end(pid);
    if (ok != 1 || code != 0 || !strstr(openssl_said(), "Verification: OK"))
        fail_msg("s_client: accepted %d, exit %d, %s", ok, code, openssl_said());
    SSL_free(s);
    close(door);
}

static void serves(EVP_PKEY *key, int version, const char *algs)
{
    int door;
    struct sockaddr_in a = listen_somewhere(&door);
    SSL_CTX *c = context(TLS_server_method(), key, version, algs, peer_path);
    serves_s_client(SSL_new(c), door, a, version);
    SSL_CTX_free(c);
}

static int connect_to(struct sockaddr_in a)
{
    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return -1;
}

/* c is used up. */
static void shakes_hands_with_s_server(SSL_CTX *c)
{
    int door;
    char at[32];
    struct sockaddr_in a = listen_somewhere(&door);
    close(door); /* free again; nobody else takes it meanwhile, or the handshake fails */
    snprintf(at, sizeof at, "127.0.0.1:%u", (unsigned)ntohs(a.sin_port));
    const char *const words[] = {"openssl",
                                 "s_server",
                                 "-accept",
                                 at,
                                 "-cert",
                                 peer_path,
                                 "-key",
                                 peer_key,
                                 "-CAfile",
                                 root_path,
                                 "-Verify",
                                 "1",
                                 "-verify_return_error",
                                 "-naccept",
                                 "1",
                                 "-www",
                                 NULL};
    pid_t pid = openssl_start(words);
    int fd = connect_to(a);
    SSL *s = SSL_new(c);
    char answer[4096] = "";
    assert_true(fd >= 0 && SSL_set_fd(s, fd) == 1);
    /* Whether the server takes our certificate shows in its answer only: TLS 1.3 ends our side before. */
    bool ok = SSL_connect(s) == 1 && SSL_write(s, "GET / HTTP/1.0\r\n\r\n", 18) == 18 &&
              SSL_read(s, answer, sizeof answer - 1) > 0 && strstr(answer, "200 ok");
    if (!ok)
        ERR_print_errors_fp(stderr);
    SSL_shutdown(s);
    close(fd);
    if (!ok)
        kill(pid, SIGTERM);
    int code = openssl_end(pid);
    if (!ok || code != 0)
        fail_msg("s_server: %s, exit %d, %s", answer, code, openssl_said());
    SSL_free(s);
    SSL_CTX_free(c);
}

static void is_a_tls_key(const struct kind *k, struct key *key)
{
    struct err e = {0};
    EVP_PKEY *pkey;
    assert_ok(key_to_evp(key, &pkey, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(k->tls12) && (i == 0 || k->tls12[i]); i++) {
        char algs[96];
        /* the peer's own key is of P-256 */
        snprintf(algs, sizeof algs, "%s:ECDSA+SHA256", k->tls12[i] ? k->tls12[i] : "");
        const char *list = k->tls12[i] ? algs : NULL;
        serves(pkey, TLS1_2_VERSION, list);
        shakes_hands_with_s_server(context(TLS_client_method(), pkey, TLS1_2_VERSION, list, peer_path));
    }
    serves(pkey, TLS1_3_VERSION, NULL);
    shakes_hands_with_s_server(context(TLS_client_method(), pkey, TLS1_3_VERSION, NULL, peer_path));
    EVP_PKEY_free(pkey);
}

static void is_ca_and_tls_key_wherever_it_lives(void **state)
{
    (void)state;
    for (enum back_end b = IN_FILE; b < BACK_ENDS; b++)
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            struct key *k;
            struct err e = {0};
            char ref[160];
            if (b == IN_FILE)
                snprintf(ref, sizeof ref, "file:%s/%s.key", token_dir, key_type_name(kinds[i].type));
            else
                snprintf(ref, sizeof ref, "pkcs11:object=%s", key_type_name(kinds[i].type));
            assert_true(b == IN_FILE || p11_can_generate(env.p11, kinds[i].type));
            assert_ok(key_generate(&env, ref, kinds[i].type, &k, &e), e);
            key_free(k);
            assert_ok(key_open(&env, ref, &k, &e), e); /* as a signer finds it */
            assert_int_equal(key_sig_alg(k), kinds[i].algs[0]);
            is_a_ca(&kinds[i], k);
            is_a_tls_key(&kinds[i], k);
            key_free(k);
            print_message("ok %s %s\n", b == IN_FILE ? "file" : "token", key_type_name(kinds[i].type));
        }
}

static struct slice der_of(const char *pem, uint8_t *out)
{
    FILE *f = fopen(pem, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    unsigned char *p = out;
    fclose(f);
    int n = i2d_X509(x, &p);
    X509_free(x);
    assert_true(n > 0);
    return slice_of(out, (size_t)n);
}

/* TLS 1.2 does not bind the digest to the curve, and peers prefer SHA-256, which a P-384 key of ours does not sign: nobody has to
 * be told, OpenSSL asks the key. */
static void speaks_tls12_with_p384_through_our_own_contexts(void **state)
{
    (void)state;
    struct key *k;
    struct err e = {0};
    EVP_PKEY *pkey;
    struct tls_server *ts;
    int door;
    uint8_t leaf[CERT_MAX], peer[CERT_MAX];
    assert_ok(key_open(&env, "pkcs11:object=p384", &k, &e), e);
    issue(k, SIG_ES384, true, root_path);
    issue(k, SIG_ES384, false, leaf_path);
    assert_ok(key_to_evp(k, &pkey, &e), e);
    struct slice chain = der_of(leaf_path, leaf), root = der_of(peer_path, peer);
    assert_ok(tls_server_new(pkey, &chain, 1, &ts, &e), e);
    struct sockaddr_in a = listen_somewhere(&door);
    SSL *s = tls_server_accept(ts);
    assert_int_equal(SSL_set_max_proto_version(s, TLS1_2_VERSION), 1);
    serves_s_client(s, door, a, TLS1_2_VERSION);
    tls_server_free(ts);
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    struct tls_client want = {.root = root, .key = pkey, .chain = &chain, .chain_n = 1};
    assert_ok(tls_client_apply(c, &want, &e), e);
    assert_int_equal(SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION), 1);
    shakes_hands_with_s_server(c);
    EVP_PKEY_free(pkey);
    key_free(k);
}

static int set_up(void **state)
{
    (void)state;
    struct err e = {0};
    static char pass[128];
    snprintf(root_path, sizeof root_path, "%s/root.pem", token_dir);
    snprintf(leaf_path, sizeof leaf_path, "%s/leaf.pem", token_dir);
    snprintf(peer_key, sizeof peer_key, "%s/peer.key", token_dir);
    snprintf(peer_path, sizeof peer_path, "%s/peer.pem", token_dir);
    snprintf(out_path, sizeof out_path, "%s/out", token_dir);
    snprintf(pass, sizeof pass, "%s/pass", token_dir);
    token_put(pass, "correct horse\n");
    const char *const words[] = {
        "openssl", "req",     "-x509",  "-newkey", "ec",      "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes",  "-keyout", peer_key, "-out",    peer_path, "-subj",    "/CN=peer",
        "-days",   "1",       NULL};
    openssl_does(words, NULL);
    signal(SIGPIPE, SIG_IGN);
    env.passphrase_file = pass;
    if (p11_open(SOFTHSM, TOKEN_LABEL, token_pin, NULL, &env.p11, &e))
        return 0;
    fprintf(stderr, "%s (%s)\n", e.what, e.why);
    return 1;
}

static int tear_down(void **state)
{
    (void)state;
    p11_free(env.p11);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_ca_and_tls_key_wherever_it_lives),
                                       cmocka_unit_test(speaks_tls12_with_p384_through_our_own_contexts)};
    alarm(170);
    token_end(token_make() ? cmocka_run_group_tests(tests, set_up, tear_down) : 77);
}
