/* A tree of as many leaves as the first byte says, one proof of each kind at sizes that the next bytes choose: what is made
 * verifies, and the rest of the input as a proof or frontier verifies only if it is the same. */
#include "core/merkle.h"
#include "fuzz.h"

#define LEAVES 256

static struct merkle_hash nodes[9][LEAVES], roots[LEAVES + 1];

static void put(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h)
{
    (void)ctx;
    nodes[level][index] = *h;
}

static bool get(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out, struct err *e)
{
    (void)ctx;
    (void)e;
    HOLDS(level < 9 && index < (unsigned)LEAVES >> level);
    *out = nodes[level][index];
    return true;
}

static void grow(void)
{
    static bool grown;
    if (grown)
        return;
    struct merkle_frontier f;
    merkle_frontier_init(&f);
    merkle_root(&fuzz_crypto, &f, &roots[0]);
    for (size_t i = 0; i < LEAVES; i++) {
        struct merkle_hash leaf;
        merkle_leaf(&fuzz_crypto, slice_of(&(uint8_t){(uint8_t)i}, 1), &leaf);
        merkle_append(&fuzz_crypto, &f, &leaf, put, NULL);
        merkle_root(&fuzz_crypto, &f, &roots[i + 1]);
    }
    grown = true;
}

static void check_frontier(struct slice s)
{
    struct merkle_frontier f;
    struct reader r = reader_of(s);
    merkle_frontier_read(&r, &f);
    if (!reader_ok(&r))
        return;
    uint8_t buf[8 + 64 * SHA256_SIZE];
    struct writer w = WRITER_ARRAY(buf);
    merkle_frontier_write(&f, &w);
    HOLDS(slice_eq(writer_slice(&w), slice_of(s.p, (size_t)(r.p - s.p))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3)
        return 0;
    grow();
    struct slice rest = slice_of(data + 3, n - 3);
    uint64_t size = (uint64_t)data[0] + 1, index = data[1] % size, old = data[2] % size + 1;
    struct merkle_proof p;
    struct err e = {0};
    HOLDS(merkle_prove_inclusion(&fuzz_crypto, get, NULL, index, size, &p, &e));
    struct slice path = merkle_proof_bytes(&p);
    const struct merkle_hash *leaf = &nodes[0][index];
    HOLDS(merkle_verify_inclusion(&fuzz_crypto, leaf, index, size, path, &roots[size], &e));
    if (merkle_verify_inclusion(&fuzz_crypto, leaf, index, size, rest, &roots[size], &e))
        HOLDS(rest.n == path.n);
    HOLDS(merkle_prove_consistency(&fuzz_crypto, get, NULL, old, size, &p, &e));
    path = merkle_proof_bytes(&p);
    HOLDS(merkle_verify_consistency(&fuzz_crypto, old, &roots[old], size, &roots[size], path, &e));
    if (merkle_verify_consistency(&fuzz_crypto, old, &roots[old], size, &roots[size], rest, &e))
        HOLDS(rest.n == path.n);
    struct merkle_hash root;
    HOLDS(merkle_root_of(&fuzz_crypto, get, NULL, size, &root, &e));
    HOLDS(memcmp(&root, &roots[size], sizeof root) == 0);
    HOLDS(!merkle_prove_inclusion(&fuzz_crypto, get, NULL, size, size, &p, &e));
    HOLDS(!merkle_prove_consistency(&fuzz_crypto, get, NULL, size + 1, size, &p, &e));
    HOLDS(merkle_verify_consistency(&fuzz_crypto, size, &roots[size], size, &roots[size], (struct slice){0}, &e));
    HOLDS(!merkle_verify_consistency(&fuzz_crypto, size, &roots[size], size, &roots[size - 1], (struct slice){0}, &e));
    check_frontier(rest);
    if (rest.n >= 16) { /* any sizes: ends, and reads nothing outside */
        struct reader r = reader_of(rest);
        uint64_t a = reader_u64(&r), b = reader_u64(&r);
        rest = reader_rest(&r);
        (void)!merkle_verify_inclusion(&fuzz_crypto, leaf, a, b, rest, &roots[1], &e);
        (void)!merkle_verify_consistency(&fuzz_crypto, a, &roots[1], b, &roots[1], rest, &e);
    }
    return 0;
}
