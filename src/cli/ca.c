/* kith ca: the CA's certificates, and the offline root's side of them.
 *
 * An offline root is a directory of its own on a machine without network: root.conf, root.cer, root.crl, its key (or a token),
 * and a copy of each certificate that it signed. */
#include <stdlib.h>

#include "base/config.h"
#include "base/file.h"
#include "base/rfc3339.h"
#include "cli/client.h"
#include "cli/pki.h"
#include "cli/platform.h"
#include "cli/show.h"
#include "keys/crypto.h"
#include "keys/p11.h"
#include "model/device.h"
#include "x509/chain.h"
#include "x509/crl.h"
#include "x509/name.h"

#define ROOT_CONF    "root.conf"
#define CRL_FILE_MAX (64u << 20)
#define REVOKED_MAX  1024

/* ---- keys behind settings ---- */

struct opened {
    struct p11 *p11;
    struct key_env env;
    struct key *key;
};

static void opened_close(struct opened *o)
{
    key_free(o->key);
    p11_free(o->p11);
}

static bool open_key(const char *ref, const char *passphrase_file, const char *module, const char *token,
                     const char *pin_file, struct opened *o, struct err *e)
{
    *o = (struct opened){0};
    if (module && !p11_open(module, token, pin_file, NULL, &o->p11, e))
        return false;
    o->env = (struct key_env){.passphrase_file = passphrase_file, .p11 = o->p11};
    return key_open(&o->env, ref, &o->key, e);
}

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
    CONF("hsm_module", OPT_PATH, hsm_module),
    CONF("hsm_token", OPT_TEXT, hsm_token),
    CONF("hsm_pin_file", OPT_PATH, hsm_pin_file),
};

struct root {
    const char *dir;
    struct root_conf conf;
    struct opened k;
    struct buf der;
    struct cert cert;
};

static void root_close(struct root *r)
{
    opened_close(&r->k);
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
        return true;
    }
    *cert = in(cli, r->dir, "root.cer");
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
        !cert_read(buf_slice(&r->der), &r->cert, e) ||
        !open_key(r->conf.key, r->conf.passphrase_file, r->conf.hsm_module, r->conf.hsm_token, r->conf.hsm_pin_file,
                  &r->k, e))
        return err_ctx(e, "root in %s", dir);
    return slice_eq(r->cert.spki, key_get0_spki(r->k.key)) ||
           err_set(e, ERR_KEY_MISMATCH, "%s is not the certificate of the root's key", cert);
}

struct ca_opts {
    const char *name, *secrets, *hsm, *token, *pin_file, *hsm_template, *root_dir, *out, *plain_url, *revoke, *reason,
        *sha256;
    int64_t years, days;
    int key_type;
    bool der;
};

static void put_conf_row(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "%s = ", key);
    config_put_value(b, slice_str(value));
    buf_put_char(b, '\n');
}

static const char *const key_words[] = {"p256", "p384", "rsa3072", "rsa4096", NULL};

static bool make_root(struct cli *cli, const struct ca_opts *o, const char *dir, const struct root_conf *c,
                      uint8_t digest[SHA256_SIZE], struct err *e)
{
    struct opened k = {0};
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
    ok = ok && key_generate(&k.env, ref, key_type_from_name(key_words[o->key_type]), &k.key, e) &&
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
    opened_close(&k);
    return ok;
}

