#include "store/tx.h"

#include <stdlib.h>

#include "core/cbor.h"
#include "store/entry.h"
#include "store/row_sql.h"
#include "store/tables.h"

struct db *tx_db(struct tx *tx)
{
    return tx->db;
}

int64_t tx_now_ms(const struct tx *tx)
{
    return tx->now_ms;
}

uint8_t tx_node(const struct tx *tx)
{
    return tx->cfg->node;
}

void tx_clear(struct tx *tx)
{
    free(tx->buf);
    *tx = (struct tx){0};
}

/* ---- small helps ---- */

/* A failed write spoils the job even if it swallows the error. */
static bool broken(struct tx *tx, const struct err *e)
{
    tx->broken = true;
    tx->why = *e;
    return false;
}

static bool room(struct tx *tx, size_t n, struct err *e)
{
    if (n <= tx->cap)
        return true;
    size_t cap = n < 4096 ? 4096 : 2 * n;
    uint8_t *p = realloc(tx->buf, cap);
    if (!p)
        return err_set(e, ERR_NOMEM, "%zu bytes for an entry", cap);
    tx->buf = p;
    tx->cap = cap;
    return true;
}

static bool salt_take(struct tx *tx, uint8_t salt[ENTRY_SALT_SIZE], struct err *e)
{
    if (tx->salts_left == 0) {
        if (!tx->cfg->random(tx->cfg->ctx, tx->salts, sizeof tx->salts))
            return err_set(e, ERR_UNAVAILABLE, "no random numbers for a salt");
        tx->salts_left = SALTS_AHEAD;
    }
    uint8_t *s = tx->salts[--tx->salts_left];
    memcpy(salt, s, ENTRY_SALT_SIZE);
    memset(s, 0, ENTRY_SALT_SIZE);
    return true;
}

static bool change_write(struct tx *tx, const struct change *c, struct err *e)
{
    const struct row_sql *sql = row_sql(c->table);
    const struct sql *what = c->remove ? &sql->remove : c->insert ? &sql->insert : &sql->upsert;
    tx->wrote = true;
    return db_exec(tx->db, what, c->cols, c->remove ? c->table->nkeys : c->table->ncols, e) ||
           err_ctx(e, "%s", c->table->name);
}

/* ---- entries ---- */

/* Without a salt: with zeros for the hashes, to learn the size. */
static bool payload_put(struct writer *w, const struct event *ev, const struct change *changes, size_t n,
                        const struct crypto *crypto, const uint8_t *salt, uint8_t *row, size_t row_max)
{
    entry_put_payload(w, ev->fields, n);
    for (size_t i = 0; i < n; i++) {
        const struct change *c = &changes[i];
        uint8_t hash[SHA256_SIZE] = {0};
        if (salt && !c->remove && !row_hash(crypto, salt, c->cols, c->table->ncols, row, row_max, hash))
            return false;
        entry_put_change(w, c->table, c->cols, c->remove ? NULL : hash);
    }
    return writer_ok(w);
}

static bool changes_check(const struct event *ev, const struct change *changes, size_t n, size_t *row_max,
                          size_t *payload_n, struct err *e)
{
    *row_max = 0;
    if (ev->fields.n && (ev->fields.p[0] >> 5 != 5 || !cbor_valid(ev->fields)))
        return err_set(e, ERR_CBOR, "the fields of an event of type %u are not a map", ev->type);
    for (size_t i = 0; i < n; i++) {
        const struct table *t = changes[i].table;
        size_t ncols = changes[i].remove ? t->nkeys : t->ncols;
        struct writer w = writer_counting();
        if (t->exempt)
            return err_set(e, ERR_STORE_RULE, "table %s has no place in the ledger", t->name);
        if (!row_check(t, changes[i].cols, ncols, e))
            return false;
        row_put(&w, changes[i].cols, ncols);
        if (w.n > ROW_MAX)
            return err_set(e, ERR_LIMIT, "a row of %zu bytes for %s, at most %d", w.n, t->name, ROW_MAX);
        *row_max = w.n > *row_max ? w.n : *row_max;
    }
    struct writer w = writer_counting();
    (void)payload_put(&w, ev, changes, n, NULL, NULL, NULL, 0);
    *payload_n = w.n;
    return w.n <= ENTRY_PAYLOAD_MAX ||
           err_set(e, ERR_LIMIT, "an entry of %zu bytes, at most %d", w.n, ENTRY_PAYLOAD_MAX);
}

struct built {
    uint8_t salt[ENTRY_SALT_SIZE];
    struct slice payload, leaf;
};

static bool leaf_build(const struct tx *tx, const struct event *ev, uint8_t *buf, struct built *b)
{
    struct entry en = {.node = tx->cfg->node, .time_ms = tx->now_ms, .type = ev->type, .ref = ev->ref};
    struct writer w = writer_of(buf, ENTRY_LEAF_OURS);
    entry_commit(tx->cfg->crypto, b->salt, b->payload, en.commitment);
    entry_put_leaf(&w, &en);
    return writer_done(&w, &b->leaf);
}

