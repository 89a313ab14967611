/* The offline root: a directory of its own on a machine without network, with root.conf, root.cer, root.crl, its key (or a
 * token), and a copy of each certificate that it signed. */
#include <stdlib.h>

#include "base/config.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/pem.h"
#include "base/rfc3339.h"
#include "ca/own_key.h"
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

#define ROOT_CONF   "root.conf"
#define REVOKED_MAX 1024

/* ---- the offline root ---- */

struct root_conf {
    const char *name, *key, *passphrase_file, *hsm_module, *hsm_token, *hsm_pin_file;
};

#define CONF(name_, type_, field_, ...)                                                                                \
    {                                                                                                                  \
        .section = "root", .name = name_, .type = type_, .offset = offsetof(struct root_conf, field_), __VA_ARGS__     \
    }
static const struct opt root_conf_rows[] = {
    CONF("name", OPT_TEXT, name, .required = true),
    CONF("key", OPT_TEXT, key, .required = true),
    CONF("passphrase_file", OPT_PATH, passphrase_file),
    CONF("hsm_module", OPT_PATH, hsm_module, .needs = "hsm_token hsm_pin_file"),
    CONF("hsm_token", OPT_TEXT, hsm_token),
    CONF("hsm_pin_file", OPT_PATH, hsm_pin_file),
};

struct root {
    const char *dir, *list; /* list: its newest CRL, DER */
    const char *pin_mark;   /* keys/pin_mark.h */
    bool online;            /* the directory is the platform's, whose server reads the list there */
    struct root_conf conf;
    struct ca_key k;
    struct buf der;
    struct cert cert;
};

static void root_close(struct root *r)
{
    ca_key_close(&r->k);
    buf_clear(&r->der);
}

static const char *in(struct cli *cli, const char *dir, const char *name)
{
    return arena_printf(&cli->arena, "%s/%s", dir, name);
}

/* DIR/root.conf of init-root; an installation with an online root serves as well. */
static bool root_conf_read(struct cli *cli, struct root *r, const char **cert, struct err *e)
{
    AUTO(buf_clear) struct buf text = {0};
    struct settings s;
    *cert = NULL;
    buf_init(&text, CONFIG_MAX);
    const char *path = in(cli, r->dir, ROOT_CONF), *kith = in(cli, r->dir, SETTINGS_FILE);
    if (!path || !kith)
        return arena_ok(&cli->arena, e);
    if (!file_exists(path) && file_exists(kith)) {
        if (!settings_read(kith, &cli->arena, &s, e))
            return false;
        if (!s.root_key) {
            err_set(e, ERR_NOTFOUND, "%s has no root key", r->dir);
            return err_try(e, "--root-dir DIR of the offline root");
        }
        r->conf = (struct root_conf){s.name, s.root_key, s.passphrase_file, s.hsm_module, s.hsm_token, s.hsm_pin_file};
        *cert = in(cli, r->dir, PATH_ROOT_CERT);
        r->list = in(cli, r->dir, PATH_ROOT_CRL);
        r->pin_mark = in(cli, r->dir, PATH_PIN_MARK);
        r->online = true;
        return arena_ok(&cli->arena, e);
    }
    *cert = in(cli, r->dir, "root.cer");
    r->list = in(cli, r->dir, "root.crl");
    r->pin_mark = in(cli, r->dir, "pin-refused");
    if (!file_read(path, CONFIG_MAX, &text, e))
        return err_try(e, "kith ca init-root --dir DIR --name ORG makes an offline root");
    if (!config_read(path, buf_slice(&text), root_conf_rows, ARRAY_LEN(root_conf_rows), &cli->arena, &r->conf, e))
        return false;
    if (strncmp(r->conf.key, "file:", 5) == 0 && r->conf.key[5] != '/')
        r->conf.key = arena_printf(&cli->arena, "file:%s/%s", r->dir, r->conf.key + 5);
    return arena_ok(&cli->arena, e);
}

