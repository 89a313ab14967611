/* encode(decode(x)) = x, and passing over an item agrees with reading it. */
#include "fuzz.h"
#include "unit/core/recode.h"

/* recode_item() recurses with the input; what is nested deeper than the profile has no business there. */
static bool within_depth(struct slice s)
{
    struct reader r = reader_of(s);
    cbor_skip(&r);
    return reader_ok(&r);
}

/* A byte string whose length is known at its end is the byte string. */
static void wrap(struct slice s)
{
    uint8_t *a = malloc(2 * (s.n + 16)), *b = a + s.n + 16;
    struct writer open = writer_of(a, s.n + 16), plain = writer_of(b, s.n + 16), small = writer_of(a, 0);
    HOLDS(a != NULL);
    size_t mark = cbor_open_bstr(&open);
    writer_put(&open, s);
    cbor_close_bstr(&open, mark);
    cbor_put_bstr(&plain, s);
    HOLDS(slice_eq(writer_slice(&open), writer_slice(&plain)));
    mark = cbor_open_bstr(&small);
    writer_put(&small, s);
    cbor_close_bstr(&small, mark);
    HOLDS(!writer_ok(&small));
    free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), out;
    wrap(s);
    if (!within_depth(s))
        return 0;
    uint8_t *buf = malloc(n + 1);
    if (!buf)
        return 0;
    struct writer w = writer_of(buf, n + 1);
    struct reader r = reader_of(s), skip = r;
    cbor_skip(&skip);
    recode_item(&r, &w);
    HOLDS(reader_ok(&r));
    HOLDS(r.p == skip.p);
    HOLDS(writer_done(&w, &out));
    HOLDS(slice_eq(out, slice_of(data, out.n)));
    HOLDS(cbor_valid(out));
    HOLDS(reader_end(&r) == cbor_valid(s));
    free(buf);
    return 0;
}
