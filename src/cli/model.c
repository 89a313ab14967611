/* kith model, kith cert. */
#include <errno.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/show.h"
#include "core/crl_reason.h"

/* ---- models ---- */

/* profile=ldevid, renew_expired_days=30, quarantine_on_second_key=yes: numbers and truth values become such. */
static bool put_settings(struct json_out *o, const char *const *words, size_t n, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const char *eq = strchr(words[i], '='), *v = eq ? eq + 1 : "";
        char *end;
        if (!eq || eq == words[i]) {
            err_set(e, ERR_OPTION, "\"%s\" is no setting", ERR_QUOTE(slice_str(words[i])));
            return err_try(e, "NAME=VALUE, such as renew_expired_days=30");
        }
        const char *name = arena_str(a, slice_of(words[i], (size_t)(eq - words[i])));
        errno = 0;
        long long number = strtoll(v, &end, 10);
        if (*v && *end == 0 && errno == 0)
            json_out_int(o, name, number);
        else if (strcmp(v, "yes") == 0 || strcmp(v, "true") == 0 || strcmp(v, "no") == 0 || strcmp(v, "false") == 0)
            json_out_bool(o, name, v[0] == 'y' || v[0] == 't');
        else
            json_out_text(o, name, v);
    }
    return true;
}

static bool run_model_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0};
    buf_init(&body, 65536);
    buf_init(&reply, CLI_ANSWER_MAX);
    (void)opts;
    struct json_out o = json_out_of(&body);
    json_out_map(&o, NULL);
    json_out_text(&o, "name", words->v[0]);
    json_out_map(&o, "settings");
    if (!put_settings(&o, words->v + 1, words->n - 1, &cli->arena, e))
        return false;
    json_out_end(&o);
    json_out_end(&o);
    if (!cli_call_json(cli, "POST", "/v1/models", &body, 0, &reply, &j, e))
        return false;
    return cli->g.json ? show_raw(cli, &reply, e) : show_map(cli, j, e);
}

struct set_opts {
    struct opt_list unset;
};
static const struct opt set_rows[] = {
    {NULL, "unset", OPT_LIST, 0, 20, .arg = "NAME,...", .help = "these get their defaults again",
     .offset = offsetof(struct set_opts, unset)},
};

static bool is_named(const char *name, const struct set_opts *o, const struct args_words *words)
{
    for (size_t i = 0; i < o->unset.n; i++)
        if (strcmp(o->unset.v[i], name) == 0)
            return true;
    for (size_t i = 1; i < words->n; i++)
        if (strncmp(words->v[i], name, strlen(name)) == 0 && words->v[i][strlen(name)] == '=')
            return true;
    return false;
}

static bool check_unset(const struct set_opts *o, const struct json *before, const struct args_words *words,
                        struct err *e)
{
    if (words->n == 1 && o->unset.n == 0) {
        err_set(e, ERR_OPTION, "nothing is to be changed");
        return err_try(e, "kith model set %s NAME=VALUE, or --unset NAME", words->v[0]);
    }
    for (size_t i = 0; i < o->unset.n; i++)
        if (!json_has(before, o->unset.v[i])) {
            err_set(e, ERR_NOTFOUND, "\"%s\" is not set", ERR_QUOTE(slice_str(o->unset.v[i])));
            return err_try(e, "kith model show %s", words->v[0]);
        }
    return true;
}

/* What is not named stays as it is: the server takes all settings at once. */
static bool run_model_set(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct set_opts *o = opts;
    const struct json *before;
    AUTO(json_free_auto) struct json *was = NULL, *is = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, old = {0};
    buf_init(&body, 65536);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&old, 65536);
    const char *path = cli_path(cli, "/v1/models/", words->v[0], "");
    if (!cli_call_json(cli, "GET", path, NULL, 0, &reply, &was, e) || !json_get_map(was, "settings", &before, e) ||
        !check_unset(o, before, words, e))
        return false;
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_map(&jo, "settings");
    for (size_t i = 0; i < json_count(before); i++)
        if (!is_named(json_key(before, i), o, words))
            json_put(&jo, json_key(before, i), json_value(before, i));
    if (!put_settings(&jo, words->v + 1, words->n - 1, &cli->arena, e))
        return false;
    json_out_end(&jo);
    json_out_end(&jo);
    show_put_value(&old, before);
    if (!cli_call_json(cli, "PUT", path, &body, 0, &reply, &is, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    fprintf(cli->talk, "before: %s\n", old.n ? buf_str(&old) : "defaults");
    return show_map(cli, is, e);
}

static const struct show_column model_columns[] = {{"NAME", "name"}, {"SINCE", "created_at"}, {"SETTINGS", "settings"}};

static bool run_model_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    (void)words;
    return show_get(ctx, "/v1/models", "models", model_columns, ARRAY_LEN(model_columns), e);
}

