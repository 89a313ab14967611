#include "ledger/tree.h"

#include "store/tables.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

/* The partial tiles of a log of `size` leaves: at level l the hashes behind its last full tile. */
struct edge {
    uint64_t size;
    struct merkle_hash h[TILE_LEVELS][TILE_WIDTH];
};

struct tree {
    const struct crypto *crypto;
    uint8_t node;
    struct edge now;             /* the commit thread's, with what is not committed yet */
    struct merkle_hash *pending; /* leaves from committed.size on: what a rollback needs */
    size_t pending_n, pending_cap;
    pthread_mutex_t lock; /* of committed */
    struct edge committed;
};

static size_t edge_count(const struct edge *g, unsigned level)
{
    return (size_t)(g->size >> (TILE_HEIGHT * level) & (TILE_WIDTH - 1));
}

static uint64_t edge_full_tiles(const struct edge *g, unsigned level)
{
    return g->size >> (TILE_HEIGHT * (level + 1));
}

/* Copies what counts: some kilobytes, not all of it. */
static void edge_copy(struct edge *to, const struct edge *from)
{
    to->size = from->size;
    for (unsigned l = 0; l < TILE_LEVELS; l++)
        memcpy(to->h[l], from->h[l], edge_count(from, l) * sizeof(from->h[l][0]));
}

/* The hash over n (a power of two, at most 256) hashes of complete subtrees. */
static void subtree(const struct crypto *c, const struct merkle_hash *h, size_t n, struct merkle_hash *out)
{
    struct merkle_hash half[TILE_WIDTH / 2];
    if (n == 1) {
        *out = *h;
        return;
    }
    for (size_t i = 0; i < n / 2; i++)
        merkle_node(c, &h[2 * i], &h[2 * i + 1], &half[i]);
    for (n /= 2; n > 1; n /= 2)
        for (size_t i = 0; i < n / 2; i++)
            merkle_node(c, &half[2 * i], &half[2 * i + 1], &half[i]);
    *out = half[0];
}

/* tx is NULL when leaves are replayed: their tiles are written already. */
static bool edge_append(const struct crypto *c, struct edge *g, const struct merkle_hash *leaf, struct tx *tx,
                        struct err *e)
{
    struct merkle_hash h = *leaf;
    for (unsigned l = 0; l < TILE_LEVELS; l++) {
        size_t at = edge_count(g, l);
        g->h[l][at] = h;
        if (at < TILE_WIDTH - 1)
            break;
        if (tx && !tx_tile_put(tx, l, edge_full_tiles(g, l), SLICE_ARRAY(g->h[l]), e))
            return false;
        subtree(c, g->h[l], TILE_WIDTH, &h);
    }
    g->size++;
    return true;
}

bool tree_new(const struct crypto *crypto, uint8_t node, struct tree **out, struct err *e)
{
    *out = NULL;
    struct tree *t = calloc(1, sizeof(*t));
    if (!t)
        return err_set(e, ERR_NOMEM, "%zu bytes for the tree", sizeof(*t));
    t->crypto = crypto;
    t->node = node;
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return true;
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t->pending);
    free(t);
}

/* ---- reading the database ---- */

static const struct sql tile_select = {"SELECT data FROM tile WHERE node = $1 AND level = $2 AND idx = $3"};
static const struct sql tiles_select = {
    "SELECT idx, data FROM tile WHERE node = $1 AND level = $2 AND idx >= $3 AND idx < $4 ORDER BY idx"};
