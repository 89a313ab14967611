#include <stdio.h>

#include "../mutate.h"
#include "../test.h"
#include "core/merkle.h"
#include "core/oid.h"
#include "evp.h"

#define MAX 130

/* The leaves and roots that certificate-transparency's own tests use (RFC 6962 trees, which RFC 9162 kept). */
static const struct slice known_leaves[] = {
    OID_SLICE(""),
    OID_SLICE("\x00"),
    OID_SLICE("\x10"),
    OID_SLICE("\x20\x21"),
    OID_SLICE("\x30\x31"),
    OID_SLICE("\x40\x41\x42\x43"),
    OID_SLICE("\x50\x51\x52\x53\x54\x55\x56\x57"),
    OID_SLICE("\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f"),
};
static const char *const known_roots[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

/* All complete subtrees of a tree of MAX leaves, and the root at each size. */
struct tree {
    struct merkle_hash node[9][MAX];
    struct merkle_hash root[MAX + 1];
    size_t puts;
};

static void put(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h)
{
    struct tree *t = ctx;
    assert_true(level < 9 && index < MAX);
    t->node[level][index] = *h;
    t->puts++;
}

static bool get(void *ctx, unsigned level, uint64_t index, struct merkle_hash *out, struct err *e)
{
    struct tree *t = ctx;
    (void)e;
    assert_true(level < 9 && index < (unsigned)MAX >> level);
    *out = t->node[level][index];
    return true;
}

static struct tree tree;

static int grow(void **state)
{
    (void)state;
    struct merkle_frontier f;
    merkle_frontier_init(&f);
    merkle_root(&evp_crypto, &f, &tree.root[0]);
    for (size_t i = 0; i < MAX; i++) {
        uint8_t data[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        struct merkle_hash leaf;
        merkle_leaf(&evp_crypto, SLICE_ARRAY(data), &leaf);
        merkle_append(&evp_crypto, &f, &leaf, put, &tree);
        merkle_root(&evp_crypto, &f, &tree.root[i + 1]);
    }
    return 0;
}

static void gives_the_known_roots(void **state)
{
    (void)state;
    struct merkle_frontier f;
    merkle_frontier_init(&f);
    for (size_t n = 0; n <= ARRAY_LEN(known_leaves); n++) {
        struct merkle_hash root, leaf;
        char hex[65] = "";
        merkle_root(&evp_crypto, &f, &root);
        for (size_t i = 0; i < sizeof root.b; i++)
            snprintf(hex + 2 * i, 3, "%02x", root.b[i]);
        assert_string_equal(hex, known_roots[n]);
        if (n == ARRAY_LEN(known_leaves))
            break;
        merkle_leaf(&evp_crypto, known_leaves[n], &leaf);
        merkle_append(&evp_crypto, &f, &leaf, NULL, NULL);
    }
}

static void tells_of_each_complete_subtree_once(void **state)
{
    (void)state;
    size_t want = 0;
    for (size_t n = MAX; n; n >>= 1)
        want += n;
    assert_int_equal(tree.puts, want);
    for (size_t n = 0; n <= MAX; n++) {
        struct merkle_hash root;
        struct err e = {0};
        assert_ok(merkle_root_of(&evp_crypto, get, &tree, n, &root, &e), e);
        assert_memory_equal(root.b, tree.root[n].b, sizeof root.b);
    }
}

static void proves_each_leaf_in_each_tree(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MAX; n++)
        for (size_t i = 0; i < n; i++) {
            struct merkle_proof p;
            struct err e = {0};
            assert_ok(merkle_prove_inclusion(&evp_crypto, get, &tree, i, n, &p, &e), e);
            struct slice path = merkle_proof_bytes(&p);
            const struct merkle_hash *leaf = &tree.node[0][i], *root = &tree.root[n];
            assert_ok(merkle_verify_inclusion(&evp_crypto, leaf, i, n, path, root, &e), e);
            if (n > 1) /* another leaf's place */
                assert_err(merkle_verify_inclusion(&evp_crypto, leaf, (i + 1) % n, n, path, root, &e), e, ERR_PROOF);
            assert_err(merkle_verify_inclusion(&evp_crypto, leaf, i, n, path, &tree.root[n - 1], &e), e, ERR_PROOF);
            if (n > 1)
                assert_err(merkle_verify_inclusion(&evp_crypto, leaf, i, n, slice_of(path.p, path.n - 1), root, &e), e,
                           ERR_PROOF);
        }
}

static void proves_each_tree_the_beginning_of_each_later_one(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MAX; n++)
        for (size_t m = 1; m <= n; m++) {
            struct merkle_proof p;
            struct err e = {0};
            assert_ok(merkle_prove_consistency(&evp_crypto, get, &tree, m, n, &p, &e), e);
            struct slice path = merkle_proof_bytes(&p);
            assert_ok(merkle_verify_consistency(&evp_crypto, m, &tree.root[m], n, &tree.root[n], path, &e), e);
            assert_err(merkle_verify_consistency(&evp_crypto, m, &tree.root[m - 1], n, &tree.root[n], path, &e), e,
                       ERR_PROOF);
            assert_err(merkle_verify_consistency(&evp_crypto, m, &tree.root[m], n, &tree.root[n - 1], path, &e), e,
                       ERR_PROOF);
        }
}

