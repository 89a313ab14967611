#include "ledger_test.h"

#include "../mutate.h"
#include "base/rfc3339.h"
#include "ledger/entry_print.h"

#define NOW_MS INT64_C(1795445000500) /* 2026-11-23T14:43:20.5Z */

static bool set(struct entry_query *q, const char *name, const char *value, struct err *e)
{
    return entry_query_set(q, name, value, NOW_MS, e);
}

static int64_t ms(const char *text)
{
    int64_t v;
    assert_true(rfc3339_parse_ms(text, &v, NULL));
    return v;
}

/* ---- reading ---- */

static void every_parameter_is_read(void **state)
{
    (void)state;
    struct err e = {0};
    struct entry_query q;
    entry_query_init(&q);
    assert_int_equal(q.limit, 100);
    assert_ok(set(&q, "type", "cert.issued,alarm.raised,cert.issued", &e), e);
    assert_ok(set(&q, "type", "alarm.*", &e), e);
    assert_int_equal(q.types_n, 3); /* alarm.cleared came with the family */
    assert_int_equal(q.types[0], EVENT_CERT_ISSUED);
    assert_int_equal(q.types[1], EVENT_ALARM_RAISED);
    assert_int_equal(q.types[2], EVENT_ALARM_CLEARED);
    assert_ok(set(&q, "who", "operator:alice", &e) && set(&q, "subject", "gate-1", &e) && set(&q, "device", "SN 1", &e),
              e);
    assert_string_equal(q.who, "operator:alice");
    assert_string_equal(q.subject, "gate-1");
    assert_string_equal(q.device, "SN 1");
    assert_ok(set(&q, "from", "7", &e) && set(&q, "limit", "1000", &e) && set(&q, "order", "oldest", &e), e);
    assert_true(q.from == 7 && q.limit == 1000 && q.oldest_first);
}

static void times_are_instants_days_or_spans(void **state)
{
    (void)state;
    static const struct {
        const char *text, *is;
    } rows[] = {
        {"2026-11-23T11:00:00Z", "2026-11-23T11:00:00Z"},
        {"2026-11-23T11:00:00.250+01:00", "2026-11-23T10:00:00.250Z"},
        {"2026-02-28", "2026-02-28T00:00:00Z"},
        {"90s", "2026-11-23T14:41:50.5Z"},
        {"0s", "2026-11-23T14:43:20.5Z"},
        {"7d", "2026-11-16T14:43:20.5Z"},
        {"2w", "2026-11-09T14:43:20.5Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct entry_query q;
        entry_query_init(&q);
        assert_ok(set(&q, "since", rows[i].text, &e), e);
        assert_int_equal(q.since_ms, ms(rows[i].is));
        entry_query_init(&q);
        assert_ok(set(&q, "until", rows[i].text, &e), e);
        assert_int_equal(q.until_ms, ms(rows[i].is));
    }
}

static void refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *says, *hint;
    } rows[] = {
        {"type", "cert.isued", "cert.isued", "did you mean \"cert.issued\"?"},
        {"type", "", "no event \"\"", "type="},
        {"type", "cert.issued,", "no event \"\"", "type="},
        {"type", ".*", "no event", "type="},
        {"type", "nosuch.*", "no event", "type="},
        {"type", "cert*", "no event", "type="},
        {"type", "CERT.ISSUED", "no event", "type="},
        {"who", "", "is empty", "who"},
        {"subject", "", "is empty", "subject"},
        {"device", "", "is empty", "device"},
        {"who", "123456789012345678901234567890123456789012345678901234567890123456789012345678901", "too long", "who"},
        {"since", "yesterday", "is no time", "since=7d"},
        {"since", "7", "is no time", "since=7d"},
        {"since", "-7d", "is no time", "since=7d"},
        {"since", "", "is no time", "since=7d"},
        {"since", "2026-02-30", "is no time", "since=7d"},
        {"since", "2026-11-2x", "is no time", "since=7d"},
        {"since", "99999999999w", "is no time", "since=7d"},
        {"until", "9223372036854775807d", "is no time", "until=7d"},
        {"from", "-1", "is no number", "leave it out"},
        {"from", "9007199254740992", "is no number", "leave it out"},
        {"from", "1e3", "is no number", "leave it out"},
        {"from", "", "is no number", "leave it out"},
        {"limit", "0", "from 1 to 1000", "limit=1000"},
        {"limit", "1001", "from 1 to 1000", "limit=1000"},
        {"limit", " 5", "from 1 to 1000", "limit=1000"},
        {"limit", "99999999999999999999", "from 1 to 1000", "limit=1000"},
        {"order", "up", "is none", "order=newest"},
        {"limits", "5", "no parameter", "did you mean \"limit\"?"},
        {"", "5", "no parameter", "type, who"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct entry_query q;
        entry_query_init(&q);
        assert_err(set(&q, rows[i].name, rows[i].value, &e), e, ERR_USAGE);
        if (!strstr(e.what, rows[i].says) || !strstr(e.hint, rows[i].hint) || !e.why[0])
            fail_msg("%s=%s: %s / %s / %s", rows[i].name, rows[i].value, e.what, e.why, e.hint);
    }
}

