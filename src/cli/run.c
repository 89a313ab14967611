#include <errno.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/manual.h"
#include "base/path.h"
#include "base/problem.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/platform.h"
#include "core/utf8.h"
#include "keys/crypto.h"

#define AT(field) .offset = offsetof(struct cli_globals, field)

const struct opt cli_global_rows[] = {
    {NULL, "dir", OPT_PATH, .arg = "DIR", .help = "the installation on this machine", AT(dir)},
    {NULL, "url", OPT_TEXT, .arg = "URL", .help = "a platform elsewhere, as https://HOST:PORT", AT(url)},
    {NULL, "cert", OPT_PATH, .needs = "url", .arg = "FILE", .help = "your operator certificate (PEM, with its issuers)",
     AT(cert)},
    {NULL, "key", OPT_PATH, .needs = "url", .arg = "FILE|pkcs11:URI",
     .help = "its private key: a PEM file, or one on a token", AT(key)},
    {NULL, "ca", OPT_PATH, .needs = "url", .arg = "FILE",
     .help = "the platform's root; the last certificate of --cert if not given", AT(ca)},
    {NULL, "passphrase-file", OPT_PATH, .needs = "key", .arg = "FILE", .help = "opens the sealed key of --key",
     AT(passphrase_file)},
    {NULL, "module", OPT_PATH, .needs = "key", .arg = "FILE", .help = "PKCS#11 module of the token of --key",
     AT(module)},
    {NULL, "pin-file", OPT_PATH, .needs = "key", .arg = "FILE", .help = "file with that token's PIN, mode 0600",
     AT(pin_file)},
    {NULL, "json", OPT_BOOL, .help = "answer in JSON", AT(json)},
};
const size_t cli_global_rows_n = ARRAY_LEN(cli_global_rows);

bool cli_verbs(struct arena *a, const struct verb **out, size_t *n, struct err *e)
{
    const struct {
        const struct verb *v;
        size_t n;
    } groups[] = {
        {init_verbs, init_verbs_n},
        {status_verbs, status_verbs_n},
        {doctor_verbs, doctor_verbs_n},
        {alarm_verbs, alarm_verbs_n},
        {model_verbs, model_verbs_n},
        {device_verbs, device_verbs_n},
        {device_act_verbs, device_act_verbs_n},
        {cert_verbs, cert_verbs_n},
        {operator_verbs, operator_verbs_n},
        {gateway_verbs, gateway_verbs_n},
        {anchor_verbs, anchor_verbs_n},
        {ca_verbs, ca_verbs_n},
        {ledger_list_verbs, ledger_list_verbs_n},
        {ledger_verbs, ledger_verbs_n},
        {inspect_verbs, inspect_verbs_n},
        {help_verbs, help_verbs_n},
    };
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        total += groups[i].n;
    struct verb *all = arena_array(a, total, sizeof *all);
    *out = all;
    *n = 0;
    if (!all)
        return arena_ok(a, e);
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        for (size_t k = 0; k < groups[i].n; k++)
            all[(*n)++] = groups[i].v[k];
    return true;
}

#define ERR_ROW(id, class, number, slug, explain) slug,
static const char *const codes[] = {
#include "core/err_codes.h"
    NULL};
#undef ERR_ROW

void cli_manual(struct manual_program *out, const struct verb *verbs, size_t n)
{
    static const char *const shells[] = {"bash", NULL};
    static const struct manual_choices choices[] = {{"CODE", codes}, {"bash", shells}, {NULL, NULL}};
    *out = (struct manual_program){
        .name = "kith",
        .synopsis = "[--dir DIR | --url URL --cert FILE --key FILE] [--json] COMMAND ...",
        .about = "Know every device of a fleet: who it is, and whether it may still speak.",
        .rows = cli_global_rows,
        .rows_n = cli_global_rows_n,
        .verbs = verbs,
        .verbs_n = n,
        .choices = choices,
    };
}

/* Options of every command may stand anywhere, unless the command has one of that name itself. */
struct split {
    char **globals, **rest;
    int globals_n, rest_n;
};

static const struct opt *global_of(const char *arg, bool *has_value)
{
    if (strncmp(arg, "--", 2) != 0)
        return NULL;
    const char *eq = strchr(arg, '=');
    *has_value = eq;
    struct slice name = slice_of(arg + 2, eq ? (size_t)(eq - arg - 2) : strlen(arg + 2));
    return opt_find(cli_global_rows, cli_global_rows_n, NULL, name);
}

static const struct opt *own_of(const struct verb *v, const struct opt *global)
{
    return v ? opt_find(v->rows, v->rows_n, NULL, slice_str(global->name)) : NULL;
}

