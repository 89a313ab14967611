/* kith init. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/host.h"
#include "base/program.h"
#include "cli/cli.h"
#include "cli/pki.h"
#include "cli/platform.h"
#include "cli/rehearse.h"
#include "ledger/note.h"

struct init_opts {
    const char *name, *origin, *plain_url, *listen, *plain_listen, *hostnames, *secrets, *database, *profiles;
    const char *hsm, *token, *pin_file, *hsm_label, *hsm_template;
    struct opt_list hsm_paths;
    int key_type;
    bool offline_root;
};

static const char *const key_words[] = {"p256", "p384", "rsa3072", "rsa4096", NULL};

#define AT(field) .offset = offsetof(struct init_opts, field)
static const struct opt init_rows[] = {
    {NULL, "name", OPT_TEXT, 1, 50, "Kith", .arg = "ORG", .help = "the organisation that operates it", AT(name)},
    {NULL, "hsm", OPT_PATH, .needs = "token pin-file", .arg = "MODULE",
     .help = "PKCS#11 module: the CA's keys live in its token", AT(hsm)},
    {NULL, "token", OPT_TEXT, .needs = "hsm", .arg = "LABEL", .help = "the token's label", AT(token)},
    {NULL, "pin-file", OPT_PATH, .needs = "hsm", .arg = "FILE", .help = "file with the token's PIN, mode 0600",
     AT(pin_file)},
    {NULL, "hsm-label", OPT_TEXT, 1, 40, "kith", .needs = "hsm", .arg = "NAME",
     .help = "what labels of keys in the token begin with", AT(hsm_label)},
    {NULL, "hsm-paths", OPT_LIST, 1, SETTINGS_HSM_PATHS_MAX, .needs = "hsm", .arg = "PATH,...",
     .help = "what the module reads and writes, if not /etc/softhsm and /var/lib/softhsm", AT(hsm_paths)},
    {NULL, "hsm-template", OPT_TEXT, 1, 400, .needs = "hsm", .arg = "DEVICE[, NAME=yes|no|omit ...]",
     .help = "what a new key is asked to be: generic, nshield, nshield-pool, luna or cloudhsm, then attributes",
     AT(hsm_template)},
    {NULL, "key-type", OPT_ENUM, .def = "p256", .words = key_words, .arg = "TYPE", .help = "of root and issuing CA",
     AT(key_type)},
    {NULL, "offline-root", OPT_BOOL, .help = "no root key here: writes a request for the machine that has it",
     AT(offline_root)},
    {NULL, "plain-url", OPT_URL, 1, 200, .words = opt_http, .arg = "URL",
     .help = "where anybody fetches CRLs and CA certificates", AT(plain_url)},
    {NULL, "listen", OPT_TEXT, .def = "127.0.0.1:8443", .arg = "ADDRESS:PORT", .help = "TLS listener", AT(listen)},
    {NULL, "plain-listen", OPT_TEXT, .def = "127.0.0.1:8080", .arg = "ADDRESS:PORT", .help = "listener without TLS",
     AT(plain_listen)},
    {NULL, "hostnames", OPT_TEXT, .arg = "A,B", .help = "further names in the server's certificate", AT(hostnames)},
    {NULL, "origin", OPT_TEXT, 1, 100, .arg = "NAME", .help = "the ledger's own name, for good", AT(origin)},
    {NULL, "secrets", OPT_PATH, .arg = "DIR", .help = "where the passphrase goes; DIR-secrets if not given",
     AT(secrets)},
    {NULL, "database", OPT_TEXT, .def = "sqlite:data/kith.db", .arg = "WHERE",
     .help = "sqlite:FILE or postgresql://...", AT(database)},
    {NULL, "profiles", OPT_PATH, .arg = "DIR", .help = "certificate profiles to be copied; those shipped if not given",
     AT(profiles)},
};

/* As installed; else those of the sources that it was built from. */
static const char *shipped_profiles(struct cli *cli)
{
    const char *dir;
    struct err ignored;
    if (!program_dir(&cli->arena, &dir, &ignored))
        return KITH_SOURCE_PROFILES;
    const char *installed = arena_printf(&cli->arena, "%s/../share/kith/profiles", dir);
    return !installed || file_exists(installed) || !file_exists(KITH_SOURCE_PROFILES) ? installed
                                                                                      : KITH_SOURCE_PROFILES;
}

