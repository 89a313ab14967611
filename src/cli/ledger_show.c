/* One entry, read from the bytes that its leaf committed to, and the checkpoint that it stands in: kith ledger show asks the
 * server, kith ledger verify --statement has a file. */
#include "cli/client.h"
#include "cli/ledger.h"
#include "cli/show.h"
#include "keys/crypto.h"
#include "ledger/entry_print.h"
#include "ledger/statement.h"

#define TEXT_MAX (2u * ENTRY_PAYLOAD_MAX)

static bool get_bytes(struct cli *cli, const struct json *j, const char *name, struct slice *out, struct err *e)
{
    const char *text;
    size_t n;
    *out = (struct slice){0};
    if (!json_get_text(j, name, TEXT_MAX, &text, e))
        return false;
    size_t max = codec_bytes_max(CODEC_BASE64, strlen(text));
    void *bytes = arena_alloc(&cli->arena, max + 1);
    if (!bytes)
        return arena_ok(&cli->arena, e);
    if (!codec_decode(CODEC_BASE64, slice_str(text), bytes, max, &n, e))
        return err_ctx(e, "%s", name);
    *out = slice_of(bytes, n);
    return true;
}

/* The server's answer about an entry, held against the leaf that was proven. */
static bool read_entry(struct cli *cli, const struct json *j, const struct proven *p, struct entry *leaf,
                       struct entry_found *out, struct err *e)
{
    struct slice salt, payload;
    if (!entry_read(slice_of(p->leaf, p->leaf_n), leaf, e))
        return false;
    out->time_ms = leaf->time_ms;
    out->type = leaf->type;
    out->erased = !json_has(j, "payload");
    if (out->erased)
        return true;
    if (get_bytes(cli, j, "salt", &salt, e) && get_bytes(cli, j, "payload", &payload, e) &&
        entry_check_payload(&crypto_openssl, leaf, salt, payload, &out->payload, e))
        return true;
    return e->hint[0] ? false : err_try(e, "kith ledger verify names every entry that was altered");
}

static void put_checkpoint(struct json_out *o, const struct checkpoint *c, const struct trusted *t)
{
    json_out_map(o, "checkpoint");
    json_out_slice(o, "origin", c->origin);
    json_out_int(o, "size", (int64_t)c->size);
    json_out_int(o, "signed_by", (int64_t)t->n);
    json_out_end(o);
}

static const struct show_column columns[] = {
    {"entry", "entry.seq"},
    {"time", "entry.time"},
    {"what", "entry.type"},
    {"device", "entry.fields.device"},
    {"payload", "payload"},
    {"says", "entry.fields"},
    {"changes", "entry.changes"},
    {"certificate", "digest"},
    {"log", "checkpoint.origin"},
    {"checkpoint of", "checkpoint.size"},
    {"signed by keys", "checkpoint.signed_by"},
};

bool ledger_write_shown(struct cli *cli, const struct entry *leaf, const struct entry_found *f,
                        const struct checkpoint *c, const struct trusted *t, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    AUTO(json_free_auto) struct json *j = NULL;
    buf_init(&b, CLI_ANSWER_MAX);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    entry_print_begin(&o, "entry", f);
    entry_print_end(&o, f);
    json_out_text(&o, "payload", f->erased ? "erased" : "as committed to");
    if (leaf->ref)
        json_out_bytes(&o, "digest", CODEC_HEX, slice_of(leaf->ref, SHA256_SIZE));
    put_checkpoint(&o, c, t);
    json_out_end(&o);
    if (cli->g.json)
        return show_raw(cli, &b, e);
    struct slice text;
    return buf_done(&b, &text, e) && json_read(text, CLI_ANSWER_MAX, &j, e) &&
           show_list(cli, j, columns, ARRAY_LEN(columns), e);
}

bool ledger_run_show(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ledger_show_opts *o = opts;
    struct trusted trusted;
    struct proven p;
    struct entry leaf;
    AUTO(json_free_auto) struct json *proof = NULL, *said = NULL;
    AUTO(buf_clear) struct buf reply = {0}, text = {0};
    int64_t index;
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&text, CLI_ANSWER_MAX);
    if (!ledger_find_keys(cli, o->keys, &trusted, e) ||
        !ledger_get_proof(cli, words->v[0], &trusted, &reply, &proof, &p, e) ||
        !json_get_int(proof, "index", 0, INT64_MAX, &index, e) ||
        !cli_call_json(cli, "GET", cli_path(cli, "/v1/ledger/entries/", words->v[0], ""), NULL, 0, &text, &said, e))
        return false;
    struct entry_found found = {.seq = (uint64_t)index};
    if (!read_entry(cli, said, &p, &leaf, &found, e))
        return err_ctx(e, "entry %s", words->v[0]);
    return ledger_write_shown(cli, &leaf, &found, &p.checkpoint, &trusted, e);
}

bool ledger_verify_statement(struct cli *cli, const char *file, const struct trusted *t, struct err *e)
{
    struct statement s;
    AUTO(buf_clear) struct buf b = {0}, extra = {0};
    buf_init(&b, STATEMENT_MAX);
    if (!ledger_wants_keys(t, e) || !cli_read_input(file, &b, e))
        return false;
    if (!statement_read(&crypto_openssl, buf_slice(&b), &extra, &s, e) ||
        !statement_verify(&crypto_openssl, &s, t->keys, t->n, e)) {
        if (!e->hint[0])
            err_try(e, "keep the file; kith device statement DEVICE writes it anew. Are these keys its platform's?");
        return err_ctx(e, "%s", file);
    }
    struct entry_found found = {.seq = s.index, .time_ms = s.entry.time_ms, .type = s.entry.type, .payload = s.said};
    struct slice device = statement_device(&s);
    fprintf(cli->talk, "device %s is %s for good\n", ERR_QUOTE(device), statement_state(&s));
    return ledger_write_shown(cli, &s.entry, &found, &s.checkpoint, t, e);
}
