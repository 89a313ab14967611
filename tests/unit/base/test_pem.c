#include "../mutate.h"
#include "../test.h"
#include "base/pem.h"

#define DER_MAX 65536

static void comes_back_from_its_own_pem(void **state)
{
    (void)state;
    uint8_t der[300];
    AUTO(buf_clear) struct buf text, back;
    struct err e = {0};
    bool found;
    for (size_t i = 0; i < sizeof der; i++)
        der[i] = (uint8_t)(i * 7);
    buf_init(&text, DER_MAX);
    buf_init(&back, DER_MAX);
    buf_put_str(&text, "Received: now\n");
    for (size_t n = 0; n <= sizeof der; n += 50) {
        pem_put(&text, PEM_CERT, slice_of(der, n));
        pem_put(&text, PEM_CRL, SLICE_LIT("between"));
    }
    struct slice left = buf_slice(&text);
    for (size_t n = 0; n <= sizeof der; n += 50) {
        buf_reset(&back);
        assert_ok(pem_next_of(&left, PEM_CERT, &back, &found, &e), e);
        assert_true(found);
        assert_slice(buf_slice(&back), slice_of(der, n));
    }
    assert_ok(pem_next_of(&left, PEM_CERT, &back, &found, &e), e);
    assert_false(found);
}

static void tells_block_and_surroundings_apart(void **state)
{
    (void)state;
    static const char cert[] = "-----BEGIN CERTIFICATE-----QUJD-----END CERTIFICATE-----";
    struct slice text = SLICE_LIT("a note\n-----BEGIN CERTIFICATE-----QUJD-----END CERTIFICATE-----\nthe end");
    struct pem_block b;
    struct err e = {0};
    bool found;
    AUTO(buf_clear) struct buf der;
    buf_init(&der, 3); /* no more than there is */
    assert_ok(pem_next(&text, &b, &found, &e), e);
    assert_true(found && pem_is(&b, PEM_CERT) && !pem_is(&b, PEM_CSR));
    assert_slice(b.before, SLICE_LIT("a note\n"));
    assert_slice(b.whole, slice_str(cert));
    assert_ok(pem_decode(&b, &der, &e), e);
    assert_slice(buf_slice(&der), SLICE_LIT("ABC"));
    assert_err(pem_decode(&b, &der, &e), e, ERR_TOO_BIG);
    assert_ok(pem_next(&text, &b, &found, &e), e);
    assert_false(found);
    assert_slice(b.before, SLICE_LIT("\nthe end"));
}

static void refuses_what_is_cut_or_none(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err_code code;
    } table[] = {
        {"", ERR_SYNTAX},
        {"QUJD", ERR_SYNTAX},
        {"-----BEGIN X509 CRL-----\nQUJD\n-----END X509 CRL-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nQUJD\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nQUJD\n-----END X509 CRL-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nQUJD\n-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
         ERR_SYNTAX},
        /* What is cut is an error also where another label is wanted. */
        {"-----BEGIN X509 CRL-----\nQUJD\n-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", ERR_SYNTAX},
        {"-----BEGIN CERTIFICATE-----\nQ!JD\n-----END CERTIFICATE-----\n", ERR_ENCODING},
        {"-----BEGIN CERTIFICATE-----\nQUJDRA\n-----END CERTIFICATE-----\n", ERR_ENCODING},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err e = {0};
        AUTO(buf_clear) struct buf der;
        buf_init(&der, DER_MAX);
        assert_err(pem_get(slice_str(table[i].text), PEM_CERT, &der, &e), e, table[i].code);
        assert_int_equal(der.n, 0);
    }
}

static void takes_der_where_it_may(void **state)
{
    (void)state;
    struct err e = {0};
    AUTO(buf_clear) struct buf der;
    buf_init(&der, DER_MAX);
    assert_ok(pem_or_der_get(SLICE_LIT("\x30\x01x"), PEM_CERT, &der, &e), e);
    assert_slice(buf_slice(&der), SLICE_LIT("\x30\x01x"));
    buf_reset(&der);
    assert_ok(pem_or_der_get(SLICE_LIT("-----BEGIN CERTIFICATE-----QUJD-----END CERTIFICATE-----"), PEM_CERT, &der, &e),
              e);
    assert_slice(buf_slice(&der), SLICE_LIT("ABC"));
    assert_false(pem_is_der((struct slice){0}));
}

static void read_all(struct slice text, void *ctx)
{
    (void)ctx;
    struct err e;
    bool found = true;
    AUTO(buf_clear) struct buf der;
    buf_init(&der, DER_MAX);
    for (int i = 0; found && i < 20; i++)
        if (!pem_next_of(&text, PEM_CERT, &der, &found, &e))
            break;
}

static void never_reads_outside_of_what_is_spoilt(void **state)
{
    (void)state;
    AUTO(buf_clear) struct buf text;
    buf_init(&text, DER_MAX);
    pem_put(&text, PEM_CERT,
            SLICE_LIT("some bytes that are none of a certificate, but of more than one line of base64"));
    pem_put(&text, PEM_CRL, SLICE_LIT("x"));
    pem_put(&text, PEM_CERT, SLICE_LIT("y"));
    mutate_each(buf_slice(&text), read_all, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_from_its_own_pem),           cmocka_unit_test(tells_block_and_surroundings_apart),
        cmocka_unit_test(refuses_what_is_cut_or_none),           cmocka_unit_test(takes_der_where_it_may),
        cmocka_unit_test(never_reads_outside_of_what_is_spoilt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
