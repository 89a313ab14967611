/* kith operator. */
#include "base/nearest.h"
#include "cli/client.h"
#include "cli/party.h"
#include "keys/p11.h"
#include "model/device.h"

static const char *const role_words[] = {"admin", "security", "factory", "release", "data", "auditor", "owner", NULL};

#define AT(field) .offset = offsetof(struct party_opts, field)
static const struct opt operator_rows[] = {
    {NULL, "role", OPT_TEXT, .words = role_words, .arg = "ROLE",
     .help = "admin, security, factory, release, data, auditor or owner", AT(role), .required = true},
    {NULL, "csr", OPT_PATH, .not_with = "key-type", .arg = "FILE",
     .help = "certify the key of this request (`kith operator request`); no key is made here", AT(csr)},
    PARTY_OUT_ROW(struct party_opts),
    PARTY_KEY_ROW(struct party_opts),
};

static bool run_operator_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct party_opts *o = opts;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    const char *name = words->v[0], *dir = cli_absolute(cli, o->out ? o->out : name);
    if (!nearest_check(ERR_OPTION, "role", o->role, role_words, e) ||
        !party_certify(cli, "/v1/operators", name, o, dir, &reply, &j, e) || !party_write_cert(cli, dir, j, e))
        return false;
    const char *key = o->csr ? "KEY" : arena_printf(&cli->arena, "%s/key.pem", dir);
    fprintf(cli->talk, "%s is %s; with it: kith --url URL --cert %s/cert.pem --key %s COMMAND\n", name, o->role, dir,
            key ? key : "KEY");
    return party_finish(cli, dir, j, e);
}

#undef AT
#define AT(field) .offset = offsetof(struct request_opts, field)
struct request_opts {
    const char *key, *module, *pin_file, *out;
    int key_type;
};
static const struct opt request_rows[] = {
    {NULL, "key", OPT_PATH, .arg = "pkcs11:URI", .help = "the key, on a token", AT(key), .required = true},
    {NULL, "module", OPT_PATH, .arg = "FILE", .help = "PKCS#11 module of the token", AT(module)},
    {NULL, "pin-file", OPT_PATH, .arg = "FILE", .help = "file with the token's PIN, mode 0600", AT(pin_file)},
    {NULL, "out", OPT_PATH, .arg = "FILE", .help = "where the request goes; stdout if not given", AT(out)},
    PARTY_KEY_ROW(struct request_opts),
};

/* For a key on a token: made there if it is not there yet. */
static bool run_operator_request(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct request_opts *o = opts;
    struct key_env env = {0};
    struct key *k = NULL;
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, 65536);
    if (!cli_key_is_on_token(o->key)) {
        err_set(e, ERR_OPTION, "--key names no key on a token");
        return err_try(e, "--key 'pkcs11:token=LABEL;object=NAME' --module FILE --pin-file FILE");
    }
    if (!party_name_check("name", slice_str(words->v[0]), 63, e) ||
        !p11_open_for(o->key, o->module, o->pin_file, NULL, &env.p11, e))
        return false;
    bool ok = key_open(&env, o->key, &k, e);
    if (!ok && err_class_of(e->code) == ERR_CLASS_NOTFOUND)
        ok = key_generate(&env, o->key, key_type_from_name(party_key_words[o->key_type]), &k, e);
    ok = ok && party_put_csr(words->v[0], NULL, k, &pem, e) && cli_write_document(cli, o->out, &pem, e);
    key_free(k);
    p11_free(env.p11);
    return ok;
}

static const struct show_column operator_columns[] = {{"NAME", "name"}, {"ROLE", "role"}, {"SINCE", "added_at"}};
PARTY_LIST(operator, "/v1/operators", "operators", operator_columns)

#define ROWS(r, type) r, ARRAY_LEN(r), sizeof(type)
#define NO_ROWS       NULL, 0, 1
const struct verb operator_verbs[] = {
    {"operator add", "NAME",
     "a person or service that may act: makes its key here, and its certificate\n"
     "The directory with both is printed; the key is not sealed, so keep it where only its owner reads. With --csr it "
     "is\n"
     "somebody else's key, on a token perhaps, and only the certificate goes there.",
     ROWS(operator_rows, struct party_opts), 1, 1, run_operator_add},
    {"operator request", "NAME",
     "a request for the key of --key in a token, which is made if it is not there: for operator add --csr\n"
     "Runs where the token is; needs no platform.",
     ROWS(request_rows, struct request_opts), 1, 1, run_operator_request},
    {"operator ls", NULL, "list operators", NO_ROWS, 0, 0, run_operator_ls},
    {"operator rm", "NAME", "remove one and revoke its certificate", NO_ROWS, 1, 1, run_operator_rm},
};
const size_t operator_verbs_n = ARRAY_LEN(operator_verbs);