static bool root_open(struct cli *cli, const char *dir, struct root *r, struct err *e)
{
    const char *cert;
    *r = (struct root){.dir = cli_absolute(cli, dir)};
    buf_init(&r->der, CERT_MAX);
    if (!root_conf_read(cli, r, &cert, e) || !file_read(cert, CERT_MAX, &r->der, e) ||
        !cert_read(buf_slice(&r->der), &r->cert, e))
        return err_ctx(e, "root in %s", dir);
    const struct ca_key_place at = {.ref = r->conf.key,
                                    .passphrase_file = r->conf.passphrase_file,
                                    .module = r->conf.hsm_module,
                                    .token = r->conf.hsm_token,
                                    .pin_file = r->conf.hsm_pin_file,
                                    .pin_mark = r->pin_mark};
    if (!ca_key_open(&at, &r->k, e))
        return err_ctx(e, "root in %s", dir);
    return own_key_is_of(r->k.key, &r->cert, "root's key", cert, e);
}

static void put_conf_row(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "%s = ", key);
    config_put_value(b, slice_str(value));
    buf_put_char(b, '\n');
}

static bool make_root(struct cli *cli, const struct ca_opts *o, const char *dir, const struct root_conf *c,
                      uint8_t digest[SHA256_SIZE], struct err *e)
{
    struct ca_key k = {0};
    struct cert cert;
    struct slice s;
    AUTO(buf_clear) struct buf der = {0}, crl = {0}, conf = {0};
    buf_init(&der, CERT_MAX);
    buf_init(&crl, CERT_MAX);
    buf_init(&conf, CONFIG_MAX);
    const struct p11_config cfg = {.template = o->hsm_template};
    bool ok = !c->hsm_module || p11_open(c->hsm_module, c->hsm_token, c->hsm_pin_file, &cfg, &k.p11, e);
    k.env = (struct key_env){.passphrase_file = c->passphrase_file, .p11 = k.p11};
    const char *ref = c->hsm_module ? c->key : arena_printf(&cli->arena, "file:%s/%s", dir, c->key + 5);
    ok = ok && key_generate(&k.env, ref, key_type_from_name(ca_key_words[o->key_type]), &k.key, e) &&
         pki_make_root(k.key, o->name, o->years, &cli->env, &der, e) && cert_read(buf_slice(&der), &cert, e) &&
         pki_make_root_crl(k.key, &cert, NULL, 0, 1, o->days, &cli->env, &crl, e) &&
         file_write_new(in(cli, dir, "root.cer"), 0644, buf_slice(&der), e) &&
         file_write_new(in(cli, dir, "root.crl"), 0644, buf_slice(&crl), e);
    buf_put_str(&conf,
                "# An offline root of Kith: kith ca sign-request FILE --root-dir, kith ca crl --root-dir\n[root]\n");
    put_conf_row(&conf, "name", c->name);
    put_conf_row(&conf, "key", c->key);
    put_conf_row(&conf, "passphrase_file", c->passphrase_file);
    put_conf_row(&conf, "hsm_module", c->hsm_module);
    put_conf_row(&conf, "hsm_token", c->hsm_token);
    put_conf_row(&conf, "hsm_pin_file", c->hsm_pin_file);
    ok = ok && buf_done(&conf, &s, e) && file_write_new(in(cli, dir, ROOT_CONF), 0600, s, e);
    if (ok)
        sha256(buf_slice(&der), digest);
    ca_key_close(&k);
    return ok;
}

