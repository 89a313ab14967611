/* A stream of frames read in pieces (the first byte says how large) gives the same frames as read at once. */
#include "base/frame.h"
#include "fuzz.h"

#define LONGEST 64

/* All frames as a stream again, up to the first error. */
static bool frames_of(struct slice s, size_t step, struct buf *out)
{
    struct frame_in f;
    struct err e = {0};
    bool ok = true;
    frame_in_init(&f, LONGEST);
    for (size_t at = 0; ok && at < s.n; at += step) {
        struct slice in = slice_of(s.p + at, s.n - at < step ? s.n - at : step);
        while (ok && in.n) {
            struct slice frame;
            bool have;
            ok = frame_feed(&f, &in, &frame, &have, &e);
            if (ok && have) {
                HOLDS(frame.n >= 1 && frame.n <= LONGEST && !frame_in_is_partial(&f));
                HOLDS(!frame_put(out, frame, (uint32_t)frame.n - 1, &e));
                HOLDS(frame_put(out, frame, LONGEST, &e));
            }
        }
    }
    HOLDS(ok || e.code == ERR_FRAME);
    if (f.buf.n && ok)
        HOLDS(f.ready || frame_in_is_partial(&f));
    frame_in_clear(&f);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    struct slice s = slice_of(data + 1, n - 1);
    struct buf whole, pieces;
    buf_init(&whole, n);
    buf_init(&pieces, n);
    bool ok = frames_of(s, n, &whole);
    HOLDS(frames_of(s, 1 + data[0] % 16, &pieces) == ok);
    HOLDS(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    HOLDS(whole.n <= s.n && (whole.n == 0 || memcmp(whole.p, s.p, whole.n) == 0));
    struct buf narrow;
    struct err e = {0};
    buf_init(&narrow, 5);
    if (n > 2)
        HOLDS(!frame_put(&narrow, slice_of(data, n), UINT32_MAX, &e) && narrow.n == 0);
    buf_clear(&narrow);
    buf_clear(&whole);
    buf_clear(&pieces);
    return 0;
}
