/* kith ca: the CA's certificates on the platform.  The machine with an offline root: offline_root.c. */
#include <stdlib.h>

#include "base/config.h"
#include "base/file.h"
#include "base/pem.h"
#include "base/rfc3339.h"
#include "ca/root_list.h"
#include "cli/ca.h"
#include "cli/client.h"
#include "cli/pki.h"
#include "cli/platform.h"
#include "cli/show.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "model/device.h"
#include "x509/chain.h"
#include "x509/crl.h"
#include "x509/name.h"

const char *const ca_key_words[] = {"p256", "p384", "rsa3072", "rsa4096", NULL};

/* ---- keys behind settings ---- */

void ca_key_close(struct ca_key *o)
{
    key_free(o->key);
    p11_free(o->p11);
}

bool ca_key_open(const struct ca_key_place *at, struct ca_key *o, struct err *e)
{
    const struct p11_config cfg = {.mark_file = at->pin_mark};
    *o = (struct ca_key){0};
    if (at->module && !p11_open(at->module, at->token, at->pin_file, &cfg, &o->p11, e))
        return false;
    o->env = (struct key_env){.passphrase_file = at->passphrase_file, .p11 = o->p11};
    return key_open(&o->env, at->ref, &o->key, e);
}

/* ---- bringing it back ---- */

struct arrival {
    struct slice root, issuing, crl; /* DER in the arena */
};

static bool sort_in(struct cli *cli, struct slice der, struct arrival *a, struct err *e)
{
    struct cert cert;
    struct crl crl;
    struct err not_cert = {0};
    struct slice kept = arena_dup(&cli->arena, der);
    if (cert_read(kept, &cert, &not_cert)) {
        *(cert_is_self_issued(&cert) ? &a->root : &a->issuing) = kept;
        return true;
    }
    if (!crl_read(kept, &crl, e)) {
        *e = not_cert;
        return false;
    }
    a->crl = kept;
    return true;
}

static bool take_text(struct cli *cli, struct slice text, struct arrival *a, size_t *blocks, struct err *e)
{
    struct pem_block block;
    bool found;
    AUTO(buf_clear) struct buf der = {0};
    buf_init(&der, ROOT_LIST_MAX);
    for (*blocks = 0;; ++*blocks) {
        buf_reset(&der);
        if (!pem_next(&text, &block, &found, e))
            return false;
        if (!found)
            return true;
        if (!pem_decode(&block, &der, e) || !sort_in(cli, buf_slice(&der), a, e))
            return false;
    }
}

static bool take_file(struct cli *cli, const char *file, struct arrival *a, struct err *e)
{
    size_t blocks;
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, ROOT_LIST_MAX);
    if (!cli_read_input(file, &text, e))
        return false;
    if (pem_is_der(buf_slice(&text)))
        return sort_in(cli, buf_slice(&text), a, e) || err_ctx(e, "%s", file);
    if (!take_text(cli, buf_slice(&text), a, &blocks, e))
        return err_ctx(e, "%s", file);
    return blocks > 0 || err_set(e, ERR_ENCODING, "%s is neither DER nor PEM", file);
}

static bool load(struct cli *cli, const char *path, size_t max, struct slice *der, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, max);
    if (!file_exists(path))
        return true;
    if (!file_read(path, max, &b, e))
        return false;
    *der = arena_dup(&cli->arena, buf_slice(&b));
    return arena_ok(&cli->arena, e);
}

static bool check_issuing(struct cli *cli, const struct settings *s, struct slice der, const struct cert *root,
                          struct err *e)
{
    struct cert c;
    struct chain path;
    struct ca_key k;
    const struct ca_key_place at = {.ref = s->issuing_key,
                                    .passphrase_file = s->passphrase_file,
                                    .module = s->hsm_module,
                                    .token = s->hsm_token,
                                    .pin_file = s->hsm_pin_file,
                                    .pin_mark = settings_path(s, &cli->arena, PATH_PIN_MARK)};
    const struct chain_rules rules = {.at = env_now_s(&cli->env), .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN};
    if (!cert_read(der, &c, e) || !chain_verify(&crypto_openssl, &c, NULL, 0, root, 1, &rules, &path, e))
        return err_ctx(e, "issuing certificate");
    if (!c.is_ca)
        return err_set(e, ERR_CHAIN_RULE, "the issuing certificate is no CA's");
    if (!arena_ok(&cli->arena, e))
        return false;
    bool ok = ca_key_open(&at, &k, e);
    if (ok && !slice_eq(c.spki, key_get0_spki(k.key))) {
        err_set(e, ERR_KEY_MISMATCH, "the certificate is not for this platform's issuing key");
        ok = err_try(e, "kith ca sign-request with ca/issuing.csr of %s", s->dir);
    }
    ca_key_close(&k);
    return ok;
}

