/* What is erased, and what says so; on SQLite and, with STORE_TEST_PG, on PostgreSQL. */
#include "either.h"
#include "found.h"

#include "ledger/erase.h"
#include "ledger/export.h"

static struct verify_report report;

/* Models 0 to 9, then 4 once more: entry 4 has a newer one, 10. */
static int setup(void **state)
{
    struct lab *t = lab_new_either();
    assert_true(lab_models(t, 0, 10, "{}", false) && lab_models(t, 4, 1, "{\"a\":1}", false));
    *state = t;
    return 0;
}

struct erase_job {
    struct job job;
    uint64_t seq;
};

static bool erase_run(struct tx *tx, struct job *job, struct err *e)
{
    return erase_entry(tx, ((struct erase_job *)job)->seq, "operator:alice", "asked for", e);
}

static bool erase(struct lab *t, uint64_t seq, struct err *e)
{
    struct erase_job j = {{.run = erase_run}, seq};
    return commit_run(t->commit, &j.job, e);
}

static void erase_by_hand(struct lab *t, uint64_t seq)
{
    char sql[128];
    snprintf(sql, sizeof(sql), "UPDATE entry SET salt = NULL, payload = NULL WHERE pos = %lld",
             (long long)entry_pos(1, seq));
    by_hand(t, sql);
}

static void verify(struct lab *t, struct found *f)
{
    struct err e = {0};
    struct verify_opts o = found_opts(t, f);
    o.keys_n = 0; /* no checkpoints here */
    assert_ok(verify_database(t->db, 1, &o, &report, &e), e);
    assert_int_equal(report.findings, f->n);
}

static void an_erased_entry_is_counted_and_its_proofs_hold(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    struct merkle_hash root;
    uint64_t size;
    assert_ok(erase(t, 4, &e), e);
    verify(t, &f);
    if (f.n)
        fail_msg("%s", f.text);
    tree_root(t->tree, &size, &root);
    assert_int_equal(report.erased, 1);
    assert_int_equal(report.entries, 12);
    assert_memory_equal(&report.root, &root, sizeof(root));
}

static void what_must_not_be_erased_is_refused(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    assert_err(erase(t, 11, &e), e, ERR_NOTFOUND);
    assert_ok(erase(t, 4, &e), e);
    assert_err(erase(t, 4, &e), e, ERR_CONFLICT);
    assert_err(erase(t, 11, &e), e, ERR_POLICY);
    verify(t, &f);
    assert_int_equal(f.n, 0);
    assert_int_equal(report.entries, 12);
}

/* Erasing is for what has a newer entry: it does not cover up a row that was put there, or changed. */
static void an_erased_last_entry_leaves_its_row_named(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    assert_ok(erase(t, 7, &e), e);
    verify(t, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_ROW_UNKNOWN);
    assert_string_equal(f.key, "model-000007");
    assert_ok(erase(t, 10, &e), e);
    verify(t, &f);
    assert_int_equal(f.n, 2);
    assert_true(f.kinds == (1u << FINDING_ROW_UNKNOWN | 1u << FINDING_ROW_EDITED));
}

static void an_entry_that_was_erased_by_hand_is_named(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    erase_by_hand(t, 4);
    verify(t, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_ERASURE);
    assert_int_equal(f.seq, 4);
    assert_int_equal(report.erased, 1);
    assert_err(erase(t, 4, &e), e, ERR_CONFLICT); /* nobody can make it good afterwards */
}

static void the_entry_that_says_it_cannot_be_erased_by_hand(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    assert_ok(erase(t, 4, &e), e);
    erase_by_hand(t, 11);
    verify(t, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.first, FINDING_ERASURE);
    assert_int_equal(f.seq, 4);
}

static void what_was_erased_and_put_back_is_named(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    by_hand(t, "CREATE TABLE kept AS SELECT * FROM entry");
    assert_ok(erase(t, 4, &e), e);
    by_hand(t, "UPDATE entry SET salt = (SELECT salt FROM kept k WHERE k.pos = entry.pos), payload = (SELECT payload "
               "FROM kept k WHERE k.pos = entry.pos) WHERE salt IS NULL");
    by_hand(t, "DROP TABLE kept");
    verify(t, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_ERASURE);
    assert_int_equal(f.seq, 11);
}

struct file {
    uint8_t bytes[1 << 16];
    size_t n, at;
};

static bool file_write(void *ctx, struct slice s, struct err *e)
{
    struct file *f = ctx;
    if (s.n > sizeof(f->bytes) - f->n)
        return err_set(e, ERR_LIMIT, "too long");
    memcpy(f->bytes + f->n, s.p, s.n);
    f->n += s.n;
    return true;
}

static bool file_read(void *ctx, void *p, size_t cap, size_t *n, struct err *e)
{
    struct file *f = ctx;
    (void)e;
    *n = f->n - f->at < cap ? f->n - f->at : cap;
    memcpy(p, f->bytes + f->at, *n);
    f->at += *n;
    return true;
}

static void verify_exported(struct lab *t, struct found *f)
{
    static struct file file;
    struct err e = {0};
    uint8_t note[2048];
    file.n = file.at = 0;
    assert_ok(export_write(t->db, 1, &crypto_openssl, lab_checkpoint(t, note, sizeof(note)), t->note_key, 2, file_write,
                           &file, &e),
              e);
    struct verify_opts o = found_opts(t, f);
    assert_ok(verify_export(file_read, &file, &o, &report, &e), e);
}

static void an_export_tells_the_same(void **state)
{
    struct lab *t = *state;
    struct found f;
    struct err e = {0};
    assert_ok(erase(t, 4, &e), e);
    verify_exported(t, &f);
    if (f.n)
        fail_msg("%s", f.text);
    assert_int_equal(report.erased, 1);
    erase_by_hand(t, 2);
    verify_exported(t, &f);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_ERASURE);
    assert_int_equal(f.seq, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_erased_entry_is_counted_and_its_proofs_hold),
        T(what_must_not_be_erased_is_refused),
        T(an_erased_last_entry_leaves_its_row_named),
        T(an_entry_that_was_erased_by_hand_is_named),
        T(the_entry_that_says_it_cannot_be_erased_by_hand),
        T(what_was_erased_and_put_back_is_named),
        T(an_export_tells_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
