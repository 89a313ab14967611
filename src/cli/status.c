/* kith status, and kith alarm: what somebody has to look at, and that it was looked at. */
#include "cli/client.h"
#include "cli/show.h"

#define SHOWN_MAX 5

static const struct show_column alarm_columns[] = {{"NAME", "name"}, {"TEXT", "text"}};

static bool run_alarm_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    (void)words;
    return show_get(ctx, "/v1/alarms", "alarms", alarm_columns, ARRAY_LEN(alarm_columns), e);
}

struct end_opts {
    const char *why;
    bool all;
};
static const struct opt end_rows[] = {
    {NULL, "why", OPT_TEXT, 1, 200, .arg = "TEXT", .help = "stands in the ledger",
     .offset = offsetof(struct end_opts, why)},
    {NULL, "all", OPT_BOOL, .help = "all that there are now", .offset = offsetof(struct end_opts, all)},
};

static bool end_one(struct cli *cli, const char *name, const struct end_opts *o, struct err *e)
{
    return show_post(cli, cli_path(cli, "/v1/alarms/", name, "/end"), "why", o->why, e);
}

static bool end_all(struct cli *cli, const struct end_opts *o, struct err *e)
{
    const struct json *list;
    const char *name;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_ask(cli, "/v1/alarms", &reply, &j, e) || !json_get_list(j, "alarms", &list, e))
        return false;
    for (size_t i = 0; i < json_count(list); i++)
        if (!json_get_text(json_item(list, i), "name", 200, &name, e) || !end_one(cli, name, o, e))
            return false;
    return true;
}

static bool run_alarm_end(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct end_opts *o = opts;
    if (o->all == (words->n > 0)) {
        err_set(e, ERR_OPTION, "which alarms?");
        return err_try(e, "kith alarm ls has their names; NAME... or --all");
    }
    if (o->all)
        return end_all(ctx, o, e);
    for (size_t i = 0; i < words->n; i++)
        if (!end_one(ctx, words->v[i], o, e))
            return false;
    return true;
}

const struct verb alarm_verbs[] = {
    {"alarm ls", NULL,
     "what somebody has to look at\n"
     "adopted: entries that nobody had signed stood in the ledger at a start. claim:DEVICE: its claim was shown with a "
     "second key, or a second IDevID came for it; look at kith device history DEVICE, suspend it or give it a new "
     "token if that was not its owner, "
     "then end the alarm.",
     NULL, 0, 1, 0, 0, run_alarm_ls},
    {"alarm end", "[NAME...]", "they were looked at: the alarms end", end_rows, ARRAY_LEN(end_rows),
     sizeof(struct end_opts), 0, 128, run_alarm_end},
};
const size_t alarm_verbs_n = ARRAY_LEN(alarm_verbs);

/* ---- status ---- */

static const struct show_column status_columns[] = {
    {"platform", "name"},
    {"version", "version"},
    {"ready", "ready"},
    {"url", "url"},
    {"plain url", "plain_url"},
    {"node", "node"},
    {"devices", "devices"},
    {"certificates", "certificates"},
    {"ledger", "origin"},
    {"entries", "ledger.size"},
    {"checkpoint of", "ledger.checkpoint_size"},
    {"checkpoint at", "ledger.checkpoint_at"},
    {"feed head", "feed.seq"},
    {"gateways", "feed.gateways"},
    {"listening", "feed.listening"},
    {"signers", "signers"},
};

/* NAME: TEXT of each; the first of them: there may be a hundred. */
static bool show_named(struct cli *cli, const char *title, const struct json *list, const char *text, const char *all,
                       struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 65536);
    size_t n = json_count(list);
    for (size_t i = 0; i < n && i < SHOWN_MAX; i++) {
        buf_printf(&b, "%-13s  ", i ? "" : title);
        show_put_value(&b, show_find(json_item(list, i), "name"));
        buf_put_str(&b, ": ");
        show_put_value(&b, show_find(json_item(list, i), text));
        buf_put_char(&b, '\n');
    }
    if (n == 0)
        buf_printf(&b, "%-13s  -\n", title);
    if (n > SHOWN_MAX)
        buf_printf(&b, "%-13s  and %zu more: %s\n", "", n - SHOWN_MAX, all);
    return cli_write(cli, &b, e);
}

static bool run_status(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct json *failing, *alarms = NULL;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    (void)opts;
    (void)words;
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_ask(cli, "/v1/status", &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    return json_get_list(j, "failing", &failing, e) &&
           (!json_has(j, "alarms") || json_get_list(j, "alarms", &alarms, e)) &&
           show_list(cli, j, status_columns, ARRAY_LEN(status_columns), e) &&
           (!alarms || show_named(cli, "alarms", alarms, "text", "kith alarm ls", e)) &&
           show_named(cli, "failing", failing, "detail", "kith doctor", e);
}

const struct verb status_verbs[] = {
    {"status", NULL, "what the platform is and does", NULL, 0, 1, 0, 0, run_status},
};
const size_t status_verbs_n = ARRAY_LEN(status_verbs);