static void move(int argc, char *const *argv, int *at, bool with_value, char **to, int *n)
{
    to[(*n)++] = argv[*at];
    if (with_value && *at + 1 < argc)
        to[(*n)++] = argv[++*at];
}

/* v: the command, NULL while it is not known; its own options that stand before its name, `words` long, go behind it. */
static bool split_for(struct cli *cli, int argc, char *const *argv, const struct verb *v, int words, struct split *out,
                      struct err *e)
{
    int early_n = 0;
    *out = (struct split){0};
    out->globals = arena_array(&cli->arena, (size_t)argc + 2, sizeof(char *));
    out->rest = arena_array(&cli->arena, (size_t)argc + 2, sizeof(char *));
    char **early = arena_array(&cli->arena, (size_t)argc + 2, sizeof(char *));
    if (!arena_ok(&cli->arena, e))
        return false;
    for (int i = 0; i < argc; i++) {
        bool has_value = false;
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                out->rest[out->rest_n++] = argv[i++];
            break;
        }
        const struct opt *global = global_of(argv[i], &has_value), *own = global ? own_of(v, global) : NULL;
        if (global && !own)
            move(argc, argv, &i, global->type != OPT_BOOL && !has_value, out->globals, &out->globals_n);
        else if (own && out->rest_n < words)
            move(argc, argv, &i, own->type != OPT_BOOL && !has_value, early, &early_n);
        else
            out->rest[out->rest_n++] = argv[i];
        if (early_n && out->rest_n == words) {
            memcpy(out->rest + words, early, (size_t)early_n * sizeof *early);
            out->rest_n += early_n;
            early_n = 0;
        }
    }
    return true;
}

static bool split(struct cli *cli, int argc, char *const *argv, const struct verb *verbs, size_t n, struct split *out,
                  struct err *e)
{
    const struct verb *v;
    struct err ignored;
    int used;
    if (!split_for(cli, argc, argv, NULL, 0, out, e))
        return false;
    if (out->rest_n == 0 || !args_find_verb(verbs, n, out->rest_n, out->rest, &v, &used, &ignored))
        return true;
    return split_for(cli, argc, argv, v, used, out, e);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool print_version(struct cli *cli, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 256);
    manual_put_version(&b, "kith", cli->g.json);
    return cli_write(cli, &b, e);
}

static bool run(struct cli *cli, int argc, char *const *argv, struct err *e)
{
    struct split s = {0};
    struct args_words words;
    const struct verb *verbs, *v;
    size_t n;
    int used;
    bool help = false;
    if (!crypto_init(e) || !cli_verbs(&cli->arena, &verbs, &n, e) || !split(cli, argc, argv, verbs, n, &s, e) ||
        !args_read(cli_global_rows, cli_global_rows_n, s.globals_n, s.globals, false, &cli->arena, &cli->g, &words,
                   NULL, e))
        return false;
    if (s.rest_n == 0) {
        err_set(e, ERR_USAGE, "a command is missing");
        return err_try(e, "kith --help");
    }
    if (is_help(s.rest[0]))
        return cli_help(cli, NULL, 0, e);
    if (s.rest_n == 2 && is_help(s.rest[1]))
        return cli_help(cli, s.rest, 1, e);
    if (strcmp(s.rest[0], "--version") == 0)
        return print_version(cli, e);
    if (s.rest[0][0] == '-') {
        err_set(e, ERR_OPTION, "there is no option %s", ERR_QUOTE(slice_str(s.rest[0])));
        return err_try(e, "kith --help");
    }
    if (!args_find_verb(verbs, n, s.rest_n, s.rest, &v, &used, e) ||
        !args_run_verb(v, s.rest_n - used, s.rest + used, &cli->arena, cli, &help, e))
        return false;
    return !help || cli_help(cli, s.rest, used, e);
}

int cli_run(struct cli *cli, int argc, char *const *argv)
{
    struct err e = {0};
    arena_init(&cli->arena, CLI_ARENA_MAX);
    bool ok = run(cli, argc, argv, &e);
    if (ok && fflush(cli->out) != 0)
        ok = err_set(&e, ERR_IO, "cannot write: %s", strerror(errno));
    if (!ok && e.code)
        cli_print_error(cli, &e);
    int status = cli->exit_code ? cli->exit_code : ok ? 0 : e.code ? err_exit_code(e.code) : 1;
    cli_client_close(cli);
    arena_clear(&cli->arena);
    return status;
}

void cli_print_error(struct cli *cli, const struct err *e)
{
    if (cli->g.json)
        problem_print_json(cli->talk, e);
    else
        problem_print(cli->talk, "error", e);
}

