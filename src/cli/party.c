/* Operators and gateways: their keys are made here and never leave; what goes to the platform is a request.  Each gets a
 * directory of its own: key.pem, cert.pem (the certificate, then its issuers), for gateways gate.conf and the issuers too. */
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/file.h"
#include "base/host.h"
#include "base/nearest.h"
#include "base/pem.h"
#include "cli/broker_user.h"
#include "cli/client.h"
#include "cli/gateway_config.h"
#include "cli/pki.h"
#include "cli/show.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "model/device.h"
#include "x509/name.h"

#define HOSTS_MAX 16

struct party_opts {
    const char *role, *site, *out, *url, *csr, *user;
    struct opt_list hostnames;
    int key_type;
};

static const char *const key_words[] = {"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096", NULL};
static const char *const role_words[] = {"admin", "security", "factory", "release", "data", "auditor", "owner", NULL};

#define AT(field) .offset = offsetof(struct party_opts, field)
#define OUT_ROW                                                                                                        \
    {                                                                                                                  \
        NULL, "out", OPT_PATH, .arg = "DIR", .help = "where its key and certificate go (NAME)", AT(out)                \
    }
#define KEY_ROW                                                                                                        \
    {                                                                                                                  \
        NULL, "key-type", OPT_ENUM, .def = "p256", .words = key_words, .arg = "TYPE", .help = "of its key",            \
                                    AT(key_type)                                                                       \
    }

static const struct opt operator_rows[] = {
    {NULL, "role", OPT_TEXT, .words = role_words, .arg = "ROLE",
     .help = "admin, security, factory, release, data, auditor or owner", AT(role), .required = true},
    {NULL, "csr", OPT_PATH, .not_with = "key-type", .arg = "FILE",
     .help = "certify the key of this request (`kith operator request`); no key is made here", AT(csr)},
    OUT_ROW,
    KEY_ROW,
};
static const struct opt gateway_rows[] = {
    {NULL, "site", OPT_TEXT, .arg = "NAME", .help = "it serves devices of this site only (tag site); all if not given",
     AT(site)},
    {NULL, "hostnames", OPT_LIST, 0, HOSTS_MAX, .arg = "A,B", .help = "names and addresses that devices reach it by",
     AT(hostnames)},
    {NULL, "feed-url", OPT_URL, 1, 200, .words = opt_https, .arg = "URL",
     .help = "where it reaches the platform, if not by the platform's url", AT(url)},
    {NULL, "user", OPT_TEXT, 1, 64, BROKER_USER, .arg = "NAME",
     .help = "as root, if there is this user: the directory is given to it, as whom Debian's broker goes on", AT(user)},
    OUT_ROW,
    KEY_ROW,
};

static const char *in_dir(struct cli *cli, const char *dir, const char *name)
{
    return arena_printf(&cli->arena, "%s/%s", dir, name);
}

/* The place of a party: what of it was not there before. */
struct place {
    const char *dir, *key; /* key: a reference */
    bool made_dir, made_key;
};

static bool open_place(struct cli *cli, const char *dir, struct place *out, struct err *e)
{
    *out = (struct place){.dir = dir,
                          .key = arena_printf(&cli->arena, "file:%s/key.pem?plain", dir),
                          .made_dir = !file_exists(dir),
                          .made_key = !file_exists(in_dir(cli, dir, "key.pem"))};
    return arena_ok(&cli->arena, e) && file_mkdir_private(dir, e);
}

/* A key that an earlier, broken try left is used again. */
static bool open_or_make_key(const struct place *p, enum key_type type, struct key **out, struct err *e)
{
    const struct key_env env = {0};
    return p->made_key ? key_generate(&env, p->key, type, out, e) : key_open(&env, p->key, out, e);
}

/* Where the answer may only be lost, the platform may know the key: it stays for the next try. */
static bool is_refusal(const struct err *e)
{
    enum err_class c = err_class_of(e->code);
    return c != ERR_CLASS_UNAVAILABLE && c != ERR_CLASS_IO && c != ERR_CLASS_INTERNAL && e->code != ERR_HTTP_ANSWER;
}

static void take_back(const struct place *p)
{
    const struct key_env env = {0};
    struct err ignored;
    if (p->made_key)
        (void)!key_destroy(&env, p->key, &ignored); /* there is none for the request of another */
    if (p->made_dir)
        (void)rmdir(p->dir);
}

static bool check_hosts(const struct opt_list *hosts, struct err *e)
{
    for (size_t i = 0; i < hosts->n; i++)
        if (!host_check(slice_str(hosts->v[i]), e))
            return false;
    return true;
}

