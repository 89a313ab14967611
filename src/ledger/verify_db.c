/* The live database against itself and against what was signed (ledger/verify.h). */
#include "ledger/erased.h"
#include "ledger/filter_check.h"
#include "ledger/fold.h"
#include "ledger/tree.h"
#include "store/schema.h"
#include "store/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE         1000
#define SUSPECTS_MAX 64

/* One node's log on its way through. */
struct walk {
    struct verify_run *run;
    struct fold *fold;
    struct db *db;
    uint8_t node;
    bool wanted; /* its checkpoints are signed by the keys in the options */
    char origin[NOTE_NAME_MAX + 1];
    uint64_t size;     /* entries in the database */
    bool gap;          /* an entry is missing: hashes say nothing from there on */
    uint64_t good;     /* size of the last checkpoint that fits */
    uint64_t cp_size;  /* of the next checkpoint; UINT64_MAX: none */
    uint64_t cp_first; /* next one at least */
    struct merkle_frontier frontier;
    struct merkle_hash tiles[TILE_LEVELS][TILE_WIDTH]; /* computed */
    struct merkle_hash stored[TILE_WIDTH];             /* level 0, of the database */
    bool stored_there;
    uint64_t suspects[SUSPECTS_MAX]; /* entries whose hash is another than the tile's */
    size_t suspects_n;
    struct erased erased;
    struct filter_check filters;
    bool failed; /* the database, within a callback */
    struct err *e;
};

static const struct sql tile_select = {"SELECT data FROM tile WHERE node = $1 AND level = $2 AND idx = $3"};
static const struct sql page_select = {
    "SELECT pos, time_ms, type, leaf, salt, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos LIMIT 1000"};
static const struct sql checkpoint_next = {
    "SELECT size, note FROM checkpoint WHERE node = $1 AND size >= $2 ORDER BY size LIMIT 1"};
static const struct sql logs_select = {"SELECT node, origin FROM log ORDER BY node"};

/* ---- tiles ---- */

static bool stored_tile(struct walk *k, unsigned level, uint64_t index, struct merkle_hash out[TILE_WIDTH])
{
    AUTO(rows_close) struct rows r = {0};
    struct value args[] = {value_int(k->node), value_int(level), value_int((int64_t)index)};
    if (!db_query_row(k->db, &tile_select, args, 3, &r, k->e)) {
        k->failed = k->failed || k->e->code;
        return false;
    }
    struct slice data = rows_blob(&r, 0);
    if (data.n != TILE_BYTES)
        return false;
    memcpy(out, data.p, TILE_BYTES);
    return true;
}

/* Each hash that tiles are made of, as the frontier finishes it. */
static void subtree_done(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h)
{
    struct walk *k = ctx;
    struct merkle_hash tile[TILE_WIDTH];
    unsigned l = level / TILE_HEIGHT;
    size_t at = (size_t)(index % TILE_WIDTH);
    if (level % TILE_HEIGHT || l >= TILE_LEVELS || k->failed)
        return;
    k->tiles[l][at] = *h;
    if (l == 0) {
        if (at == 0)
            k->stored_there = k->size - index >= TILE_WIDTH && stored_tile(k, 0, index / TILE_WIDTH, k->stored);
        if (k->stored_there && memcmp(&k->stored[at], h, sizeof(*h)) != 0 && k->suspects_n < SUSPECTS_MAX)
            k->suspects[k->suspects_n++] = index;
    }
    if (at < TILE_WIDTH - 1)
        return;
    if (l == 0 ? k->stored_there
               : stored_tile(k, l, index / TILE_WIDTH, tile) && memcmp(tile, k->tiles[l], TILE_BYTES) == 0)
        return;
    if (!k->failed)
        finding_put(k->run, FINDING_TILE, ENTRY_SEQ_NONE,
                    "log %02x: tile %u/%" PRIu64 " is missing or not that of its entries", k->node, l,
                    index / TILE_WIDTH);
}

/* A hash that differs from the tile's: the entry was altered, unless the signed root has it as it is. */
static void suspects_put(struct walk *k, bool root_fits)
{
    for (size_t i = 0; i < k->suspects_n; i++) {
        if (root_fits)
            finding_put(k->run, FINDING_TILE, k->suspects[i],
                        "log %02x: the stored hash of entry %" PRIu64
                        " is another than the entry's, which is as signed",
                        k->node, k->suspects[i]);
        else
            finding_put(k->run, FINDING_ENTRY, k->suspects[i],
                        "log %02x: entry %" PRIu64 " was altered: its leaf does not give its hash in the tree", k->node,
                        k->suspects[i]);
    }
    k->suspects_n = 0;
}

/* ---- checkpoints ---- */