bool offline_init_root(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ca_opts *o = opts;
    uint8_t digest[SHA256_SIZE];
    AUTO(buf_clear) struct buf b = {0};
    (void)words;
    buf_init(&b, 65536);
    if (!cli->g.dir) {
        err_set(e, ERR_OPTION, "--dir is missing");
        return err_try(e, "kith ca init-root --dir DIR --name ORG");
    }
    if (!pki_name_check(o->name, e))
        return false;
    const char *dir = cli_absolute(cli, cli->g.dir);
    const char *secrets = o->secrets ? cli_absolute(cli, o->secrets) : arena_printf(&cli->arena, "%s-secrets", dir);
    if (!dir || !secrets)
        return arena_ok(&cli->arena, e);
    if (file_exists(dir)) {
        err_set(e, ERR_CONFLICT, "%s exists already", dir);
        return err_try(e, "another directory, or remove it if no root was finished in it");
    }
    if (!cli_is_outside(cli, "--dir", dir, e) || !cli_secrets_are_apart(dir, secrets, e))
        return false;
    struct root_conf c = {.name = o->name,
                          .key = o->hsm ? platform_token_ref(&cli->arena, o->token, "kith", "root") : "file:root.key",
                          .hsm_module = cli_absolute(cli, o->hsm),
                          .hsm_token = o->token,
                          .hsm_pin_file = cli_absolute(cli, o->pin_file)};
    if (!o->hsm)
        c.passphrase_file = in(cli, secrets, "passphrase");
    if (!file_mkdir_private(dir, e) || !file_mkdir_private(in(cli, dir, "issued"), e) ||
        (!o->hsm && (!file_mkdir_private(secrets, e) || !platform_passphrase(c.passphrase_file, &cli->env, e))) ||
        !make_root(cli, o, dir, &c, digest, e))
        return false;
    if (cli->g.json) {
        struct json_out j = json_out_of(&b);
        json_out_map(&j, NULL);
        json_out_int(&j, "v", 1);
        json_out_text(&j, "dir", dir);
        json_out_text(&j, "passphrase_file", c.passphrase_file);
        json_out_bytes(&j, "root_sha256", CODEC_HEX, SLICE_ARRAY(digest));
        json_out_end(&j);
        buf_put_char(&b, '\n');
    } else {
        buf_put_str(&b, "root SHA-256: ");
        cli_put_fingerprint(&b, digest);
        buf_printf(
            &b,
            "\nkeep this machine off every network; %s%s\nnext: kith init --dir DIR --offline-root, on the platform\n",
            o->hsm ? "the key is in token " : "passphrase of the key: ", o->hsm ? o->token : c.passphrase_file);
    }
    return cli_write(cli, &b, e);
}

/* ---- signing a request ---- */

static bool check_request(const struct csr *csr, struct err *e)
{
    if (!csr_verify(&crypto_openssl, csr, e))
        return false;
    if (csr->key_type == KEY_NONE || csr->key_type == KEY_ED25519 || csr->key_type == KEY_RSA2048)
        return err_set(e, ERR_POLICY, "the key of a CA is P-256, P-384, or RSA of 3072 bits or more");
    if (name_is_empty(csr->subject))
        return err_set(e, ERR_POLICY, "the request names nobody");
    return true;
}

/* The platform's plain URL stands in the request's names. */
static const char *url_in_request(struct cli *cli, const struct csr *csr)
{
    struct san san[SAN_COUNT_MAX];
    size_t n = 0;
    struct err ignored;
    if (!csr->san.n || !san_read(csr->san, san, SAN_COUNT_MAX, &n, &ignored))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (san[i].type == SAN_URI && san[i].value.n > 7 && memcmp(san[i].value.p, "http://", 7) == 0)
            return arena_str(&cli->arena, san[i].value);
    return NULL;
}

static bool sign_request(struct cli *cli, const struct ca_opts *o, struct root *r, const struct csr *csr, struct err *e)
{
    struct cert cert;
    char hex[2 * CERT_SERIAL_MAX + 1];
    AUTO(buf_clear) struct buf der = {0}, pem = {0}, crl = {0};
    buf_init(&der, CERT_MAX);
    buf_init(&pem, ROOT_LIST_MAX);
    buf_init(&crl, ROOT_LIST_MAX);
    const char *url = o->plain_url ? o->plain_url : url_in_request(cli, csr);
    if (!pki_make_issuing(r->k.key, &r->cert, csr->subject, csr->spki, url, o->years, &cli->env, &der, e) ||
        !cert_read(buf_slice(&der), &cert, e) || !codec_encode(CODEC_HEX, cert.serial, hex, sizeof hex))
        return false;
    const char *issued = in(cli, r->dir, "issued");
    /* The root's own record comes first: what it signed is known even if the answer is lost. */
    if (!file_mkdir_private(issued, e) ||
        !file_write_new(arena_printf(&cli->arena, "%s/%s.cer", issued, hex), 0644, cert.der, e) ||
        !file_read(r->list, ROOT_LIST_MAX, &crl, e))
        return false;
    pem_put(&pem, PEM_CERT, cert.der);
    pem_put(&pem, PEM_CERT, r->cert.der);
    pem_put(&pem, PEM_CRL, buf_slice(&crl));
    fprintf(cli->talk, "signed: %s, until %s\nCRLs and issuer at: %s\n", NAME_QUOTE(cert.subject),
            RFC3339(cert.not_after), url ? url : "(not said)");
    return cli_write_document(cli, o->out, &pem, e);
}

