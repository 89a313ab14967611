/* One shard's sets: made from bytes, from members, from a delta. */
#include "core/revset.h"
#include "model/feed.h"

#include <stdlib.h>

static void free_auto(void *p)
{
    free(*(void **)p);
}

void feed_set_clear(struct feed_set *s)
{
    free(s->mem);
    *s = (struct feed_set){0};
}

static bool open_over(struct slice bytes, uint32_t universe, const char *what, struct revset *out, struct err *e)
{
    if (!revset_open(bytes, out, e))
        return err_ctx(e, "%s set", what);
    if (out->universe != universe)
        return err_set(e, ERR_FEED, "%s set over %u indexes, not %u", what, out->universe, universe);
    return true;
}

bool feed_set_make(struct feed_key key, uint32_t universe, struct slice revoked, struct slice held,
                   struct feed_set *out, struct err *e)
{
    *out = (struct feed_set){0};
    struct revset set;
    if (!open_over(revoked, universe, "revoked", &set, e) || !open_over(held, universe, "held", &set, e))
        return err_ctx(e, "shard %u/%u/%u", key.issuer, key.node, key.shard);
    uint8_t *mem = malloc(revoked.n + held.n + 1);
    if (!mem)
        return err_set(e, ERR_NOMEM, "feed set of %zu bytes", revoked.n + held.n);
    memcpy(mem, revoked.p, revoked.n);
    memcpy(mem + revoked.n, held.p, held.n);
    *out = (struct feed_set){.key = key,
                             .universe = universe,
                             .revoked = slice_of(mem, revoked.n),
                             .held = slice_of(mem + revoked.n, held.n),
                             .mem = mem};
    return true;
}

bool feed_set_build(struct feed_key key, uint32_t universe, struct feed_indexes revoked, struct feed_indexes held,
                    struct feed_set *out, struct err *e)
{
    *out = (struct feed_set){0};
    struct writer size = writer_counting();
    if (!revset_build(revoked.p, revoked.n, universe, &size, e))
        return false;
    size_t revoked_n = size.n;
    if (!revset_build(held.p, held.n, universe, &size, e))
        return false;
    uint8_t *mem = malloc(size.n + 1);
    if (!mem)
        return err_set(e, ERR_NOMEM, "feed set of %zu bytes", size.n);
    struct writer w = writer_of(mem, size.n);
    if (!revset_build(revoked.p, revoked.n, universe, &w, e) || !revset_build(held.p, held.n, universe, &w, e)) {
        free(mem);
        return false;
    }
    *out = (struct feed_set){.key = key,
                             .universe = universe,
                             .revoked = slice_of(mem, revoked_n),
                             .held = slice_of(mem + revoked_n, size.n - revoked_n),
                             .mem = mem};
    return true;
}

static size_t list_count(struct slice list)
{
    struct reader r = reader_of(list);
    return cbor_get_array(&r);
}

/* old + added - removed, all ascending; *out has room for all of old and added.  false: an index that was there is added
 * or one that was not there is removed (*bad). */
static bool merge(const struct revset *old, struct slice added, struct slice removed, uint32_t *out, size_t *n,
                  uint32_t *bad)
{
    struct revset_iter it = {0};
    struct reader add = feed_indexes(added), del = feed_indexes(removed);
    uint32_t o = 0, a, d;
    bool have_o = false;
    if (old) {
        it = revset_iter(old);
        have_o = revset_next(&it, &o);
    }
    bool have_a = feed_index_next(&add, &a), have_d = removed.n && feed_index_next(&del, &d);
    *n = 0;
    while (have_o || have_a) {
        if (have_o && have_a && o == a)
            return *bad = a, false;
        bool from_old = have_o && (!have_a || o < a);
        uint32_t v = from_old ? o : a;
        if (have_d && d < v)
            return *bad = d, false;
        if (from_old && have_d && d == v)
            have_d = feed_index_next(&del, &d);
        else
            out[(*n)++] = v;
        if (from_old)
            have_o = revset_next(&it, &o);
        else
            have_a = feed_index_next(&add, &a);
    }
    return have_d ? (*bad = d, false) : true;
}

