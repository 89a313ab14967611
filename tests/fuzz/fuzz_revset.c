/* A set that opens is the one encoding of its members, and look-ups agree with the list. */
#include "core/revset.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), out;
    struct revset set;
    struct err e = {0};
    if (!revset_open(s, &set, &e)) {
        HOLDS(e.code == ERR_SYNTAX);
        return 0;
    }
    uint32_t *members = malloc((size_t)set.count * sizeof *members + 1), v, before = 0;
    uint8_t *buf = malloc(n);
    if (!members || !buf)
        abort();
    size_t k = 0;
    struct revset_iter it = revset_iter(&set);
    while (revset_next(&it, &v)) {
        HOLDS(v < set.universe && (k == 0 || v > before));
        HOLDS(revset_has(&set, v));
        if (k ? v > before + 1 : v > 0)
            HOLDS(!revset_has(&set, v - 1));
        members[k++] = before = v;
    }
    HOLDS(k == set.count);
    struct writer w = writer_of(buf, n);
    HOLDS(revset_build(members, k, set.universe, &w, &e));
    HOLDS(writer_done(&w, &out));
    HOLDS(slice_eq(out, s));
    w = writer_of(buf, n - 1);
    HOLDS(!revset_build(members, k, set.universe, &w, &e));
    w = writer_counting();
    if (k)
        HOLDS(!revset_build(members, k, members[k - 1], &w, &e)); /* a member beyond the universe */
    free(members);
    free(buf);
    return 0;
}
