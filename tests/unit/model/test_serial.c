#include "../test.h"
#include "model/crl_place.h"
#include "model/serial.h"

static void comes_back_from_its_bytes_and_from_its_id(void **state)
{
    (void)state;
    struct err e;
    struct serial s = {
        .issuer = ISSUER_ISSUING, .node = 0x7f, .shard = SHARD_NEVER, .index = 0xffffffff, .tail = {1, 2, 3}};
    uint8_t bytes[SERIAL_SIZE];
    serial_put(&s, bytes);
    struct serial back;
    assert_ok(serial_get(SLICE_ARRAY(bytes), ISSUER_ISSUING, &back, &e), e);
    assert_memory_equal(&back, &s, sizeof s);
    int64_t id = serial_cert_id(&s);
    assert_true(id > 0);
    back = serial_of_cert_id(id);
    memcpy(back.tail, s.tail, sizeof s.tail);
    assert_memory_equal(&back, &s, sizeof s);
    uint8_t row[SERIAL_SIZE];
    assert_true(serial_of_row(id, SLICE_ARRAY(s.tail), row));
    assert_memory_equal(row, bytes, sizeof row);
    assert_false(serial_of_row(id, slice_of(s.tail, 7), row));
}

static void refuses_what_no_node_of_ours_gives_out(void **state)
{
    (void)state;
    struct err e;
    struct serial s;
    uint8_t bytes[SERIAL_SIZE + 1] = {0x01};
    assert_err(serial_get(slice_of(bytes, SERIAL_SIZE - 1), ISSUER_ISSUING, &s, &e), e, ERR_SERIAL);
    assert_err(serial_get(slice_of(bytes, SERIAL_SIZE + 1), ISSUER_ISSUING, &s, &e), e, ERR_SERIAL);
    bytes[0] = 0x80;
    assert_err(serial_get(slice_of(bytes, SERIAL_SIZE), ISSUER_ISSUING, &s, &e), e, ERR_SERIAL);
    bytes[0] = 0;
    assert_err(serial_get(slice_of(bytes, SERIAL_SIZE), ISSUER_ISSUING, &s, &e), e, ERR_SERIAL);
}

static void keeps_what_expires_together_in_one_shard(void **state)
{
    (void)state;
    assert_int_equal(shard_of(0), 0);
    assert_int_equal(shard_of(SHARD_SPAN_S - 1), 0);
    assert_int_equal(shard_of(SHARD_SPAN_S), 1);
    assert_int_equal(shard_of(TIME_NEVER), SHARD_NEVER);
    assert_true(shard_end(shard_of(1800000000)) >= 1800000000);
    assert_true(shard_end(SHARD_NEVER) == TIME_NEVER);
}

static void names_the_list_of_a_shard_in_one_form(void **state)
{
    (void)state;
    static const char *const others[] = {"",
                                         "root.crl",
                                         "issuing-",
                                         "issuing-01-",
                                         "issuing-1-02e9.crl",
                                         "issuing-01-02E9.crl",
                                         "issuing-01-02e9.crl ",
                                         "issuing-01-02e9",
                                         "issuing- 1-02e9.crl",
                                         "issuing-101-02e9.crl",
                                         "issuing-01-+2e9.crl",
                                         "Issuing-01-02e9.crl"};
    uint8_t url[CRL_URL_MAX], node;
    uint16_t shard;
    struct writer w = WRITER_ARRAY(url);
    crl_url_put(&w, "http://kith.example", 0x7f, 0x02e9);
    assert_slice(writer_slice(&w), SLICE_LIT("http://kith.example/crl/issuing-7f-02e9.crl"));
    assert_true(crl_name_get("issuing-7f-02e9.crl", &node, &shard) && node == 0x7f && shard == 0x02e9);
    assert_true(crl_name_get("issuing-01-ffff.crl", &node, &shard) && node == 1 && shard == SHARD_NEVER);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(crl_name_get(others[i], &node, &shard));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_from_its_bytes_and_from_its_id),
        cmocka_unit_test(refuses_what_no_node_of_ours_gives_out),
        cmocka_unit_test(keeps_what_expires_together_in_one_shard),
        cmocka_unit_test(names_the_list_of_a_shard_in_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