static void refuses_sizes_that_say_nothing(void **state)
{
    (void)state;
    struct err e = {0};
    struct merkle_proof p;
    struct slice none = {0};
    const struct merkle_hash *root = tree.root, *leaf = &tree.node[0][0];
    assert_err(merkle_verify_inclusion(&evp_crypto, leaf, 0, 0, none, &root[0], &e), e, ERR_PROOF);
    assert_err(merkle_verify_inclusion(&evp_crypto, leaf, 5, 5, none, &root[5], &e), e, ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, 0, &root[0], 5, &root[5], none, &e), e, ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, 0, &root[0], 0, &root[0], none, &e), e, ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, 6, &root[6], 5, &root[5], none, &e), e, ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, 5, &root[5], 5, &root[6], none, &e), e, ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, 4, &root[4], 5, &root[5], none, &e), e, ERR_PROOF);
    assert_err(merkle_prove_inclusion(&evp_crypto, get, &tree, 5, 5, &p, &e), e, ERR_PROOF);
    assert_err(merkle_prove_consistency(&evp_crypto, get, &tree, 0, 5, &p, &e), e, ERR_PROOF);
    assert_err(merkle_prove_consistency(&evp_crypto, get, &tree, 6, 5, &p, &e), e, ERR_PROOF);
    /* Sizes near 2^64 end too. */
    assert_err(merkle_verify_inclusion(&evp_crypto, leaf, UINT64_MAX - 1, UINT64_MAX, none, &root[1], &e), e,
               ERR_PROOF);
    assert_err(merkle_verify_consistency(&evp_crypto, UINT64_MAX - 1, &root[1], UINT64_MAX, &root[1], none, &e), e,
               ERR_PROOF);
}

static void check_path(struct slice s, void *ctx)
{
    (void)ctx;
    struct err e = {0};
    assert_err(merkle_verify_inclusion(&evp_crypto, &tree.node[0][5], 5, 13, s, &tree.root[13], &e), e, ERR_PROOF);
}

static void check_consistency(struct slice s, void *ctx)
{
    (void)ctx;
    struct err e = {0};
    assert_err(merkle_verify_consistency(&evp_crypto, 6, &tree.root[6], 13, &tree.root[13], s, &e), e, ERR_PROOF);
}

static void verifies_no_mutation_of_a_proof(void **state)
{
    (void)state;
    struct merkle_proof p;
    struct err e = {0};
    assert_ok(merkle_prove_inclusion(&evp_crypto, get, &tree, 5, 13, &p, &e), e);
    mutate_each(merkle_proof_bytes(&p), check_path, NULL);
    assert_ok(merkle_prove_consistency(&evp_crypto, get, &tree, 6, 13, &p, &e), e);
    mutate_each(merkle_proof_bytes(&p), check_consistency, NULL);
}

static void carries_on_from_a_stored_frontier(void **state)
{
    (void)state;
    struct merkle_frontier f, back;
    merkle_frontier_init(&f);
    for (size_t i = 0; i < MAX; i++) {
        uint8_t buf[8 + 8 * SHA256_SIZE];
        struct writer w = WRITER_ARRAY(buf);
        struct merkle_hash root;
        merkle_frontier_write(&f, &w);
        struct reader r = reader_of(writer_slice(&w));
        merkle_frontier_read(&r, &back);
        assert_true(reader_end(&r));
        merkle_append(&evp_crypto, &back, &tree.node[0][i], NULL, NULL);
        f = back;
        merkle_root(&evp_crypto, &f, &root);
        assert_memory_equal(root.b, tree.root[i + 1].b, sizeof root.b);
    }
    struct reader cut = reader_of(SLICE_LIT("\0\0\0\0\0\0\0\1short"));
    merkle_frontier_read(&cut, &back);
    assert_false(reader_ok(&cut));
    assert_true(back.size == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_known_roots),
        cmocka_unit_test(tells_of_each_complete_subtree_once),
        cmocka_unit_test(proves_each_leaf_in_each_tree),
        cmocka_unit_test(proves_each_tree_the_beginning_of_each_later_one),
        cmocka_unit_test(refuses_sizes_that_say_nothing),
        cmocka_unit_test(verifies_no_mutation_of_a_proof),
        cmocka_unit_test(carries_on_from_a_stored_frontier),
    };
    return cmocka_run_group_tests(tests, grow, NULL);
}
