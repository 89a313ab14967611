/* kith gateway config: mosquitto.conf for a gateway's directory, and what is wrong with one that exists. */
#include <unistd.h>

#include "base/file.h"
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
    {NULL, "check", OPT_PATH, .arg = "FILE", .help = "look for traps in this mosquitto.conf instead", AT(check)},
};

static const char *find_plugin(struct cli *cli)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = 0;
    char *slash = strrchr(exe, '/');
    if (slash)
        *slash = 0;
    const char *beside = arena_printf(&cli->arena, "%s/kith_mosquitto.so", exe);
    if (beside && file_exists(beside))
        return beside;
    return arena_printf(&cli->arena, "%s/../lib/kith/kith_mosquitto.so", exe);
}

static bool check_file(struct cli *cli, const char *file, struct err *e)
{
    struct config_trap traps[CONFIG_TRAPS_MAX];
    size_t n;
    AUTO(buf_clear) struct buf text = {0}, out = {0};
    buf_init(&text, CONF_MAX);
    buf_init(&out, CONF_MAX);
    if (!cli_read_input(file, &text, e))
        return false;
    config_check_mosquitto(buf_slice(&text), traps, &n);
    if (n > CONFIG_TRAPS_MAX)
        n = CONFIG_TRAPS_MAX;
    struct json_out o = json_out_of(&out);
    if (cli->g.json) {
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_bool(&o, "ok", n == 0);
        json_out_list(&o, "traps");
    }
    for (size_t i = 0; i < n; i++) {
        if (!cli->g.json) {
            buf_printf(&out, "%s:%u: %s\n", file, traps[i].line, traps[i].what);
            continue;
        }
        json_out_map(&o, NULL);
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
    err_set(e, ERR_GATE_BROKER, "%zu settings would let clients pass the plugin, or break it", n);
    return err_try(e, "kith gateway config --gate DIR writes one that does not");
}

bool gateway_config_run(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct gateway_config_opts *o = opts;
    AUTO(buf_clear) struct buf out = {0};
    (void)words;
    buf_init(&out, CONF_MAX);
    if (o->check)
        return check_file(cli, o->check, e);
    if (!o->gate) {
        err_set(e, ERR_OPTION, "--gate is missing");
        return err_try(e, "kith gateway config --gate DIR");
    }
    const char *dir = cli_absolute(cli, o->gate);
    struct config_write c = {.plugin = o->plugin ? cli_absolute(cli, o->plugin) : find_plugin(cli),
                             .gate_dir = dir,
                             .ca = arena_printf(&cli->arena, "%s/issuer.pem", dir),
                             .cert = arena_printf(&cli->arena, "%s/cert.pem", dir),
                             .key = arena_printf(&cli->arena, "%s/key.pem", dir),
                             .bind = o->bind,
                             .port = (int)o->port};
    if (!c.plugin || !c.ca || !c.cert || !c.key)
        return arena_ok(&cli->arena, e);
    if (!file_exists(c.cert)) {
        err_set(e, ERR_NOTFOUND, "%s is no gateway's directory", o->gate);
        return err_try(e, "kith gateway add NAME --out %s", o->gate);
    }
    return config_write_mosquitto(&c, &out, e) && cli_write_document(cli, o->out, &out, e);
}
