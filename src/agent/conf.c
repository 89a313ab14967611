#include "agent/conf.h"

#include "base/codec.h"
#include "base/config.h"
#include "base/file.h"
#include "model/token.h"

#define AT(field) .offset = offsetof(struct conf, field)
#define FILE_MAX  (64 * 1024)

const char *const conf_key_types[] = {"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096", NULL};

const struct opt conf_rows[] = {
    {"platform", "url", OPT_TEXT, 1, 255, .arg = "URL", .help = "the platform; enroll writes it", AT(url)},
    {"platform", "device", OPT_TEXT, 1, 40, .arg = "ID", .help = "this device; enroll writes it", AT(device)},
    {"platform", "root_sha256", OPT_TEXT, 64, 64, .arg = "HEX",
     .help = "SHA-256 of the platform's root certificate; enroll writes it", AT(root_sha256)},
    {"key", "store", OPT_TEXT, 4, 512, "file", .arg = "file|pkcs11:URI", .help = "where private keys are made and stay",
     AT(store)},
    {"key", "type", OPT_ENUM, .def = "p256", .words = conf_key_types, .help = "of new keys", AT(type)},
    {"key", "passphrase_file", OPT_TEXT, 1, 4096, .arg = "FILE",
     .help = "seals keys in files; credential:NAME for one of systemd", AT(passphrase_file)},
    {"key", "module", OPT_PATH, .arg = "FILE", .help = "PKCS#11 module", AT(module)},
    {"key", "pin_file", OPT_TEXT, 1, 4096, .arg = "FILE", .help = "user PIN of the token, mode 0600", AT(pin_file)},
    {"renew", "rekey", OPT_BOOL, .def = "yes", .help = "a new key with each certificate", AT(rekey)},
    {"renew", "at", OPT_INT, 1, 95, "66", .arg = "PERCENT",
     .help = "of a certificate's life, after which it is renewed", AT(at_percent)},
    {"renew", "hello", OPT_SECONDS, 1, 604800, "6h", .help = "how often to show the platform that the credential works",
     AT(hello_s)},
    {"hook", "command", OPT_LIST, 0, 32, .def = "",
     .help = "program (absolute path) and its arguments, run after each new certificate; no shell", AT(command)},
    {"hook", "timeout", OPT_MS, 100, 600000, "60s", .help = "after which the hook is killed", AT(hook_timeout_ms)},
};
const size_t conf_rows_n = ARRAY_LEN(conf_rows);

static bool check(const struct conf *c, const char *path, struct err *e)
{
    /* Nothing that comes without TLS is believed: an answer may have the keys destroyed. */
    if (c->url && !token_check_url(slice_str(c->url), e))
        return err_ctx(e, "%s: [platform] url", path);
    if (strcmp(c->store, "file") != 0 && strncmp(c->store, "pkcs11:", 7) != 0) {
        err_set(e, ERR_CONFIG, "%s: [key] store is \"%s\"", path, ERR_QUOTE(slice_str(c->store)));
        return err_try(e, "write file, or a URI such as pkcs11:token=LABEL;object=NAME");
    }
    if (c->command.n && c->command.v[0][0] != '/') {
        err_set(e, ERR_CONFIG, "%s: [hook] command is \"%s\"", path, ERR_QUOTE(slice_str(c->command.v[0])));
        return err_why(e, "no search path is used, so it must be an absolute path");
    }
    return true;
}

bool conf_read(const char *path, struct arena *a, struct conf *out, struct err *e)
{
    struct buf text;
    struct conf c = {0};
    *out = (struct conf){0};
    buf_init(&text, FILE_MAX);
    bool ok = !file_exists(path) || file_read_private(path, FILE_MAX, &text, e);
    ok = ok && config_read(path, buf_slice(&text), conf_rows, conf_rows_n, a, &c, e) && check(&c, path, e);
    buf_clear(&text);
    if (ok)
        *out = c;
    return ok;
}

static void put_text(struct buf *b, const char *name, const char *v)
{
    if (!v)
        return;
    buf_printf(b, "%s = ", name);
    config_put_value(b, slice_str(v));
    buf_put_char(b, '\n');
}

bool conf_write(const char *path, const struct conf *c, struct err *e)
{
    struct buf b;
    struct slice text;
    buf_init(&b, FILE_MAX);
    buf_put_str(&b, "# kith-agent; man kith-agent says what each line means.\n[platform]\n");
    put_text(&b, "url", c->url);
    put_text(&b, "device", c->device);
    put_text(&b, "root_sha256", c->root_sha256);
    buf_put_str(&b, "\n[key]\n");
    put_text(&b, "store", c->store);
    put_text(&b, "type", conf_key_types[c->type]);
    put_text(&b, "passphrase_file", c->passphrase_file);
    put_text(&b, "module", c->module);
    put_text(&b, "pin_file", c->pin_file);
    buf_printf(&b, "\n[renew]\nrekey = %s\nat = %lld\nhello = %llds\n", c->rekey ? "yes" : "no",
               (long long)c->at_percent, (long long)c->hello_s);
    buf_put_str(&b, "\n[hook]\n");
    if (c->command.n) {
        buf_put_str(&b, "command =");
        for (size_t i = 0; i < c->command.n; i++)
            buf_printf(&b, " %s", c->command.v[i]);
        buf_put_char(&b, '\n');
    }
    buf_printf(&b, "timeout = %lldms\n", (long long)c->hook_timeout_ms);
    bool ok = buf_done(&b, &text, e) && file_write_atomic(path, 0600, text, e);
    buf_clear(&b);
    return ok;
}

enum key_type conf_key_type(const struct conf *c)
{
    return key_type_from_name(conf_key_types[c->type]);
}

bool conf_is_enrolled(const struct conf *c, uint8_t root[SHA256_SIZE])
{
    size_t n = 0;
    return c->url && c->device && c->root_sha256 &&
           codec_decode(CODEC_HEX, slice_str(c->root_sha256), root, SHA256_SIZE, &n, NULL) && n == SHA256_SIZE;
}

bool conf_check(const struct conf *c, const char *dir, struct err *e)
{
    uint8_t root[SHA256_SIZE];
    if (conf_is_enrolled(c, root))
        return true;
    err_set(e, ERR_AGENT_STATE, "%s/" CONF_FILE " does not say which platform and device", ERR_QUOTE(slice_str(dir)));
    err_why(e, "url, device and root_sha256 have to be there; the credential beside it is not touched");
    return err_try(e, "restore it, or kith-agent enroll --again --dir %s with a token of `kith device token DEVICE`",
                   ERR_QUOTE(slice_str(dir)));
}
