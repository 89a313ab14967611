/* A query string: each parameter is set, or refused with code, reason and next step; what was set is within its bounds. */
#include "fuzz.h"
#include "ledger/entry_query.h"

#define NOW_MS INT64_C(1795445000000)

static bool take(struct slice *s, char stop, char *dst, size_t cap)
{
    const uint8_t *end = s->n ? memchr(s->p, stop, s->n) : NULL;
    size_t n = end ? (size_t)(end - s->p) : s->n;
    if (n >= cap)
        return false;
    memcpy(dst, s->p, n);
    dst[n] = 0;
    *s = slice_of(s->p + n + (end != NULL), s->n - n - (end != NULL));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct entry_query q;
    char name[16], value[1100];
    struct entry_found f = {.time_ms = NOW_MS, .erased = true};
    entry_query_init(&q);
    while (rest.n && take(&rest, '=', name, sizeof name) && take(&rest, '&', value, sizeof value)) {
        struct err e = {0};
        if (!entry_query_set(&q, name, value, NOW_MS, &e))
            HOLDS(e.code == ERR_USAGE && e.what[0] && e.why[0] && e.hint[0]);
    }
    HOLDS(q.types_n <= ENTRY_QUERY_TYPES_MAX && strlen(q.who) <= ENTRY_QUERY_NAME_MAX);
    if (entry_query_matches(&q, &f))
        HOLDS(q.types_n == 0 && !q.who[0] && !q.device[0] && !q.subject[0]);
    return 0;
}