bool offline_sign_request(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ca_opts *o = opts;
    struct root r;
    struct csr csr;
    uint8_t digest[SHA256_SIZE];
    AUTO(buf_clear) struct buf text = {0}, der = {0}, print = {0};
    buf_init(&text, 1 << 20);
    buf_init(&der, CSR_MAX);
    buf_init(&print, 256);
    if (!cli_read_input(words->v[0], &text, e) || !pem_or_der_get(buf_slice(&text), PEM_CSR, &der, e) ||
        !csr_read(buf_slice(&der), &csr, e) || !check_request(&csr, e))
        return err_ctx(e, "%s", words->v[0]);
    sha256(csr.der, digest);
    cli_put_fingerprint(&print, digest);
    fprintf(cli->talk, "request SHA-256: %s (compare it with what init printed)\n", buf_str(&print));
    bool ok = root_open(cli, o->root_dir, &r, e) && sign_request(cli, o, &r, &csr, e);
    root_close(&r);
    return ok;
}

/* ---- the root's CRL ---- */

static bool read_revoked(const struct crl *crl, struct pki_revoked *out, size_t *n, struct err *e)
{
    struct reader rd = reader_of(crl->entries);
    struct crl_entry en;
    *n = 0;
    while (crl_next(&rd, &en)) {
        if (*n == REVOKED_MAX)
            return err_set(e, ERR_LIMIT, "more than %d certificates in the root's list", REVOKED_MAX);
        struct pki_revoked *r = &out[(*n)++];
        *r = (struct pki_revoked){.serial_n = en.serial.n, .at = en.revoked_at, .reason = en.reason};
        memcpy(r->serial, en.serial.p, en.serial.n);
    }
    return reader_end(&rd) || err_set(e, ERR_CRL, "the root's list has an entry that is malformed");
}

/* As openssl, browsers and we show it: digits of either case, with colons or without. */
static bool plain_hex(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    for (; *text && n + 1 < cap; text++)
        if (*text != ':')
            out[n++] = (char)(*text >= 'A' && *text <= 'F' ? *text + ('a' - 'A') : *text);
    out[n] = 0;
    return *text == 0 && n > 0;
}

/* What the root signed lies in its directory: offline under issued/, online as the platform's issuing CA. */
static bool check_signed(struct cli *cli, const struct root *r, struct slice serial, struct err *e)
{
    struct cert cert;
    char hex[2 * CERT_SERIAL_MAX + 1];
    AUTO(buf_clear) struct buf der = {0};
    buf_init(&der, CERT_MAX);
    if (!codec_encode(CODEC_HEX, serial, hex, sizeof hex))
        return err_set(e, ERR_INTERNAL, "serial number");
    const char *record = arena_printf(&cli->arena, "%s/issued/%s.cer", r->dir, hex);
    const char *online = in(cli, r->dir, PATH_ISSUING_CERT);
    if (!record || !online)
        return arena_ok(&cli->arena, e);
    const char *file = file_exists(record) || !file_exists(online) ? record : online;
    if (file_exists(file) && (!file_read(file, CERT_MAX, &der, e) || !cert_read(buf_slice(&der), &cert, e)))
        return err_ctx(e, "%s", file);
    if (der.n && slice_eq(cert.serial, serial))
        return true;
    err_set(e, ERR_NOTFOUND, "the root has signed no certificate %s", hex);
    err_why(e, "there is no %s", record);
    return err_try(e, "kith ca ls shows the serial number of the issuing CA; if the record was lost, put the "
                      "certificate there (DER)");
}

