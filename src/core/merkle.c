#include "core/merkle.h"

static struct slice bytes_of(const struct merkle_hash *h)
{
    return slice_of(h->b, sizeof h->b);
}

void merkle_empty(const struct crypto *c, struct merkle_hash *out)
{
    c->sha256(NULL, 0, out->b);
}

void merkle_leaf(const struct crypto *c, struct slice data, struct merkle_hash *out)
{
    c->sha256((struct slice[]){SLICE_LIT("\x00"), data}, 2, out->b);
}

void merkle_node(const struct crypto *c, const struct merkle_hash *left, const struct merkle_hash *right,
                 struct merkle_hash *out)
{
    struct merkle_hash h;
    c->sha256((struct slice[]){SLICE_LIT("\x01"), bytes_of(left), bytes_of(right)}, 3, h.b);
    *out = h;
}

/* ---- frontier ---- */

void merkle_frontier_init(struct merkle_frontier *f)
{
    memset(f, 0, sizeof *f);
}

void merkle_append(const struct crypto *c, struct merkle_frontier *f, const struct merkle_hash *leaf,
                   merkle_put_fn *put, void *ctx)
{
    struct merkle_hash h = *leaf;
    unsigned level = 0;
    if (put)
        put(ctx, 0, f->size, &h);
    for (; f->size >> level & 1; level++) {
        merkle_node(c, &f->at[level], &h, &h);
        if (put)
            put(ctx, level + 1, f->size >> (level + 1), &h);
    }
    f->at[level] = h;
    f->size++;
}

void merkle_root(const struct crypto *c, const struct merkle_frontier *f, struct merkle_hash *out)
{
    bool any = false;
    merkle_empty(c, out);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if (!(f->size >> level & 1))
            continue;
        if (any)
            merkle_node(c, &f->at[level], out, out);
        else
            *out = f->at[level];
        any = true;
    }
}

void merkle_frontier_write(const struct merkle_frontier *f, struct writer *w)
{
    writer_u64(w, f->size);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++)
        if (f->size >> level & 1)
            writer_put(w, bytes_of(&f->at[level]));
}

void merkle_frontier_read(struct reader *r, struct merkle_frontier *f)
{
    merkle_frontier_init(f);
    uint64_t size = reader_u64(r);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if (!(size >> level & 1))
            continue;
        struct slice s = reader_take(r, SHA256_SIZE);
        if (s.n)
            memcpy(f->at[level].b, s.p, s.n);
    }
    if (reader_ok(r))
        f->size = size;
    else
        merkle_frontier_init(f);
}

/* ---- checking proofs ---- */

static bool take_hash(struct reader *r, struct merkle_hash *h)
{
    struct slice s = reader_take(r, SHA256_SIZE);
    if (s.n)
        memcpy(h->b, s.p, s.n);
    return s.n != 0;
}