static void refuses_a_parameter_that_comes_twice(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"who", "alice"}, {"subject", "alice"}, {"device", "SN"},    {"since", "2d"},
                                          {"until", "2d"},  {"from", "1"},        {"order", "newest"}, {"limit", "1"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct entry_query q;
        entry_query_init(&q);
        assert_ok(set(&q, rows[i][0], rows[i][1], &e), e);
        assert_err(set(&q, rows[i][0], rows[i][1], &e), e, ERR_USAGE);
        assert_non_null(strstr(e.what, "twice"));
    }
    struct err e = {0};
    struct entry_query q;
    entry_query_init(&q);
    assert_ok(set(&q, "until", "2026-01-01", &e), e);
    assert_err(set(&q, "since", "2026-01-01", &e), e, ERR_USAGE); /* an empty span */
}

/* ---- matching ---- */

struct sample {
    uint8_t bytes[512];
    struct entry_found f;
};

static void sample_init(struct sample *s, enum event_type type, int64_t time_ms, const char *const (*fields)[2])
{
    struct err e = {0};
    struct event_draft d = event_draft_of(type);
    uint8_t map[256];
    struct writer w = WRITER_ARRAY(map), p = WRITER_ARRAY(s->bytes);
    for (; (*fields)[0]; fields++)
        event_set_text(&d, (*fields)[0], (*fields)[1]);
    assert_ok(event_write(&d, &w, &e), e);
    cbor_put_array(&p, 2);
    writer_put(&p, writer_slice(&w));
    cbor_put_array(&p, 2);
    cbor_put_array(&p, 3);
    cbor_put_uint(&p, table_device.number);
    cbor_put_array(&p, 1);
    cbor_put_text(&p, "dev_1");
    cbor_put_bstr(&p, slice_of(s->bytes, SHA256_SIZE));
    cbor_put_array(&p, 3);
    cbor_put_uint(&p, 255);
    cbor_put_array(&p, 2);
    cbor_put_null(&p);
    cbor_put_int(&p, -1);
    cbor_put_null(&p);
    s->f = (struct entry_found){.seq = 9, .time_ms = time_ms, .type = type};
    assert_ok(entry_read_payload(writer_slice(&p), &s->f.payload, &e), e);
}

static const char *const state_fields[][2] = {{"who", "operator:alice"}, {"device", "dev_1"}, {"from", "active"},
                                              {"to", "revoked"},         {"why", "lost"},     {NULL, NULL}};
static const char *const operator_fields[][2] = {
    {"who", "local:0"}, {"operator", "bob"}, {"why", "left"}, {NULL, NULL}};
static const char *const gateway_fields[][2] = {
    {"who", "device:dev_2"}, {"gateway", "gate"}, {"why", "x"}, {NULL, NULL}};