static void checkpoint_check(struct walk *k, struct slice bytes)
{
    struct note n;
    struct checkpoint c;
    struct merkle_hash root;
    struct err why = {0};
    const struct verify_opts *o = k->run->o;
    uint64_t size = k->cp_size;
    bool form = note_read(bytes, &n, &why) && checkpoint_read(n.text, &c, &why);
    if (form && k->wanted)
        form = note_open(o->crypto, bytes, o->keys, o->keys_n, &n, &why);
    if (form && (c.size != size || !slice_eq(c.origin, slice_str(k->origin))))
        form = err_set(&why, ERR_NOTE, "it is of another log or size");
    if (!form) {
        finding_put(k->run, FINDING_CHECKPOINT, ENTRY_SEQ_NONE, "log %02x: checkpoint at %" PRIu64 ": %s", k->node,
                    size, why.what);
        return;
    }
    if (k->gap)
        return;
    merkle_root(o->crypto, &k->frontier, &root);
    bool fits = memcmp(&root, &c.root, sizeof(root)) == 0;
    if (!fits && k->suspects_n == 0)
        finding_put(k->run, FINDING_CHECKPOINT, k->good,
                    "log %02x: the tree at %" PRIu64 " has another root than the checkpoint: an entry from %" PRIu64
                    " on was altered, or the checkpoint was",
                    k->node, size, k->good);
    suspects_put(k, fits);
    if (!fits)
        return;
    k->good = size;
    k->run->report->checkpoints++;
    if (k->wanted || o->keys_n == 0)
        k->run->report->signed_size = size;
}

/* Handles every checkpoint of `size`; then cp_size is that of the next. */
static bool checkpoints_at(struct walk *k, uint64_t size)
{
    while (k->cp_size == size || k->cp_size == 0) {
        AUTO(rows_close) struct rows r = {0};
        struct value args[] = {value_int(k->node), value_int((int64_t)k->cp_first)};
        if (!db_query_row(k->db, &checkpoint_next, args, 2, &r, k->e)) {
            k->cp_size = UINT64_MAX;
            return k->e->code == 0;
        }
        uint64_t next = (uint64_t)rows_int(&r, 0);
        k->cp_size = next;
        if (next != size)
            return true;
        checkpoint_check(k, rows_blob(&r, 1));
        k->cp_first = next + 1;
    }
    return true;
}

/* ---- entries ---- */

static void entry_bad(struct walk *k, uint64_t seq, const char *what)
{
    k->filters.unsure = true;
    finding_put(k->run, FINDING_ENTRY, seq, "log %02x: entry %" PRIu64 ": %s", k->node, seq, what);
}

static bool entry_check(struct walk *k, const struct rows *r, const struct entry *en, uint64_t seq)
{
    struct entry_payload p;
    struct err why = {0};
    bool erased = rows_is_null(r, 4) && rows_is_null(r, 5);
    if (en->node != k->node)
        entry_bad(k, seq, "it is of another node");
    if (rows_int(r, 1) != en->time_ms || rows_int(r, 2) != en->type)
        entry_bad(k, seq, "the time or type beside the leaf is another than in it");
    if (erased || entry_check_payload(k->run->o->crypto, en, rows_blob(r, 4), rows_blob(r, 5), &p, &why))
        return erased_take(&k->erased, seq, en, erased ? NULL : &p, k->e);
    entry_bad(k, seq, why.what);
    return true;
}

static bool entry_take(struct walk *k, const struct rows *r, bool first_pass)
{
    struct entry en;
    struct err why = {0};
    int64_t pos = rows_int(r, 0);
    uint64_t seq = entry_seq(pos);
    bool form = entry_read(rows_blob(r, 3), &en, &why);
    if (first_pass) {
        k->run->report->entries++;
        if (seq != k->frontier.size && !k->gap) {
            entry_bad(k, k->frontier.size, "it is missing");
            k->gap = true;
        }
        if (!form)
            entry_bad(k, seq, why.what);
        else if (!entry_check(k, r, &en, seq))
            return false;
        if (!k->gap) {
            struct merkle_hash leaf;
            merkle_leaf(k->run->o->crypto, rows_blob(r, 3), &leaf);
            merkle_append(k->run->o->crypto, &k->frontier, &leaf, subtree_done, k);
            if (k->failed || !checkpoints_at(k, k->frontier.size) ||
                !filter_check_take(&k->filters, pos, &en, rows_blob(r, 5), k->e))
                return false;
        }
    }
    return !form || fold_entry(k->fold, pos, &en, rows_blob(r, 4), rows_blob(r, 5), k->e);
}

static bool entries_walk(struct walk *k, bool first_pass)
{
    int64_t next = entry_pos(k->node, 0), end = entry_pos(k->node, k->size);
    size_t n = PAGE;
    while (n == PAGE) {
        AUTO(rows_close) struct rows r = {0};
        struct value range[] = {value_int(next), value_int(end)};
        n = 0;
        if (!db_query(k->db, &page_select, range, 2, &r, k->e))
            return false;
        for (; rows_next(&r, k->e); n++) {
            next = rows_int(&r, 0) + 1;
            if (!entry_take(k, &r, first_pass))
                return false;
        }
        if (k->e->code)
            return false;
        finding_progress(k->run, entry_seq(next), k->size);
    }
    return true;
}

