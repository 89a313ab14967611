#include "../test.h"

#include "model/feed.h"
#include "model/topics.h"

static void patterns_match_topics_as_mqtt_says(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *topic;
        bool want;
    } rows[] = {
        {"a/b", "a/b", true},     {"a/b", "a", false},       {"a", "a/b", false},
        {"a/+", "a/b", true},     {"a/+", "a", false},       {"a/+", "a/", true},
        {"a/+/c", "a/b/c", true}, {"a/+/c", "a/b/d", false}, {"a/#", "a", true},
        {"a/#", "a/b/c", true},   {"a/#", "ab", false},      {"#", "a/b", true},
        {"#", "$SYS/x", false},   {"+/x", "$SYS/x", false},  {"$SYS/#", "$SYS/x", true},
        {"a/b", "a/+", false}, /* a wildcard in a topic */
        {"a/#", "a/#", false},    {"a", "", false},          {"/", "/", true},
        {"/a", "a", false},       {"a/b", "A/b", false},     {"a/#", "a/b\x01", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (topic_matches(slice_str(rows[i].pattern), slice_str(rows[i].topic)) != rows[i].want)
            fail_msg("%s, %s", rows[i].pattern, rows[i].topic);
}

static void filters_must_be_covered_whole(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *filter;
        bool want;
    } rows[] = {
        {"c/d1/#", "#", false},
        {"c/d1/#", "+/d1/#", false},
        {"c/d1/#", "c/#", false},
        {"c/d1/#", "c/+/x", false},
        {"c/d1/#", "c/d1/#", true},
        {"c/d1/#", "c/d1", true},
        {"c/d1/#", "c/d1/+/x", true},
        {"c/d1/#", "c/d1/+/#", true},
        {"c/d1/#", "c/d12/#", false},
        {"c/+", "c/+", true},
        {"c/+", "c/#", false},
        {"c/+", "c/x", true},
        {"c/+", "c/+/+", false},
        {"c/+/#", "c/#", false}, /* would give c itself */
        {"c/d1", "c/+", false},
        {"#", "#", true},
        {"#", "$SYS/#", false},
        {"+/+", "$SYS/x", false},
        {"#", "$share/g/c/d1", false},
        {"$share/g/#", "$share/g/c", true},
        {"c/#", "c/a#", false}, /* not filters */
        {"c/#", "c/#/x", false},
        {"c/#", "c/a+/x", false},
        {"c/#", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (topic_covers(slice_str(rows[i].pattern), slice_str(rows[i].filter)) != rows[i].want)
            fail_msg("%s, %s", rows[i].pattern, rows[i].filter);
}

static struct slice tags_of(uint8_t *mem, size_t cap, const char *name, const char *value)
{
    struct writer w = writer_of(mem, cap);
    cbor_put_map(&w, 1);
    cbor_put_text(&w, name);
    cbor_put_text(&w, value);
    return writer_slice(&w);
}

static void policy_speaks_of_the_device_its_model_and_tags(void **state)
{
    (void)state;
    static const char text[] = "# comment\n"
                               "\n"
                               "publish t/%i/#\n"
                               "subscribe c/%i/+/set\r\n"
                               "both site/%{tag:line}/%m\n"
                               "publish only/model model=m1\n"
                               "publish only/tag tag:line=a7\n"
                               "publish per%%cent\n";
    static const struct {
        const char *line, *model, *topic;
        enum gate_right right;
        bool want;
    } rows[] = {
        {"a7", "m1", "t/dev_1/x", GATE_PUBLISH, true},
        {"a7", "m1", "t/dev_2/x", GATE_PUBLISH, false},
        {"a7", "m1", "t/dev_1/x", GATE_SUBSCRIBE, false},
        {"a7", "m1", "c/dev_1/v/set", GATE_SUBSCRIBE, true},
        {"a7", "m1", "c/dev_1/+/set", GATE_SUBSCRIBE, true},
        {"a7", "m1", "c/dev_1/#", GATE_SUBSCRIBE, false},
        {"a7", "m1", "#", GATE_SUBSCRIBE, false},
        {"a7", "m1", "c/dev_1/v/set", GATE_READ, true},
        {"a7", "m1", "c/dev_2/v/set", GATE_READ, false},
        {"a7", "m1", "c/dev_1/v/set", GATE_PUBLISH, false},
        {"a7", "m1", "site/a7/m1", GATE_PUBLISH, true},
        {"a8", "m1", "site/a7/m1", GATE_PUBLISH, false},
        {"+", "m1", "site/a7/m1", GATE_READ, false}, /* a tag with a wildcard gives nothing */
        {"#", "m1", "site/#", GATE_SUBSCRIBE, false},
        {"+", "m1", "site/+/m1", GATE_SUBSCRIBE, false},
        {"a/b", "m1", "site/a/b/m1", GATE_PUBLISH, false},
        {"", "m1", "site//m1", GATE_PUBLISH, false},
        {"a7", "", "site/a7/", GATE_PUBLISH, false},
        {"a7", "m1", "only/model", GATE_PUBLISH, true},
        {"a7", "m2", "only/model", GATE_PUBLISH, false},
        {"a7", "m1", "only/tag", GATE_PUBLISH, true},
        {"a8", "m1", "only/tag", GATE_PUBLISH, false},
        {"a7", "m1", "per%cent", GATE_PUBLISH, true},
    };
    struct err e = {0};
    struct topics *t;
    assert_ok(topics_read(slice_str(text), &t, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t mem[64];
        const struct topics_who who = {SLICE_LIT("dev_1"), slice_str(rows[i].model),
                                       tags_of(mem, sizeof mem, "line", rows[i].line)};
        if (topics_may(t, &who, slice_str(rows[i].topic), rows[i].right, &e) != rows[i].want)
            fail_msg("row %zu: %s", i, rows[i].topic);
    }
    topics_free(t);
}

static void refuses_policies_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "allow a\n",    "publish\n",        "publish a/#/b\n",      "publish a+\n",      "publish %x\n",
        "publish a%\n", "publish %{tag:\n", "publish a nonsense\n", "publish a tag:x\n", "publish %{tag:}\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e = {0};
        struct topics *t;
        if (topics_read(slice_str(texts[i]), &t, &e))
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(e.code, ERR_CONFIG);
    }
}

static void allows_nothing_without_a_policy(void **state)
{
    (void)state;
    struct err e = {0};
    const struct topics_who who = {SLICE_LIT("dev_1"), {0}, {0}};
    assert_err(topics_may(NULL, &who, SLICE_LIT("a"), GATE_PUBLISH, &e), e, ERR_GATE_TOPIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_topics_as_mqtt_says),
        cmocka_unit_test(filters_must_be_covered_whole),
        cmocka_unit_test(policy_speaks_of_the_device_its_model_and_tags),
        cmocka_unit_test(refuses_policies_it_does_not_understand),
        cmocka_unit_test(allows_nothing_without_a_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