bool feed_set_apply(const struct feed_set *old, const struct feed_delta_row *d, struct feed_set *out, struct err *e)
{
    *out = (struct feed_set){0};
    struct revset was_revoked = {0}, was_held = {0};
    bool had = old && old->mem;
    if (had && d->universe < old->universe)
        return err_set(e, ERR_FEED, "shard %u/%u/%u: universe shrinks from %u to %u", d->key.issuer, d->key.node,
                       d->key.shard, old->universe, d->universe);
    if (had && (!revset_open(old->revoked, &was_revoked, e) || !revset_open(old->held, &was_held, e)))
        return false;
    size_t revoked_max = was_revoked.count + list_count(d->revoked), held_max = was_held.count + list_count(d->held);
    AUTO(free_auto) uint32_t *list = malloc((revoked_max + held_max + 1) * sizeof *list);
    if (!list)
        return err_set(e, ERR_NOMEM, "feed set of %zu members", revoked_max + held_max);
    uint32_t *held = list + revoked_max, bad = 0;
    size_t revoked_n = 0, held_n = 0;
    if (!merge(had ? &was_revoked : NULL, d->revoked, (struct slice){0}, list, &revoked_n, &bad) ||
        !merge(had ? &was_held : NULL, d->held, d->released, held, &held_n, &bad))
        return err_set(e, ERR_FEED, "shard %u/%u/%u: index %u is added twice, or released without being held",
                       d->key.issuer, d->key.node, d->key.shard, bad);
    return feed_set_build(d->key, d->universe, (struct feed_indexes){list, revoked_n},
                          (struct feed_indexes){held, held_n}, out, e);
}

bool feed_set_row(const struct feed_set *s, const struct crypto *crypto, struct feed_row *row, struct err *e)
{
    *row = (struct feed_row){0};
    struct revset revoked, held;
    if (!revset_open(s->revoked, &revoked, e) || !revset_open(s->held, &held, e))
        return false;
    *row = (struct feed_row){.key = s->key, .universe = s->universe, .revoked_n = revoked.count, .held_n = held.count};
    crypto->sha256(&s->revoked, 1, row->revoked_hash);
    crypto->sha256(&s->held, 1, row->held_hash);
    return true;
}

bool feed_set_check(const struct feed_set *s, const struct feed_row *row, const struct crypto *crypto, struct err *e)
{
    struct feed_row is;
    if (!feed_set_row(s, crypto, &is, e))
        return false;
    if (feed_key_cmp(is.key, row->key) == 0 && is.universe == row->universe && is.revoked_n == row->revoked_n &&
        is.held_n == row->held_n && memcmp(is.revoked_hash, row->revoked_hash, SHA256_SIZE) == 0 &&
        memcmp(is.held_hash, row->held_hash, SHA256_SIZE) == 0)
        return true;
    return err_set(e, ERR_FEED_HASH, "shard %u/%u/%u: %u revoked and %u held of %u here, the head says %u and %u of %u",
                   row->key.issuer, row->key.node, row->key.shard, is.revoked_n, is.held_n, is.universe, row->revoked_n,
                   row->held_n, row->universe);
}

bool feed_set_follows(const struct feed_set *was, const struct feed_set *now, struct err *e)
{
    struct revset a, b;
    if (!revset_open(was->revoked, &a, e) || !revset_open(now->revoked, &b, e))
        return false;
    if (now->universe < was->universe)
        return err_set(e, ERR_FEED_FORK, "shard %u/%u/%u: universe shrank from %u to %u", was->key.issuer,
                       was->key.node, was->key.shard, was->universe, now->universe);
    struct revset_iter x = revset_iter(&a), y = revset_iter(&b);
    uint32_t v, u = 0;
    bool have = revset_next(&y, &u);
    while (revset_next(&x, &v)) {
        while (have && u < v)
            have = revset_next(&y, &u);
        if (!have || u != v)
            return err_set(e, ERR_FEED_FORK, "shard %u/%u/%u: index %u was revoked and is not any more",
                           was->key.issuer, was->key.node, was->key.shard, v);
    }
    return true;
}