static const struct sql leaves_select = {"SELECT pos, leaf FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};
static bool missing(struct err *e, const char *what, unsigned level, uint64_t index)
{
    err_set(e, ERR_LEDGER, "%s %u/%" PRIu64 " is missing or has a wrong size", what, level, index);
    return err_try(e, "kith ledger verify");
}

static bool tile_get(struct db *db, uint8_t node, unsigned level, uint64_t index, struct merkle_hash out[TILE_WIDTH],
                     struct err *e)
{
    struct err own = {0};
    AUTO(rows_close) struct rows r = {0};
    struct value args[] = {value_int(node), value_int(level), value_int((int64_t)index)};
    e = e ? e : &own;
    if (!db_query_row(db, &tile_select, args, 3, &r, e))
        return e->code ? false : missing(e, "tile", level, index);
    struct slice data = rows_blob(&r, 0);
    if (data.n != TILE_BYTES)
        return missing(e, "tile", level, index);
    memcpy(out, data.p, TILE_BYTES);
    return true;
}

static bool load_leaves(struct tree *t, struct db *db, struct edge *g, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    uint64_t first = edge_full_tiles(g, 0) * TILE_WIDTH, n = 0;
    struct value range[] = {value_int(entry_pos(t->node, first)), value_int(entry_pos(t->node, g->size))};
    if (!db_query(db, &leaves_select, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        if (n == edge_count(g, 0) || entry_seq(rows_int(&r, 0)) != first + n)
            return missing(e, "entry", 0, first + n);
        merkle_leaf(t->crypto, rows_blob(&r, 1), &g->h[0][n++]);
    }
    if (e->code)
        return false;
    return n == edge_count(g, 0) || missing(e, "entry", 0, first + n);
}

static bool load_level(struct tree *t, struct db *db, struct edge *g, unsigned level, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    struct merkle_hash tile[TILE_WIDTH];
    uint64_t first = edge_full_tiles(g, level) * TILE_WIDTH, n = 0, want = edge_count(g, level);
    struct value args[] = {value_int(t->node), value_int(level - 1), value_int((int64_t)first),
                           value_int((int64_t)(first + want))};
    if (want == 0)
        return true;
    if (!db_query(db, &tiles_select, args, 4, &r, e))
        return false;
    while (rows_next(&r, e)) {
        struct slice data = rows_blob(&r, 1);
        if (n == want || rows_int(&r, 0) != (int64_t)(first + n) || data.n != TILE_BYTES)
            return missing(e, "tile", level - 1, first + n);
        memcpy(tile, data.p, TILE_BYTES);
        subtree(t->crypto, tile, TILE_WIDTH, &g->h[level][n++]);
    }
    if (e->code)
        return false;
    return n == want || missing(e, "tile", level - 1, first + n);
}

bool tree_load(struct tree *t, struct db *db, uint64_t size, struct err *e)
{
    struct err own = {0};
    e = e ? e : &own;
    t->now.size = size;
    t->pending_n = 0;
    bool ok = load_leaves(t, db, &t->now, e);
    for (unsigned l = 1; ok && l < TILE_LEVELS; l++)
        ok = load_level(t, db, &t->now, l, e);
    if (!ok)
        t->now.size = 0;
    pthread_mutex_lock(&t->lock);
    edge_copy(&t->committed, &t->now);
    pthread_mutex_unlock(&t->lock);
    return ok;
}

/* ---- the commit thread's hooks ---- */

static bool hook_opened(void *ctx, struct db *db, uint64_t size, struct err *e)
{
    return tree_load(ctx, db, size, e);
}

static bool hook_appended(void *ctx, struct tx *tx, uint64_t seq, struct slice leaf_data, struct err *e)
{
    struct tree *t = ctx;
    struct merkle_hash leaf;
    if (seq != t->now.size)
        return err_set(e, ERR_LEDGER, "entry %" PRIu64 " is not the next of a tree of %" PRIu64, seq, t->now.size);
    if (t->pending_n == t->pending_cap) {
        size_t cap = t->pending_cap ? 2 * t->pending_cap : 1024;
        struct merkle_hash *p = realloc(t->pending, cap * sizeof(*p));
        if (!p)
            return err_set(e, ERR_NOMEM, "%zu leaf hashes", cap);
        t->pending = p;
        t->pending_cap = cap;
    }
    merkle_leaf(t->crypto, leaf_data, &leaf);
    if (!edge_append(t->crypto, &t->now, &leaf, tx, e))
        return false;
    t->pending[t->pending_n++] = leaf;
    return true;
}

static void hook_rolled_back(void *ctx, uint64_t size)
{
    struct tree *t = ctx;
    size_t keep = size > t->committed.size ? (size_t)(size - t->committed.size) : 0;
    if (keep < t->pending_n)
        t->pending_n = keep;
    edge_copy(&t->now, &t->committed);
    for (size_t i = 0; i < t->pending_n; i++)
        if (!edge_append(t->crypto, &t->now, &t->pending[i], NULL, NULL))
            break; /* cannot be: without a transaction nothing fails */
}

static void hook_committed(void *ctx, uint64_t from, uint64_t to)
{
    struct tree *t = ctx;
    (void)from;
    (void)to;
    t->pending_n = 0;
    pthread_mutex_lock(&t->lock);
    edge_copy(&t->committed, &t->now);
    pthread_mutex_unlock(&t->lock);
}

struct commit_hooks tree_hooks(struct tree *t)
{
    return (struct commit_hooks){hook_opened, hook_appended, hook_rolled_back, hook_committed, t};
}

/* ---- roots and proofs ---- */

/* Yields complete subtrees out of the edge and of full tiles; the last tile of each level is kept. */
struct source {
    const struct crypto *crypto;
    struct db *db;
    uint8_t node;
    struct edge edge;
    uint64_t cached[TILE_LEVELS]; /* index + 1 */
    struct merkle_hash tiles[TILE_LEVELS][TILE_WIDTH];
};

static bool source_get(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out, struct err *e)
{
    struct source *s = ctx;
    unsigned l = level / TILE_HEIGHT, r = level % TILE_HEIGHT;
    uint64_t first = index << r, tile = first / TILE_WIDTH;
    size_t off = (size_t)(first % TILE_WIDTH), n = (size_t)1 << r;
    if (l >= TILE_LEVELS || tile > edge_full_tiles(&s->edge, l))
        return err_set(e, ERR_PROOF, "the log has no such subtree yet");
    if (tile == edge_full_tiles(&s->edge, l)) {
        if (off + n > edge_count(&s->edge, l))
            return err_set(e, ERR_PROOF, "the log has no such subtree yet");
        subtree(s->crypto, &s->edge.h[l][off], n, out);
        return true;
    }
    if (s->cached[l] != tile + 1) {
        s->cached[l] = 0;
        if (!tile_get(s->db, s->node, l, tile, s->tiles[l], e))
            return false;
        s->cached[l] = tile + 1;
    }
    subtree(s->crypto, &s->tiles[l][off], n, out);
    return true;
}

/* A source over the committed state; refuses sizes beyond it.  To be freed. */
static struct source *source_new(struct tree *t, struct db *db, uint64_t size, struct err *e)
{
    struct source *s = malloc(sizeof(*s));
    if (!s) {
        err_set(e, ERR_NOMEM, "%zu bytes for a proof", sizeof(*s));
        return NULL;
    }
    s->crypto = t->crypto;
    s->db = db;
    s->node = t->node;
    memset(s->cached, 0, sizeof(s->cached));
    pthread_mutex_lock(&t->lock);
    edge_copy(&s->edge, &t->committed);
    pthread_mutex_unlock(&t->lock);
    if (size > s->edge.size) {
        err_set(e, ERR_PROOF, "tree size %" PRIu64 " is beyond the log's %" PRIu64, size, s->edge.size);
        free(s);
        return NULL;
    }
    return s;
}

bool tree_prove_inclusion(struct tree *t, struct db *db, uint64_t index, uint64_t size, struct merkle_proof *out,
                          struct err *e)
{
    out->n = 0;
    struct source *s = source_new(t, db, size, e);
    bool ok = s && merkle_prove_inclusion(t->crypto, source_get, s, index, size, out, e);
    free(s);
    if (!ok)
        out->n = 0;
    return ok;
}

bool tree_prove_consistency(struct tree *t, struct db *db, uint64_t old_size, uint64_t new_size,
                            struct merkle_proof *out, struct err *e)
{
    out->n = 0;
    struct source *s = source_new(t, db, new_size, e);
    bool ok = s && merkle_prove_consistency(t->crypto, source_get, s, old_size, new_size, out, e);
    free(s);
    if (!ok)
        out->n = 0;
    return ok;
}

bool tree_root_at(struct tree *t, struct db *db, uint64_t size, struct merkle_hash *out, struct err *e)
{
    memset(out, 0, sizeof(*out));
    struct source *s = source_new(t, db, size, e);
    bool ok = s && merkle_root_of(t->crypto, source_get, s, size, out, e);
    free(s);
    return ok;
}

uint64_t tree_size(struct tree *t)
{
    pthread_mutex_lock(&t->lock);
    uint64_t size = t->committed.size;
    pthread_mutex_unlock(&t->lock);
    return size;
}

/* All subtrees of the root are in the edge, so neither heap nor database is needed. */
void tree_root(struct tree *t, uint64_t *size, struct merkle_hash *root)
{
    struct merkle_frontier f;
    merkle_frontier_init(&f);
    pthread_mutex_lock(&t->lock);
    const struct edge *g = &t->committed;
    f.size = g->size;
    for (unsigned bit = 0; bit < TILE_LEVELS * TILE_HEIGHT; bit++) {
        if (!(g->size >> bit & 1))
            continue;
        unsigned l = bit / TILE_HEIGHT, r = bit % TILE_HEIGHT;
        size_t off = edge_count(g, l) >> (r + 1) << (r + 1);
        subtree(t->crypto, &g->h[l][off], (size_t)1 << r, &f.at[bit]);
    }
    pthread_mutex_unlock(&t->lock);
    *size = f.size;
    merkle_root(t->crypto, &f, root);
}

/* ---- tiles ---- */

bool tree_tile(struct tree *t, struct db *db, const struct tile_path *p, struct writer *w, struct err *e)
{
    struct err own = {0};
    struct merkle_hash hashes[TILE_WIDTH];
    unsigned level = p->entries ? 0 : p->level;
    size_t have = 0;
    e = e ? e : &own;
    err_clear(e);
    if (level < TILE_LEVELS) {
        pthread_mutex_lock(&t->lock);
        uint64_t full = edge_full_tiles(&t->committed, level);
        have = p->index < full ? TILE_WIDTH : p->index == full ? edge_count(&t->committed, level) : 0;
        if (p->index == full)
            memcpy(hashes, t->committed.h[level], have * sizeof(hashes[0]));
        pthread_mutex_unlock(&t->lock);
    }
    if (p->width == 0 || p->width > have) {
        err_set(e, ERR_TILE, "tile %s%u/%" PRIu64 " has %zu, not %u", p->entries ? "entries, level " : "", level,
                p->index, have, p->width);
        return err_try(e, "fetch the checkpoint and ask for tiles of its size");
    }
    if (!p->entries) {
        if (have == TILE_WIDTH && !tile_get(db, t->node, level, p->index, hashes, e))
            return false;
        writer_put(w, slice_of(hashes, p->width * sizeof(hashes[0])));
        return writer_ok(w) || err_set(e, ERR_LIMIT, "no room for a tile");
    }
    AUTO(rows_close) struct rows r = {0};
    uint64_t first = p->index * TILE_WIDTH, n = 0;
    struct value range[] = {value_int(entry_pos(t->node, first)), value_int(entry_pos(t->node, first + p->width))};
    if (!db_query(db, &leaves_select, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        struct slice leaf = rows_blob(&r, 1);
        if (entry_seq(rows_int(&r, 0)) != first + n++ || leaf.n > UINT16_MAX)
            return missing(e, "entry", 0, first + n - 1);
        writer_u16(w, (uint16_t)leaf.n);
        writer_put(w, leaf);
    }
    if (e->code || n != p->width)
        return e->code ? false : missing(e, "entry", 0, first + n);
    return writer_ok(w) || err_set(e, ERR_LIMIT, "no room for a bundle of entries");
}
