/* The signed statement that a device is gone: the ledger entry that says so, its place in the tree, and the checkpoint that both
 * signers signed; a file that verifies without us (ledger/statement.h). */
#include "ledger/statement.h"
#include "server/api/api.h"
#include "server/entry_filter.h"
#include "server/notary.h"
#include "server/records.h"

#define WAIT_MS 5000

static bool is_end(void *ctx, const struct entry_found *f)
{
    if (f->type != EVENT_DEVICE_RETIRED && f->type != EVENT_DEVICE_STATE)
        return true;
    *(int64_t *)ctx = (int64_t)f->seq;
    return false;
}

static const struct sql sql_leaf = {"SELECT leaf, salt, payload FROM entry WHERE pos = $1"};

/* The entry by which the device came into its permanent state: the last that changed its state. */
static bool find_entry(struct call *c, const struct device_row *d, uint64_t *seq, struct entry_kept *kept,
                       struct rows *r, struct err *e)
{
    int64_t found = -1;
    uint64_t next;
    struct entry_query q;
    entry_query_of_device(&q, d->id, (d->updated_at - 1) * 1000);
    if (!entry_filter_scan(c->app, c->db, &q, 0, is_end, &found, &next, e))
        return false;
    const struct value args[] = {value_int(entry_pos((uint8_t)c->app->settings.node, (uint64_t)found))};
    if (found < 0 || !db_query_row(c->db, &sql_leaf, args, 1, r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "the ledger has no entry of the end of %s", d->id);
    *seq = (uint64_t)found;
    *kept = (struct entry_kept){rows_blob(r, 0), rows_blob(r, 1), rows_blob(r, 2)};
    return true;
}

bool statement_show(struct call *c, struct err *e)
{
    struct device_row d;
    uint64_t seq = 0, size;
    int64_t at;
    char note[NOTARY_NOTE_MAX];
    struct entry_kept kept;
    struct merkle_proof proof;
    AUTO(rows_close) struct rows r = {0};
    if (!call_device(c, &d, e))
        return false;
    if (!device_state_is_permanent(d.state)) {
        err_set(e, ERR_CONFLICT, "device %s is %s", d.id, device_state_name(d.state));
        err_why(e, "the statement says that a device is gone for good");
        return err_try(e, "kith device retire %s first, if it is", d.id);
    }
    err_clear(e);
    if (!find_entry(c, &d, &seq, &kept, &r, e) || !notary_wait(c->app->notary, seq + 1, WAIT_MS, e) ||
        !notary_get_note(c->app->notary, note, &size, &at) ||
        !tree_prove_inclusion(c->app->tree, c->db, seq, size, &proof, e))
        return false;
    c->type = "text/plain; charset=utf-8";
    buf_reset(&c->text);
    statement_write(&c->text, &kept, seq, &proof, slice_str(note));
    return true;
}
