/* What comes from the feed (or from the disk, in the same form) becomes a new snapshot, if it follows from what this gateway
 * has seen.  The feeding thread only. */
#include "gate/gate_impl.h"

#include "keys/crypto.h"

#include <stdlib.h>

void gate_trouble(struct gate *g, const struct err *e)
{
    struct snap *s = snap_again(g, NULL);
    if (!s)
        return;
    s->trouble = e->code;
    memcpy(s->trouble_what, e->what, sizeof s->trouble_what);
    gate_publish(g, s);
}

/* ---- heads ---- */

static bool head_take(struct gate *g, struct slice message, struct feed_head *h, struct snap **out, struct err *e)
{
    uint8_t hash[SHA256_SIZE];
    *out = NULL;
    if (message.n > FEED_HEAD_MAX)
        return err_set(e, ERR_LIMIT, "feed head of %zu bytes; the most is %u", message.n, FEED_HEAD_MAX);
    if (!feed_head_read(message, &crypto_openssl, identity_get0_spki(g->issuer), identity_sig_alg(g->issuer), h, hash,
                        e))
        return false;
    if (g->conf.origin && !slice_eq(h->origin, slice_str(g->conf.origin)))
        return err_set(e, ERR_FEED_FORK, "the feed is of \"%s\", not of %s", ERR_QUOTE(h->origin), g->conf.origin);
    struct snap *s = snap_after(g, h->row_n, e);
    if (!s)
        return false;
    s->seq = h->seq;
    memcpy(s->hash, hash, sizeof hash);
    s->time_at = h->time_at;
    s->next_at = h->next_at;
    if (!(s->head = malloc(message.n))) {
        snap_free(s);
        return err_set(e, ERR_NOMEM, "head of %zu bytes", message.n);
    }
    memcpy(s->head, message.p, s->head_n = message.n);
    *out = s;
    return true;
}

/* Against the highest head ever seen, also by an earlier run. */
static bool head_is_newer(const struct gate *g, const struct snap *s, struct err *e)
{
    unsigned long long is = s->seq, top = g->top_seq;
    if (is < top)
        return err_set(e, ERR_FEED_ROLLBACK, "feed head %llu, but head %llu was seen already", is, top);
    if (is == top && memcmp(s->hash, g->top_hash, SHA256_SIZE) != 0)
        return err_set(e, ERR_FEED_FORK, "there are two feed heads %llu", is);
    return true;
}

/* A clock that once ran ahead must not lock everybody out for good: a newer signed head that agrees with the wall clock
 * ends it. */
static void time_heal(struct gate *g, const struct snap *s)
{
    int64_t now = env_now_s(g->env), seen = atomic_load(&g->seen_at);
    bool agree = s->time_at <= now + GATE_SKEW_S && s->time_at >= now - GATE_SKEW_S;
    if (agree && s->seq > g->top_seq && seen > now + GATE_SKEW_S)
        atomic_store(&g->seen_at, s->time_at > now ? s->time_at : now);
    else
        gate_note_time(g, s->time_at);
}

/* Readers see it from here on. */
static void head_commit(struct gate *g, struct snap *s)
{
    time_heal(g, s);
    g->top_seq = s->seq;
    memcpy(g->top_hash, s->hash, SHA256_SIZE);
    g->feed_dirty = true;
    gate_publish(g, s);
}

/* ---- snapshot ---- */

static void pending_clear(struct gate *g)
{
    snap_free(g->pending);
    g->pending = NULL;
    g->pending_left = 0;
}

static bool pending_finish(struct gate *g, struct err *e)
{
    struct snap *s = g->pending, *cur = snap_current(g);
    for (size_t i = 0; i < cur->shard_n; i++) {
        const struct shard *now = snap_find(s, cur->shards[i]->set.key);
        if (now && s->seq > cur->seq && !feed_set_follows(&cur->shards[i]->set, &now->set, e)) {
            (void)err_ctx(e, "feed head %llu", (unsigned long long)s->seq);
            pending_clear(g);
            return false;
        }
    }
    g->pending = NULL;
    head_commit(g, s);
    return true;
}

static bool snapshot_begin(struct gate *g, struct slice message, struct err *e)
{
    struct feed_head h;
    struct snap *s;
    pending_clear(g);
    if (!head_take(g, message, &h, &s, e))
        return false;
    const struct snap *cur = snap_current(g);
    if (!head_is_newer(g, s, e) || (s->seq == g->top_seq + 1 && cur->seq == g->top_seq && cur->seq &&
                                    memcmp(h.prev, g->top_hash, SHA256_SIZE) != 0 &&
                                    !err_set(e, ERR_FEED_FORK, "feed head %llu does not follow from the one before",
                                             (unsigned long long)s->seq))) {
        snap_free(s);
        return false;
    }
    g->pending = s;
    g->pending_left = h.row_n;
    /* The rows, in our own copy of the message. */
    g->pending_rows = slice_of(s->head + (h.rows.p - message.p), h.rows.n);
    return h.row_n ? true : pending_finish(g, e);
}

static bool snapshot_row(struct gate *g, const struct feed_frame *f, struct err *e)
{
    struct feed_row row;
    struct feed_set set = {0};
    if (!g->pending)
        return err_set(e, ERR_FEED, "a row without a snapshot");
    struct reader r = reader_of(g->pending_rows);
    if (!feed_row_next(&r, &row) || feed_key_cmp(row.key, f->key) != 0)
        return err_set(e, ERR_FEED, "a row that does not stand next in the head");
    g->pending_rows = reader_rest(&r);
    struct shard *s = NULL;
    if (feed_set_make(row.key, row.universe, f->revoked, f->held, &set, e) &&
        feed_set_check(&set, &row, &crypto_openssl, e))
        s = shard_new(&set, &row, e);
    feed_set_clear(&set);
    if (!s)
        return false;
    g->pending->shards[g->pending->shard_n - g->pending_left--] = s;
    return g->pending_left ? true : pending_finish(g, e);
}

