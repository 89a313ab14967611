/* kith device: adding one, and looking.  Many at once: import.c; what is done to them: device_acts.c. */
#include "model/device.h"
#include "cli/client.h"
#include "cli/entry_list.h"
#include "cli/import.h"
#include "cli/show.h"
#include "cli/tags.h"

/* ---- add ---- */

struct add_opts {
    const char *model, *serial, *owner, *from, *failures, *out;
    struct opt_list tags;
    int64_t expires_s;
    bool token, again;
};

#define AT(field) .offset = offsetof(struct add_opts, field)
static const struct opt add_rows[] = {
    {NULL, "model", OPT_TEXT, 1, MODEL_NAME_MAX, .arg = "NAME", .help = "its product type", AT(model)},
    {NULL, "serial", OPT_TEXT, 1, DEVICE_SERIAL_MAX, .not_with = "from", .arg = "TEXT", .help = "its serial number",
     AT(serial)},
    {NULL, "owner", OPT_TEXT, 1, OWNER_NAME_MAX, .arg = "NAME", .help = "whose it is", AT(owner)},
    {NULL, "tags", OPT_LIST, .not_with = "from", .arg = "A=B,...", .help = "what topics and sites are chosen by",
     AT(tags)},
    {NULL, "token", OPT_BOOL, .help = "print a one-time enrolment token", AT(token)},
    {NULL, "again", OPT_BOOL, .needs = "from token",
     .help = "new tokens, too, for those that are known and have no certificate yet", AT(again)},
    {NULL, "expires", OPT_SECONDS, 60, 315360000, .needs = "token", .arg = "TIME",
     .help = "how long the token is good (7d)", AT(expires_s)},
    {NULL, "from", OPT_PATH, .arg = "FILE",
     .help =
         "many devices: CSV with a line of titles (model, serial, owner, tags as A=B;C=D, tag:NAME), or JSON lines; - "
         "for stdin",
     AT(from)},
    {NULL, "out", OPT_PATH, .needs = "from token", .arg = "FILE",
     .help = "the tokens go there, not to stdout; mode 0600, and a broken run goes on with it", AT(out)},
    {NULL, "failures", OPT_PATH, .needs = "from", .arg = "FILE",
     .help = "where lines that failed are reported (FILE.failures)", AT(failures)},
};

static bool add_many(struct cli *cli, const struct add_opts *o, struct err *e)
{
    const struct import_opts io = {
        .file = o->from,
        .model = o->model,
        .owner = o->owner,
        .failures = o->failures ? o->failures
                                : arena_printf(&cli->arena, "%s.failures", strcmp(o->from, "-") ? o->from : "stdin"),
        .out = o->out,
        .token = o->token,
        .again = o->again,
        .expires_s = o->expires_s};
    return import_devices(cli, &io, e);
}

static bool run_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct add_opts *o = opts;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, out = {0};
    const char *text;
    buf_init(&body, 65536);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&out, 65536);
    (void)words;
    if (o->from)
        return add_many(cli, o, e);
    if (!o->model || !o->serial) {
        err_set(e, ERR_OPTION, "--model and --serial are needed");
        return err_try(e, "kith device add --model NAME --serial TEXT --token");
    }
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "model", o->model);
    json_out_text(&jo, "serial", o->serial);
    if (o->owner)
        json_out_text(&jo, "owner", o->owner);
    if (o->tags.n && !tags_put(&jo, o->tags.v, o->tags.n, &cli->arena, e))
        return false;
    json_out_bool(&jo, "token", o->token);
    if (o->expires_s)
        json_out_int(&jo, "expires_s", o->expires_s);
    json_out_end(&jo);
    if (!cli_call_json(cli, "POST", "/v1/devices", &body, 0, &reply, &j, e))
        return false;
    if (json_has(j, "model_added"))
        fprintf(cli->talk, "model \"%s\" is new, with default settings (kith model set); it is the first here\n",
                o->model);
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (!json_get_text(j, o->token ? "token" : "id", 4096, &text, e))
        return false;
    if (o->token) {
        const char *id, *end;
        if (json_get_text(j, "id", 64, &id, NULL) && json_get_text(j, "claim_expires_at", 64, &end, NULL))
            fprintf(cli->talk,
                    "%s; the token is good once, until %s\nnext: kith-agent enroll --dir STATE (it reads the token "
                    "from stdin)\n",
                    id, end);
    }
    buf_printf(&out, "%s\n", text);
    return cli_write(cli, &out, e);
}

/* ---- ls, show, history ---- */

struct ls_opts {
    const char *model, *state, *serial, *owner, *anchor;
    int64_t limit;
};

#undef AT
#define AT(field) .offset = offsetof(struct ls_opts, field)
static const struct opt ls_rows[] = {
    {NULL, "model", OPT_TEXT, .arg = "NAME", .help = "only of this product type", AT(model)},
    {NULL, "state", OPT_TEXT, .arg = "STATE", .help = "only in this state", AT(state)},
    {NULL, "serial", OPT_TEXT, .arg = "TEXT", .help = "only with this serial number", AT(serial)},
    {NULL, "owner", OPT_TEXT, .arg = "NAME", .help = "only of this owner", AT(owner)},
    {NULL, "anchor", OPT_TEXT, 1, ANCHOR_NAME_MAX, .arg = "NAME",
     .help = "only those that came in by an IDevID of this manufacturer's anchor, also one that was removed",
     AT(anchor)},
    SHOW_LIMIT_ROW(struct ls_opts),
};

