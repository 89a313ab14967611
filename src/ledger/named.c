#include "ledger/named.h"

#include <stdlib.h>

#include "store/entry.h"
#include "store/tables.h"

#define NAMED_MAX (2u << 20)

static const struct sql sql_leaves = {"SELECT pos, leaf FROM entry WHERE pos >= $1 AND pos <= $2"};

static bool add(struct named *n, const uint8_t *digest, uint64_t seq, struct err *e)
{
    if (n->n == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 256;
        struct named_ref *v = cap <= NAMED_MAX ? realloc(n->v, cap * sizeof *v) : NULL;
        if (!v)
            return err_set(e, ERR_NOMEM, "%zu things that entries name", n->n);
        n->v = v;
        n->cap = cap;
    }
    struct named_ref *r = &n->v[n->n++];
    *r = (struct named_ref){.seq = seq};
    memcpy(r->digest, digest, SHA256_SIZE);
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct named_ref *x = a, *y = b;
    return memcmp(x->digest, y->digest, SHA256_SIZE);
}

bool named_read(struct named *out, struct db *db, uint8_t node, uint64_t from, struct err *e)
{
    struct value range[2];
    struct entry en;
    AUTO(rows_close) struct rows r = {0};
    *out = (struct named){0};
    entry_range(node, from, range);
    if (!db_query(db, &sql_leaves, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        uint64_t seq = entry_seq(rows_int(&r, 0));
        if (!entry_read(rows_blob(&r, 1), &en, e))
            return err_ctx(e, "entry %llu", (unsigned long long)seq);
        if (en.ref && !add(out, en.ref, seq, e))
            return false;
    }
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, compare);
    return e->code == ERR_NONE;
}

struct named_ref *named_find(const struct named *n, const uint8_t digest[SHA256_SIZE])
{
    struct named_ref key;
    memcpy(key.digest, digest, SHA256_SIZE);
    return n->n ? bsearch(&key, n->v, n->n, sizeof *n->v, compare) : NULL;
}

void named_clear(struct named *n)
{
    free(n->v);
    *n = (struct named){0};
}
