#include "../test.h"

#include <stdlib.h>

#include "keys/crypto.h"
#include "signer/cover.h"
#include "signer/shards.h"
#include "store/entry.h"

static struct cover cover;

static void ref_of(unsigned n, uint8_t ref[SHA256_SIZE])
{
    uint8_t b[4] = {(uint8_t)n, (uint8_t)(n >> 8)};
    sha256(SLICE_ARRAY(b), ref);
}

static void leaf(struct cover *c, const uint8_t *ref, int64_t time)
{
    uint8_t bytes[ENTRY_LEAF_OURS];
    struct writer w = WRITER_ARRAY(bytes);
    struct err e;
    entry_put_leaf(&w, &(struct entry){.node = 1, .time_ms = time, .type = 1, .commitment = {7}, .ref = ref});
    assert_ok(cover_leaf(c, writer_slice(&w), &e), e);
}

static bool check(const struct cover *c, struct merkle_hash *root, struct err *e)
{
    merkle_root(&crypto_openssl, &c->tree, root);
    return cover_check(c, c->tree.size, root, e);
}

static void vouches_only_when_every_digest_has_its_entry(void **state)
{
    (void)state;
    struct err e;
    struct merkle_hash root;
    uint8_t ref[SHA256_SIZE];
    static const uint8_t zero[SHA256_SIZE];
    cover_init(&cover, &crypto_openssl);
    assert_err(cover_add(&cover, zero, &e), e, ERR_INTERNAL);
    for (unsigned i = 0; i < 3000; i++) {
        ref_of(i, ref);
        assert_ok(cover_add(&cover, ref, &e), e);
        assert_ok(cover_add(&cover, ref, &e), e); /* once is enough */
    }
    assert_int_equal(cover.open_n, 3000);
    for (unsigned i = 0; i < 3000; i++) {
        assert_err(check(&cover, &root, &e), e, ERR_UNCOVERED);
        ref_of(i * 7 % 3000, ref);
        assert_true(cover_has(&cover, ref));
        leaf(&cover, ref, i);
        leaf(&cover, i % 2 ? ref : NULL, i);
        assert_false(cover_has(&cover, ref));
    }
    assert_ok(check(&cover, &root, &e), e);
    root.b[5] ^= 1;
    assert_err(cover_check(&cover, cover.tree.size, &root, &e), e, ERR_PROOF);
    root.b[5] ^= 1;
    assert_err(cover_check(&cover, cover.tree.size - 1, &root, &e), e, ERR_PROOF);
    assert_err(cover_leaf(&cover, SLICE_LIT("\x80"), &e), e, ERR_LEDGER_ENTRY);
    cover_clear(&cover);
}

static void finds_a_tree_that_does_not_pass_through_what_was_vouched_for(void **state)
{
    (void)state;
    struct err e;
    struct merkle_hash root;
    uint8_t bytes[8192], ref[SHA256_SIZE];
    for (int forked = 0; forked < 2; forked++) {
        struct cover again;
        struct writer w = WRITER_ARRAY(bytes);
        cover_init(&cover, &crypto_openssl);
        ref_of(1, ref);
        assert_ok(cover_add(&cover, ref, &e), e);
        leaf(&cover, NULL, 1);
        cover_put(&w, &cover); /* the snapshot, then two more leaves, then vouching */
        leaf(&cover, ref, 2);
        leaf(&cover, NULL, 3);
        assert_ok(check(&cover, &root, &e), e);
        cover_init(&again, &crypto_openssl);
        struct reader r = reader_of(writer_slice(&w));
        assert_ok(cover_get(&r, &again, &e), e);
        assert_true(reader_end(&r));
        cover_vouched(&again, 3, &root); /* as the journal replays it */
        assert_int_equal(again.tree.size, 1);
        assert_true(cover_has(&again, ref));
        assert_err(check(&again, &root, &e), e, ERR_PROOF); /* not there yet */
        leaf(&again, ref, forked ? 9 : 2);
        leaf(&again, NULL, 3);
        if (forked)
            assert_err(check(&again, &root, &e), e, ERR_PROOF);
        else
            assert_ok(check(&again, &root, &e), e);
        leaf(&again, NULL, 4); /* and it stays so */
        assert_true(check(&again, &root, &e) == !forked);
        cover_clear(&cover);
        cover_clear(&again);
    }
}

static void keeps_bits_and_shards_in_order(void **state)
{
    (void)state;
    struct bits b = {0};
    struct shards s = {0};
    bool ok = true;
    static const uint32_t at[] = {0, 63, 64, 4095, 4096, 100000};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        assert_true(bits_set(&b, at[i], &ok));
        assert_false(bits_set(&b, at[i], &ok));
    }
    assert_int_equal(b.count, ARRAY_LEN(at));
    size_t n = 0;
    for (uint32_t i = bits_next(&b, 0); i != UINT32_MAX; i = bits_next(&b, i + 1))
        assert_int_equal(i, at[n++]);
    assert_int_equal(n, ARRAY_LEN(at));
    assert_true(bits_unset(&b, 64));
    assert_false(bits_unset(&b, 64));
    assert_false(bits_unset(&b, UINT32_MAX));
    assert_int_equal(bits_next(&b, 64), 4095);
    free(b.words);
    for (unsigned i = 0; i < 300; i++)
        assert_non_null(shards_need(&s, (uint8_t)(1 + i % 3), (uint16_t)(i * 7919)));
    for (size_t i = 1; i < s.n; i++)
        assert_true(s.v[i - 1].node < s.v[i].node ||
                    (s.v[i - 1].node == s.v[i].node && s.v[i - 1].number < s.v[i].number));
    assert_null(shards_find(&s, 9, 0));
    struct shard *x = shards_need(&s, 1, 100);
    assert_false(shard_is_live(x, 0)); /* no certificate */
    x->universe = 1;
    assert_true(shard_is_live(x, 101ll * SHARD_SPAN_S - 1));
    assert_false(shard_is_live(x, 101ll * SHARD_SPAN_S + 1));
    shards_clear(&s);
}

static int setup(void **state)
{
    (void)state;
    struct err e;
    return crypto_init(&e) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vouches_only_when_every_digest_has_its_entry),
        cmocka_unit_test(finds_a_tree_that_does_not_pass_through_what_was_vouched_for),
        cmocka_unit_test(keeps_bits_and_shards_in_order),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