static bool same(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static bool bad_proof(struct err *e, const char *section, const char *what)
{
    err_set(e, ERR_PROOF, "Merkle proof: %s", what);
    err_why(e, "RFC 9162 section %s", section);
    return err_try(e, "fetch the proof again for this tree size; if it stays so, the log is not to be trusted");
}

#define INCLUSION   "2.1.3.2"
#define CONSISTENCY "2.1.4.2"

bool merkle_verify_inclusion(const struct crypto *c, const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                             struct slice path, const struct merkle_hash *root, struct err *e)
{
    if (index >= size)
        return bad_proof(e, INCLUSION, "the index is not below the tree's size");
    uint64_t fn = index, sn = size - 1;
    struct merkle_hash h = *leaf, p;
    struct reader r = reader_of(path);
    while (reader_left(&r)) {
        if (sn == 0)
            return bad_proof(e, INCLUSION, "it is too long");
        if (!take_hash(&r, &p))
            return bad_proof(e, INCLUSION, "it is not a number of whole hashes");
        if (fn & 1 || fn == sn) {
            merkle_node(c, &p, &h, &h);
            for (; !(fn & 1) && fn; fn >>= 1)
                sn >>= 1;
        } else {
            merkle_node(c, &h, &p, &h);
        }
        fn >>= 1;
        sn >>= 1;
    }
    if (sn != 0)
        return bad_proof(e, INCLUSION, "it is too short");
    return same(&h, root) || bad_proof(e, INCLUSION, "it leads to another root");
}

/* Steps 5 to 7 of the algorithm: folds the rest of the path into both roots. */
static bool fold_consistency(const struct crypto *c, struct reader *r, uint64_t fn, uint64_t sn,
                             struct merkle_hash *old, struct merkle_hash *new, const char **wrong)
{
    struct merkle_hash p;
    while (reader_left(r)) {
        *wrong = "it is too long";
        if (sn == 0)
            return false;
        *wrong = "it is not a number of whole hashes";
        if (!take_hash(r, &p))
            return false;
        if (fn & 1 || fn == sn) {
            merkle_node(c, &p, old, old);
            merkle_node(c, &p, new, new);
            for (; !(fn & 1) && fn; fn >>= 1)
                sn >>= 1;
        } else {
            merkle_node(c, new, &p, new);
        }
        fn >>= 1;
        sn >>= 1;
    }
    *wrong = "it is too short";
    return sn == 0;
}

bool merkle_verify_consistency(const struct crypto *c, uint64_t old_size, const struct merkle_hash *old_root,
                               uint64_t new_size, const struct merkle_hash *new_root, struct slice path, struct err *e)
{
    if (old_size == 0 || old_size > new_size)
        return bad_proof(e, CONSISTENCY, "the old size is zero or above the new one");
    if (old_size == new_size)
        return (path.n == 0 && same(old_root, new_root)) ||
               bad_proof(e, CONSISTENCY, "two trees of one size have different roots, or a path where none is");
    uint64_t fn = old_size - 1, sn = new_size - 1;
    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    /* A whole subtree on the left is its own first hash. */
    struct merkle_hash old = *old_root, new;
    struct reader r = reader_of(path);
    if (fn && !take_hash(&r, &old))
        return bad_proof(e, CONSISTENCY, "it is too short");
    new = old;
    const char *wrong;
    if (!fold_consistency(c, &r, fn, sn, &old, &new, &wrong))
        return bad_proof(e, CONSISTENCY, wrong);
    if (!same(&old, old_root))
        return bad_proof(e, CONSISTENCY, "it leads to another old root");
    return same(&new, new_root) || bad_proof(e, CONSISTENCY, "it leads to another new root");
}

/* ---- making proofs ---- */

struct source {
    const struct crypto *crypto;
    merkle_get_fn *get;
    void *ctx;
};

/* The hash of the leaves [from, to), where `from` is a multiple of the smallest power of two that is not below to - from:
 * a range as the recursion of RFC 9162 section 2.1.1 makes it. */
static bool range_hash(const struct source *s, uint64_t from, uint64_t to, struct merkle_hash *out, struct err *e)
{
    bool any = false;
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if (!((to - from) >> level & 1))
            continue;
        /* Complete subtrees from the right: the lower bits of the length are already folded in. */
        uint64_t low = (to - from) & ((UINT64_C(1) << level) - 1);
        struct merkle_hash h;
        if (!s->get(s->ctx, level, (to - low - (UINT64_C(1) << level)) >> level, &h, e))
            return false;
        if (any)
            merkle_node(s->crypto, &h, out, out);
        else
            *out = h;
        any = true;
    }
    return true;
}

/* The largest power of two below n; n > 1. */
static uint64_t split(uint64_t n)
{
    uint64_t k = 1;
    while (k < n - k)
        k <<= 1;
    return k;
}

static void reverse(struct merkle_proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        struct merkle_hash h = p->path[i];
        p->path[i] = p->path[p->n - 1 - i];
        p->path[p->n - 1 - i] = h;
    }
}

struct slice merkle_proof_bytes(const struct merkle_proof *p)
{
    return slice_of(p->path, p->n * sizeof p->path[0]);
}

/* RFC 9162 section 2.1.3.1, from the root down; the path is from the leaf up, hence the reversal. */
bool merkle_prove_inclusion(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t index, uint64_t size,
                            struct merkle_proof *out, struct err *e)
{
    struct source s = {c, get, ctx};
    out->n = 0;
    if (index >= size)
        return bad_proof(e, "2.1.3.1", "the index is not below the tree's size");
    uint64_t from = 0, to = size;
    size_t n = 0;
    while (to - from > 1) {
        uint64_t mid = from + split(to - from);
        bool left = index < mid;
        if (!range_hash(&s, left ? mid : from, left ? to : mid, &out->path[n++], e))
            return false;
        *(left ? &to : &from) = mid;
    }
    out->n = n;
    reverse(out);
    return true;
}

/* RFC 9162 section 2.1.4.1. */
bool merkle_prove_consistency(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t old_size,
                              uint64_t new_size, struct merkle_proof *out, struct err *e)
{
    struct source s = {c, get, ctx};
    out->n = 0;
    if (old_size == 0 || old_size > new_size)
        return bad_proof(e, "2.1.4.1", "the old size is zero or above the new one");
    uint64_t from = 0, to = new_size;
    size_t n = 0;
    while (old_size != to) {
        uint64_t mid = from + split(to - from);
        bool left = old_size <= mid;
        if (!range_hash(&s, left ? mid : from, left ? to : mid, &out->path[n++], e))
            return false;
        *(left ? &to : &from) = mid;
    }
    /* The old tree itself needs no hash, a subtree of it does. */
    if (from && !range_hash(&s, from, to, &out->path[n++], e))
        return false;
    out->n = n;
    reverse(out);
    return true;
}

bool merkle_root_of(const struct crypto *c, merkle_get_fn *get, void *ctx, uint64_t size, struct merkle_hash *out,
                    struct err *e)
{
    struct source s = {c, get, ctx};
    struct merkle_hash h;
    memset(out, 0, sizeof *out);
    merkle_empty(c, &h);
    if (size && !range_hash(&s, 0, size, &h, e))
        return false;
    *out = h;
    return true;
}
