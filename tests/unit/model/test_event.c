#include "../test.h"

#include <stdio.h>
#include <stdlib.h>

#include "../mutate.h"
#include "core/cbor.h"
#include "model/event.h"
#include "model/event_print.h"

static struct event_draft state_draft(void)
{
    struct event_draft d = event_draft_of(EVENT_DEVICE_STATE);
    event_set_text(&d, "who", "operator:alice");
    event_set_text(&d, "to", "suspended");
    event_set_text(&d, "why", "lost in the field");
    event_set_text(&d, "from", "active");
    event_set_text(&d, "device", "dev_01");
    return d;
}

static void writes_and_reads_an_event(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct err e = {0};
    struct slice s;
    struct event_draft d = state_draft(), back;
    event_set_int(&d, "decided_ms", -5);
    struct writer w = WRITER_ARRAY(buf);
    assert_ok(event_write(&d, &w, &e), e);
    assert_true(writer_done(&w, &s));
    assert_true(cbor_valid(s));
    assert_memory_equal(s.p,
                        "\xa6\x01\x6eoperator:alice\x02\x66"
                        "dev_01\x03\x66"
                        "active",
                        32);
    assert_ok(event_read(EVENT_DEVICE_STATE, s, &back, &e), e);
    assert_slice(event_get_text(EVENT_DEVICE_STATE, s, "why"), slice_str("lost in the field"));
    assert_slice(event_get_text(EVENT_DEVICE_STATE, s, "nothing"), (struct slice){0});

    uint8_t again[512];
    struct slice s2;
    struct writer w2 = WRITER_ARRAY(again);
    assert_ok(event_write(&back, &w2, &e), e);
    assert_true(writer_done(&w2, &s2));
    assert_slice(s2, s);
}

static void refuses_what_the_catalogue_does_not_have(void **state)
{
    (void)state;
    uint8_t buf[512];
    for (int i = 0; i < 7; i++) {
        struct err e = {0};
        struct event_draft d = state_draft();
        if (i == 0)
            d = event_draft_of((enum event_type)9999);
        if (i == 1)
            event_set_text(&d, "whom", "x");
        if (i == 2)
            event_set_int(&d, "who", 1);
        if (i == 3)
            event_set_text(&d, "who", "twice");
        if (i == 4)
            d.values[0].set = false;
        if (i == 5)
            event_set_int(&d, "decided_ms", 1), event_set_int(&d, "decided_ms", 2);
        if (i == 6)
            d = event_draft_of(EVENT_CERT_REVOKED);
        struct writer w = WRITER_ARRAY(buf);
        assert_err(event_write(&d, &w, &e), e, ERR_EVENT);
        assert_non_null(strstr(e.why, "events.md"));
    }
    struct err e = {0};
    struct event_draft d = state_draft();
    struct writer w = writer_of(buf, 20);
    assert_err(event_write(&d, &w, &e), e, ERR_LIMIT);
}

static void an_optional_field_may_be_left_out_by_null(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct err e = {0};
    struct event_draft d = event_draft_of(EVENT_DEVICE_TAGS);
    event_set_text(&d, "who", "local:root");
    event_set_text(&d, "device", "dev_01");
    event_set_text(&d, "from", NULL);
    event_set_text(&d, "to", "{}");
    struct writer w = WRITER_ARRAY(buf);
    assert_ok(event_write(&d, &w, &e), e);
    assert_int_equal(buf[0], 0xa3);
}

