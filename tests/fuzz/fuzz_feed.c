/* Frames of the feed as a stream, their deltas and sets; what is read is written again and must be the same bytes. */
#include "fuzz.h"

#include "core/revset.h"
#include "model/feed.h"

#include <stdlib.h>

static void same_again(const struct feed_frame *f, struct slice frame)
{
    uint8_t *out = malloc(frame.n);
    struct writer w = writer_of(out, frame.n);
    struct slice got;
    feed_frame_put(&w, f);
    if (!writer_done(&w, &got) || !slice_eq(got, frame))
        abort();
    free(out);
}

/* A set is what its row says; built from its members it is the same; a row that differs is refused. */
static void describe(const struct feed_set *set)
{
    struct feed_row row;
    struct feed_set built;
    struct revset revoked, held;
    struct revset_iter it;
    struct err e = {0};
    size_t n[2] = {0};
    HOLDS(feed_set_row(set, &fuzz_crypto, &row, &e));
    HOLDS(feed_set_check(set, &row, &fuzz_crypto, &e));
    row.revoked_hash[0] ^= 1;
    HOLDS(!feed_set_check(set, &row, &fuzz_crypto, &e) && e.code == ERR_FEED_HASH);
    HOLDS(revset_open(set->revoked, &revoked, &e) && revset_open(set->held, &held, &e));
    uint32_t *members = malloc(((size_t)revoked.count + held.count + 2) * sizeof *members);
    HOLDS(members != NULL);
    for (it = revset_iter(&revoked); revset_next(&it, &members[n[0]]);)
        n[0]++;
    for (it = revset_iter(&held); revset_next(&it, &members[n[0] + n[1]]);)
        n[1]++;
    if (feed_set_build(set->key, set->universe, (struct feed_indexes){members, n[0]},
                       (struct feed_indexes){members + n[0], n[1]}, &built, &e)) {
        HOLDS(slice_eq(built.revoked, set->revoked) && slice_eq(built.held, set->held));
        feed_set_clear(&built);
    }
    if (n[0] && feed_set_build(set->key, set->universe, (struct feed_indexes){members, n[0] - 1},
                               (struct feed_indexes){0}, &built, &e)) {
        HOLDS(!feed_set_follows(set, &built, &e) && e.code == ERR_FEED_FORK); /* one came back */
        built.universe--;
        HOLDS(!feed_set_follows(set, &built, &e));
        built.universe++;
        feed_set_clear(&built);
    }
    free(members);
}

/* Applies each row to the set that the rows before it left. */
static void delta(struct slice bytes, struct feed_set *now)
{
    struct feed_delta d;
    struct feed_delta_row row;
    struct err e = {0};
    if (!feed_delta_read(bytes, &d, &e))
        return;
    for (struct reader r = feed_delta_rows(&d); feed_delta_row_next(&r, &row);) {
        struct feed_set next, shrunken;
        if (!feed_set_apply(now->mem ? now : NULL, &row, &next, &e))
            continue;
        HOLDS(!now->mem || feed_key_cmp(now->key, next.key) != 0 || feed_set_follows(now, &next, &e));
        HOLDS(feed_set_follows(&next, &next, &e));
        describe(&next);
        struct feed_delta_row less = row;
        if (less.universe--)
            HOLDS(!feed_set_apply(&next, &less, &shrunken, &e));
        feed_set_clear(now);
        *now = next;
    }
}

static void set_of(const struct feed_frame *f, struct feed_set *now)
{
    struct revset all;
    struct feed_set set;
    struct err e = {0};
    uint32_t universe = revset_open(f->revoked, &all, &e) ? all.universe : 1000;
    if (!feed_set_make(f->key, universe, f->revoked, f->held, &set, &e))
        return;
    HOLDS(universe == all.universe);
    describe(&set);
    feed_set_clear(now);
    *now = set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size), body;
    struct err e = {0};
    size_t taken;
    struct feed_set now = {0};
    while (s.n && feed_frame_split(s, &body, &taken, &e) && taken) {
        struct feed_frame f;
        if (feed_frame_read(body, &f, &e)) {
            if (f.kind)
                same_again(&f, slice_of(s.p, taken));
            if (f.kind == FEED_DELTA)
                delta(f.delta, &now);
            if (f.kind == FEED_ROW)
                set_of(&f, &now);
            struct slice value;
            if (f.kind == FEED_DEVICE && feed_tag_find(f.device.tags, SLICE_LIT("line"), &value))
                HOLDS(value.p >= f.device.tags.p);
        }
        s = slice_of(s.p + taken, s.n - taken);
    }
    feed_set_clear(&now);
    return 0;
}