bool cli_write(struct cli *cli, const struct buf *b, struct err *e)
{
    struct slice s;
    if (!buf_done(b, &s, e))
        return false;
    if (fwrite(s.p, 1, s.n, cli->out) != s.n || fflush(cli->out) != 0)
        return err_set(e, ERR_IO, "cannot write: %s", strerror(errno));
    return true;
}

bool cli_write_said(struct cli *cli, const char *name, const char *text, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    if (!cli->g.json)
        return true;
    buf_init(&b, CLI_FILE_MAX);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, name, text);
    json_out_end(&o);
    buf_put_char(&b, '\n');
    return cli_write(cli, &b, e);
}

bool cli_write_document(struct cli *cli, const char *file, const struct buf *b, struct err *e)
{
    AUTO(buf_clear) struct buf base64 = {0};
    struct slice s;
    if (!buf_done(b, &s, e))
        return false;
    if (file && strcmp(file, "-") != 0)
        return file_write_atomic(file, 0644, s, e) && cli_write_said(cli, "file", file, e);
    if (!cli->g.json)
        return cli_write(cli, b, e);
    if (utf8_valid(s) && !memchr(s.p, 0, s.n))
        return cli_write_said(cli, "text", buf_str(b), e);
    buf_init(&base64, CLI_FILE_MAX);
    codec_put(&base64, CODEC_BASE64, s);
    return cli_write_said(cli, "base64", buf_str(&base64), e);
}

bool cli_read_input(const char *path, struct buf *out, struct err *e)
{
    if (strcmp(path, "-") != 0) {
        if (file_read(path, out->max, out, e))
            return true;
        return e->hint[0] ? false : err_try(e, "a regular file that you may read, or - for standard input");
    }
    for (;;) {
        char part[65536];
        ssize_t n = read(STDIN_FILENO, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(e, ERR_IO, "standard input: %s", strerror(errno));
        struct slice s;
        if (n == 0)
            return buf_done(out, &s, e);
        buf_put(out, slice_of(part, (size_t)n));
    }
}

bool cli_settings(struct cli *cli, const struct settings **out, struct err *e)
{
    *out = &cli->settings;
    if (cli->has_settings)
        return true;
    if (!cli->g.dir) {
        err_set(e, ERR_OPTION, "which installation?");
        return err_try(e, "--dir DIR, where " SETTINGS_FILE " is");
    }
    const char *path = arena_printf(&cli->arena, "%s/" SETTINGS_FILE, cli_absolute(cli, cli->g.dir));
    if (!path)
        return arena_ok(&cli->arena, e);
    /* One that we may not look at is told by who reads it. */
    if (!file_exists(path) && (errno == ENOENT || errno == ENOTDIR)) {
        err_set(e, ERR_NOTFOUND, "there is no installation in %s", cli->g.dir);
        err_why(e, "it has no " SETTINGS_FILE);
        return platform_is_vacant(cli->g.dir) ? err_try(e, "kith init --dir %s", cli->g.dir)
                                              : err_try(e, "--dir DIR, where " SETTINGS_FILE " is");
    }
    cli->has_settings = settings_read(path, &cli->arena, &cli->settings, e);
    return cli->has_settings;
}

void cli_put_fingerprint(struct buf *b, const uint8_t digest[32])
{
    for (int i = 0; i < 32; i++)
        buf_printf(b, "%s%02X", i ? ":" : "", digest[i]);
}

const char *cli_absolute(struct cli *cli, const char *path)
{
    char cwd[4096];
    if (!path)
        return NULL;
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (path[0] == '/' || !getcwd(cwd, sizeof cwd))
        return arena_str(&cli->arena, slice_of(path, n));
    return arena_printf(&cli->arena, "%s/%.*s", cwd, (int)n, path);
}

bool cli_is_outside(struct cli *cli, const char *option, const char *dir, struct err *e)
{
    char real[PATH_MAX];
    path_real(dir, real);
    for (size_t n = strlen(real); n > 0; n--) {
        if (real[n] && real[n] != '/')
            continue;
        const char *conf = arena_printf(&cli->arena, "%.*s/" SETTINGS_FILE, (int)n, real);
        if (!conf || !file_exists(conf))
            continue;
        err_set(e, ERR_OPTION, "%s: %s is in the directory of a platform", option, dir);
        err_why(e, "%s is there; a key that is another's would stand in its backups", conf);
        return err_try(e, "%s with a directory outside %.*s", option, (int)n, real);
    }
    return arena_ok(&cli->arena, e);
}

bool cli_secrets_are_apart(const char *dir, const char *secrets, struct err *e)
{
    if (!path_is_below(dir, secrets))
        return true;
    err_set(e, ERR_OPTION, "--secrets: %s is in %s itself", secrets, dir);
    err_why(e, "a copy of the directory would then hold the keys and what opens them");
    return err_try(e, "--secrets %s-secrets, or another place outside", dir);
}