/* hosts NULL: none. */
static bool put_csr(const char *name, const struct opt_list *hosts, struct key *k, struct buf *pem, struct err *e)
{
    uint8_t subject[NAME_DER_MAX], text[NAME_TEXT_MAX], der[CSR_MAX], addresses[HOSTS_MAX][16];
    struct san san[HOSTS_MAX];
    struct writer t = WRITER_ARRAY(text), s = WRITER_ARRAY(subject), w = WRITER_ARRAY(der);
    struct signer signer = key_signer(k);
    struct slice csr;
    writer_put(&t, SLICE_LIT("CN="));
    name_escape(&t, slice_str(name));
    if (!name_write(&s, writer_slice(&t), e))
        return false;
    for (size_t i = 0; hosts && i < hosts->n; i++) {
        struct slice h = slice_str(hosts->v[i]);
        size_t n = host_address(h, addresses[i]);
        san[i] = n ? (struct san){.type = SAN_IP, .value = slice_of(addresses[i], n)}
                   : (struct san){.type = SAN_DNS, .value = h};
    }
    struct csr_template tmpl = {
        .subject = writer_slice(&s), .spki = key_get0_spki(k), .san = san, .san_n = hosts ? hosts->n : 0};
    if (!csr_write(&tmpl, &signer, &w, e) || !writer_done(&w, &csr))
        return e->code ? false : err_set(e, ERR_INTERNAL, "request larger than its buffer");
    pem_put(pem, PEM_CSR, csr);
    return true;
}

/* A request that was made where its key is; whether it is signed by that key the platform looks too. */
static bool read_csr(const char *path, struct buf *pem, struct err *e)
{
    struct csr csr;
    AUTO(buf_clear) struct buf text = {0}, der = {0};
    buf_init(&text, 1 << 20);
    buf_init(&der, CSR_MAX);
    if (!cli_read_input(path, &text, e) || !pem_or_der_get(buf_slice(&text), PEM_CSR, &der, e) ||
        !csr_read(buf_slice(&der), &csr, e) || !csr_verify(&crypto_openssl, &csr, e))
        return err_ctx(e, "%s", path);
    pem_put(pem, PEM_CSR, csr.der);
    return true;
}

static bool ask(struct cli *cli, const char *path, const char *name, const struct party_opts *o, const char *csr,
                struct buf *reply, struct json **answer, struct err *e)
{
    AUTO(buf_clear) struct buf body = {0};
    buf_init(&body, 65536);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "name", name);
    if (o->role)
        json_out_text(&jo, "role", o->role);
    else
        json_out_text(&jo, "site", o->site ? o->site : "");
    json_out_text(&jo, "csr", csr);
    json_out_end(&jo);
    return cli_call_json(cli, "POST", path, &body, 0, reply, answer, e);
}

/* Makes the key, asks for the certificate; *answer is the platform's. */
static bool certify(struct cli *cli, const char *path, const char *name, const struct party_opts *o, const char *dir,
                    struct buf *reply, struct json **answer, struct err *e)
{
    AUTO(key_free_auto) struct key *k = NULL;
    AUTO(buf_clear) struct buf pem = {0};
    struct place place;
    buf_init(&pem, 65536);
    if (!party_name_check("name", slice_str(name), 63, e) || /* before it names a directory */
        !check_hosts(&o->hostnames, e) || !cli_is_outside(cli, "--out", dir, e))
        return false;
    if (file_exists(in_dir(cli, dir, "cert.pem"))) {
        err_set(e, ERR_CONFLICT, "%s has a certificate already", dir);
        return err_try(e, "it is complete; for a new one: kith %s rm %s, then --out DIR, another one",
                       o->role ? "operator" : "gateway", name);
    }
    if ((o->csr && !read_csr(o->csr, &pem, e)) || !cli_connect(cli, e) || !open_place(cli, dir, &place, e))
        return false;
    buf_reset(reply);
    bool ok = (o->csr || (open_or_make_key(&place, key_type_from_name(key_words[o->key_type]), &k, e) &&
                          put_csr(name, &o->hostnames, k, &pem, e))) &&
              ask(cli, path, name, o, buf_str(&pem), reply, answer, e);
    if (!ok && reply->n == 0 && is_refusal(e))
        take_back(&place);
    if (!ok && e->code == ERR_CONFLICT && !place.made_key)
        return err_try(e, "kith %s rm %s, if it is what a broken try of this command made; then the same command",
                       o->role ? "operator" : "gateway", name);
    return ok;
}

