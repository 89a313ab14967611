/* kith gateway; gateway config is in gateway_config.c. */
#include "base/config.h"
#include "base/file.h"
#include "base/pem.h"
#include "cli/broker_user.h"
#include "cli/client.h"
#include "cli/gateway_config.h"
#include "cli/party.h"

#define AT(field) .offset = offsetof(struct party_opts, field)
static const struct opt gateway_rows[] = {
    {NULL, "site", OPT_TEXT, .arg = "NAME", .help = "it serves devices of this site only (tag site); all if not given",
     AT(site)},
    {NULL, "hostnames", OPT_LIST, 0, PARTY_HOSTS_MAX, .arg = "A,B",
     .help = "names and addresses that devices reach it by", AT(hostnames)},
    {NULL, "feed-url", OPT_URL, 1, 200, .words = opt_https, .arg = "URL",
     .help = "where it reaches the platform, if not by the platform's url", AT(url)},
    {NULL, "user", OPT_TEXT, 1, 64, BROKER_USER, .arg = "NAME",
     .help = "as root, if there is this user: the directory is given to it, as whom Debian's broker goes on", AT(user)},
    PARTY_OUT_ROW(struct party_opts),
    PARTY_KEY_ROW(struct party_opts),
};

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
    return root ? file_write_atomic(party_file(cli, dir, "issuer.pem"), 0644, slice_str(chain), e) &&
                      file_write_atomic(party_file(cli, dir, "ca.pem"), 0644, slice_str(root), e)
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
    return buf_done(&b, &s, e) && file_write_atomic(party_file(cli, dir, "gate.conf"), 0644, s, e);
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
        !party_certify(cli, "/v1/gateways", name, o, dir, &reply, &j, e) || !write_issuers(cli, dir, j, e) ||
        !write_gate_conf(cli, dir, name, o->url ? o->url : url, origin, o->site && o->site[0], e) ||
        !party_write_cert(cli, dir, j, e) || !give_to_broker(cli, dir, o->user, e))
        return false;
    fprintf(cli->talk, "next: kith gateway config --gate %s > mosquitto.conf\n", dir);
    return party_finish(cli, dir, j, e);
}

static const struct show_column gateway_columns[] = {
    {"NAME", "name"}, {"SITE", "site"}, {"KNOWS", "acked_seq"}, {"SAID SO", "acked_at"}};
PARTY_LIST(gateway, "/v1/gateways", "gateways", gateway_columns)

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
#define NO_ROWS       NULL, 0, 1
const struct verb gateway_verbs[] = {
    {"gateway add", "NAME",
     "a gateway or broker: makes its directory with key, certificate, gate.conf and issuers\n"
     "Carry the directory to the gateway; it is printed.",
     ROWS(gateway_rows, struct party_opts), 1, 1, run_gateway_add},
    {"gateway config", NULL, "mosquitto.conf for a gateway, without the broker's known traps; or check one",
     ROWS(gateway_config_rows, struct gateway_config_opts), 0, 0, gateway_config_run},
    {"gateway ls", NULL, "list gateways and what they know", NO_ROWS, 0, 0, run_gateway_ls},
    {"gateway rm", "NAME",
     "remove one and revoke its certificate\n"
     "Its broker goes on by what the plugin knows until that has expired (valid and grace): stop it first.",
     NO_ROWS, 1, 1, run_gateway_rm},
};
const size_t gateway_verbs_n = ARRAY_LEN(gateway_verbs);