/* Numbers and names are in the ledgers of others: each once, ascending, of a shape that all tools take. */
static void the_catalogue_is_sound(void **state)
{
    (void)state;
    unsigned last = 0;
    const struct event_kind *k;
    for (size_t i = 0; (k = event_kind_at(i)); i++) {
        assert_true(k->type > last && k->type <= UINT16_MAX);
        last = k->type;
        assert_ptr_equal(event_kind_of(k->type), k);
        assert_ptr_equal(event_kind_from_name(slice_str(k->name)), k);
        assert_non_null(strchr(k->name, '.'));
        assert_string_equal(k->fields[0].name, "who");
        for (size_t f = 0; k->fields[f].type; f++) {
            assert_true(strlen(k->fields[f].name) < 24);
            assert_false(f == 0 && k->fields[f].optional);
            for (size_t g = 0; g < f; g++)
                assert_string_not_equal(k->fields[f].name, k->fields[g].name);
        }
        assert_null(strchr(k->help, '|'));
    }
}

static void take_variant(struct slice v, void *ctx)
{
    struct event_draft d;
    uint8_t buf[600];
    struct slice s;
    (void)ctx;
    if (!event_read(EVENT_DEVICE_STATE, v, &d, NULL))
        return;
    struct writer w = WRITER_ARRAY(buf);
    assert_true(event_write(&d, &w, NULL));
    assert_true(writer_done(&w, &s));
    assert_slice(s, v);
}

static void every_variant_is_refused_or_the_same(void **state)
{
    (void)state;
    uint8_t buf[512];
    struct slice s;
    struct event_draft d = state_draft();
    struct writer w = WRITER_ARRAY(buf);
    assert_true(event_write(&d, &w, NULL));
    assert_true(writer_done(&w, &s));
    mutate_each(s, take_variant, NULL);
}

static void prints_in_the_order_of_the_catalogue_and_what_it_does_not_know(void **state)
{
    (void)state;
    uint8_t buf[512], other[] = {0xa2, 0x01, 0x42, 0xab, 0x01, 0x18, 0x63, 0xf5};
    struct slice s;
    struct event_draft d = state_draft();
    struct writer w = WRITER_ARRAY(buf);
    assert_true(event_write(&d, &w, NULL));
    assert_true(writer_done(&w, &s));
    struct buf b;
    buf_init(&b, 4096);
    event_print_text(&b, EVENT_DEVICE_STATE, s);
    assert_string_equal(buf_str(&b), "device.state who=operator:alice device=dev_01 from=active to=suspended "
                                     "why=\"lost in the field\"");
    buf_reset(&b);
    event_print_text(&b, 9999, SLICE_ARRAY(other));
    assert_string_equal(buf_str(&b), "event-9999 1=ab01 99=yes");
    buf_reset(&b);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    event_print_json(&o, EVENT_DEVICE_STATE, s);
    json_out_end(&o);
    assert_true(json_out_done(&o));
    assert_string_equal(buf_str(&b), "{\"who\":\"operator:alice\",\"device\":\"dev_01\",\"from\":\"active\","
                                     "\"to\":\"suspended\",\"why\":\"lost in the field\"}");
    buf_clear(&b);
}

static char manual_text[65536];

static void the_manual_is_up_to_date(void **state)
{
    (void)state;
    static char file[65536];
    struct writer w = WRITER_ARRAY(manual_text);
    struct slice s;
    event_manual(&w);
    assert_true(writer_done(&w, &s));
    FILE *f = fopen(SOURCE_ROOT "/doc/spec/events.md", "rb");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof(file), f);
    fclose(f);
    if (!slice_eq(slice_of(file, n), s))
        fail_msg("doc/spec/events.md is behind: run this program with the argument `print` and put its output there");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "print") == 0) {
        struct writer w = WRITER_ARRAY(manual_text);
        event_manual(&w);
        fwrite(manual_text, 1, w.n, stdout);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_an_event),
        cmocka_unit_test(refuses_what_the_catalogue_does_not_have),
        cmocka_unit_test(an_optional_field_may_be_left_out_by_null),
        cmocka_unit_test(the_catalogue_is_sound),
        cmocka_unit_test(every_variant_is_refused_or_the_same),
        cmocka_unit_test(prints_in_the_order_of_the_catalogue_and_what_it_does_not_know),
        cmocka_unit_test(the_manual_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
