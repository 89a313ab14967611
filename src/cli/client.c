#include "cli/client.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http_client.h"
#include "base/pem.h"
#include "base/program.h"
#include "cli/pki.h"
#include "keys/p11.h"
#include "keys/provider.h"
#include "keys/secret.h"
#include "x509/chain.h"

#define CHAIN_MAX   8
#define TIMEOUT_MS  30000
#define PROMPT_MS   5000 /* for what answers at once, or not at all */
#define SEGMENT_MAX 1000

/* What a connection over TLS borrows while it lives. */
struct identity {
    struct slice chain[CHAIN_MAX];
    size_t n;
    struct slice root;
    EVP_PKEY *key;
    struct key_env env; /* of a key on a token */
};

bool cli_key_is_on_token(const char *key)
{
    return strncmp(key, "pkcs11:", 7) == 0;
}

static int give_passphrase(char *dst, int cap, int writing, void *ctx)
{
    struct secret *s = ctx;
    (void)writing;
    struct slice bytes = s ? secret_get0(s) : (struct slice){0};
    if (!s || bytes.n > (size_t)cap)
        return -1;
    memcpy(dst, bytes.p, bytes.n);
    return (int)bytes.n;
}

static bool open_token_key(struct cli *cli, struct identity *id, struct err *e)
{
    AUTO(key_free_auto) struct key *k = NULL;
    if (!p11_open_for(cli->g.key, cli->g.module, cli->g.pin_file, NULL, &id->env.p11, e))
        return e->hint[0] ? false : err_try(e, "--key 'pkcs11:token=LABEL;object=NAME' --module FILE --pin-file FILE");
    return key_open(&id->env, cli->g.key, &k, e) && key_to_evp(k, &id->key, e);
}

static bool read_key(struct cli *cli, EVP_PKEY **out, struct err *e)
{
    AUTO(secret_free_auto) struct secret *pass = NULL;
    AUTO(buf_wipe) struct buf pem = {0};
    buf_init(&pem, 65536);
    if (!file_read_private(cli->g.key, 65536, &pem, e) ||
        (cli->g.passphrase_file && !secret_read_file(cli->g.passphrase_file, &pass, e)))
        return false;
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    *out = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, pass) : NULL;
    BIO_free(bio);
    if (*out)
        return true;
    err_set(e, ERR_KEY_FILE, "%s cannot be opened as a private key", cli->g.key);
    return err_try(e, pass ? "the passphrase that it was sealed with" : "--passphrase-file FILE, if it is sealed");
}

/* The certificates of a PEM file, or the one of a DER file, copied into the arena; what is beyond `cap` is left. */
static bool read_certs(struct cli *cli, const char *path, struct slice *out, size_t cap, size_t *n, struct err *e)
{
    bool found;
    AUTO(buf_clear) struct buf text = {0}, der = {0};
    buf_init(&text, 1 << 20);
    buf_init(&der, 1 << 20);
    *n = 0;
    if (!file_read(path, text.max, &text, e))
        return false;
    struct slice rest = buf_slice(&text);
    if (pem_is_der(rest)) {
        out[(*n)++] = arena_dup(&cli->arena, rest);
        return arena_ok(&cli->arena, e);
    }
    while (*n < cap) {
        buf_reset(&der);
        if (!pem_next_of(&rest, PEM_CERT, &der, &found, e))
            return err_ctx(e, "%s", path);
        if (!found)
            break;
        out[(*n)++] = arena_dup(&cli->arena, buf_slice(&der));
    }
    return *n > 0 ? arena_ok(&cli->arena, e) : err_set(e, ERR_CERT, "%s has no certificate in it", path);
}

static bool read_identity(struct cli *cli, struct identity *id, struct err *e)
{
    struct cert last;
    size_t n;
    if (!cli->g.cert || !cli->g.key) {
        err_set(e, ERR_OPTION, "--url needs --cert and --key");
        return err_try(e, "kith operator add NAME --role ROLE --out DIR, on the platform, makes both");
    }
    if (!read_certs(cli, cli->g.cert, id->chain, CHAIN_MAX, &id->n, e) ||
        !(cli_key_is_on_token(cli->g.key) ? open_token_key(cli, id, e) : read_key(cli, &id->key, e)))
        return false;
    if (cli->g.ca)
        return read_certs(cli, cli->g.ca, &id->root, 1, &n, e);
    if (!cert_read(id->chain[id->n - 1], &last, e))
        return err_ctx(e, "%s", cli->g.cert);
    if (!cert_is_self_issued(&last)) {
        err_set(e, ERR_OPTION, "which root does the platform have?");
        return err_try(e, "--ca root.pem, or a --cert file that ends with the root");
    }
    id->root = id->chain[id->n - 1];
    id->n -= id->n > 1;
    return true;
}

