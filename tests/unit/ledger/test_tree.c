#include "ledger_test.h"

#include "core/reader.h"

static int setup(void **state)
{
    *state = lab_new();
    return 0;
}

static const struct sql leaves = {"SELECT leaf FROM entry ORDER BY pos"};

/* The plain way: all leaves through a frontier, the root after each of them. */
static struct merkle_hash *roots_of(struct lab *t, struct merkle_hash **hashes, uint64_t size)
{
    struct err e = {0};
    AUTO(rows_close) struct rows r = {0};
    struct merkle_hash *roots = calloc(size + 1, sizeof(*roots));
    struct merkle_frontier f;
    merkle_frontier_init(&f);
    merkle_root(&crypto_openssl, &f, &roots[0]);
    *hashes = calloc(size + 1, sizeof(**hashes));
    assert_ok(db_query(t->db, &leaves, NULL, 0, &r, &e), e);
    while (rows_next(&r, &e)) {
        assert_true(f.size < size);
        merkle_leaf(&crypto_openssl, rows_blob(&r, 0), &(*hashes)[f.size]);
        merkle_append(&crypto_openssl, &f, &(*hashes)[f.size], NULL, NULL);
        merkle_root(&crypto_openssl, &f, &roots[f.size]);
    }
    assert_int_equal(f.size, size);
    return roots;
}

static void check_root(struct lab *t)
{
    struct merkle_hash root, *hashes;
    uint64_t size;
    tree_root(t->tree, &size, &root);
    struct merkle_hash *roots = roots_of(t, &hashes, size);
    assert_memory_equal(&roots[size], &root, sizeof(root));
    free(roots);
    free(hashes);
}

static void the_root_is_that_of_all_entries_also_after_rollback_and_restart(void **state)
{
    struct lab *t = *state;
    check_root(t);
    assert_true(lab_models(t, 0, 3, "{}", false));
    check_root(t);
    assert_false(lab_models(t, 1000, 600, "{}", true));
    assert_int_equal(tree_size(t->tree), 3);
    assert_true(lab_models(t, 3, 250, "{}", false));
    assert_false(lab_models(t, 1000, 5, "{}", true));
    assert_true(lab_models(t, 253, 3, "{}", false)); /* the first tile is full */
    check_root(t);
    assert_false(lab_models(t, 1000, 300, "{}", true));
    assert_true(lab_models(t, 256, 1000, "{}", false));
    check_root(t);
    lab_stop(t);
    lab_start(t);
    assert_int_equal(tree_size(t->tree), 1256);
    check_root(t);
    assert_true(lab_models(t, 1256, 30, "{}", false));
    check_root(t);
}

static void proofs_lead_to_the_root(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    struct merkle_hash *hashes, at;
    struct merkle_proof p;
    uint64_t size = tree_size(t->tree);
    struct merkle_hash *roots = roots_of(t, &hashes, size);
    for (uint64_t n = 1; n <= size; n += 37) {
        uint64_t i = (n * 7919) % n;
        assert_ok(tree_prove_inclusion(t->tree, t->db, i, n, &p, &e), e);
        assert_ok(merkle_verify_inclusion(&crypto_openssl, &hashes[i], i, n, merkle_proof_bytes(&p), &roots[n], &e), e);
        assert_ok(tree_prove_consistency(t->tree, t->db, n, size, &p, &e), e);
        assert_ok(
            merkle_verify_consistency(&crypto_openssl, n, &roots[n], size, &roots[size], merkle_proof_bytes(&p), &e),
            e);
        assert_ok(tree_root_at(t->tree, t->db, n, &at, &e), e);
        assert_memory_equal(&at, &roots[n], sizeof(at));
    }
    assert_err(tree_prove_inclusion(t->tree, t->db, size, size, &p, &e), e, ERR_PROOF);
    assert_err(tree_prove_inclusion(t->tree, t->db, 0, size + 1, &p, &e), e, ERR_PROOF);
    free(roots);
    free(hashes);
}

