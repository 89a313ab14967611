#include "model/config_write.h"

static bool path_ok(const char *what, const char *path, struct err *e)
{
    if (path && *path && !strpbrk(path, "\r\n"))
        return true;
    return err_set(e, ERR_USAGE, "mosquitto.conf: %s is missing or no path", what);
}

bool config_write_mosquitto(const struct config_write *c, struct buf *out, struct err *e)
{
    if (!path_ok("plugin", c->plugin, e) || !path_ok("gate directory", c->gate_dir, e) || !path_ok("ca", c->ca, e) ||
        !path_ok("cert", c->cert, e) || !path_ok("key", c->key, e) || (c->bind && !path_ok("address", c->bind, e)) ||
        (c->user && !path_ok("user", c->user, e)))
        return false;
    buf_printf(out,
               "# Written by `kith gateway config`.  Settings are global on purpose: with per_listener_settings the\n"
               "# broker never calls the plugin's tick, and withdrawn devices would stay connected.\n"
               "listener %d%s%s\n",
               c->port ? c->port : 8883, c->bind ? " " : "", c->bind ? c->bind : "");
    buf_printf(out, "cafile %s\ncertfile %s\nkeyfile %s\n", c->ca, c->cert, c->key);
    buf_put_str(
        out, "tls_version tlsv1.2\n" /* the lowest that is taken */
             "require_certificate true\n"
             "allow_anonymous false\n"
             "set_tcp_nodelay true\n"
             "check_retain_source true\n" /* the manual says that it is the default; 2.0.11 wants it said */
             "# The plugin reads the certificate itself: use_identity_as_username and use_subject_as_username would\n"
             "# admit clients without asking it, and a crlfile that is missing at a reload lets everybody in.\n"
             "# Without news from the platform devices are let in until [feed] valid of its kith.conf and grace of\n"
             "# gate.conf have passed since its last head: 1 h and 1 h, unless set.\n");
    if (c->user)
        buf_printf(out, "user %s\n", c->user);
    buf_printf(out, "plugin %s\nplugin_opt_dir %s\n", c->plugin, c->gate_dir);
    struct slice all;
    return buf_done(out, &all, e);
}

/* What a line must not say, or must say.  A word that stands here with a NULL value is bad whatever its value. */
static const struct {
    const char *word, *bad_value, *what;
} bad[] = {
    {"per_listener_settings", "true",
     "per_listener_settings: the plugin's tick is never called, so live sessions of "
     "withdrawn devices would stay"},
    {"use_identity_as_username", "true", "use_identity_as_username: clients are admitted without asking the plugin"},
    {"use_subject_as_username", "true", "use_subject_as_username: clients are admitted without asking the plugin"},
    {"allow_anonymous", "true", "allow_anonymous: clients without a certificate would be let in"},
    {"require_certificate", "false", "require_certificate: it must be true on each listener"},
    {"crlfile", NULL, "crlfile: missing or damaged at a reload it lets revoked clients in; the plugin needs none"},
    {"password_file", NULL, "password_file: a second way in, beside certificates"},
    {"psk_file", NULL, "psk_file: a second way in, beside certificates"},
    {"check_retain_source", "false",
     "check_retain_source: what a withdrawn device left as retained would still be delivered"},
    {"psk_hint", NULL, "psk_hint: a second way in, beside certificates"},
    {"auth_plugin", NULL, "auth_plugin: another plugin may admit clients that this one never saw"},
    {"acl_file", NULL, "acl_file: rights come from the platform's policy"},
    {"connection", NULL, "connection: a bridge is a client that the plugin does not see"},
    {"include_dir", NULL, "include_dir: settings elsewhere are not checked here"},
};