static bool open_tls(struct cli *cli, struct err *e)
{
    struct identity *id = arena_alloc(&cli->arena, sizeof *id);
    if (!id)
        return arena_ok(&cli->arena, e);
    *id = (struct identity){0};
    cli->identity = id;
    if (!read_identity(cli, id, e))
        return false;
    struct http_client_opts o = {
        .tls = {.root = id->root, .platform = true, .key = id->key, .chain = id->chain, .chain_n = id->n},
        .user_agent = "kith/" KITH_VERSION,
    };
    return http_client_new(&o, &cli->client, e);
}

/* Its lock has the number of the kithd that holds it, or of the last one that did. */
static bool kithd_runs(struct cli *cli, const struct settings *s, long *pid)
{
    char text[32], name[16] = {0};
    const char *lock = settings_path(s, &cli->arena, PATH_LOCK);
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, sizeof text);
    if (!lock || !file_read(lock, sizeof text - 1, &b, NULL) || (*pid = strtol(buf_str(&b), NULL, 10)) <= 0)
        return false;
    snprintf(text, sizeof text, "/proc/%ld/comm", *pid);
    FILE *f = fopen(text, "re");
    bool ok = f && fgets(name, sizeof name, f) && strcmp(name, "kithd\n") == 0;
    if (f)
        fclose(f);
    return ok;
}

bool cli_socket_is_lost(struct cli *cli, const struct settings *s, struct err *e)
{
    long pid;
    if (file_exists(s->socket) || !kithd_runs(cli, s, &pid))
        return false;
    err_set(e, ERR_UNAVAILABLE, "kithd runs as process %ld, but %s is not there", pid, s->socket);
    err_why(e, "somebody removed it, or kithd has only just started");
    (void)err_try(
        e, "the same in a moment: kithd starts its server again with another; its log says what may be in the way");
    return true;
}

static bool open_local(struct cli *cli, struct err *e)
{
    const struct settings *s;
    struct sockaddr_un sa;
    if (!cli_settings(cli, &s, e))
        return false;
    struct http_client_opts o = {.unix_path = s->socket, .user_agent = "kith/" KITH_VERSION};
    if (strlen(s->socket) >= sizeof sa.sun_path)
        return err_set(e, ERR_LIMIT, "the socket's path is longer than %zu bytes: %s", sizeof sa.sun_path - 1,
                       s->socket);
    if (cli_socket_is_lost(cli, s, e))
        return false;
    if (!file_exists(s->socket)) {
        err_set(e, ERR_UNAVAILABLE, "the platform in %s is not running", s->dir);
        err_why(e, "%s is not there", s->socket);
        return err_try(e, "kithd --config %s/" SETTINGS_FILE, s->dir);
    }
    return http_client_new(&o, &cli->client, e);
}

static bool open_client(struct cli *cli, struct err *e)
{
    if (cli->g.url)
        return open_tls(cli, e);
    if (cli->g.dir)
        return open_local(cli, e);
    err_set(e, ERR_OPTION, "which platform?");
    return err_try(e, "--dir DIR on its machine, or --url URL --cert FILE --key FILE");
}

void cli_client_close(struct cli *cli)
{
    http_client_free(cli->client);
    cli->client = NULL;
    if (cli->identity) {
        EVP_PKEY_free(cli->identity->key);
        p11_free(cli->identity->env.p11); /* its keys are gone */
    }
    cli->identity = NULL;
}

static const char *full_url(struct cli *cli, const char *path)
{
    if (!cli->g.url)
        return arena_printf(&cli->arena, "http://kith%s", path);
    size_t n = strlen(cli->g.url);
    while (n && cli->g.url[n - 1] == '/')
        n--;
    return arena_printf(&cli->arena, "%.*s%s", (int)n, cli->g.url, path);
}

/* A server that is stopped or hangs still takes connections: it is asked for a sign of life before it is waited for. */
bool cli_connect(struct cli *cli, struct err *e)
{
    struct http_reply r;
    if (cli->client)
        return true;
    if (!open_client(cli, e))
        return false;
    struct http_call hc = {.url = full_url(cli, "/healthz"), .timeout_ms = PROMPT_MS};
    if (hc.url && http_client_call(cli->client, &hc, &r, e)) {
        http_reply_clear(&r);
        return true;
    }
    cli_client_close(cli);
    return hc.url ? false : arena_ok(&cli->arena, e);
}

