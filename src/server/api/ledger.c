/* The ledger for operators: checkpoints, proofs, the export. */
#include <time.h>

#include "base/log.h"
#include "ledger/export.h"
#include "ledger/note.h"
#include "server/api/api.h"
#include "server/notary.h"

#define WAIT_MS 5000

/* POST: one that covers everything up to now. */
static bool checkpoint(struct call *c, struct err *e)
{
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at;
    if (!notary_wait(c->app->notary, tree_size(c->app->tree), WAIT_MS, e))
        return false;
    if (!notary_get_note(c->app->notary, note, &size, &at))
        return err_set(e, ERR_NOT_READY, "there is no checkpoint yet");
    c->type = "text/plain; charset=utf-8";
    buf_reset(&c->text);
    buf_put_str(&c->text, note);
    return true;
}

static const struct sql sql_leaf = {"SELECT leaf FROM entry WHERE pos = $1"};

static bool prove(struct call *c, struct err *e)
{
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at, entry;
    struct merkle_proof proof;
    if (!call_query_int(c, "entry", 0, INT64_MAX, -1, &entry, e))
        return false;
    if (entry < 0)
        return err_set(e, ERR_USAGE, "?entry=NUMBER is missing") || err_why(e, "a proof is one entry's") ||
               err_try(e, "kith ledger ls shows the numbers");
    if ((uint64_t)entry >= tree_size(c->app->tree))
        return err_set(e, ERR_NOTFOUND, "the ledger has %llu entries", (unsigned long long)tree_size(c->app->tree)) ||
               err_why(e, "they are numbered from 0") || err_try(e, "kith ledger ls shows the numbers");
    if (!notary_wait(c->app->notary, (uint64_t)entry + 1, WAIT_MS, e) ||
        !notary_get_note(c->app->notary, note, &size, &at) ||
        !tree_prove_inclusion(c->app->tree, c->db, (uint64_t)entry, size, &proof, e))
        return false;
    const struct value args[] = {value_int(entry_pos((uint8_t)c->app->settings.node, (uint64_t)entry))};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(c->db, &sql_leaf, args, 1, &r, e))
        return false;
    json_out_int(&c->out, "index", entry);
    json_out_int(&c->out, "size", (int64_t)size);
    json_out_bytes(&c->out, "leaf", CODEC_BASE64, rows_blob(&r, 0));
    json_out_list(&c->out, "path");
    for (size_t i = 0; i < proof.n; i++)
        json_out_bytes(&c->out, NULL, CODEC_BASE64, slice_of(proof.path[i].b, SHA256_SIZE));
    json_out_end(&c->out);
    json_out_text(&c->out, "checkpoint", note);
    return true;
}

static bool write_part(void *ctx, struct slice s, struct err *e)
{
    struct http_request *req = ctx;
    while (http_stream_pending(req) > (2u << 20) && !http_gone(req))
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    return http_stream_write(req, s) || err_set(e, ERR_UNAVAILABLE, "the client went away");
}

static void on_close(struct http_request *req, void *arg)
{
    (void)req;
    (void)arg; /* write_part finds out */
}

/* Before a byte leaves. */
static bool record_export(struct call *c, uint64_t size, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_LEDGER_EXPORTED);
    event_set_text(&d, "who", c->who->name);
    event_set_int(&d, "size", (int64_t)size);
    return app_record(c->app, &d, e);
}

static bool export_log(struct call *c, struct err *e)
{
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at;
    struct note_key keys[2];
    if (!notary_wait(c->app->notary, tree_size(c->app->tree), WAIT_MS, e) ||
        !notary_get_note(c->app->notary, note, &size, &at) || !app_vkeys(c->app, keys, e) || !record_export(c, size, e))
        return false;
    static const struct http_stream events = {.on_close = on_close};
    c->answered = true;
    http_stream_start(c->req, 200, "application/octet-stream", NULL, 0, &events);
    if (export_write(c->db, (uint8_t)c->app->settings.node, c->app->crypto, slice_str(note), keys, 2, write_part,
                     c->req, e)) {
        http_stream_end(c->req);
        return true;
    }
    LOG(&c->app->env, NOTICE, "server", "an export of the ledger was cut", log_err(e));
    http_stream_cut(c->req);
    return true;
}

const struct api_row api_ledger[] = {
    {"POST", "/v1/ledger/checkpoint", checkpoint, ACCESS_READ | API_WAITS, NULL},
    {"GET", "/v1/ledger/prove", prove, ACCESS_READ | API_WAITS, TAKES("entry")},
    {"GET", "/v1/ledger/export", export_log, ACCESS_READ | API_WAITS, NULL},
};
const size_t api_ledger_n = ARRAY_LEN(api_ledger);
