/* Certificates in the table, with stand-ins for DER: bytes of which two thirds are common. */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keys/crypto.h"
#include "server/der_store.h"
#include "store/commit.h"
#include "store/db_ops.h"
#include "store/tables.h"

#define DER_SIZE 540
#define SPKI_N   91

struct lab {
    char dir[64], where[128];
    struct commit *commit;
    struct db *db;
    struct der_store *store;
};

static int64_t now_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static bool give_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return random_bytes(p, n, NULL);
}

static void lab_open(struct lab *t)
{
    struct err e = {0};
    assert_ok(der_store_new(&t->store, &e), e);
}

static int setup(void **state)
{
    struct lab *t = calloc(1, sizeof *t);
    struct err e = {0};
    assert_non_null(t);
    assert_ok(crypto_init(&e), e);
    snprintf(t->dir, sizeof t->dir, "/tmp/kith-der-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->where, sizeof t->where, "sqlite:%s/kith.db", t->dir);
    const struct commit_config cfg = {.where = t->where,
                                      .node = 1,
                                      .origin = "kith.example/log/01",
                                      .crypto = &crypto_openssl,
                                      .now_ms = now_ms,
                                      .random = give_random};
    assert_ok(commit_start(&cfg, &t->commit, &e), e);
    assert_ok(db_open(t->where, false, &t->db, &e), e);
    lab_open(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct lab *t = *state;
    char cmd[96];
    der_store_free(t->store);
    db_free(t->db);
    commit_stop(t->commit);
    snprintf(cmd, sizeof cmd, "rm -rf %s", t->dir);
    assert_int_equal(system(cmd), 0);
    free(t);
    return 0;
}

static struct slice der_of(unsigned number, uint8_t buf[DER_SIZE])
{
    uint32_t seed = number;
    for (size_t i = 0; i < DER_SIZE; i++) {
        seed = seed * 1103515245u + 12345u;
        buf[i] = i % 27 < 18 ? (uint8_t)(i * 31 + i / 7) : (uint8_t)(seed >> 16);
    }
    return slice_of(buf, DER_SIZE);
}

struct put_job {
    struct job job;
    struct der_store *store;
    int64_t id;
    const char *profile;
    struct slice der;
    bool plain;
    size_t n;
};

static bool put_run(struct tx *tx, struct job *job, struct err *e)
{
    struct put_job *j = (struct put_job *)job;
    uint8_t buf[DER_STORE_MAX];
    struct value cols[CERTIFICATE_COLS] = {
        [CERTIFICATE_ID] = value_int(j->id),
        [CERTIFICATE_TAIL] = value_blob(SLICE_LIT("12345678")),
        [CERTIFICATE_SUBJECT_KIND] = value_int(CERT_DEVICE),
        [CERTIFICATE_PROFILE] = value_text(j->profile),
        [CERTIFICATE_SPKI] = value_blob(SLICE_LIT("key")),
        [CERTIFICATE_NOT_BEFORE] = value_int(1),
        [CERTIFICATE_NOT_AFTER] = value_int(2),
        [CERTIFICATE_HOLD] = value_int(0),
        [CERTIFICATE_ISSUED_AT] = value_int(1),
    };
    der_store_pack(j->store, j->profile, SPKI_N, j->der, buf, &cols[CERTIFICATE_BASE], &cols[CERTIFICATE_DER]);
    j->plain = cols[CERTIFICATE_BASE].type == VALUE_NULL;
    j->n = cols[CERTIFICATE_DER].s.n;
    const struct change change = {.table = &table_certificate, .cols = cols};
    return tx_record(tx, &(struct event){.type = 80}, &change, 1, NULL, e);
}

/* As an issuance does: pack, commit, and then offer what was stored as it is.  Gives the bytes that it took. */
static size_t put(struct lab *t, int64_t id, const char *profile, struct slice der)
{
    struct put_job j = {.job = {.run = put_run}, .store = t->store, .id = id, .profile = profile, .der = der};
    struct err e = {0};
    assert_ok(commit_run(t->commit, &j.job, &e), e);
    if (j.plain) {
        assert_int_equal(j.n, der.n);
        der_store_offer(t->store, profile, SPKI_N, id, der);
    }
    return j.n;
}

static bool get(struct lab *t, int64_t id, uint8_t *out, size_t *n, struct err *e)
{
    static const struct sql q = {"SELECT base, der FROM certificate WHERE id = $1"};
    AUTO(rows_close) struct rows r = {0};
    const struct value key = value_int(id);
    assert_ok(db_query_row(t->db, &q, &key, 1, &r, e), *e);
    return der_store_unpack(t->store, t->db, &r, 0, 1, out, n, e);
}

static void the_first_is_stored_as_it_is_and_the_others_lean_on_it(void **state)
{
    struct lab *t = *state;
    uint8_t buf[DER_SIZE], out[DER_STORE_MAX];
    size_t n;
    assert_int_equal(put(t, 1, "ldevid", der_of(1, buf)), DER_SIZE);
    for (unsigned i = 2; i < 40; i++)
        assert_true(put(t, i, "ldevid", der_of(i, buf)) < DER_SIZE / 2);
    assert_int_equal(put(t, 100, "gateway", der_of(100, buf)), DER_SIZE); /* another profile begins anew */
    for (int restart = 0; restart < 2; restart++) {
        for (unsigned i = 1; i < 40; i++) {
            struct err e = {0};
            assert_ok(get(t, i, out, &n, &e), e);
            assert_slice(slice_of(out, n), der_of(i, buf));
        }
        der_store_free(t->store);
        lab_open(t);
    }
    assert_int_equal(put(t, 40, "ldevid", der_of(40, buf)), DER_SIZE); /* one base for each start */
}

static void what_is_not_alike_is_the_next_base(void **state)
{
    struct lab *t = *state;
    uint8_t buf[DER_SIZE], odd[900];
    assert_int_equal(put(t, 1, "ldevid", der_of(1, buf)), DER_SIZE);
    assert_true(random_bytes(odd, sizeof odd, NULL));
    assert_int_equal(put(t, 2, "ldevid", SLICE_ARRAY(odd)), sizeof odd);
    odd[5] ^= 1;
    assert_true(put(t, 3, "ldevid", SLICE_ARRAY(odd)) < 60);
}

static bool damage(struct tx *tx, struct job *job, struct err *e)
{
    static const struct sql flip = {"UPDATE certificate SET base = 77 WHERE id = 2"},
                            cut = {"UPDATE certificate SET der = $1 WHERE id = 3"};
    const struct value garbage = value_blob(SLICE_LIT("\x60\x00garbage"));
    (void)job;
    return db_exec(tx_db(tx), &flip, NULL, 0, e) && db_exec(tx_db(tx), &cut, &garbage, 1, e);
}

static void a_damaged_row_or_a_base_that_is_gone_is_refused(void **state)
{
    struct lab *t = *state;
    uint8_t buf[DER_SIZE], out[DER_STORE_MAX];
    struct job j = {.run = damage};
    struct err e = {0};
    size_t n;
    for (unsigned i = 1; i < 5; i++)
        put(t, i, "ldevid", der_of(i, buf));
    assert_ok(commit_run(t->commit, &j, &e), e);
    assert_err(get(t, 2, out, &n, &e), e, ERR_CERT);
    assert_err(get(t, 3, out, &n, &e), e, ERR_SYNTAX);
    assert_ok(get(t, 4, out, &n, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_is_stored_as_it_is_and_the_others_lean_on_it, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_alike_is_the_next_base, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_row_or_a_base_that_is_gone_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
