#include "signer/cover.h"

#include <stdlib.h>

#include "core/cbor.h"
#include "store/entry.h"

void cover_init(struct cover *c, const struct crypto *crypto)
{
    *c = (struct cover){.crypto = crypto};
    merkle_frontier_init(&c->tree);
}

void cover_clear(struct cover *c)
{
    free(c->open);
    c->open = NULL;
    c->open_n = c->open_cap = 0;
}

static bool is_empty(const uint8_t ref[SHA256_SIZE])
{
    static const uint8_t zero[SHA256_SIZE];
    return memcmp(ref, zero, SHA256_SIZE) == 0;
}

static size_t home(const struct cover *c, const uint8_t ref[SHA256_SIZE])
{
    uint64_t h;
    memcpy(&h, ref, sizeof h); /* a digest is as good as its hash */
    return (size_t)(h & (c->open_cap - 1));
}

/* Where ref is, or the empty place where it belongs. */
static size_t find(const struct cover *c, const uint8_t ref[SHA256_SIZE])
{
    size_t i = home(c, ref);
    while (!is_empty(c->open[i]) && memcmp(c->open[i], ref, SHA256_SIZE) != 0)
        i = (i + 1) & (c->open_cap - 1);
    return i;
}

static bool grow(struct cover *c, struct err *e)
{
    size_t cap = c->open_cap ? 2 * c->open_cap : 1024;
    struct cover bigger = {.open_cap = cap, .open = calloc(cap, SHA256_SIZE)};
    if (!bigger.open)
        return err_set(e, ERR_NOMEM, "digests without an entry");
    for (size_t i = 0; i < c->open_cap; i++)
        if (!is_empty(c->open[i]))
            memcpy(bigger.open[find(&bigger, c->open[i])], c->open[i], SHA256_SIZE);
    free(c->open);
    c->open = bigger.open;
    c->open_cap = cap;
    return true;
}

bool cover_add(struct cover *c, const uint8_t ref[SHA256_SIZE], struct err *e)
{
    if (is_empty(ref))
        return err_set(e, ERR_INTERNAL, "a digest of zeros");
    if (2 * (c->open_n + 1) > c->open_cap && !grow(c, e))
        return false;
    size_t i = find(c, ref);
    if (is_empty(c->open[i])) {
        memcpy(c->open[i], ref, SHA256_SIZE);
        c->open_n++;
    }
    return true;
}

bool cover_has(const struct cover *c, const uint8_t ref[SHA256_SIZE])
{
    return c->open_cap && !is_empty(ref) && !is_empty(c->open[find(c, ref)]);
}

void cover_remove(struct cover *c, const uint8_t ref[SHA256_SIZE])
{
    if (!cover_has(c, ref))
        return;
    size_t hole = find(c, ref), mask = c->open_cap - 1;
    /* Move back what probed past the hole, so that no search stops short of it. */
    for (size_t i = (hole + 1) & mask; !is_empty(c->open[i]); i = (i + 1) & mask) {
        if (((i - home(c, c->open[i])) & mask) < ((i - hole) & mask))
            continue;
        memcpy(c->open[hole], c->open[i], SHA256_SIZE);
        hole = i;
    }
    memset(c->open[hole], 0, SHA256_SIZE);
    c->open_n--;
}

bool cover_leaf(struct cover *c, struct slice leaf_data, struct err *e)
{
    struct entry entry;
    if (!entry_read(leaf_data, &entry, e))
        return false;
    struct merkle_hash h;
    merkle_leaf(c->crypto, leaf_data, &h);
    merkle_append(c->crypto, &c->tree, &h, NULL, NULL);
    if (c->tree.size == c->vouched_size) {
        struct merkle_hash root;
        merkle_root(c->crypto, &c->tree, &root);
        c->forked = c->forked || memcmp(&root, &c->vouched_root, sizeof root) != 0;
    }
    if (entry.ref)
        cover_remove(c, entry.ref);
    return true;
}

bool cover_check(const struct cover *c, uint64_t size, const struct merkle_hash *root, struct err *e)
{
    struct merkle_hash own;
    merkle_root(c->crypto, &c->tree, &own);
    if (c->forked || size < c->vouched_size)
        return err_set(e, ERR_PROOF, "a tree of %llu entries does not continue the one of %llu that was vouched for",
                       (unsigned long long)size, (unsigned long long)c->vouched_size);
    if (size != c->tree.size || memcmp(&own, root, sizeof own) != 0)
        return err_set(e, ERR_PROOF, "the checkpoint (%llu entries) is not of the tree that the leaves make (%llu)",
                       (unsigned long long)size, (unsigned long long)c->tree.size);
    if (c->open_n == 0)
        return true;
    err_set(e, ERR_UNCOVERED, "%zu signed things have no entry in the ledger", c->open_n);
    return err_why(e, "a checkpoint is cosigned once everything in the signer's journal is covered");
}

void cover_vouched(struct cover *c, uint64_t size, const struct merkle_hash *root)
{
    c->vouched_size = size;
    c->vouched_root = *root;
}

void cover_put(struct writer *w, const struct cover *c)
{
    uint8_t frontier[8 + MERKLE_LEVELS * SHA256_SIZE];
    struct writer f = WRITER_ARRAY(frontier);
    merkle_frontier_write(&c->tree, &f);
    cbor_put_array(w, 5);
    cbor_put_bstr(w, writer_slice(&f));
    cbor_put_uint(w, c->vouched_size);
    cbor_put_bstr(w, slice_of(c->vouched_root.b, SHA256_SIZE));
    cbor_put_bool(w, c->forked);
    cbor_put_array(w, c->open_n);
    for (size_t i = 0; i < c->open_cap; i++)
        if (!is_empty(c->open[i]))
            cbor_put_bstr(w, slice_of(c->open[i], SHA256_SIZE));
}

bool cover_get(struct reader *r, struct cover *c, struct err *e)
{
    cbor_get_array_n(r, 5);
    struct reader f = reader_of(cbor_get_bstr(r));
    merkle_frontier_read(&f, &c->tree);
    c->vouched_size = cbor_get_uint(r);
    struct slice root = cbor_get_bstr_n(r, SHA256_SIZE);
    c->forked = cbor_get_bool(r);
    size_t n = cbor_get_array(r);
    if (!reader_end(&f) || !reader_ok(r))
        return err_set(e, ERR_JOURNAL, "the signer's snapshot: its view of the ledger is malformed");
    memcpy(c->vouched_root.b, root.p, SHA256_SIZE);
    for (size_t i = 0; i < n; i++) {
        struct slice ref = cbor_get_bstr_n(r, SHA256_SIZE);
        if (!reader_ok(r))
            return err_set(e, ERR_JOURNAL, "the signer's snapshot: a digest is malformed");
        if (!cover_add(c, ref.p, e))
            return false;
    }
    return true;
}
