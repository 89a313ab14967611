/* kith gateway config: mosquitto.conf for a gateway's directory, and what is wrong with one that exists. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/host.h"
#include "base/path.h"
#include "base/program.h"
#include "cli/broker_user.h"
#include "cli/cli.h"
#include "cli/gateway_config.h"
#include "model/config_write.h"

#define CONF_MAX (1u << 20)

#define AT(field) .offset = offsetof(struct gateway_config_opts, field)
const struct opt gateway_config_rows[GATEWAY_CONFIG_ROWS] = {
    {NULL, "gate", OPT_PATH, .arg = "DIR", .help = "the gateway's directory, as gateway add made it", AT(gate)},
    {NULL, "plugin", OPT_PATH, .arg = "FILE", .help = "kith_mosquitto.so; the one beside this program if not given",
     AT(plugin)},
    {NULL, "bind", OPT_TEXT, .arg = "ADDRESS", .help = "the broker listens there; all addresses if not given",
     AT(bind)},
    {NULL, "port", OPT_INT, 1, 65535, "8883", .arg = "N", .help = "the broker's port", AT(port)},
    {NULL, "out", OPT_PATH, .arg = "FILE", .help = "where it is written; stdout if not given", AT(out)},
    {NULL, "user", OPT_TEXT, 1, 64, BROKER_USER, .arg = "NAME", .help = "as root: whom the broker goes on as",
     AT(user)},
    {NULL, "check", OPT_PATH, .not_with = "gate plugin bind port out", .arg = "FILE",
     .help = "look for traps in this mosquitto.conf instead", AT(check)},
};

static bool find_plugin(struct cli *cli, const char *given, const char **out, struct err *e)
{
    const char *dir;
    *out = given ? cli_absolute(cli, given) : NULL;
    if (given || !program_dir(&cli->arena, &dir, e))
        return given && arena_ok(&cli->arena, e);
    const char *beside = arena_printf(&cli->arena, "%s/kith_mosquitto.so", dir);
    *out = beside && file_exists(beside) ? beside : arena_printf(&cli->arena, "%s/../lib/kith/kith_mosquitto.so", dir);
    return arena_ok(&cli->arena, e);
}

/* The value of the last line that begins with this word; NULL if there is none. */
static const char *value_of(struct cli *cli, struct slice text, const char *word)
{
    size_t len = strlen(word);
    const char *found = NULL;
    while (text.n) {
        struct slice line = slice_take_line(&text);
        while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\r'))
            line.n--;
        if (line.n > len + 1 && memcmp(line.p, word, len) == 0 && line.p[len] == ' ')
            found = arena_str(&cli->arena, slice_of(line.p + len + 1, line.n - len - 1));
    }
    return found;
}

/* The files that the broker reads when it has become its user. */
static void check_reach(struct cli *cli, struct slice text, const char *user, struct config_trap *traps, size_t *n)
{
    static const char *const words[] = {"plugin", "plugin_opt_dir", "cafile", "certfile", "keyfile"};
    const char *named = value_of(cli, text, "user"), *blocked;
    user = named ? named : user;
    for (size_t i = 0; i < ARRAY_LEN(words) && *n < CONFIG_TRAPS_MAX; i++) {
        const char *path = value_of(cli, text, words[i]);
        if (!path || broker_user_reads(path, user, &blocked))
            continue;
        const char *who = broker_user_applies(user) ? user : "this user";
        const char *what =
            arena_printf(&cli->arena, "%s: %s may not read %s%s%s", words[i], who, path,
                         strcmp(blocked, path) ? ", for it may not pass " : "", strcmp(blocked, path) ? blocked : "");
        if (what)
            traps[(*n)++] = (struct config_trap){0, what};
    }
}

/* What others than their owner must not do with these.  What lies in the plugin's directory has its own rows. */
static const struct {
    const char *word, *file;
    mode_t closed;
    const char *mend;
} rights[] = {
    {"plugin_opt_dir", "", 022, "go-w"},
    {"plugin_opt_dir", "/gate.conf", 022, "go-w"},
    {"plugin_opt_dir", "/cert.pem", 022, "go-w"},
    {"plugin_opt_dir", "/issuer.pem", 022, "go-w"},
    {"plugin_opt_dir", "/key.pem", 077, "go="},
    {"plugin_opt_dir", "/kith_mosquitto.so", 022, "go-w"},
    {"plugin", "", 022, "go-w"},
    {"cafile", "", 022, "go-w"},
    {"certfile", "", 022, "go-w"},
    {"keyfile", "", 027, "g-w,o="},
    {NULL, "", 022, "go-w"}, /* the configuration itself */
};

static void check_rights(struct cli *cli, const char *file, struct slice text, struct config_trap *traps, size_t *n)
{
    const char *dir = value_of(cli, text, "plugin_opt_dir");
    for (size_t i = 0; i < ARRAY_LEN(rights) && *n < CONFIG_TRAPS_MAX; i++) {
        const char *word = rights[i].word, *base = word ? value_of(cli, text, word) : file;
        bool inside = word && base && dir && strcmp(base, dir) != 0 && path_is_below(dir, base);
        const char *path = base && !inside ? arena_printf(&cli->arena, "%s%s", base, rights[i].file) : NULL;
        struct stat st;
        if (!path || stat(path, &st) != 0 || !(st.st_mode & rights[i].closed))
            continue;
        const char *what =
            arena_printf(&cli->arena, "%s%s%s has mode %04o, for others too: chmod %s %s", word ? word : "",
                         word ? ": " : "", path, (unsigned)st.st_mode & 07777, rights[i].mend, path);
        if (what)
            traps[(*n)++] = (struct config_trap){0, what};
    }
}

