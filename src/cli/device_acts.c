/* kith device: what is done to one: its state, and whose it is. */
#include "cli/client.h"
#include "cli/show.h"
#include "core/crl_reason.h"
#include "model/device.h"

#define WAIT_S_DEFAULT 30

/* ---- states ---- */

struct act_opts {
    const char *reason, *why;
    int64_t wait_s;
    bool wait;
};

#define AT(field) .offset = offsetof(struct act_opts, field)
#define WAIT_ROWS                                                                                                      \
    {NULL, "why", OPT_TEXT, 1, 200, .arg = "TEXT", .help = "stands in the ledger", AT(why)},                           \
        {NULL, "wait", OPT_BOOL, .help = "until every gateway knows, or --wait-time is over", AT(wait)},               \
    {                                                                                                                  \
        NULL, "wait-time", OPT_SECONDS, 1, 60, "30", .needs = "wait", .arg = "TIME", .help = "the longest wait",       \
                                                     AT(wait_s)                                                        \
    }
static const struct opt act_rows[] = {WAIT_ROWS};
static const struct opt revoke_rows[] = {
    {NULL, "reason", OPT_TEXT, .words = crl_reasons_final, .arg = "REASON",
     .help = "of RFC 5280 section 5.3.1, such as keyCompromise", AT(reason)},
    WAIT_ROWS,
};

/* Who has not heard of it yet; the verb is then only partly done. */
static void report_gateways(struct cli *cli, const struct json *j)
{
    const struct json *gateways = show_find(j, "gateways"), *silent = show_find(j, "gateways.silent");
    int64_t acked;
    AUTO(buf_clear) struct buf names = {0};
    buf_init(&names, 65536);
    if (!gateways)
        return;
    if (json_count(silent) == 0) {
        if (json_int(show_find(j, "gateways.acknowledged"), &acked))
            fprintf(cli->talk, "all gateways know (%lld)\n", (long long)acked);
        return;
    }
    show_put_value(&names, silent);
    fprintf(cli->talk,
            "silent gateways: %s\ntry: look into the logs of their brokers (lines with \"kith:\"), and kith gateway "
            "ls\n",
            buf_str(&names));
    cli->exit_code = EXIT_PARTLY;
}

static bool act_on(struct cli *cli, const struct act_opts *o, const char *act, const char *device, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, out = {0};
    const char *id, *state;
    buf_init(&body, 4096);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&out, 4096);
    int64_t wait_ms = o->wait ? (o->wait_s ? o->wait_s : WAIT_S_DEFAULT) * 1000 : 0;
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    if (o->why)
        json_out_text(&jo, "why", o->why);
    if (o->reason)
        json_out_text(&jo, "reason", o->reason);
    if (wait_ms)
        json_out_int(&jo, "wait_ms", wait_ms);
    json_out_end(&jo);
    const char *path = cli_path(cli, "/v1/devices/", device, act);
    if (!cli_call_json(cli, "POST", path, &body, wait_ms, &reply, &j, e))
        return err_ctx(e, "%s", device);
    if (!json_get_text(j, "id", 64, &id, e) || !json_get_text(j, "state", 32, &state, e))
        return false;
    bool already = json_has(j, "already");
    if (already)
        fprintf(cli->talk, "%s was %s already%s\n", device, state,
                wait_ms ? "" : " (what gateways know: kith gateway ls)");
    report_gateways(cli, j);
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (strcmp(act, "/retire") == 0 && !already)
        fputs("its agent wipes the keys when it next shows itself: within [renew] hello of its agent.conf, 6 h unless "
              "set\n",
              cli->talk);
    buf_printf(&out, "%s %s\n", id, state);
    return cli_write(cli, &out, e);
}

