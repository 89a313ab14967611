#include "ledger/last_checkpoint.h"

#include "store/tables.h"

static const struct sql sql_before = {
    "SELECT size, note, made_at FROM checkpoint WHERE node = $1 AND size < $2 ORDER BY size DESC LIMIT 1"};

bool last_checkpoint_read(struct db *db, const struct crypto *c, const struct log_of_keys *log,
                          struct last_checkpoint *out, struct err *e)
{
    int64_t before = INT64_MAX;
    out->size = 0;
    out->made_at = 0;
    for (;;) {
        struct note note;
        struct checkpoint cp;
        struct err ignored;
        const struct value args[] = {value_int(log->node), value_int(before)};
        AUTO(rows_close) struct rows r = {0};
        err_clear(e);
        if (!db_query_row(db, &sql_before, args, 2, &r, e))
            return e->code == ERR_NONE;
        before = rows_int(&r, 0);
        if (note_open(c, rows_blob(&r, 1), log->keys, log->keys_n, &note, &ignored) &&
            checkpoint_read(note.text, &cp, &ignored) && slice_eq(cp.origin, slice_str(log->origin)) &&
            cp.size == (uint64_t)before) {
            out->size = cp.size;
            out->made_at = rows_int(&r, 2);
            if (out->note)
                buf_put(out->note, rows_blob(&r, 1));
            return true;
        }
    }
}