static bool walk_end(struct walk *k)
{
    suspects_put(k, false);
    erased_report(&k->erased);
    if (!k->gap)
        merkle_root(k->run->o->crypto, &k->frontier, &k->run->report->root);
    if (k->cp_size != UINT64_MAX && k->cp_size > k->size)
        finding_put(k->run, FINDING_TRUNCATED, k->size,
                    "log %02x: a checkpoint was made at %" PRIu64 " entries, but there are %" PRIu64, k->node,
                    k->cp_size, k->size);
    if (k->wanted && k->size && k->good == 0)
        finding_put(k->run, FINDING_CHECKPOINT, ENTRY_SEQ_NONE, "log %02x: no checkpoint fits its %" PRIu64 " entries",
                    k->node, k->size);
    if (k->wanted && k->size > k->good) {
        k->run->report->unsigned_n = k->size - k->good;
        if (!k->run->o->running)
            finding_put(k->run, FINDING_UNSIGNED, k->good,
                        "log %02x: entries %" PRIu64 " to %" PRIu64
                        " stand under no checkpoint that all have signed: whoever can write the database may have made "
                        "them",
                        k->node, k->good, k->size - 1);
    }
    return true;
}

static bool log_walk(struct walk *k, bool first_pass)
{
    if (!log_size_load(k->db, k->node, &k->size, k->e))
        return false;
    merkle_frontier_init(&k->frontier);
    if (first_pass && !checkpoints_at(k, 0))
        return false;
    return entries_walk(k, first_pass) && (!first_pass || walk_end(k));
}

#define NODES_MAX 128

struct node_log {
    uint8_t node;
    char origin[NOTE_NAME_MAX + 1];
};

static bool logs_read(struct db *db, struct node_log logs[NODES_MAX], size_t *n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    *n = 0;
    if (!db_query(db, &logs_select, NULL, 0, &r, e))
        return false;
    while (rows_next(&r, e) && *n < NODES_MAX) {
        struct slice origin = rows_blob(&r, 1);
        struct node_log *l = &logs[(*n)++];
        l->node = (uint8_t)rows_int(&r, 0);
        memcpy(l->origin, origin.p, origin.n < NOTE_NAME_MAX ? origin.n : NOTE_NAME_MAX);
    }
    return e->code == 0;
}

static bool passes_run(struct verify_run *run, struct fold *fold, struct db *db, uint8_t node, struct walk *k,
                       struct err *e)
{
    struct node_log logs[NODES_MAX] = {0};
    size_t n;
    bool first = true;
    if (!logs_read(db, logs, &n, e))
        return false;
    do {
        for (size_t i = 0; i < n; i++) {
            memset(k, 0, sizeof(*k));
            k->run = run;
            k->fold = fold;
            k->db = db;
            k->node = logs[i].node;
            k->e = e;
            k->wanted = run->o->keys_n && logs[i].node == node;
            memcpy(k->origin, logs[i].origin, sizeof(k->origin));
            k->erased.run = run;
            k->filters.run = run;
            k->filters.db = db;
            snprintf(k->erased.where, sizeof(k->erased.where), "log %02x", k->node);
            bool ok = log_walk(k, first);
            erased_clear(&k->erased);
            if (!ok)
                return false;
        }
        if ((first && !filter_check_strangers(run, db, e)) || !fold_compare(fold, db, e))
            return false;
        first = false;
    } while (fold_next_pass(fold));
    return true;
}

static void schema_found(void *ctx, const char *table, const char *name, const char *text)
{
    finding_put_row(ctx, FINDING_SCHEMA, ENTRY_SEQ_NONE, table, name, "%s", text);
}

bool verify_database(struct db *db, uint8_t node, const struct verify_opts *o, struct verify_report *out, struct err *e)
{
    struct err own = {0};
    struct verify_report report = {0};
    struct verify_run run = {o, &report};
    struct fold fold;
    *out = report;
    e = e ? e : &own;
    err_clear(e);
    if (!fold_init(&fold, &run, e))
        return false;
    struct walk *k = calloc(1, sizeof(*k));
    bool ok = k ? db_snapshot_begin(db, e) : err_set(e, ERR_NOMEM, "%zu bytes", sizeof(*k));
    if (ok) {
        ok = schema_check(db, schema_found, &run, e) && passes_run(&run, &fold, db, node, k, e);
        db_snapshot_end(db);
    }
    free(k);
    fold_clear(&fold);
    if (ok)
        *out = report;
    return ok;
}