static bool run_model_show(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    return show_get(ctx, cli_path(ctx, "/v1/models/", words->v[0], ""), NULL, NULL, 0, e);
}

#define NO_ROWS NULL, 0, 1
const struct verb model_verbs[] = {
    {"model add", "NAME [SETTING=VALUE...]",
     "a product type\n"
     "Settings: profile (ldevid), renew_expired_days, quarantine_on_second_key, channel_binding,\n"
     "live_certificates (4: of one device, good at once; one more makes the oldest superseded).",
     NO_ROWS, 1, 20, run_model_add},
    {"model ls", NULL, "list product types", NO_ROWS, 0, 0, run_model_ls},
    {"model show", "NAME", "one product type", NO_ROWS, 1, 1, run_model_show},
    {"model set", "NAME [SETTING=VALUE...]",
     "change settings: those that are named, the others stay\n"
     "The settings before go to stderr.",
     set_rows, ARRAY_LEN(set_rows), sizeof(struct set_opts), 1, 20, run_model_set},
};
const size_t model_verbs_n = ARRAY_LEN(model_verbs);

/* ---- certificates ---- */

struct cert_opts {
    const char *subject, *reason;
    int64_t limit;
};
static const struct opt ls_rows[] = {
    {NULL, "subject", OPT_TEXT, .arg = "NAME", .help = "only of this device, gateway or operator",
     .offset = offsetof(struct cert_opts, subject)},
    SHOW_LIMIT_ROW(struct cert_opts),
};
static const struct opt revoke_rows[] = {
    {NULL, "reason", OPT_TEXT, .words = crl_reasons_final, .arg = "REASON",
     .help = "of RFC 5280 section 5.3.1, such as keyCompromise", .offset = offsetof(struct cert_opts, reason)},
};
static const struct show_column cert_columns[] = {
    {"SERIAL", "serial"},   {"SUBJECT", "subject"},    {"PROFILE", "profile"},
    {"UNTIL", "not_after"}, {"REVOKED", "revoked_at"}, {"REASON", "reason"},
};

static bool run_cert_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct cert_opts *o = opts;
    AUTO(buf_clear) struct buf path = {0};
    (void)words;
    buf_init(&path, 4096);
    buf_put_str(&path, "/v1/certs");
    cli_put_query(&path, "subject", o->subject);
    return show_pages(ctx, buf_str(&path), "certificates", cert_columns, ARRAY_LEN(cert_columns), o->limit, e);
}

static bool run_cert_show(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    return show_get(ctx, cli_path(ctx, "/v1/certs/", words->v[0], ""), NULL, NULL, 0, e);
}

static bool run_cert_revoke(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct cert_opts *o = opts;
    return show_post(ctx, cli_path(ctx, "/v1/certs/", words->v[0], "/revoke"), "reason", o->reason, e);
}

const struct verb cert_verbs[] = {
    {"cert ls", NULL, "list certificates", ls_rows, ARRAY_LEN(ls_rows), sizeof(struct cert_opts), 0, 0, run_cert_ls},
    {"cert show", "SERIAL", "one certificate", NO_ROWS, 1, 1, run_cert_show},
    {"cert revoke", "SERIAL", "take one certificate back, for good", revoke_rows, ARRAY_LEN(revoke_rows),
     sizeof(struct cert_opts), 1, 1, run_cert_revoke},
};
const size_t cert_verbs_n = ARRAY_LEN(cert_verbs);
