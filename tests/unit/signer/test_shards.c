/* Which shards stand in the heads of the feed. */
#include "../test.h"

#include "signer/shards.h"

static void a_shard_stands_in_heads_until_its_last_certificate_expires(void **state)
{
    (void)state;
    AUTO(shards_clear) struct shards s = {0};
    struct shard *shard = shards_need(&s, 1, 700);
    assert_non_null(shard);
    int64_t end = shard_end(700);
    assert_false(shard_is_live(shard, end - 86400)); /* it has none */
    shard->universe = 1;
    assert_true(shard_is_live(shard, end - 86400));
    assert_true(shard_is_live(shard, end));
    assert_false(shard_is_live(shard, end + 1));
    shard = shards_need(&s, 1, SHARD_NEVER);
    assert_non_null(shard);
    shard->universe = 1;
    assert_true(shard_is_live(shard, end + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_stands_in_heads_until_its_last_certificate_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