static bool check_crl(struct cli *cli, struct slice der, struct slice had, const struct cert *root, struct err *e)
{
    struct root_list list, last;
    struct err unread;
    if (!root_list_read(&crypto_openssl, der, root, NULL, &list, e))
        return err_ctx(e, "root's list");
    if (list.next_update && list.next_update < env_now_s(&cli->env)) {
        err_set(e, ERR_CRL, "root's list %llu was due to be renewed at %s", (unsigned long long)list.number,
                RFC3339(list.next_update));
        return err_try(e, "kith ca crl, where the root is, makes the next one");
    }
    /* One that is damaged says nothing, and its place is free: the signer knows by which it went. */
    if (!had.n || !root_list_read(&crypto_openssl, had, root, NULL, &last, &unread) ||
        root_list_follows(&list, &last, e))
        return true;
    return err_try(e, "kith ca crl with %s in the place of the root's root.crl makes a newer one", PATH_ROOT_CRL);
}

/* The list that will hold, against the issuing certificate that will: a certificate that it has is not brought in; a list
 * that has the one that is there is, and says what that means. */
static bool check_revoked(const struct arrival *a, const struct arrival *had, const struct cert *root, bool *revokes,
                          struct err *e)
{
    struct cert issuing;
    struct root_list list;
    struct slice der = a->issuing.n ? a->issuing : had->issuing, crl = a->crl.n ? a->crl : had->crl;
    if (!der.n || !crl.n)
        return true;
    if (!cert_read(der, &issuing, e) || !root_list_read(&crypto_openssl, crl, root, &issuing, &list, e))
        return false;
    *revokes = list.revokes;
    if (!list.revokes || !a->issuing.n)
        return true;
    err_set(e, ERR_CA_REVOKED, "the issuing certificate is revoked by the root's list %llu",
            (unsigned long long)list.number);
    return err_try(e, "kith ca sign-request with ca/issuing.csr, where the root is, makes another");
}

static bool is_whole_root(struct slice der, struct cert *out, struct err *e)
{
    return cert_read(der, out, e) && cert_verify(&crypto_openssl, out, out->spki, e);
}

static bool install(struct cli *cli, const struct ca_opts *o, const struct settings *s, const struct arrival *a,
                    struct buf *report, bool *revokes, struct err *e)
{
    struct arrival had = {0};
    struct cert root;
    uint8_t digest[SHA256_SIZE];
    const char *root_path = settings_path(s, &cli->arena, PATH_ROOT_CERT),
               *issuing_path = settings_path(s, &cli->arena, PATH_ISSUING_CERT),
               *crl_path = settings_path(s, &cli->arena, PATH_ROOT_CRL);
    if (!root_path || !issuing_path || !crl_path)
        return arena_ok(&cli->arena, e);
    if (!load(cli, root_path, CERT_MAX, &had.root, e) || !load(cli, issuing_path, CERT_MAX, &had.issuing, e) ||
        !load(cli, crl_path, ROOT_LIST_MAX, &had.crl, e))
        return false;
    if (had.root.n && !is_whole_root(had.root, &root, e))
        return err_ctx(e, "%s is damaged", root_path) ||
               err_try(e, "restore it from the backup of the directory, or remove it: install then takes the root that "
                          "signed the issuing certificate");
    bool may_change = !had.issuing.n && !settings_has_signed(s, &cli->arena);
    if (had.root.n && a->root.n && !may_change && !slice_eq(had.root, a->root)) {
        err_set(e, ERR_CONFLICT, "the platform has another root");
        err_why(e, "every device trusts the root that was there when it enrolled");
        return err_try(e, "kith inspect %s shows it; a new root is a new platform (kith init)", PATH_ROOT_CERT);
    }
    /* A root is the platform's by what it signed. */
    struct slice issuing = a->issuing.n || !a->root.n ? a->issuing : had.issuing;
    if (a->root.n && !issuing.n) {
        err_set(e, ERR_USAGE, "a root alone: what it signed for this platform is missing");
        return err_try(e, "kith ca install with the whole file that sign-request wrote");
    }
    struct slice der = a->root.n ? a->root : had.root;
    if (!der.n) {
        err_set(e, ERR_NOTFOUND, "the root's certificate is missing");
        return err_try(e, "kith ca install with the whole file that sign-request wrote");
    }
    if (!is_whole_root(der, &root, e) || (issuing.n && !check_issuing(cli, s, issuing, &root, e)) ||
        (a->crl.n && !check_crl(cli, a->crl, had.crl, &root, e)) || !check_revoked(a, &had, &root, revokes, e))
        return false;
    sha256(der, digest);
    cli_put_fingerprint(report, digest);
    if (o->sha256) {
        uint8_t want[SHA256_SIZE];
        size_t n;
        if (!codec_decode(CODEC_HEX, slice_str(o->sha256), want, sizeof want, &n, e) || n != sizeof want ||
            memcmp(want, digest, sizeof want) != 0)
            return err_set(e, ERR_CHAIN_UNTRUSTED, "the root's SHA-256 is %s", buf_str(report));
    }
    /* The issuing certificate last: with it the platform is ready. */
    return (!a->root.n || file_write_atomic(root_path, 0644, a->root, e)) &&
           (!a->crl.n || file_write_atomic(crl_path, 0644, a->crl, e)) &&
           (!a->issuing.n || file_write_atomic(issuing_path, 0644, a->issuing, e));
}