static bool run_init_root(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ca_opts *o = opts;
    uint8_t digest[SHA256_SIZE];
    AUTO(buf_clear) struct buf b = {0};
    (void)words;
    buf_init(&b, 65536);
    if (!cli->g.dir || (o->hsm && (!o->token || !o->pin_file))) {
        err_set(e, ERR_OPTION, cli->g.dir ? "--hsm needs --token and --pin-file" : "--dir is missing");
        return err_try(e, "kith ca init-root --dir DIR --name ORG");
    }
    const char *dir = cli_absolute(cli, cli->g.dir);
    const char *secrets = o->secrets ? cli_absolute(cli, o->secrets) : arena_printf(&cli->arena, "%s-secrets", dir);
    if (!dir || !secrets)
        return arena_ok(&cli->arena, e);
    if (file_exists(dir)) {
        err_set(e, ERR_CONFLICT, "%s exists already", dir);
        return err_try(e, "another directory, or remove it if no root was finished in it");
    }
    struct root_conf c = {.name = o->name,
                          .key = o->hsm ? arena_printf(&cli->arena, "pkcs11:token=%s;object=kith-root", o->token)
                                        : "file:root.key",
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
    buf_init(&pem, CRL_FILE_MAX);
    buf_init(&crl, CRL_FILE_MAX);
    const char *url = o->plain_url ? o->plain_url : url_in_request(cli, csr);
    if (!pki_make_issuing(r->k.key, &r->cert, csr->subject, csr->spki, url, o->years, &cli->env, &der, e) ||
        !cert_read(buf_slice(&der), &cert, e) || !codec_encode(CODEC_HEX, cert.serial, hex, sizeof hex))
        return false;
    const char *issued = in(cli, r->dir, "issued"), *list = in(cli, r->dir, "root.crl");
    if (!file_exists(list))
        list = in(cli, r->dir, PATH_ROOT_CRL);
    /* The root's own record comes first: what it signed is known even if the answer is lost. */
    if (!file_mkdir_private(issued, e) ||
        !file_write_new(arena_printf(&cli->arena, "%s/%s.cer", issued, hex), 0644, cert.der, e) ||
        !file_read(list, CRL_FILE_MAX, &crl, e))
        return false;
    pki_put_pem(&pem, "CERTIFICATE", cert.der);
    pki_put_pem(&pem, "CERTIFICATE", r->cert.der);
    pki_put_pem(&pem, "X509 CRL", buf_slice(&crl));
    fprintf(cli->talk, "signed: %s, until %s\nCRLs and issuer at: %s\n", NAME_QUOTE(cert.subject),
            RFC3339(cert.not_after), url ? url : "(not said)");
    return cli_write_document(cli, o->out, &pem, e);
}

static bool run_sign_request(void *ctx, const void *opts, const struct args_words *words, struct err *e)
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
    if (!cli_read_input(words->v[0], &text, e) || !pki_from_pem(buf_slice(&text), "CERTIFICATE REQUEST", &der, e) ||
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

static bool add_revoked(struct cli *cli, const struct ca_opts *o, struct pki_revoked *all, size_t *n, struct err *e)
{
    struct pki_revoked r = {.at = env_now_s(&cli->env)};
    if (!o->revoke)
        return true;
    if (o->reason && (r.reason = revocation_reason_from_name(o->reason)) < 0)
        return err_set(e, ERR_OPTION, "\"%s\" is no reason of RFC 5280 section 5.3.1", ERR_QUOTE(slice_str(o->reason)));
    if (!codec_decode(CODEC_HEX, slice_str(o->revoke), r.serial, sizeof r.serial, &r.serial_n, e))
        return err_ctx(e, "--revoke");
    for (size_t i = 0; i < *n; i++)
        if (slice_eq(slice_of(all[i].serial, all[i].serial_n), slice_of(r.serial, r.serial_n)))
            return err_set(e, ERR_CONFLICT, "%s is in the list already", o->revoke);
    if (*n == REVOKED_MAX)
        return err_set(e, ERR_LIMIT, "more than %d certificates in the root's list", REVOKED_MAX);
    all[(*n)++] = r;
    return true;
}

static bool make_crl(struct cli *cli, const struct ca_opts *o, struct root *r, struct pki_revoked *all, struct err *e)
{
    struct crl old;
    size_t n;
    AUTO(buf_clear) struct buf before = {0}, der = {0}, pem = {0};
    buf_init(&before, CRL_FILE_MAX);
    buf_init(&der, CRL_FILE_MAX);
    buf_init(&pem, CRL_FILE_MAX);
    const char *file = in(cli, r->dir, "root.crl");
    if (!file_exists(file))
        file = in(cli, r->dir, PATH_ROOT_CRL);
    if (!file_read(file, CRL_FILE_MAX, &before, e) || !crl_read(buf_slice(&before), &old, e) ||
        !crl_verify(&crypto_openssl, &old, r->cert.spki, e))
        return err_ctx(e, "%s", file);
    if (!read_revoked(&old, all, &n, e) || !add_revoked(cli, o, all, &n, e) ||
        !pki_make_root_crl(r->k.key, &r->cert, all, n, old.number + 1, o->days, &cli->env, &der, e) ||
        !file_write_atomic(file, 0644, buf_slice(&der), e))
        return false;
    pki_put_pem(&pem, "X509 CRL", buf_slice(&der));
    fprintf(cli->talk, "list %llu with %zu certificates; next: kith --dir DIR ca install FILE, on the platform\n",
            (unsigned long long)old.number + 1, n);
    return cli_write_document(cli, o->out, &pem, e);
}

static bool run_crl(void *ctx, const void *opts, const struct args_words *words, struct err *e)
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

static bool take_file(struct cli *cli, const char *file, struct arrival *a, struct err *e)
{
    char label[64];
    struct slice base64;
    size_t n, found = 0;
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, CRL_FILE_MAX);
    if (!cli_read_input(file, &text, e))
        return false;
    if (text.n && text.p[0] == 0x30)
        return sort_in(cli, buf_slice(&text), a, e) || err_ctx(e, "%s", file);
    for (struct slice rest = buf_slice(&text); pki_pem_block(&rest, label, sizeof label, &base64); found++) {
        uint8_t *der = arena_alloc(&cli->arena, base64.n + 4);
        if (!der)
            return arena_ok(&cli->arena, e);
        if (!codec_decode_lines(base64, der, base64.n + 4, &n, e) || !sort_in(cli, slice_of(der, n), a, e))
            return err_ctx(e, "%s", file);
    }
    return found > 0 || err_set(e, ERR_ENCODING, "%s is neither DER nor PEM", file);
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
    struct opened k;
    const struct chain_rules rules = {.at = env_now_s(&cli->env), .key_usage = KU_KEY_CERT_SIGN | KU_CRL_SIGN};
    if (!cert_read(der, &c, e) || !chain_verify(&crypto_openssl, &c, NULL, 0, root, 1, &rules, &path, e))
        return err_ctx(e, "issuing certificate");
    if (!c.is_ca)
        return err_set(e, ERR_CHAIN_RULE, "the issuing certificate is no CA's");
    bool ok = open_key(s->issuing_key, s->passphrase_file, s->hsm_module, s->hsm_token, s->hsm_pin_file, &k, e);
    if (ok && !slice_eq(c.spki, key_get0_spki(k.key))) {
        err_set(e, ERR_KEY_MISMATCH, "the certificate is not for this platform's issuing key");
        ok = err_try(e, "kith ca sign-request with ca/issuing.csr of %s", s->dir);
    }
    opened_close(&k);
    return ok;
}

static bool check_crl(struct slice der, struct slice had, const struct cert *root, struct err *e)
{
    struct crl crl, old;
    if (!crl_read(der, &crl, e) || !crl_verify(&crypto_openssl, &crl, root->spki, e))
        return err_ctx(e, "root's list");
    if (!had.n)
        return true;
    if (!crl_read(had, &old, e))
        return err_ctx(e, "the list that is there");
    if (crl.number >= old.number)
        return true;
    err_set(e, ERR_CONFLICT, "list %llu is older than the one that is there (%llu)", (unsigned long long)crl.number,
            (unsigned long long)old.number);
    return err_why(e, "what was revoked would be valid again");
}

static bool install(struct cli *cli, const struct ca_opts *o, const struct settings *s, const struct arrival *a,
                    struct buf *report, struct err *e)
{
    struct arrival had = {0};
    struct cert root;
    uint8_t digest[SHA256_SIZE];
    const char *root_path = settings_path(s, &cli->arena, PATH_ROOT_CERT),
               *issuing_path = settings_path(s, &cli->arena, PATH_ISSUING_CERT),
               *crl_path = settings_path(s, &cli->arena, PATH_ROOT_CRL);
    if (!root_path || !issuing_path || !crl_path)
        return arena_ok(&cli->arena, e);
    if (!load(cli, root_path, CERT_MAX, &had.root, e) || !load(cli, crl_path, CRL_FILE_MAX, &had.crl, e))
        return false;
    if (had.root.n && a->root.n && !slice_eq(had.root, a->root)) {
        err_set(e, ERR_CONFLICT, "the platform has another root");
        return err_why(e, "every device trusts the root that was there when it enrolled");
    }
    struct slice der = a->root.n ? a->root : had.root;
    if (!der.n) {
        err_set(e, ERR_NOTFOUND, "the root's certificate is missing");
        return err_try(e, "kith ca install with the whole file that sign-request wrote");
    }
    if (!cert_read(der, &root, e) || !cert_verify(&crypto_openssl, &root, root.spki, e) ||
        (a->issuing.n && !check_issuing(cli, s, a->issuing, &root, e)) ||
        (a->crl.n && !check_crl(a->crl, had.crl, &root, e)))
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
    AUTO(buf_clear) struct buf print = {0}, b = {0};
    buf_init(&print, 256);
    buf_init(&b, 4096);
    if (!cli_settings(cli, &s, e))
        return false;
    for (size_t i = 0; i < words->n; i++)
        if (!take_file(cli, words->v[i], &a, e))
            return false;
    if (!install(cli, opts, s, &a, &print, e))
        return false;
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "root_sha256", buf_str(&print));
        json_out_bool(&o, "root", a.root.n > 0);
        json_out_bool(&o, "issuing", a.issuing.n > 0);
        json_out_bool(&o, "crl", a.crl.n > 0);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "root SHA-256: %s (compare it with what init-root printed)\ninstalled:%s%s%s\n", buf_str(&print),
                   a.root.n ? " root" : "", a.issuing.n ? " issuing" : "", a.crl.n ? " crl" : "");
        if (a.issuing.n)
            buf_printf(&b, "next: kithd --config %s/" SETTINGS_FILE " (restart it if it runs)\n", s->dir);
    }
    return cli_write(cli, &b, e);
}