/* Built in tx->buf: payload, leaf, and room for one row in its canonical form. */
static bool entry_build(struct tx *tx, const struct event *ev, const struct change *changes, size_t n,
                        struct built *out, struct err *e)
{
    size_t row_max = 0, payload_n = 0;
    if (!changes_check(ev, changes, n, &row_max, &payload_n, e) || !salt_take(tx, out->salt, e) ||
        !room(tx, payload_n + ENTRY_LEAF_OURS + row_max, e))
        return false;
    uint8_t *row = tx->buf + payload_n + ENTRY_LEAF_OURS;
    struct writer payload = writer_of(tx->buf, payload_n);
    return (payload_put(&payload, ev, changes, n, tx->cfg->crypto, out->salt, row, row_max) &&
            writer_done(&payload, &out->payload) && leaf_build(tx, ev, tx->buf + payload_n, out)) ||
           err_set(e, ERR_INTERNAL, "an entry does not fit its buffer");
}

static bool entry_write(struct tx *tx, const struct event *ev, const struct built *en, struct err *e)
{
    const struct value cols[ENTRY_COLS] = {
        [ENTRY_POS] = value_int(entry_pos(tx->cfg->node, tx->size)),
        [ENTRY_TIME_MS] = value_int(tx->now_ms),
        [ENTRY_TYPE] = value_int(ev->type),
        [ENTRY_LEAF] = value_blob(en->leaf),
        [ENTRY_SALT] = value_blob(SLICE_ARRAY(en->salt)),
        [ENTRY_PAYLOAD] = value_blob(en->payload),
    };
    tx->wrote = true;
    return db_exec(tx->db, &row_sql(&table_entry)->insert, cols, ENTRY_COLS, e) || err_ctx(e, "ledger entry");
}

bool tx_record(struct tx *tx, const struct event *ev, const struct change *changes, size_t n, uint64_t *seq,
               struct err *e)
{
    struct built en;
    struct err own;
    const struct commit_hooks *h = &tx->cfg->hooks;
    e = e ? e : &own;
    if (seq)
        *seq = 0;
    if (!entry_build(tx, ev, changes, n, &en, e) || !entry_write(tx, ev, &en, e))
        return broken(tx, e);
    for (size_t i = 0; i < n; i++)
        if (!change_write(tx, &changes[i], e))
            return broken(tx, e);
    uint64_t at = tx->size++;
    if (h->appended && !h->appended(h->ctx, tx, at, en.leaf, e))
        return broken(tx, e);
    if (seq)
        *seq = at;
    return true;
}

static const struct sql erase_entry = {"UPDATE entry SET salt = NULL, payload = NULL WHERE pos = $1"};

bool tx_entry_erase(struct tx *tx, uint64_t seq, const struct event *said, struct err *e)
{
    struct err own;
    struct value pos = value_int(entry_pos(tx->cfg->node, seq));
    e = e ? e : &own;
    if (seq >= tx->size)
        return err_set(e, ERR_NOTFOUND, "the log has no entry %llu", (unsigned long long)seq);
    return tx_record(tx, said, NULL, 0, NULL, e) && (db_exec(tx->db, &erase_entry, &pos, 1, e) || broken(tx, e));
}

/* ---- what has no entry ---- */

bool tx_scratch(struct tx *tx, const struct change *c, struct err *e)
{
    struct err own;
    e = e ? e : &own;
    if (!c->table->exempt || c->table == &table_entry || c->table == &table_tile || c->table == &table_log) {
        err_set(e, ERR_STORE_RULE, "table %s does not change without a ledger entry", c->table->name);
        return broken(tx, e);
    }
    if (!row_check(c->table, c->cols, c->remove ? c->table->nkeys : c->table->ncols, e) || !change_write(tx, c, e))
        return broken(tx, e);
    return true;
}

bool tx_tile_put(struct tx *tx, unsigned level, uint64_t idx, struct slice data, struct err *e)
{
    struct err own;
    const struct value cols[TILE_COLS] = {
        [TILE_NODE] = value_int(tx->cfg->node),
        [TILE_LEVEL] = value_int(level),
        [TILE_IDX] = value_int((int64_t)idx),
        [TILE_DATA] = value_blob(data),
    };
    e = e ? e : &own;
    return change_write(tx, &(struct change){.table = &table_tile, .cols = cols}, e) || broken(tx, e);
}

/* ---- the log's size ---- */

static const struct sql last_entry = {"SELECT pos FROM entry WHERE pos >= $1 AND pos <= $2 ORDER BY pos DESC LIMIT 1"};

bool log_size_load(struct db *db, uint8_t node, uint64_t *size, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    struct value range[2];
    entry_range(node, 0, range);
    *size = 0;
    if (!db_query_row(db, &last_entry, range, 2, &r, e))
        return !e->code;
    *size = entry_seq(rows_int(&r, 0)) + 1;
    return true;
}