/* The last of its files: a directory without it is one of a broken try. */
static bool write_cert(struct cli *cli, const char *dir, const struct json *answer, struct err *e)
{
    const char *cert, *chain;
    if (!json_get_text(answer, "certificate", 65536, &cert, e) || !json_get_text(answer, "chain", 65536, &chain, e))
        return false;
    const char *all = arena_printf(&cli->arena, "%s%s", cert, chain);
    return all ? file_write_atomic(in_dir(cli, dir, "cert.pem"), 0644, slice_str(all), e) : arena_ok(&cli->arena, e);
}

static bool finish(struct cli *cli, const char *dir, const struct json *answer, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    const char *name;
    buf_init(&b, 65536);
    if (!json_get_text(answer, "name", 200, &name, e))
        return false;
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "name", name);
        json_out_text(&o, "dir", dir);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "%s\n", dir);
    }
    return cli_write(cli, &b, e);
}

static bool run_operator_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct party_opts *o = opts;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    const char *name = words->v[0], *dir = cli_absolute(cli, o->out ? o->out : name);
    if (!nearest_check(ERR_OPTION, "role", o->role, role_words, e) ||
        !certify(cli, "/v1/operators", name, o, dir, &reply, &j, e) || !write_cert(cli, dir, j, e))
        return false;
    const char *key = o->csr ? "KEY" : arena_printf(&cli->arena, "%s/key.pem", dir);
    fprintf(cli->talk, "%s is %s; with it: kith --url URL --cert %s/cert.pem --key %s COMMAND\n", name, o->role, dir,
            key ? key : "KEY");
    return finish(cli, dir, j, e);
}

#undef AT
#define AT(field) .offset = offsetof(struct request_opts, field)
struct request_opts {
    const char *key, *module, *pin_file, *out;
    int key_type;
};
static const struct opt request_rows[] = {
    {NULL, "key", OPT_PATH, .arg = "pkcs11:URI", .help = "the key, on a token", AT(key), .required = true},
    {NULL, "module", OPT_PATH, .arg = "FILE", .help = "PKCS#11 module of the token", AT(module)},
    {NULL, "pin-file", OPT_PATH, .arg = "FILE", .help = "file with the token's PIN, mode 0600", AT(pin_file)},
    {NULL, "out", OPT_PATH, .arg = "FILE", .help = "where the request goes; stdout if not given", AT(out)},
    KEY_ROW,
};

/* For a key on a token: made there if it is not there yet. */
static bool run_operator_request(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct request_opts *o = opts;
    struct key_env env = {0};
    struct key *k = NULL;
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, 65536);
    if (!cli_key_is_on_token(o->key)) {
        err_set(e, ERR_OPTION, "--key names no key on a token");
        return err_try(e, "--key 'pkcs11:token=LABEL;object=NAME' --module FILE --pin-file FILE");
    }
    if (!party_name_check("name", slice_str(words->v[0]), 63, e) ||
        !p11_open_for(o->key, o->module, o->pin_file, NULL, &env.p11, e))
        return false;
    bool ok = key_open(&env, o->key, &k, e);
    if (!ok && err_class_of(e->code) == ERR_CLASS_NOTFOUND)
        ok = key_generate(&env, o->key, key_type_from_name(key_words[o->key_type]), &k, e);
    ok = ok && put_csr(words->v[0], NULL, k, &pem, e) && cli_write_document(cli, o->out, &pem, e);
    key_free(k);
    p11_free(env.p11);
    return ok;
}

/* ---- gateways ---- */

/* The chain that came along: the issuing CA first, the root last. */
static bool write_issuers(struct cli *cli, const char *dir, const struct json *answer, struct err *e)
{
    const char *chain;
    struct pem_block block;
    struct slice rest, last = {0};
    bool found = true;
    if (!json_get_text(answer, "chain", 65536, &chain, e))
        return false;
    for (rest = slice_str(chain); found; last = found ? block.whole : last)
        if (!pem_next(&rest, &block, &found, e))
            return false;
    if (!last.n)
        return err_set(e, ERR_HTTP_ANSWER, "the platform sent no issuers");
    const char *root = arena_printf(&cli->arena, "%.*s\n", (int)last.n, (const char *)last.p);
    return root ? file_write_atomic(in_dir(cli, dir, "issuer.pem"), 0644, slice_str(chain), e) &&
                      file_write_atomic(in_dir(cli, dir, "ca.pem"), 0644, slice_str(root), e)
                : arena_ok(&cli->arena, e);
}