/* Without a listener line the broker listens on 1883 in the clear; `port` and `bind_address` are the old ways to do so. */
static const char *const needed[][2] = {
    {"listener", "listener: none is named"},
    {"require_certificate", "require_certificate true: missing"},
    {"allow_anonymous", "allow_anonymous false: missing"},
    {"check_retain_source", "check_retain_source true: missing; what a withdrawn device left as retained is delivered"},
    {"set_tcp_nodelay", "set_tcp_nodelay true: missing; each connect takes 48 ms instead of 3"},
    {"plugin_opt_dir", "plugin_opt_dir: missing; the plugin does not know its directory"},
};

struct scan {
    struct config_trap *out;
    size_t n;
    unsigned line, listeners, plugins, listener_line;
    bool found[ARRAY_LEN(needed)];
    bool listener_open; /* the listener at hand has no require_certificate yet */
};

static void trap(struct scan *s, unsigned line, const char *what)
{
    if (s->n < CONFIG_TRAPS_MAX)
        s->out[s->n++] = (struct config_trap){line, what};
}

static struct slice word_take(struct slice *s)
{
    size_t i = 0, n;
    while (i < s->n && (s->p[i] == ' ' || s->p[i] == '\t'))
        i++;
    for (n = 0; i + n < s->n && s->p[i + n] != ' ' && s->p[i + n] != '\t' && s->p[i + n] != '\r'; n++)
        ;
    struct slice w = slice_of(s->p + i, n);
    *s = slice_of(s->p + i + n, s->n - i - n);
    return w;
}

static void listener_end(struct scan *s)
{
    if (s->listener_open)
        trap(s, s->listener_line, "listener: without require_certificate true");
    s->listener_open = false;
}

static void scan_line(struct scan *s, struct slice word, struct slice value)
{
    bool is_true = slice_eq(value, SLICE_LIT("true"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (slice_eq(word, slice_str(bad[i].word)) &&
            (!bad[i].bad_value || slice_eq(value, slice_str(bad[i].bad_value))))
            trap(s, s->line, bad[i].what);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        s->found[i] |= slice_eq(word, slice_str(needed[i][0]));
    if (slice_eq(word, SLICE_LIT("listener")) || slice_eq(word, SLICE_LIT("port"))) {
        listener_end(s);
        s->listeners++;
        s->listener_line = s->line;
        s->listener_open = true;
    } else if (slice_eq(word, SLICE_LIT("require_certificate")) && is_true) {
        s->listener_open = false;
    } else if (slice_eq(word, SLICE_LIT("protocol")) && slice_eq(value, SLICE_LIT("websockets"))) {
        trap(s, s->line, "protocol websockets: the broker hides the client certificate; all such clients are refused");
    } else if (slice_eq(word, SLICE_LIT("plugin")) && s->plugins++) {
        trap(s, s->line, "plugin: a second plugin may admit clients that this one refuses to judge");
    } else if (slice_eq(word, SLICE_LIT("tls_version")) && !slice_eq(value, SLICE_LIT("tlsv1.2")) &&
               !slice_eq(value, SLICE_LIT("tlsv1.3"))) {
        trap(s, s->line, "tls_version: tlsv1.2 is the lowest that is taken; say tlsv1.2 or tlsv1.3");
    } else if (slice_eq(word, SLICE_LIT("set_tcp_nodelay")) && !is_true) {
        trap(s, s->line, "set_tcp_nodelay: each connect takes 48 ms instead of 3");
    }
}

void config_check_mosquitto(struct slice text, struct config_trap out[CONFIG_TRAPS_MAX], size_t *n)
{
    struct scan s = {.out = out};
    while (text.n) {
        struct slice line = slice_take_line(&text);
        s.line++;
        struct slice word = word_take(&line);
        if (word.n && word.p[0] != '#')
            scan_line(&s, word, word_take(&line));
    }
    listener_end(&s);
    if (!s.plugins)
        trap(&s, 0, "plugin: kith_mosquitto.so is not loaded");
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!s.found[i])
            trap(&s, 0, needed[i][1]);
    *n = s.n;
}