/* ---- ls, export ---- */

static bool run_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    static const struct show_column columns[] = {
        {"root", "root.subject"},       {"  SHA-256", "root.sha256"},    {"  until", "root.not_after"},
        {"issuing", "issuing.subject"}, {"  SHA-256", "issuing.sha256"}, {"  until", "issuing.not_after"},
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
    buf_init(&der, CRL_FILE_MAX);
    buf_init(&pem, CRL_FILE_MAX);
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
        pki_put_pem(&pem, "CERTIFICATE", buf_slice(&der));
    return cli_write_document(cli, o->out, o->der ? &der : &pem, e);
}

#define AT(field) .offset = offsetof(struct ca_opts, field)
#define OUT_ROW                                                                                                        \
    {                                                                                                                  \
        NULL, "out", OPT_PATH, .arg = "FILE", .help = "where the answer goes; stdout if not given", AT(out)            \
    }
#define ROOT_DIR_ROW                                                                                                   \
    {                                                                                                                  \
        NULL, "root-dir", OPT_PATH, .arg = "DIR", .help = "the offline root's directory", AT(root_dir),                \
                                    .required = true                                                                   \
    }
#define DAYS_ROW                                                                                                       \
    {                                                                                                                  \
        NULL, "days", OPT_INT, 1, 3650, "365", .arg = "N", .help = "how long the root's list holds", AT(days)          \
    }

