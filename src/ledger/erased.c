#include "ledger/erased.h"

#include <inttypes.h>
#include <stdlib.h>

#include "model/event.h"

#define SAID (UINT64_C(1) << 63)

void erased_clear(struct erased *x)
{
    free(x->seqs);
    *x = (struct erased){0};
}

static bool add(struct erased *x, uint64_t seq, struct err *e)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        uint64_t *more = realloc(x->seqs, cap * sizeof(*more));
        if (!more)
            return err_set(e, ERR_NOMEM, "%zu bytes for the erased entries", cap * sizeof(*more));
        x->seqs = more;
        x->cap = cap;
    }
    x->seqs[x->n++] = seq;
    x->run->report->erased++;
    return true;
}

static int seq_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a & ~SAID, y = *(const uint64_t *)b & ~SAID;
    return (x > y) - (x < y);
}

/* Whatever it names was erased before it was written, so it is in the list. */
static void say(struct erased *x, uint64_t seq, struct slice fields)
{
    int64_t named;
    if (!event_get_int(EVENT_ENTRY_ERASED, fields, "entry", &named)) {
        finding_put(x->run, FINDING_ERASURE, seq, "%s: entry %" PRIu64 " does not say which entry was erased", x->where,
                    seq);
        return;
    }
    uint64_t key = (uint64_t)named;
    uint64_t *at = named >= 0 && x->n ? bsearch(&key, x->seqs, x->n, sizeof(key), seq_compare) : NULL;
    if (at)
        *at |= SAID;
    else
        finding_put(x->run, FINDING_ERASURE, seq,
                    "%s: entry %" PRIu64 " says that entry %" PRId64 " was erased, but it is there", x->where, seq,
                    named);
}

bool erased_take(struct erased *x, uint64_t seq, const struct entry *en, const struct entry_payload *p, struct err *e)
{
    if (!p)
        return add(x, seq, e);
    if (en->type == EVENT_ENTRY_ERASED)
        say(x, seq, p->fields);
    return true;
}

void erased_report(const struct erased *x)
{
    for (size_t i = 0; i < x->n; i++)
        if (!(x->seqs[i] & SAID))
            finding_put(x->run, FINDING_ERASURE, x->seqs[i], "%s: entry %" PRIu64 " was erased, and no entry says so",
                        x->where, x->seqs[i]);
}