static bool check_file(struct cli *cli, const char *file, const char *user, struct err *e)
{
    struct config_trap traps[CONFIG_TRAPS_MAX];
    size_t n;
    AUTO(buf_clear) struct buf text = {0}, out = {0};
    buf_init(&text, CONF_MAX);
    buf_init(&out, CONF_MAX);
    if (!cli_read_input(file, &text, e))
        return false;
    config_check_mosquitto(buf_slice(&text), traps, &n);
    check_reach(cli, buf_slice(&text), user, traps, &n);
    check_rights(cli, file, buf_slice(&text), traps, &n);
    struct json_out o = json_out_of(&out);
    if (cli->g.json) {
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_bool(&o, "ok", n == 0);
        json_out_list(&o, "traps");
    }
    for (size_t i = 0; i < n; i++) {
        if (!cli->g.json) {
            if (traps[i].line)
                buf_printf(&out, "%s:%u: %s\n", file, traps[i].line, traps[i].what);
            else /* nothing in a line: something is missing, or out of reach */
                buf_printf(&out, "%s: %s\n", file, traps[i].what);
            continue;
        }
        json_out_map(&o, NULL);
        if (traps[i].line)
            json_out_int(&o, "line", traps[i].line);
        json_out_text(&o, "what", traps[i].what);
        json_out_end(&o);
    }
    if (cli->g.json) {
        json_out_end(&o);
        json_out_end(&o);
        buf_put_char(&out, '\n');
    }
    if (!cli_write(cli, &out, e) || n == 0)
        return n == 0;
    err_set(e, ERR_GATE_BROKER, "%zu settings or rights would let clients pass the plugin, or break it", n);
    return err_try(e, "kith gateway config --gate DIR writes one that does not");
}

/* A plugin in a place that the broker's user cannot reach, as in root's home, is copied beside gate.conf. */
static bool bring_plugin(struct cli *cli, const char *dir, const char *user, const char **plugin, struct err *e)
{
    const char *blocked;
    AUTO(buf_clear) struct buf so = {0};
    if (!broker_user_applies(user) || !file_exists(*plugin) || broker_user_reads(*plugin, user, &blocked))
        return true;
    const char *copy = arena_printf(&cli->arena, "%s/kith_mosquitto.so", dir);
    buf_init(&so, CLI_FILE_MAX);
    if (!copy)
        return arena_ok(&cli->arena, e);
    if (!file_read(*plugin, CLI_FILE_MAX, &so, e) || !file_write_atomic(copy, 0644, buf_slice(&so), e) ||
        !broker_user_give(dir, user, e))
        return err_ctx(e, "the plugin");
    fprintf(cli->talk, "%s may not pass %s: the plugin was copied into %s\n", user, blocked, dir);
    *plugin = copy;
    return true;
}

static void warn_of_reach(struct cli *cli, const char *dir, const char *user)
{
    const char *blocked;
    if (broker_user_applies(user) && !broker_user_reads(dir, user, &blocked))
        fprintf(cli->talk, "%s, as whom a broker that root starts goes on, may not pass %s: chmod o+x %s\n", user,
                blocked, blocked);
}

bool gateway_config_run(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct gateway_config_opts *o = opts;
    AUTO(buf_clear) struct buf out = {0};
    (void)words;
    buf_init(&out, CONF_MAX);
    if (o->check)
        return check_file(cli, o->check, o->user, e);
    if (!o->gate) {
        err_set(e, ERR_OPTION, "--gate is missing");
        return err_try(e, "kith gateway config --gate DIR");
    }
    if (o->bind && !host_check(slice_str(o->bind), e)) {
        err_set(e, ERR_OPTION, "--bind: \"%s\" is neither a name nor an address", ERR_QUOTE(slice_str(o->bind)));
        return err_try(e, "--bind 192.0.2.1, say, or none of it for all addresses");
    }
    const char *dir = cli_absolute(cli, o->gate), *plugin;
    if (!find_plugin(cli, o->plugin, &plugin, e))
        return false;
    struct config_write c = {.plugin = plugin,
                             .gate_dir = dir,
                             .ca = arena_printf(&cli->arena, "%s/issuer.pem", dir),
                             .cert = arena_printf(&cli->arena, "%s/cert.pem", dir),
                             .key = arena_printf(&cli->arena, "%s/key.pem", dir),
                             .user = strcmp(o->user, BROKER_USER) ? o->user : NULL,
                             .bind = o->bind,
                             .port = (int)o->port};
    if (!c.ca || !c.cert || !c.key)
        return arena_ok(&cli->arena, e);
    if (!file_exists(c.cert)) {
        err_set(e, ERR_NOTFOUND, "%s is no gateway's directory", o->gate);
        return err_try(e, "kith gateway add NAME --out %s", o->gate);
    }
    struct err no_user = {0};
    if (c.user && !broker_user_check(c.user, &no_user))
        fprintf(cli->talk, "%s; the broker starts only where there is one\n", no_user.what);
    warn_of_reach(cli, dir, o->user);
    return bring_plugin(cli, dir, o->user, &c.plugin, e) && config_write_mosquitto(&c, &out, e) &&
           cli_write_document(cli, o->out, &out, e);
}