static const struct opt root_rows[] = {
    {NULL, "name", OPT_TEXT, 1, 50, .arg = "ORG", .help = "the organisation", AT(name), .required = true},
    {NULL, "secrets", OPT_PATH, .arg = "DIR", .help = "where the passphrase goes; DIR-secrets if not given",
     AT(secrets)},
    {NULL, "hsm", OPT_PATH, .arg = "MODULE", .help = "PKCS#11 module: the key lives in its token", AT(hsm)},
    {NULL, "token", OPT_TEXT, .arg = "LABEL", .help = "the token's label", AT(token)},
    {NULL, "pin-file", OPT_PATH, .arg = "FILE", .help = "file with the token's PIN, mode 0600", AT(pin_file)},
    {NULL, "hsm-template", OPT_TEXT, 1, 400, .arg = "DEVICE[, NAME=yes|no|omit ...]",
     .help = "what the key is asked to be: generic, nshield, nshield-pool, luna or cloudhsm, then attributes",
     AT(hsm_template)},
    {NULL, "key-type", OPT_ENUM, .def = "p256", .words = key_words, .arg = "TYPE", .help = "of its key", AT(key_type)},
    {NULL, "years", OPT_INT, 1, 40, "20", .arg = "N", .help = "how long it is valid", AT(years)},
    DAYS_ROW,
};
static const struct opt sign_rows[] = {
    ROOT_DIR_ROW,
    OUT_ROW,
    {NULL, "plain-url", OPT_TEXT, .arg = "URL", .help = "where CRLs are; the request says it if not given",
     AT(plain_url)},
    {NULL, "years", OPT_INT, 1, 20, "10", .arg = "N", .help = "how long it is valid, at most as long as the root",
     AT(years)},
};
static const struct opt crl_rows[] = {
    ROOT_DIR_ROW,
    OUT_ROW,
    DAYS_ROW,
    {NULL, "revoke", OPT_TEXT, .arg = "SERIAL", .help = "take back this certificate of the root's", AT(revoke)},
    {NULL, "reason", OPT_TEXT, .arg = "REASON", .help = "of RFC 5280 section 5.3.1, such as cACompromise", AT(reason)},
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
    {"ca init-root", NULL, "an offline root, on a machine without network", ROWS(root_rows), 0, 0, run_init_root},
    {"ca sign-request", "FILE", "the offline root signs a platform's issuing CA", ROWS(sign_rows), 1, 1,
     run_sign_request},
    {"ca crl", NULL, "the offline root makes its next CRL", ROWS(crl_rows), 0, 0, run_crl},
};
const size_t ca_verbs_n = ARRAY_LEN(ca_verbs);