static bool write_gate_conf(struct cli *cli, const char *dir, const char *name, const char *url, const char *origin,
                            bool has_site, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    struct slice s;
    buf_init(&b, 16384);
    buf_printf(&b,
               "# Gateway %s. Paths are relative to this directory; the state of the feed is kept beside this file.\n"
               "[gate]\n",
               name);
    const struct {
        const char *key, *value;
    } rows[] = {{"url", url},         {"issuer", "issuer.pem"}, {"ca", "ca.pem"},
                {"cert", "cert.pem"}, {"key", "key.pem"},       {"origin", origin}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_printf(&b, "%s = ", rows[i].key);
        config_put_value(&b, slice_str(rows[i].value));
        buf_put_char(&b, '\n');
    }
    buf_put_str(
        &b, "# Without news from the platform its last head holds for [feed] valid of the platform's kith.conf (1 h\n"
            "# unless set), and devices are let in for so long after that: with both defaults, 2 h after the last\n"
            "# head, revoked ones of that time too. To shorten it, lower both:\n"
            "grace = 1h\n");
    if (has_site)
        buf_put_str(&b, "# Devices of other sites, whom the directory here does not name, are turned away:\n"
                        "unlisted = refuse\n");
    return buf_done(&b, &s, e) && file_write_atomic(in_dir(cli, dir, "gate.conf"), 0644, s, e);
}

/* A broker that root starts has given up root when it reads the directory. */
static bool give_to_broker(struct cli *cli, const char *dir, const char *user, struct err *e)
{
    const char *blocked;
    if (!broker_user_applies(user)) {
        if (strcmp(user, BROKER_USER) != 0 && strcmp(user, "root") != 0)
            fprintf(cli->talk, "only root can give %s to %s: chown -R %s %s\n", dir, user, user, dir);
        return true;
    }
    if (!broker_user_give(dir, user, e))
        return false;
    fprintf(cli->talk, "%s belongs to %s, as whom a broker that root starts goes on\n", dir, user);
    if (!broker_user_reads(dir, user, &blocked))
        fprintf(cli->talk, "but %s may not pass %s: chmod o+x %s, or put it elsewhere\n", user, blocked, blocked);
    return true;
}

static bool run_gateway_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct party_opts *o = opts;
    AUTO(json_free_auto) struct json *j = NULL, *status = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    const char *name = words->v[0], *dir = cli_absolute(cli, o->out ? o->out : name), *url, *origin;
    if (strcmp(o->user, BROKER_USER) != 0 && !broker_user_check(o->user, e))
        return false;
    if (!cli_call_json(cli, "GET", "/v1/status", NULL, 0, &reply, &status, e) ||
        !json_get_text(status, "url", 1000, &url, e) || !json_get_text(status, "origin", 300, &origin, e) ||
        !certify(cli, "/v1/gateways", name, o, dir, &reply, &j, e) || !write_issuers(cli, dir, j, e) ||
        !write_gate_conf(cli, dir, name, o->url ? o->url : url, origin, o->site && o->site[0], e) ||
        !write_cert(cli, dir, j, e) || !give_to_broker(cli, dir, o->user, e))
        return false;
    fprintf(cli->talk, "next: kith gateway config --gate %s > mosquitto.conf\n", dir);
    return finish(cli, dir, j, e);
}

/* ---- ls, rm: of all three kinds of parties ---- */

static bool drop(struct cli *cli, const char *path, const char *name, struct err *e)
{
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_call(cli, "DELETE", cli_path(cli, path, name, ""), NULL, 0, &reply, e))
        return false;
    return reply.n && cli->g.json ? show_raw(cli, &reply, e) : cli_write_said(cli, "removed", name, e);
}

static const struct show_column operator_columns[] = {{"NAME", "name"}, {"ROLE", "role"}, {"SINCE", "added_at"}};
static const struct show_column gateway_columns[] = {
    {"NAME", "name"}, {"SITE", "site"}, {"KNOWS", "acked_seq"}, {"SAID SO", "acked_at"}};
static const struct show_column anchor_columns[] = {{"NAME", "name"},       {"SUBJECT", "subject"},
                                                    {"UNTIL", "not_after"}, {"ADDED", "added_at"},
                                                    {"POLICY", "policy"},   {"SHA-256", "sha256"}};

#define LIST(what, path, member, columns)                                                                              \
    static bool run_##what##_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)            \
    {                                                                                                                  \
        (void)opts;                                                                                                    \
        (void)words;                                                                                                   \
        return show_get(ctx, path, member, columns, ARRAY_LEN(columns), e);                                            \
    }                                                                                                                  \
    static bool run_##what##_rm(void *ctx, const void *opts, const struct args_words *words, struct err *e)            \
    {                                                                                                                  \
        (void)opts;                                                                                                    \
        return drop(ctx, path "/", words->v[0], e);                                                                    \
    }