/* Each device in turn; one that fails does not keep the others back. */
static bool act_all(struct cli *cli, const struct act_opts *o, const char *act, const struct args_words *words,
                    struct err *e)
{
    size_t failed = 0;
    for (size_t i = 0; i < words->n; i++) {
        struct err one = {0};
        if (act_on(cli, o, act, words->v[i], &one))
            continue;
        *e = one;
        if (++failed && words->n > 1)
            cli_print_error(cli, &one);
    }
    if (failed == 0 || words->n == 1)
        return failed == 0;
    if (failed < words->n) {
        cli->exit_code = EXIT_PARTLY;
        return true;
    }
    return err_set(e, e->code, "none of the %zu devices", words->n);
}

#define ACT(verb)                                                                                                      \
    static bool run_##verb(void *ctx, const void *opts, const struct args_words *words, struct err *e)                 \
    {                                                                                                                  \
        return act_all(ctx, opts, "/" #verb, words, e);                                                                \
    }
ACT(suspend)
ACT(resume)
ACT(revoke)
ACT(retire)

/* ---- owners ---- */

struct owner_opts {
    const char *owner, *why;
};

#undef AT
#define AT(field) .offset = offsetof(struct owner_opts, field)
static const struct opt owner_rows[] = {
    {NULL, "owner", OPT_TEXT, 1, OWNER_NAME_MAX, .arg = "NAME", .help = "whose it is from now on", AT(owner),
     .required = true},
    {NULL, "why", OPT_TEXT, 1, 200, .arg = "TEXT", .help = "stands in the ledger", AT(why)},
};

/* from: who has it now; "" nobody, NULL whoever. */
static bool give(struct cli *cli, const struct owner_opts *o, const char *device, const char *from, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0}, out = {0};
    const char *id, *owner;
    buf_init(&body, 4096);
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&out, 4096);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "owner", o->owner);
    if (from)
        json_out_text(&jo, "from", from);
    if (o->why)
        json_out_text(&jo, "why", o->why);
    json_out_end(&jo);
    if (!cli_call_json(cli, "POST", cli_path(cli, "/v1/devices/", device, "/owner"), &body, 0, &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (!json_get_text(j, "id", 64, &id, e) || !json_get_text(j, "owner", OWNER_NAME_MAX, &owner, e))
        return false;
    buf_printf(&out, "%s belongs to %s\n", id, owner);
    return cli_write(cli, &out, e);
}

static bool run_claim(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    return give(ctx, opts, words->v[0], "", e);
}

static bool run_transfer(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    return give(ctx, opts, words->v[0], NULL, e);
}

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
const struct verb device_act_verbs[] = {
    {"device suspend", "DEVICE...", "let it in nowhere, until it is resumed", ROWS(act_rows, struct act_opts), 1, 1000,
     run_suspend},
    {"device resume", "DEVICE...", "let it in again", ROWS(act_rows, struct act_opts), 1, 1000, run_resume},
    {"device revoke", "DEVICE...",
     "take its certificates back, for good\n"
     "Live sessions at gateways end. A revoked device can never come back under its identity.",
     ROWS(revoke_rows, struct act_opts), 1, 1000, run_revoke},
    {"device retire", "DEVICE...",
     "end its life: revoke it, have its agent wipe its keys, leave a tombstone\n"
     "Doors and gateways turn it away at once. Its agent learns of it, and wipes the keys, when it next shows itself "
     "to "
     "the platform: within [renew] hello of its agent.conf, 6 h unless set.",
     ROWS(act_rows, struct act_opts), 1, 1000, run_retire},
    {"device claim", "DEVICE", "give a device that is nobody's to its first owner", ROWS(owner_rows, struct owner_opts),
     1, 1, run_claim},
    {"device transfer", "DEVICE",
     "give a device to another owner\n"
     "Operators may do so with any device, an owner with its own. The new owner sees what happens from then on.",
     ROWS(owner_rows, struct owner_opts), 1, 1, run_transfer},
};
const size_t device_act_verbs_n = ARRAY_LEN(device_act_verbs);
