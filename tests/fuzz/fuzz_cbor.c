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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), out;
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
