/* Frames of the feed as a stream, their deltas and sets; what is read is written again and must be the same bytes. */
#include "fuzz.h"

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

static void delta(struct slice bytes)
{
    struct feed_delta d;
    struct feed_delta_row row;
    struct err e = {0};
    if (!feed_delta_read(bytes, &d, &e))
        return;
    for (struct reader r = feed_delta_rows(&d); feed_delta_row_next(&r, &row);) {
        struct feed_set set, next;
        if (!feed_set_apply(NULL, &row, &set, &e))
            continue;
        if (feed_set_apply(&set, &row, &next, &e))
            feed_set_clear(&next);
        if (!feed_set_follows(&set, &set, &e))
            abort();
        feed_set_clear(&set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice s = slice_of(data, size), body;
    struct err e = {0};
    size_t taken;
    while (s.n && feed_frame_split(s, &body, &taken, &e) && taken) {
        struct feed_frame f;
        struct feed_set set;
        if (feed_frame_read(body, &f, &e)) {
            if (f.kind)
                same_again(&f, slice_of(s.p, taken));
            if (f.kind == FEED_DELTA)
                delta(f.delta);
            if (f.kind == FEED_ROW && feed_set_make(f.key, 1000, f.revoked, f.held, &set, &e))
                feed_set_clear(&set);
        }
        s = slice_of(s.p + taken, s.n - taken);
    }
    return 0;
}