/* ---- deltas ---- */

static bool row_same(const struct feed_row *a, const struct feed_row *b)
{
    return feed_key_cmp(a->key, b->key) == 0 && a->universe == b->universe && a->revoked_n == b->revoked_n &&
           a->held_n == b->held_n && !memcmp(a->revoked_hash, b->revoked_hash, SHA256_SIZE) &&
           !memcmp(a->held_hash, b->held_hash, SHA256_SIZE);
}

static struct shard *shard_after(struct shard *was, const struct feed_delta_row *d, const struct feed_row *row,
                                 struct err *e)
{
    if (!d) {
        if (was && row_same(&was->row, row)) {
            was->refs++;
            return was;
        }
        err_set(e, ERR_FEED_HASH, "shard %u/%u/%u changed in the head, but not in the delta", row->key.issuer,
                row->key.node, row->key.shard);
        return NULL;
    }
    struct feed_set set;
    struct shard *s = NULL;
    if (feed_set_apply(was ? &was->set : NULL, d, &set, e) && feed_set_check(&set, row, &crypto_openssl, e))
        s = shard_new(&set, row, e);
    feed_set_clear(&set);
    return s;
}

static bool delta_apply(struct snap *cur, struct snap *next, const struct feed_head *h, const struct feed_delta *d,
                        struct err *e)
{
    struct reader rows = feed_rows(h), changes = feed_delta_rows(d);
    struct feed_row row;
    struct feed_delta_row change;
    bool have = feed_delta_row_next(&changes, &change);
    for (size_t i = 0; feed_row_next(&rows, &row); i++) {
        bool changed = have && feed_key_cmp(change.key, row.key) == 0;
        next->shards[i] = shard_after(snap_find(cur, row.key), changed ? &change : NULL, &row, e);
        if (!next->shards[i])
            return false;
        if (changed)
            have = feed_delta_row_next(&changes, &change);
    }
    return !have || err_set(e, ERR_FEED, "the delta has a shard that the head has not");
}

static bool delta_take(struct gate *g, const struct feed_frame *f, struct err *e)
{
    struct feed_head h;
    struct feed_delta d;
    struct snap *s, *cur = snap_current(g);
    if (!feed_delta_read(f->delta, &d, e) || !head_take(g, f->head, &h, &s, e))
        return false;
    bool ok = head_is_newer(g, s, e);
    if (ok && !cur->trouble && s->seq == cur->seq) { /* what we have already */
        snap_free(s);
        return true;
    }
    if (ok && (!cur->seq || cur->trouble || s->seq != cur->seq + 1))
        ok = err_set(e, ERR_FEED, "feed head %llu after %llu: there is a gap", (unsigned long long)s->seq,
                     (unsigned long long)cur->seq);
    if (ok && memcmp(h.prev, cur->hash, SHA256_SIZE) != 0)
        ok =
            err_set(e, ERR_FEED_FORK, "feed head %llu does not follow from the one before", (unsigned long long)s->seq);
    if (ok && d.seq != h.seq)
        ok = err_set(e, ERR_FEED, "delta %llu with head %llu", (unsigned long long)d.seq, (unsigned long long)h.seq);
    if (!ok || !delta_apply(cur, s, &h, &d, e)) {
        snap_free(s);
        return false;
    }
    head_commit(g, s);
    return true;
}

bool feed_in_frame(struct gate *g, struct slice body, struct err *e)
{
    struct feed_frame f;
    if (!feed_frame_read(body, &f, e))
        return false;
    if (g->pending && f.kind != FEED_ROW && f.kind != FEED_SNAPSHOT)
        return err_set(e, ERR_FEED, "a snapshot broke off with %zu rows missing", g->pending_left);
    switch (f.kind) {
    case FEED_SNAPSHOT:
        return snapshot_begin(g, f.head, e);
    case FEED_ROW:
        return snapshot_row(g, &f, e);
    case FEED_DELTA:
        return delta_take(g, &f, e);
    case FEED_DEVICE:
        return feed_dir_device(g, &f.device, e);
    case FEED_DEVICES_DONE:
        return feed_dir_done(g, e);
    case FEED_POLICY:
        return feed_dir_policy(g, f.policy, e);
    case FEED_RESUMED:
        return feed_dir_resumed(g, e);
    case FEED_CURSOR:
        return feed_dir_cursor(g, f.cursor, e);
    }
    return true; /* of a later version */
}

void feed_in_reset(struct gate *g)
{
    pending_clear(g);
    feed_dir_reset(g);
}

bool gate_feed(struct gate *g, struct slice stream, struct err *e)
{
    struct slice body;
    size_t taken;
    while (stream.n) {
        if (!feed_frame_split(stream, &body, &taken, e))
            return false;
        if (!taken)
            return err_set(e, ERR_FEED, "the stream ends inside a frame");
        if (!feed_in_frame(g, body, e))
            return false;
        stream = slice_of(stream.p + taken, stream.n - taken);
    }
    return g->pending ? err_set(e, ERR_FEED, "the stream ends inside a snapshot") : feed_dir_settle(g, e);
}
