#include "ledger/filter_check.h"

#include <inttypes.h>
#include <stdio.h>

#include "store/tables.h"

#define REMEDY "; delete the rows of this table, and the platform makes them anew"

static const struct sql filter_select = {"SELECT data FROM entry_filter WHERE pos = $1"};
/* FILTER_BLOCK is a power of two: pos | 255 is a block's last entry, and no overflow. */
static const struct sql strangers_select = {"SELECT f.pos FROM entry_filter f WHERE f.pos % 256 <> 0 OR NOT EXISTS "
                                            "(SELECT 1 FROM entry e WHERE e.pos = (f.pos | 255)) "
                                            "ORDER BY f.pos"};
_Static_assert(FILTER_BLOCK == 256, "strangers_select");

static void name_row(struct verify_run *run, enum finding_kind kind, int64_t pos, const char *text)
{
    char key[24];
    snprintf(key, sizeof key, "%" PRId64, pos);
    finding_put_row(run, kind, entry_seq(pos), table_entry_filter.name, key, "%s" REMEDY, text);
}

static bool is_right(const struct filter_check *c, struct slice stored)
{
    struct filter f;
    return slice_eq(stored, filter_bytes(&c->block)) ||
           (c->erased && filter_read(stored, &f) && filter_covers(&f, &c->block));
}

static bool compare(struct filter_check *c, int64_t pos, struct err *e)
{
    const struct value at = value_int(pos);
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(c->db, &filter_select, &at, 1, &r, e))
        return e->code == ERR_NONE;
    filter_finish(&c->block);
    if (!is_right(c, rows_blob(&r, 0)))
        name_row(c->run, FINDING_ROW_EDITED, pos,
                 "the filter of 256 entries is not what they give: lists may leave some of them out");
    return true;
}

bool filter_check_take(struct filter_check *c, int64_t pos, const struct entry *en, struct slice payload, struct err *e)
{
    uint64_t at = entry_seq(pos) % FILTER_BLOCK;
    if (at == 0)
        filter_begin(&c->block);
    filter_add(&c->block, en->time_ms, en->type, payload);
    c->erased = (at && c->erased) || payload.n == 0;
    if (at < FILTER_BLOCK - 1)
        return true;
    bool ok = c->unsure || compare(c, pos - FILTER_BLOCK + 1, e);
    c->unsure = false;
    return ok;
}

bool filter_check_strangers(struct verify_run *run, struct db *db, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(db, &strangers_select, NULL, 0, &r, e))
        return false;
    while (rows_next(&r, e))
        name_row(run, FINDING_ROW_UNKNOWN, rows_int(&r, 0), "a filter that is of no full block of entries");
    return e->code == ERR_NONE;
}