static void tiles_hold_the_hashes_and_the_entries(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    struct merkle_hash *hashes, h;
    uint64_t size = tree_size(t->tree); /* 1286: five full tiles and 6 hashes */
    struct merkle_hash *roots = roots_of(t, &hashes, size);
    static uint8_t buf[TILE_WIDTH * 512];
    static const struct {
        const char *path;
        size_t first, n;
    } rows[] = {{"tile/0/000", 0, 256},
                {"tile/0/004", 1024, 256},
                {"tile/0/005.p/6", 1280, 6},
                {"tile/0/005.p/2", 1280, 2},
                {"tile/0/001.p/255", 256, 255}};
    struct tile_path p;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct writer w = WRITER_ARRAY(buf);
        assert_true(tile_path_read(slice_str(rows[i].path), &p));
        assert_ok(tree_tile(t->tree, t->db, &p, &w, &e), e);
        assert_slice(writer_slice(&w), slice_of(&hashes[rows[i].first], rows[i].n * sizeof(*hashes)));
        w = WRITER_ARRAY(buf);
        p.entries = true;
        assert_ok(tree_tile(t->tree, t->db, &p, &w, &e), e);
        struct reader r = reader_of(writer_slice(&w));
        for (size_t k = 0; k < rows[i].n; k++) {
            merkle_leaf(&crypto_openssl, reader_take(&r, reader_u16(&r)), &h);
            assert_memory_equal(&h, &hashes[rows[i].first + k], sizeof(h));
        }
        assert_true(reader_end(&r));
    }
    struct writer w = WRITER_ARRAY(buf);
    assert_true(tile_path_read(slice_str("tile/1/000.p/5"), &p));
    assert_ok(tree_tile(t->tree, t->db, &p, &w, &e), e);
    assert_memory_equal(buf, &roots[256], sizeof(roots[256]));
    static const char *const absent[] = {"tile/0/005",     "tile/0/005.p/7",  "tile/0/006.p/1",       "tile/1/000.p/6",
                                         "tile/2/000.p/1", "tile/63/000.p/1", "tile/entries/x001/000"};
    for (size_t i = 0; i < ARRAY_LEN(absent); i++) {
        w = WRITER_ARRAY(buf);
        assert_true(tile_path_read(slice_str(absent[i]), &p));
        assert_err(tree_tile(t->tree, t->db, &p, &w, &e), e, ERR_TILE);
    }
    free(roots);
    free(hashes);
}

static void a_tile_has_one_path(void **state)
{
    (void)state;
    static const char *const good[] = {"tile/0/000", "tile/63/x001/x234/067", "tile/entries/999.p/1", "tile/1/x001/000",
                                       "tile/entries/x123/456.p/255"};
    static const char *const bad[] = {"",
                                      "tile/",
                                      "tile/64/000",
                                      "tile/00/000",
                                      "tile/0/00",
                                      "tile/0/0000",
                                      "tile/0/x000/000",
                                      "tile/0/x001",
                                      "tile/0/x001/",
                                      "tile/0/001/002",
                                      "tile/0/000.p/0",
                                      "tile/0/000.p/256",
                                      "tile/0/000.p/01",
                                      "tile/0/000.p/",
                                      "tile/0/000/",
                                      "tile/entries/000x",
                                      "tile/0/x001/x001/x001/x001/x001/x001/001",
                                      "/tile/0/000"};
    struct tile_path p;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char buf[64];
        struct writer w = WRITER_ARRAY(buf);
        assert_true(tile_path_read(slice_str(good[i]), &p));
        tile_path_write(&w, &p);
        assert_slice(writer_slice(&w), slice_str(good[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (tile_path_read(slice_str(bad[i]), &p))
            fail_msg("%s: accepted", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_that_of_all_entries_also_after_rollback_and_restart),
        cmocka_unit_test(proofs_lead_to_the_root),
        cmocka_unit_test(tiles_hold_the_hashes_and_the_entries),
        cmocka_unit_test(a_tile_has_one_path),
    };
    return cmocka_run_group_tests(tests, setup, lab_teardown);
}