static const struct show_column device_columns[] = {
    {"ID", "id"},       {"MODEL", "model"}, {"SERIAL", "serial"},
    {"STATE", "state"}, {"OWNER", "owner"}, {"SINCE", "updated_at"},
};

static bool run_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct ls_opts *o = opts;
    AUTO(buf_clear) struct buf path = {0};
    (void)words;
    buf_init(&path, 4096);
    buf_put_str(&path, "/v1/devices");
    cli_put_query(&path, "model", o->model);
    cli_put_query(&path, "state", o->state);
    cli_put_query(&path, "serial", o->serial);
    cli_put_query(&path, "owner", o->owner);
    cli_put_query(&path, "anchor", o->anchor);
    return show_pages(ctx, buf_str(&path), "devices", device_columns, ARRAY_LEN(device_columns), o->limit, e);
}

static const struct show_column show_columns[] = {
    {"id", "id"},       {"model", "model"}, {"serial", "serial"},      {"state", "state"},        {"locked", "locked"},
    {"owner", "owner"}, {"tags", "tags"},   {"created", "created_at"}, {"changed", "updated_at"},
};
static const struct show_column cert_columns[] = {
    {"CERTIFICATE", "serial"}, {"PROFILE", "profile"},    {"FROM", "not_before"},
    {"UNTIL", "not_after"},    {"REVOKED", "revoked_at"}, {"REASON", "reason"},
};

static bool run_show(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct json *certs;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    (void)opts;
    if (!cli_call_json(cli, "GET", cli_path(cli, "/v1/devices/", words->v[0], ""), NULL, 0, &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (!show_list(cli, j, show_columns, ARRAY_LEN(show_columns), e) || !json_get_list(j, "certificates", &certs, e))
        return false;
    if (json_count(certs) == 0)
        return true;
    fputc('\n', cli->out);
    return show_table(cli, certs, cert_columns, ARRAY_LEN(cert_columns), e);
}

static bool run_history(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct json *list;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    (void)opts;
    if (!cli_call_json(cli, "GET", cli_path(cli, "/v1/devices/", words->v[0], "/history"), NULL, 0, &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    return json_get_list(j, "entries", &list, e) && entry_list_table(cli, list, e);
}

/* ---- token ---- */

struct token_opts {
    int64_t expires_s;
};
static const struct opt token_rows[] = {
    {NULL, "expires", OPT_SECONDS, 60, 315360000, .arg = "TIME", .help = "how long it is good (7d)",
     .offset = offsetof(struct token_opts, expires_s)},
};

static bool run_token(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct token_opts *o = opts;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, out = {0};
    const char *token;
    buf_init(&body, 4096);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&out, 8192);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    if (o->expires_s)
        json_out_int(&jo, "expires_s", o->expires_s);
    json_out_end(&jo);
    const char *path = cli_path(cli, "/v1/devices/", words->v[0], "/token");
    if (!cli_call_json(cli, "POST", path, &body, 0, &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (!json_get_text(j, "token", 4096, &token, e))
        return false;
    buf_printf(&out, "%s\n", token);
    return cli_write(cli, &out, e);
}

/* ---- statement ---- */

struct statement_opts {
    const char *out;
};
static const struct opt statement_rows[] = {
    {NULL, "out", OPT_PATH, .arg = "FILE", .help = "where it goes; stdout if not given",
     .offset = offsetof(struct statement_opts, out)},
};

static bool run_statement(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct statement_opts *o = opts;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    return cli_call(cli, "GET", cli_path(cli, "/v1/devices/", words->v[0], "/statement"), NULL, 0, &reply, e) &&
           cli_write_document(cli, o->out, &reply, e);
}

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
const struct verb device_verbs[] = {
    {"device add", NULL,
     "make a device known\n"
     "With --token only the token goes to stdout: the device's agent enrols with it, once. With --from each new device "
     "is a\n"
     "line on stdout; devices that are known already are skipped, so that a broken run is simply done again. With "
     "--out "
     "it then\n"
     "makes tokens for those, too, that it did not come to write down; without it, --again makes new ones for all that "
     "wait (those before are void).",
     ROWS(add_rows, struct add_opts), 0, 0, run_add},
    {"device ls", NULL, "list devices", ROWS(ls_rows, struct ls_opts), 0, 0, run_ls},
    {"device show", "DEVICE", "one device, by id or serial number, with its certificates", NULL, 0, 1, 1, 1, run_show},
    {"device history", "DEVICE", "everything that the ledger says about it", NULL, 0, 1, 1, 1, run_history},
    {"device tags", "DEVICE [NAME=VALUE...]",
     "what topics and sites are chosen by: those that are named are set, the others stay\n"
     "Without any it says which there are.",
     ROWS(tags_rows, struct tags_opts), 1, 64, tags_run},
    {"device statement", "DEVICE",
     "the signed statement that a device is gone for good: its ledger entry, with proof and checkpoint\n"
     "Once it is revoked, retired or scrapped. Anybody who has the platform's ledger.vkeys "
     "verifies the\n"
     "file (C2SP tlog-proof) without it: kith ledger verify --statement FILE --keys ledger.vkeys. It says who did it, "
     "and why.",
     ROWS(statement_rows, struct statement_opts), 1, 1, run_statement},
    {"device token", "DEVICE", "a new one-time enrolment token; the one before is void",
     ROWS(token_rows, struct token_opts), 1, 1, run_token},
};
const size_t device_verbs_n = ARRAY_LEN(device_verbs);
