/* kith anchor: whose CAs vouch for devices by their IDevIDs. */
#include "base/pem.h"
#include "cli/client.h"
#include "cli/party.h"
#include "x509/cert.h"

static const struct show_column anchor_columns[] = {{"NAME", "name"},       {"SUBJECT", "subject"},
                                                    {"UNTIL", "not_after"}, {"ADDED", "added_at"},
                                                    {"POLICY", "policy"},   {"SHA-256", "sha256"}};

PARTY_LIST(anchor, "/v1/anchors", "anchors", anchor_columns)

struct anchor_opts {
    const char *model;
    bool registered;
};
static const struct opt anchor_rows[] = {
    {NULL, "model", OPT_TEXT, .arg = "NAME", .help = "it vouches for devices of this product type only",
     .offset = offsetof(struct anchor_opts, model)},
    {NULL, "register", OPT_BOOL, .help = "devices that are not known yet may register themselves by it",
     .offset = offsetof(struct anchor_opts, registered)},
};

static bool run_anchor_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct anchor_opts *o = opts;
    struct cert cert;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf file = {0}, der = {0}, pem = {0}, body = {0}, reply = {0};
    buf_init(&file, 1 << 20);
    buf_init(&der, CERT_MAX);
    buf_init(&pem, 2 * CERT_MAX);
    buf_init(&body, 4 * CERT_MAX);
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_read_input(words->v[1], &file, e) || !pem_or_der_get(buf_slice(&file), PEM_CERT, &der, e) ||
        !cert_read(buf_slice(&der), &cert, e))
        return err_ctx(e, "%s", words->v[1]);
    pem_put(&pem, PEM_CERT, cert.der);
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_text(&jo, "name", words->v[0]);
    json_out_text(&jo, "certificate", buf_str(&pem));
    if (o->model)
        json_out_text(&jo, "model", o->model);
    if (o->registered)
        json_out_bool(&jo, "register", true);
    json_out_end(&jo);
    if (!cli_call_json(cli, "POST", "/v1/anchors", &body, 0, &reply, &j, e))
        return false;
    return cli->g.json ? show_raw(cli, &reply, e) : show_map(cli, j, e);
}

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
#define NO_ROWS       NULL, 0, 1
const struct verb anchor_verbs[] = {
    {"anchor add", "NAME FILE", "trust a manufacturer's CA to vouch for devices by their IDevIDs",
     ROWS(anchor_rows, struct anchor_opts), 2, 2, run_anchor_add},
    {"anchor ls", NULL, "list manufacturers' trust anchors", NO_ROWS, 0, 0, run_anchor_ls},
    {"anchor rm", "NAME", "trust it no more; devices that enrolled by it stay (device ls --anchor NAME)", NO_ROWS, 1, 1,
     run_anchor_rm},
};
const size_t anchor_verbs_n = ARRAY_LEN(anchor_verbs);
