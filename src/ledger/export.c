#include "ledger/export.h"

#include "ledger/tree.h"
#include "store/entry.h"
#include "store/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct sql block_select = {
    "SELECT pos, leaf, salt, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};

struct out {
    export_write_fn *write;
    void *ctx;
};

static bool put_head(struct out *o, struct slice note, const struct note_key *keys, size_t keys_n, struct err *e)
{
    char line[64 + NOTE_VKEY_MAX], vkey[NOTE_VKEY_MAX];
    if (!o->write(o->ctx, slice_str(EXPORT_MAGIC), e))
        return false;
    for (size_t i = 0; i < keys_n; i++) {
        note_key_write(&keys[i], vkey);
        snprintf(line, sizeof(line), "key %s\n", vkey);
        if (!o->write(o->ctx, slice_str(line), e))
            return false;
    }
    snprintf(line, sizeof(line), "note %zu\n", note.n);
    return o->write(o->ctx, slice_str(line), e) && o->write(o->ctx, note, e);
}

static bool put_bytes(struct out *o, struct slice s, bool null, bool array, struct err *e)
{
    uint8_t head[16];
    struct writer w = WRITER_ARRAY(head);
    if (array)
        cbor_put_array(&w, 3);
    if (null)
        cbor_put_null(&w);
    else
        cbor_put_head(&w, CBOR_BSTR, s.n);
    return o->write(o->ctx, writer_slice(&w), e) && (null || s.n == 0 || o->write(o->ctx, s, e));
}

/* Two readings of at most 256 entries: first their hashes, then themselves. */
static bool put_block(struct out *o, struct db *db, const struct crypto *c, struct value range[2], size_t want,
                      bool hashes, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    struct merkle_hash leaves[TILE_WIDTH];
    size_t n = 0;
    if (!db_query(db, &block_select, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        struct slice leaf = rows_blob(&r, 1);
        bool erased = rows_is_null(&r, 2) || rows_is_null(&r, 3);
        if (n == want || rows_int(&r, 0) != range[0].i + (int64_t)n)
            break;
        if (hashes)
            merkle_leaf(c, leaf, &leaves[n]);
        else if (!put_bytes(o, leaf, false, true, e) || !put_bytes(o, rows_blob(&r, 2), erased, false, e) ||
                 !put_bytes(o, rows_blob(&r, 3), erased, false, e))
            return false;
        n++;
    }
    if (e->code)
        return false;
    if (n != want) {
        err_set(e, ERR_LEDGER, "entry %" PRIu64 " is missing", entry_seq(range[0].i) + n);
        return err_try(e, "kith ledger verify");
    }
    return !hashes || put_bytes(o, slice_of(leaves, n * sizeof(leaves[0])), false, false, e);
}

bool export_write(struct db *db, uint8_t node, const struct crypto *c, struct slice note, const struct note_key *keys,
                  size_t keys_n, export_write_fn *write, void *write_ctx, struct err *e)
{
    struct err own = {0};
    struct note n;
    struct checkpoint cp;
    struct out o = {write, write_ctx};
    e = e ? e : &own;
    err_clear(e);
    if (keys_n == 0 || keys_n > EXPORT_KEYS_MAX)
        return err_set(e, ERR_USAGE, "an export wants 1 to %d keys, not %zu", EXPORT_KEYS_MAX, keys_n);
    if (!note_open(c, note, keys, keys_n, &n, e) || !checkpoint_read(n.text, &cp, e))
        return false;
    if (!put_head(&o, note, keys, keys_n, e))
        return false;
    for (uint64_t at = 0; at < cp.size; at += TILE_WIDTH) {
        size_t want = cp.size - at < TILE_WIDTH ? (size_t)(cp.size - at) : TILE_WIDTH;
        struct value range[] = {value_int(entry_pos(node, at)), value_int(entry_pos(node, at + want))};
        if (!put_block(&o, db, c, range, want, true, e) || !put_block(&o, db, c, range, want, false, e))
            return false;
    }
    return true;
}