static const char *url_of(struct cli *cli, const char *scheme, const char *listen)
{
    const char *port = strrchr(listen, ':');
    return arena_printf(&cli->arena, "%s://localhost%s", scheme, port ? port : "");
}

/* The URL's host where it is a name that only one platform has, else made of the organisation's. */
static const char *origin_of(struct cli *cli, const char *url, const char *name)
{
    uint8_t address[16];
    struct slice host = host_of_url(url);
    if (host.n && !host_address(host, address) && !slice_eq(host, SLICE_LIT("localhost")))
        return arena_printf(&cli->arena, "%.*s/log/01", (int)host.n, (const char *)host.p);
    char *slug = arena_str(&cli->arena, slice_str(name));
    for (char *p = slug; p && *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
        else if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
            *p = '-';
    return slug ? arena_printf(&cli->arena, "%s.kith/log/01", slug) : NULL;
}

static bool check(const struct cli *cli, struct err *e)
{
    if (!cli->g.dir) {
        err_set(e, ERR_OPTION, "--dir is missing");
        return err_try(e, "kith init --dir DIR");
    }
    if (cli->g.url && strncmp(cli->g.url, "https://", 8) != 0)
        return err_set(e, ERR_OPTION, "--url has to begin with https://");
    return true;
}

/* Of its own directories init makes data/ for the database; any other has to be there already. */
static bool check_places(struct cli *cli, const struct settings *s, struct err *e)
{
    const char *data = settings_path(s, &cli->arena, PATH_DATA), *db = settings_database_dir(s, &cli->arena);
    if (!arena_ok(&cli->arena, e))
        return false;
    return !db || strcmp(db, data) == 0 || settings_check_database_dir(s, &cli->arena, e);
}

static bool check_origin(const char *origin, struct err *e)
{
    if (note_name_check(origin, e))
        return true;
    e->code = ERR_OPTION;
    err_ctx(e, "--origin");
    return err_try(e, "--origin kith.example/log/01");
}

/* As kith.conf has them, which is elsewhere; NULL if there are none. */
static const char *join_absolute(struct cli *cli, const struct opt_list *paths)
{
    const char *all = NULL;
    for (size_t i = 0; i < paths->n; i++)
        all = arena_printf(&cli->arena, "%s%s%s", all ? all : "", all ? "," : "", cli_absolute(cli, paths->v[i]));
    return all;
}

static bool make_plan(struct cli *cli, const struct init_opts *o, struct platform_plan *p, struct err *e)
{
    if (!pki_name_check(o->name, e))
        return false;
    const char *dir = cli_absolute(cli, cli->g.dir);
    const char *url = cli->g.url ? cli->g.url : url_of(cli, "https", o->listen);
    *p = (struct platform_plan){
        .dir = dir,
        .secrets = o->secrets ? cli_absolute(cli, o->secrets) : arena_printf(&cli->arena, "%s-secrets", dir),
        .profiles = o->profiles ? o->profiles : shipped_profiles(cli),
        .name = o->name,
        .url = url,
        .plain_url = o->plain_url ? o->plain_url : url_of(cli, "http", o->plain_listen),
        .listen = o->listen,
        .plain_listen = o->plain_listen,
        .hostnames = o->hostnames,
        .database = o->database,
        .hsm_module = o->hsm ? cli_absolute(cli, o->hsm) : NULL,
        .hsm_token = o->token,
        .hsm_pin_file = cli_absolute(cli, o->pin_file),
        .hsm_label = o->hsm_label,
        .hsm_paths = join_absolute(cli, &o->hsm_paths),
        .hsm_template = o->hsm_template,
        .key_type = key_type_from_name(key_words[o->key_type]),
        .offline_root = o->offline_root,
    };
    const char *file = strncmp(o->database, "sqlite:", 7) == 0 ? o->database + 7 : NULL;
    const struct settings places = {
        .dir = dir,
        .database = file && file[0] != '/' ? arena_printf(&cli->arena, "sqlite:%s/%s", dir, file) : o->database,
        .passphrase_file = p->secrets,
        .hsm_pin_file = p->hsm_pin_file,
    };
    if (!arena_ok(&cli->arena, e) || !settings_check_database(&places, &cli->arena, e) ||
        !cli_secrets_are_apart(dir, p->secrets, e) || !check_places(cli, &places, e))
        return false;
    if (url)
        p->origin = o->origin ? o->origin : origin_of(cli, url, o->name);
    return arena_ok(&cli->arena, e) && check_origin(p->origin, e);
}

static void put_json(struct buf *b, const struct platform_plan *p, const struct platform_made *m)
{
    struct json_out o = json_out_of(b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "dir", p->dir);
    json_out_text(&o, "name", p->name);
    json_out_text(&o, "origin", p->origin);
    json_out_text(&o, "url", p->url);
    json_out_text(&o, "passphrase_file", m->passphrase_file);
    json_out_text(&o, "pin_file", p->hsm_pin_file);
    if (p->offline_root) {
        json_out_text(&o, "request", m->request);
        json_out_bytes(&o, "request_sha256", CODEC_HEX, SLICE_ARRAY(m->request_sha256));
    } else {
        json_out_bytes(&o, "root_sha256", CODEC_HEX, SLICE_ARRAY(m->root_sha256));
        json_out_bytes(&o, "issuing_sha256", CODEC_HEX, SLICE_ARRAY(m->issuing_sha256));
    }
    json_out_bool(&o, "ledger_key_on_token", m->ledger_on_token);
    json_out_end(&o);
    buf_put_char(b, '\n');
}

static void put_line(struct buf *b, const char *label, const uint8_t digest[32])
{
    buf_printf(b, "%s", label);
    cli_put_fingerprint(b, digest);
    buf_put_char(b, '\n');
}

static void put_text(struct buf *b, const struct platform_plan *p, const struct platform_made *m, bool starts)
{
    buf_printf(b, "%s is initialised for %s%s.\n", p->dir, p->name,
               m->continued ? " (went on where it was killed)" : "");
    if (p->offline_root) {
        put_line(b, "request SHA-256:    ", m->request_sha256);
        buf_printf(b, "                    (of its DER, as ca sign-request prints it; the file is PEM: openssl req -in "
                      "issuing.csr -outform DER | openssl dgst -sha256 -c)\n");
    } else {
        put_line(b, "root SHA-256:       ", m->root_sha256);
        put_line(b, "issuing CA SHA-256: ", m->issuing_sha256);
    }
    if (p->hsm_module)
        buf_printf(b, "CA keys:            token \"%s\"%s; its PIN: %s\n", p->hsm_token,
                   m->ledger_on_token ? ", Ed25519 keys too" : " (it has no Ed25519: ledger keys are sealed files)",
                   p->hsm_pin_file);
    buf_printf(b, "passphrase of keys: %s (back it up apart from %s)\n", m->passphrase_file, p->dir);
    if (p->offline_root)
        buf_printf(b,
                   "next: carry %s to the machine that has the root, and there:\n"
                   "        kith ca sign-request issuing.csr --root-dir ROOT --out signed.pem\n"
                   "      then here: kith --dir %s ca install signed.pem\n",
                   m->request, p->dir);
    else if (starts)
        buf_printf(b, "next: kithd --config %s/" SETTINGS_FILE "\n", p->dir);
}

/* A token answers us here; whether it answers a signer in its sandbox is another matter. */
static bool would_start(struct cli *cli, const struct platform_plan *p, struct err *e)
{
    const char *conf = arena_printf(&cli->arena, "%s/" SETTINGS_FILE, p->dir);
    if (!conf)
        return arena_ok(&cli->arena, e);
    return !p->hsm_module || rehearse_signers(cli, conf, !p->offline_root, e) ||
           err_ctx(e, "%s is made, but kithd would not start", p->dir);
}

static bool run_init(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    struct platform_plan plan;
    struct platform_made made;
    (void)words;
    if (!check(cli, e) || !make_plan(cli, opts, &plan, e) || !platform_make(&plan, &cli->env, &cli->arena, &made, e))
        return false;
    AUTO(buf_clear) struct buf b = {0};
    struct err unwritten;
    bool starts = would_start(cli, &plan, e);
    buf_init(&b, 65536);
    if (cli->g.json)
        put_json(&b, &plan, &made);
    else
        put_text(&b, &plan, &made, starts);
    bool written = cli_write(cli, &b, starts ? e : &unwritten);
    return starts && written;
}

const struct verb init_verbs[] = {
    {"init", NULL,
     "make a platform: keys, root and issuing CA, profiles, configuration\n"
     "Makes everything in --dir and asks nothing; the passphrase that seals its keys goes to a file outside it.",
     init_rows, ARRAY_LEN(init_rows), sizeof(struct init_opts), 0, 0, run_init},
};
const size_t init_verbs_n = ARRAY_LEN(init_verbs);