/* cli_path() of a word that no device, model or party can be called by. */
static bool too_long(struct err *e)
{
    err_set(e, ERR_OPTION, "a name or number that is longer than %d bytes names nothing", SEGMENT_MAX);
    return err_try(e, "kith device ls, kith model ls and the like show what there is");
}

static bool call(struct cli *cli, const char *method, const char *path, const char *type, const struct buf *body,
                 int64_t timeout_ms, struct buf *reply, struct err *e)
{
    struct http_reply r = {0};
    struct slice s;
    if (!path)
        return too_long(e);
    if (!cli_connect(cli, e) || (body && !buf_done(body, &s, e)))
        return false;
    struct http_call hc = {.method = method,
                           .url = full_url(cli, path),
                           .type = body ? type : NULL,
                           .body = body ? buf_slice(body) : (struct slice){0},
                           .body_max = CLI_ANSWER_MAX,
                           .timeout_ms = timeout_ms};
    if (!hc.url)
        return arena_ok(&cli->arena, e);
    bool ok = http_client_call(cli->client, &hc, &r, e);
    if (ok) {
        buf_put(reply, buf_slice(&r.body));
        ok = buf_done(reply, &s, e);
    }
    http_reply_clear(&r);
    return ok;
}

static bool read_json(struct buf *reply, struct json **out, struct err *e)
{
    return json_read(buf_slice(reply), CLI_ANSWER_MAX, out, e) || err_ctx(e, "answer of the server");
}

bool cli_call(struct cli *cli, const char *method, const char *path, const struct buf *body, int64_t wait_ms,
              struct buf *reply, struct err *e)
{
    return call(cli, method, path, "application/json", body, TIMEOUT_MS + wait_ms, reply, e);
}

bool cli_call_json(struct cli *cli, const char *method, const char *path, const struct buf *body, int64_t wait_ms,
                   struct buf *reply, struct json **out, struct err *e)
{
    *out = NULL;
    buf_reset(reply);
    return cli_call(cli, method, path, body, wait_ms, reply, e) && read_json(reply, out, e);
}

bool cli_ask(struct cli *cli, const char *path, struct buf *reply, struct json **out, struct err *e)
{
    *out = NULL;
    buf_reset(reply);
    return call(cli, "GET", path, NULL, NULL, PROMPT_MS, reply, e) && read_json(reply, out, e);
}

bool cli_call_lines(struct cli *cli, const char *path, const struct buf *lines, struct buf *reply, struct json **out,
                    struct err *e)
{
    *out = NULL;
    buf_reset(reply);
    return call(cli, "POST", path, "application/jsonl", lines, TIMEOUT_MS, reply, e) && read_json(reply, out, e);
}

bool cli_fetch(struct cli *cli, const char *path, bool (*on_data)(struct slice part, void *arg), void *arg,
               struct err *e)
{
    struct http_reply r = {0};
    if (!cli_connect(cli, e))
        return false;
    struct http_call hc = {
        .url = full_url(cli, path), .on_data = on_data, .arg = arg, .timeout_ms = -1, .stall_ms = TIMEOUT_MS};
    if (!hc.url)
        return arena_ok(&cli->arena, e);
    bool ok = http_client_call(cli->client, &hc, &r, e);
    http_reply_clear(&r);
    return ok;
}

/* RFC 3986 section 2.3: unreserved characters stay. */
static void put_encoded(struct buf *b, const char *s)
{
    for (; *s; s++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *s))
            buf_put_char(b, *s);
        else
            buf_printf(b, "%%%02X", (unsigned char)*s);
}

const char *cli_path(struct cli *cli, const char *prefix, const char *segment, const char *suffix)
{
    AUTO(buf_clear) struct buf b = {0};
    if (strlen(segment) > SEGMENT_MAX)
        return NULL;
    buf_init(&b, 8192);
    buf_put_str(&b, prefix);
    put_encoded(&b, segment);
    buf_put_str(&b, suffix);
    const char *s = buf_ok(&b) ? arena_str(&cli->arena, buf_slice(&b)) : NULL;
    return s;
}

void cli_put_query(struct buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "%c%s=", memchr(b->p ? b->p : "", '?', b->n) ? '&' : '?', name);
    put_encoded(b, value);
}