static bool run_install(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct settings *s;
    struct arrival a = {0};
    bool revokes = false;
    AUTO(buf_clear) struct buf print = {0}, b = {0};
    buf_init(&print, 256);
    buf_init(&b, 4096);
    if (!cli_settings(cli, &s, e))
        return false;
    for (size_t i = 0; i < words->n; i++)
        if (!take_file(cli, words->v[i], &a, e))
            return false;
    if (!install(cli, opts, s, &a, &print, &revokes, e))
        return false;
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "root_sha256", buf_str(&print));
        json_out_bool(&o, "root", a.root.n > 0);
        json_out_bool(&o, "issuing", a.issuing.n > 0);
        json_out_bool(&o, "crl", a.crl.n > 0);
        json_out_bool(&o, "revoked", revokes);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "root SHA-256: %s (compare it with what init-root printed)\ninstalled:%s%s%s\n", buf_str(&print),
                   a.root.n ? " root" : "", a.issuing.n ? " issuing" : "", a.crl.n ? " crl" : "");
        if (revokes)
            buf_put_str(
                &b, "this list revokes the platform's issuing CA: it issues nothing more (kith explain ca-revoked)\n");
        if (a.issuing.n)
            buf_printf(&b, "next: kithd --config %s/" SETTINGS_FILE " (restart it if it runs)\n", s->dir);
    }
    return cli_write(cli, &b, e);
}

/* ---- ls, export ---- */

static bool run_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    static const struct show_column columns[] = {
        {"root", "root.subject"},        {"  serial", "root.serial"},      {"  SHA-256", "root.sha256"},
        {"  until", "root.not_after"},   {"issuing", "issuing.subject"},   {"  serial", "issuing.serial"},
        {"  SHA-256", "issuing.sha256"}, {"  until", "issuing.not_after"},
    };
    struct cli *cli = ctx;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    (void)opts;
    (void)words;
    if (!cli_call_json(cli, "GET", "/v1/ca", NULL, 0, &reply, &j, e))
        return false;
    return cli->g.json ? show_raw(cli, &reply, e) : show_list(cli, j, columns, ARRAY_LEN(columns), e);
}

/* From the installation's files if they are here, so that it works while nothing runs. */
static bool run_export(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ca_opts *o = opts;
    const struct settings *s;
    AUTO(buf_clear) struct buf der = {0}, pem = {0};
    buf_init(&der, ROOT_LIST_MAX);
    buf_init(&pem, ROOT_LIST_MAX);
    const char *which = words->n ? words->v[0] : "root";
    bool root = strcmp(which, "root") == 0;
    if (!root && strcmp(which, "issuing") != 0)
        return err_set(e, ERR_OPTION, "\"%s\" is neither root nor issuing", ERR_QUOTE(slice_str(which)));
    if (cli->g.url) {
        if (!cli_call(cli, "GET", root ? "/ca/root.cer" : "/ca/issuing.cer", NULL, 0, &der, e))
            return false;
    } else if (!cli_settings(cli, &s, e) ||
               !file_read(settings_path(s, &cli->arena, root ? PATH_ROOT_CERT : PATH_ISSUING_CERT), CERT_MAX, &der,
                          e)) {
        return false;
    }
    if (!o->der)
        pem_put(&pem, PEM_CERT, buf_slice(&der));
    return cli_write_document(cli, o->out, o->der ? &der : &pem, e);
}

#define AT(field) .offset = offsetof(struct ca_opts, field)
#define OUT_ROW                                                                                                        \
    {                                                                                                                  \
        NULL, "out", OPT_PATH, .arg = "FILE", .help = "where the answer goes; stdout if not given", AT(out)            \
    }
