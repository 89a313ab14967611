/* The signed statement that a device is gone: the ledger entry that says so, its place in the tree, and the checkpoint that both
 * signers signed; a file that verifies without us (c2sp.org/tlog-proof). */
#include "core/merkle.h"
#include "ledger/entry.h"
#include "model/event.h"
#include "server/gateways.h"
#include "server/notary.h"
#include "server/records.h"

#define WAIT_MS 5000

static const struct sql sql_ends = {"SELECT pos, leaf, payload, type FROM entry WHERE pos >= $1 AND pos < $2 AND "
                                    "time_ms >= $3 AND (type = $4 OR type = $5) "
                                    "AND payload IS NOT NULL ORDER BY pos DESC"};

/* The entry by which the device came into its permanent state. */
static bool find_entry(struct call *c, const struct device_row *d, uint64_t *seq, struct slice *leaf, struct rows *r,
                       struct err *e)
{
    uint8_t node = (uint8_t)c->app->settings.node;
    const struct value args[] = {value_int(entry_pos(node, 0)), value_int(entry_pos((uint8_t)(node + 1), 0)),
                                 value_int((d->updated_at - 1) * 1000), value_int(EVENT_DEVICE_RETIRED),
                                 value_int(EVENT_DEVICE_STATE)};
    struct entry_payload p;
    if (!db_query(c->db, &sql_ends, args, ARRAY_LEN(args), r, e))
        return false;
    while (rows_next(r, e)) {
        struct err ignored;
        if (!entry_read_payload(rows_blob(r, 2), &p, &ignored) ||
            !slice_eq(event_get_text((unsigned)rows_int(r, 3), p.fields, "device"), slice_str(d->id)))
            continue;
        *seq = entry_seq(rows_int(r, 0));
        *leaf = rows_blob(r, 1);
        return true;
    }
    return e->code ? false : err_set(e, ERR_NOTFOUND, "the ledger has no entry of the end of %s", d->id);
}

bool statement_show(struct call *c, struct err *e)
{
    struct device_row d;
    uint64_t seq = 0, size;
    int64_t at;
    char note[NOTARY_NOTE_MAX];
    struct slice leaf;
    struct merkle_proof proof;
    AUTO(rows_close) struct rows r = {0};
    if (!device_find(c->db, http_param(c->req, "id"), NULL, &d, e))
        return false;
    if (!device_state_is_permanent(d.state))
        return err_set(e, ERR_CONFLICT, "device %s is %s", d.id, device_state_name(d.state));
    err_clear(e);
    if (!find_entry(c, &d, &seq, &leaf, &r, e) || !notary_wait(c->app->notary, seq + 1, WAIT_MS, e) ||
        !notary_get_note(c->app->notary, note, &size, &at) ||
        !tree_prove_inclusion(c->app->tree, c->db, seq, size, &proof, e))
        return false;
    c->type = "text/plain; charset=utf-8";
    buf_reset(&c->text);
    buf_put_str(&c->text, "c2sp.org/tlog-proof@v1\nextra ");
    codec_put(&c->text, CODEC_BASE64, leaf);
    buf_printf(&c->text, "\nindex %llu\n", (unsigned long long)seq);
    for (size_t i = 0; i < proof.n; i++) {
        codec_put(&c->text, CODEC_BASE64, slice_of(proof.path[i].b, SHA256_SIZE));
        buf_put_char(&c->text, '\n');
    }
    buf_put_char(&c->text, '\n');
    buf_put_str(&c->text, note);
    return true;
}