static void each_filter_keeps_what_it_says(void **state)
{
    (void)state;
    struct sample s[3];
    sample_init(&s[0], EVENT_DEVICE_STATE, ms("2026-11-20T00:00:00Z"), state_fields);
    sample_init(&s[1], EVENT_OPERATOR_REMOVED, ms("2026-11-21T00:00:00Z"), operator_fields);
    sample_init(&s[2], EVENT_GATEWAY_REMOVED, ms("2026-11-22T00:00:00Z"), gateway_fields);
    static const struct {
        const char *name, *value;
        unsigned keeps; /* a bit for each sample */
    } rows[] = {
        {"type", "device.state", 1},
        {"type", "device.*,gateway.removed", 5},
        {"type", "cert.issued", 0},
        {"who", "operator:alice", 1},
        {"who", "alice", 1},
        {"who", "0", 2},
        {"who", "operator:bob", 0},
        {"who", "operator:", 0},
        {"device", "dev_1", 1},
        {"device", "dev_2", 4},
        {"device", "dev_", 0},
        {"subject", "bob", 2},
        {"subject", "gate", 4},
        {"subject", "alice", 1},
        {"subject", "operator:alice", 0},
        {"since", "2026-11-21", 6},
        {"until", "2026-11-21", 1},
        {"since", "1s", 0},
        {"order", "oldest", 7},
        {"limit", "1", 7},
        {"from", "100", 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct entry_query q;
        unsigned kept = 0;
        entry_query_init(&q);
        assert_ok(set(&q, rows[i].name, rows[i].value, &e), e);
        for (unsigned k = 0; k < ARRAY_LEN(s); k++)
            kept |= (unsigned)entry_query_matches(&q, &s[k].f) << k;
        if (kept != rows[i].keeps)
            fail_msg("%s=%s keeps %x, not %x", rows[i].name, rows[i].value, kept, rows[i].keeps);
    }
    struct err e = {0};
    struct entry_query q;
    entry_query_init(&q);
    assert_ok(set(&q, "type", "device.state", &e) && set(&q, "who", "bob", &e), e);
    assert_false(entry_query_matches(&q, &s[0].f));
}

/* It has a type and a time, and names nobody. */
static void an_erased_entry_is_found_by_type_and_time(void **state)
{
    (void)state;
    struct entry_found f = {
        .seq = 1, .time_ms = ms("2026-11-20T00:00:00Z"), .type = EVENT_DEVICE_STATE, .erased = true};
    static const struct {
        const char *name, *value;
        bool keeps;
    } rows[] = {{"type", "device.state", true}, {"since", "2026-11-20", true}, {"who", "alice", false},
                {"device", "dev_1", false},     {"subject", "x", false},       {"until", "2026-11-20", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        struct entry_query q;
        entry_query_init(&q);
        assert_ok(set(&q, rows[i].name, rows[i].value, &e), e);
        assert_int_equal(entry_query_matches(&q, &f), rows[i].keeps);
    }
}

/* ---- printing ---- */

static void is_printed_in_one_form(void **state)
{
    (void)state;
    struct sample s;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 4096);
    struct json_out o = json_out_of(&b);
    sample_init(&s, EVENT_DEVICE_STATE, ms("2026-11-20T00:00:00.999Z"), state_fields);
    entry_print_begin(&o, NULL, &s.f);
    json_out_int(&o, "more", 1);
    entry_print_end(&o, &s.f);
    assert_true(json_out_done(&o));
    assert_string_equal(buf_str(&b),
                        "{\"seq\":9,\"time\":\"2026-11-20T00:00:00Z\",\"type\":\"device.state\",\"fields\":{"
                        "\"who\":\"operator:alice\",\"device\":\"dev_1\",\"from\":\"active\",\"to\":\"revoked\","
                        "\"why\":\"lost\",\"more\":1},\"changes\":[{\"table\":\"device\",\"key\":[\"dev_1\"]},"
                        "{\"table\":\"table-255\",\"key\":[null,-1],\"removed\":true}]}");
    buf_reset(&b);
    o = json_out_of(&b);
    const struct entry_found erased = {.seq = 1, .type = 65000, .erased = true};
    entry_print_begin(&o, NULL, &erased);
    entry_print_end(&o, &erased);
    assert_string_equal(buf_str(&b),
                        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00Z\",\"type\":\"event-65000\",\"fields\":{},"
                        "\"changes\":[],\"erased\":true}");
}

static void set_any(struct slice variant, void *ctx)
{
    char text[64];
    struct err e = {0};
    struct entry_query q;
    if (variant.n >= sizeof text)
        return;
    memcpy(text, variant.p, variant.n);
    text[variant.n] = 0;
    entry_query_init(&q);
    if (!set(&q, ctx, text, &e))
        assert_true(e.code == ERR_USAGE && e.what[0] && e.why[0] && e.hint[0]);
}

static void any_text_is_read_or_refused(void **state)
{
    (void)state;
    static char *const rows[][2] = {{"type", "cert.issued,device.*"},
                                    {"since", "2026-11-23T11:00:00+01:00"},
                                    {"until", "7d"},
                                    {"from", "12345678"},
                                    {"limit", "100"},
                                    {"order", "oldest"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        mutate_each(slice_str(rows[i][1]), set_any, rows[i][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_parameter_is_read),        cmocka_unit_test(times_are_instants_days_or_spans),
        cmocka_unit_test(refuses_what_it_does_not_know),  cmocka_unit_test(refuses_a_parameter_that_comes_twice),
        cmocka_unit_test(each_filter_keeps_what_it_says), cmocka_unit_test(an_erased_entry_is_found_by_type_and_time),
        cmocka_unit_test(is_printed_in_one_form),         cmocka_unit_test(any_text_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