static bool add_revoked(struct cli *cli, const struct ca_opts *o, const struct root *root, struct pki_revoked *all,
                        size_t *n, struct err *e)
{
    struct pki_revoked r = {.at = env_now_s(&cli->env)};
    if (!o->revoke)
        return true;
    if (o->reason && !nearest_check(ERR_OPTION, "reason to revoke for good", o->reason, crl_reasons_final, e))
        return false;
    if (o->reason)
        r.reason = crl_reason_from_name(o->reason);
    char hex[3 * CERT_SERIAL_MAX + 2];
    if (!plain_hex(o->revoke, hex, sizeof hex) ||
        !codec_decode(CODEC_HEX, slice_str(hex), r.serial, sizeof r.serial, &r.serial_n, e)) {
        err_set(e, ERR_OPTION, "--revoke: \"%s\" is no serial number", ERR_QUOTE(slice_str(o->revoke)));
        err_why(e, "RFC 5280 section 4.1.2.2: at most %d bytes, here in hex, two digits each", CERT_SERIAL_MAX);
        return err_try(e, "kith ca ls shows that of the issuing CA");
    }
    for (size_t i = 0; i < *n; i++)
        if (slice_eq(slice_of(all[i].serial, all[i].serial_n), slice_of(r.serial, r.serial_n)))
            return err_set(e, ERR_CONFLICT, "%s is in the list already", o->revoke);
    if (!check_signed(cli, root, slice_of(r.serial, r.serial_n), e))
        return false;
    if (*n == REVOKED_MAX)
        return err_set(e, ERR_LIMIT, "more than %d certificates in the root's list", REVOKED_MAX);
    all[(*n)++] = r;
    return true;
}

/* A copy of the root's directory that was put back knows less than what it gave out before. */
static bool check_replaced(const char *out, const struct root *r, uint64_t number, struct err *e)
{
    struct crl there;
    struct err ignored;
    AUTO(buf_clear) struct buf text = {0}, der = {0};
    buf_init(&text, ROOT_LIST_MAX);
    buf_init(&der, ROOT_LIST_MAX);
    if (!out || strcmp(out, "-") == 0 || !file_exists(out) || !file_read(out, ROOT_LIST_MAX, &text, &ignored) ||
        !pem_or_der_get(buf_slice(&text), PEM_CRL, &der, &ignored) || !crl_read(buf_slice(&der), &there, &ignored) ||
        !slice_eq(there.issuer, r->cert.subject) || there.number < number)
        return true;
    err_set(e, ERR_CONFLICT, "%s has list %llu, and the next one of %s would be %llu", out,
            (unsigned long long)there.number, r->list, (unsigned long long)number);
    err_why(e, "RFC 5280 section 5.2.3: the number of a list only grows; what was revoked since would be valid again");
    return err_try(e, "put the newest list (DER) in the place of %s; or another --out", r->list);
}

static bool make_crl(struct cli *cli, const struct ca_opts *o, struct root *r, struct pki_revoked *all, struct err *e)
{
    struct crl old;
    size_t n;
    AUTO(buf_clear) struct buf before = {0}, der = {0}, pem = {0};
    buf_init(&before, ROOT_LIST_MAX);
    buf_init(&der, ROOT_LIST_MAX);
    buf_init(&pem, ROOT_LIST_MAX);
    if (!file_read(r->list, ROOT_LIST_MAX, &before, e) || !crl_read(buf_slice(&before), &old, e) ||
        !crl_verify(&crypto_openssl, &old, r->cert.spki, e))
        return err_ctx(e, "%s", r->list);
    if (!check_replaced(o->out, r, old.number + 1, e) || !read_revoked(&old, all, &n, e) ||
        !add_revoked(cli, o, r, all, &n, e) ||
        !pki_make_root_crl(r->k.key, &r->cert, all, n, old.number + 1, o->days, &cli->env, &der, e) ||
        !file_write_atomic(r->list, 0644, buf_slice(&der), e))
        return false;
    pem_put(&pem, PEM_CRL, buf_slice(&der));
    fprintf(cli->talk, "list %llu with %zu certificates; ", (unsigned long long)old.number + 1, n);
    if (r->online)
        fprintf(cli->talk, "it is in force: the server reads %s\n", r->list);
    else
        fprintf(cli->talk, "next: kith --dir DIR ca install FILE, on the platform\n");
    return cli_write_document(cli, o->out, &pem, e);
}

bool offline_crl(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ca_opts *o = opts;
    struct root r;
    (void)words;
    struct pki_revoked *all = calloc(REVOKED_MAX, sizeof *all);
    if (!all)
        return err_set(e, ERR_NOMEM, "list");
    bool ok = root_open(cli, o->root_dir, &r, e) && make_crl(cli, o, &r, all, e);
    root_close(&r);
    free(all);
    return ok;
}
