/* The second transaction of an issuance: what makes a certificate that was signed void, and what does not. */
#include <openssl/x509.h>

#include "../../gate/kit.h"
#include "../store/store_test.h"
#include "server/issuer.h"

#define NOW 1700000000

struct lab {
    struct kit kit;
    struct app app;
    struct commit *commit;
    struct issuance is;
    enum db_fault fault;
    unsigned fault_in; /* 0: none */
};

static bool enlist(struct tx *tx, const struct issuance *is, struct err *e)
{
    (void)tx, (void)is, (void)e;
    return true;
}

static void lab_open(struct lab *t, struct env_test *env, enum cert_subject kind)
{
    struct err e = {0};
    uint8_t *der;
    *t = (struct lab){.is = {.app = &t->app, .kind = kind, .authority = AUTHORITY_OPERATOR, .via = "api"}};
    kit_init(&t->kit, NOW, NOW + 90 * 86400);
    assert_ok(der_store_new(&t->app.ders, &e), e);
    X509 *x = kit_device(&t->kit, "ann", NULL, NULL);
    kit_der(x, &der, &t->is.der_n);
    memcpy(t->is.der, der, t->is.der_n);
    OPENSSL_free(der);
    X509_free(x);
    snprintf(t->is.subject, sizeof t->is.subject, "ann");
    snprintf(t->is.who, sizeof t->is.who, "operator:admin");
    snprintf(t->is.profile, sizeof t->is.profile, "operator");
    t->is.party = kind == CERT_OPERATOR ? &table_operator : NULL;
    t->is.enlist = enlist;
    t->commit = test_start(env);
}

static void lab_close(struct lab *t)
{
    commit_stop(t->commit);
    der_store_free(t->app.ders);
    kit_clear(&t->kit);
}

static bool run_store(struct tx *tx, void *arg, struct err *e)
{
    struct lab *t = arg;
    db_test_fault(tx_db(tx), t->fault_in, t->fault);
    bool ok = issue_store(tx, &t->is, e);
    db_test_fault(tx_db(tx), 0, t->fault);
    return ok;
}

static bool add_operator(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[OPERATOR_COLS] = {[OPERATOR_NAME] = value_text("ann"),
                                              [OPERATOR_ROLE] = value_text("admin"),
                                              [OPERATOR_ADDED_AT] = value_int(NOW)};
    struct change change = {.table = &table_operator, .cols = cols};
    (void)arg;
    return tx_record(tx, &(struct event){.type = 7}, &change, 1, NULL, e);
}

static void a_name_that_was_taken_meanwhile_makes_it_void(void **state)
{
    struct env_test *env = *state;
    struct lab t;
    struct err e = {0};
    lab_open(&t, env, CERT_OPERATOR);
    assert_ok(test_do(t.commit, add_operator, NULL, &e), e);
    assert_ok(test_do(t.commit, run_store, &t, &e), e);
    assert_int_equal(t.is.voided.code, ERR_CONFLICT);
    assert_int_equal(test_count(env->where, "certificate WHERE revoked_at IS NOT NULL"), 1);
    lab_close(&t);
}

/* Nobody knows then whether it may be: it is not entered, and neither good nor revoked. */
static void a_database_that_cannot_be_read_makes_nothing_void(void **state)
{
    static const struct {
        enum cert_subject kind;
        enum db_fault fault;
        enum err_code code;
    } rows[] = {
        {CERT_OPERATOR, DB_FAULT_FAIL, ERR_STORE},
        {CERT_OPERATOR, DB_FAULT_CONFLICT, ERR_STORE_CONFLICT},
        {CERT_DEVICE, DB_FAULT_FAIL, ERR_STORE},
        {CERT_DEVICE, DB_FAULT_CONFLICT, ERR_STORE_CONFLICT},
    };
    struct env_test *env = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct lab t;
        struct err e = {0};
        lab_open(&t, env, rows[i].kind);
        t.fault = rows[i].fault;
        t.fault_in = 1;
        assert_err(test_do(t.commit, run_store, &t, &e), e, rows[i].code);
        assert_int_equal(test_count(env->where, "certificate"), 0);
        lab_close(&t);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)
    const struct CMUnitTest tests[] = {
        T(a_name_that_was_taken_meanwhile_makes_it_void),
        T(a_database_that_cannot_be_read_makes_nothing_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