#define ROOT_DIR_ROW                                                                                                   \
    {                                                                                                                  \
        NULL, "root-dir", OPT_PATH, .arg = "DIR",                                                                      \
                                    .help = "the offline root's directory, or the platform's if it keeps the root",    \
                                    AT(root_dir), .required = true                                                     \
    }
#define DAYS_ROW                                                                                                       \
    {                                                                                                                  \
        NULL, "days", OPT_INT, 1, 3650, "365", .arg = "N", .help = "how long the root's list holds", AT(days)          \
    }

static const struct opt root_rows[] = {
    {NULL, "name", OPT_TEXT, 1, 50, .arg = "ORG", .help = "the organisation", AT(name), .required = true},
    {NULL, "secrets", OPT_PATH, .not_with = "hsm", .arg = "DIR",
     .help = "where the passphrase goes; DIR-secrets if not given", AT(secrets)},
    {NULL, "hsm", OPT_PATH, .needs = "token pin-file", .arg = "MODULE",
     .help = "PKCS#11 module: the key lives in its token", AT(hsm)},
    {NULL, "token", OPT_TEXT, .needs = "hsm", .arg = "LABEL", .help = "the token's label", AT(token)},
    {NULL, "pin-file", OPT_PATH, .needs = "hsm", .arg = "FILE", .help = "file with the token's PIN, mode 0600",
     AT(pin_file)},
    {NULL, "hsm-template", OPT_TEXT, 1, 400, .needs = "hsm", .arg = "DEVICE[, NAME=yes|no|omit ...]",
     .help = "what the key is asked to be: generic, nshield, nshield-pool, luna or cloudhsm, then attributes",
     AT(hsm_template)},
    {NULL, "key-type", OPT_ENUM, .def = "p256", .words = ca_key_words, .arg = "TYPE", .help = "of its key",
     AT(key_type)},
    {NULL, "years", OPT_INT, 1, 40, "20", .arg = "N", .help = "how long it is valid", AT(years)},
    DAYS_ROW,
};
static const struct opt sign_rows[] = {
    ROOT_DIR_ROW,
    OUT_ROW,
    {NULL, "plain-url", OPT_URL, 1, 200, .words = opt_http, .arg = "URL",
     .help = "where CRLs are; the request says it if not given", AT(plain_url)},
    {NULL, "years", OPT_INT, 1, 20, "10", .arg = "N", .help = "how long it is valid, at most as long as the root",
     AT(years)},
};
static const struct opt crl_rows[] = {
    ROOT_DIR_ROW,
    OUT_ROW,
    DAYS_ROW,
    {NULL, "revoke", OPT_TEXT, .arg = "SERIAL", .help = "take back this certificate of the root's", AT(revoke)},
    {NULL, "reason", OPT_TEXT, .words = crl_reasons_final, .needs = "revoke", .arg = "REASON",
     .help = "of RFC 5280 section 5.3.1, such as cACompromise", AT(reason)},
};
static const struct opt install_rows[] = {
    {NULL, "root-sha256", OPT_TEXT, 64, 64, .arg = "HEX", .help = "refuse another root than this", AT(sha256)},
};
static const struct opt export_rows[] = {
    OUT_ROW,
    {NULL, "der", OPT_BOOL, .help = "DER instead of PEM", AT(der)},
};

#define ROWS(r) r, ARRAY_LEN(r), sizeof(struct ca_opts)
const struct verb ca_verbs[] = {
    {"ca ls", NULL, "root and issuing CA", NULL, 0, 1, 0, 0, run_ls},
    {"ca export", "[root|issuing]", "a CA's certificate", ROWS(export_rows), 0, 1, run_export},
    {"ca install", "FILE...", "bring in what the offline root signed: certificates, its CRL", ROWS(install_rows), 1, 16,
     run_install},
    {"ca init-root", NULL, "an offline root, on a machine without network", ROWS(root_rows), 0, 0, offline_init_root},
    {"ca sign-request", "FILE", "the offline root signs a platform's issuing CA", ROWS(sign_rows), 1, 1,
     offline_sign_request},
    {"ca crl", NULL,
     "the root makes its next CRL, with a higher number\n"
     "Of an offline root (--root-dir as ca init-root made it) the list goes to the platform by ca install. Of a root "
     "that\n"
     "is kept on the platform (--root-dir is the platform's directory) it takes the place of ca/root.crl, which the\n"
     "server reads: it is in force at once. No list replaces one with the same or a higher number.",
     ROWS(crl_rows), 0, 0, offline_crl},
};
const size_t ca_verbs_n = ARRAY_LEN(ca_verbs);