LIST(operator, "/v1/operators", "operators", operator_columns)
LIST(gateway, "/v1/gateways", "gateways", gateway_columns)
LIST(anchor, "/v1/anchors", "anchors", anchor_columns)

/* ---- anchors ---- */

struct anchor_opts {
    const char *model;
    bool registered;
};
static const struct opt anchor_rows[] = {
    {NULL, "model", OPT_TEXT, .arg = "NAME", .help = "it vouches for devices of this product type only",
     .offset = offsetof(struct anchor_opts, model)},
    {NULL, "register", OPT_BOOL, .help = "devices that are not known yet may register themselves by it",
     .offset = offsetof(struct anchor_opts, registered)},
};

static bool run_anchor_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct anchor_opts *o = opts;
    struct cert cert;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf file = {0}, der = {0}, pem = {0}, body = {0}, reply = {0};
    buf_init(&file, 1 << 20);
    buf_init(&der, CERT_MAX);
    buf_init(&pem, 2 * CERT_MAX);
    buf_init(&body, 4 * CERT_MAX);
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_read_input(words->v[1], &file, e) || !pem_or_der_get(buf_slice(&file), PEM_CERT, &der, e) ||
        !cert_read(buf_slice(&der), &cert, e))
        return err_ctx(e, "%s", words->v[1]);
    pem_put(&pem, PEM_CERT, cert.der);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "name", words->v[0]);
    json_out_text(&jo, "certificate", buf_str(&pem));
    if (o->model)
        json_out_text(&jo, "model", o->model);
    if (o->registered)
        json_out_bool(&jo, "register", true);
    json_out_end(&jo);
    if (!cli_call_json(cli, "POST", "/v1/anchors", &body, 0, &reply, &j, e))
        return false;
    return cli->g.json ? show_raw(cli, &reply, e) : show_map(cli, j, e);
}

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
#define NO_ROWS       NULL, 0, 1
const struct verb operator_verbs[] = {
    {"operator add", "NAME",
     "a person or service that may act: makes its key here, and its certificate\n"
     "The directory with both is printed; the key is not sealed, so keep it where only its owner reads. With --csr it "
     "is\n"
     "somebody else's key, on a token perhaps, and only the certificate goes there.",
     ROWS(operator_rows, struct party_opts), 1, 1, run_operator_add},
    {"operator request", "NAME",
     "a request for the key of --key in a token, which is made if it is not there: for operator add --csr\n"
     "Runs where the token is; needs no platform.",
     ROWS(request_rows, struct request_opts), 1, 1, run_operator_request},
    {"operator ls", NULL, "list operators", NO_ROWS, 0, 0, run_operator_ls},
    {"operator rm", "NAME", "remove one and revoke its certificate", NO_ROWS, 1, 1, run_operator_rm},
};
const size_t operator_verbs_n = ARRAY_LEN(operator_verbs);

const struct verb anchor_verbs[] = {
    {"anchor add", "NAME FILE", "trust a manufacturer's CA to vouch for devices by their IDevIDs",
     ROWS(anchor_rows, struct anchor_opts), 2, 2, run_anchor_add},
    {"anchor ls", NULL, "list manufacturers' trust anchors", NO_ROWS, 0, 0, run_anchor_ls},
    {"anchor rm", "NAME", "trust it no more; devices that enrolled by it stay (device ls --anchor NAME)", NO_ROWS, 1, 1,
     run_anchor_rm},
};
const size_t anchor_verbs_n = ARRAY_LEN(anchor_verbs);

const struct verb gateway_verbs[] = {
    {"gateway add", "NAME",
     "a gateway or broker: makes its directory with key, certificate, gate.conf and issuers\n"
     "Carry the directory to the gateway; it is printed.",
     ROWS(gateway_rows, struct party_opts), 1, 1, run_gateway_add},
    {"gateway config", NULL, "mosquitto.conf for a gateway, without the broker's known traps; or check one",
     ROWS(gateway_config_rows, struct gateway_config_opts), 0, 0, gateway_config_run},
    {"gateway ls", NULL, "list gateways and what they know", NO_ROWS, 0, 0, run_gateway_ls},
    {"gateway rm", "NAME", "remove one and revoke its certificate", NO_ROWS, 1, 1, run_gateway_rm},
};
const size_t gateway_verbs_n = ARRAY_LEN(gateway_verbs);
