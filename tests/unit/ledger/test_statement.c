/* Statements: one that verifies, and everything that does not. */
#include "ledger/statement.h"

#include "ledger_test.h"

#define MODELS 5
#define GONE   MODELS /* the entry that retires a device */

struct retire_job {
    struct job job;
    const char *to; /* NULL: retired */
};

/* The event alone counts here; a row has to change with it. */
static bool retire_run(struct tx *tx, struct job *job, struct err *e)
{
    const struct retire_job *j = (struct retire_job *)job;
    uint8_t fields[256];
    struct slice s;
    struct writer w = WRITER_ARRAY(fields);
    struct event_draft d = event_draft_of(j->to ? EVENT_DEVICE_STATE : EVENT_DEVICE_RETIRED);
    event_set_text(&d, "who", "operator:alice");
    event_set_text(&d, "device", "dev_01");
    event_set_text(&d, "from", "active");
    event_set_text(&d, "why", "sold");
    if (j->to)
        event_set_text(&d, "to", j->to);
    else
        event_set_int(&d, "certs", 1);
    if (!event_write(&d, &w, e) || !writer_done(&w, &s))
        return false;
    struct value cols[MODEL_COLS] = {value_text(j->to ? j->to : "gone"), value_text("{}"), value_int(1700000000)};
    struct change ch = {.table = &table_model, .cols = cols};
    return tx_record(tx, &(struct event){(uint16_t)d.kind->type, s, NULL}, &ch, 1, NULL, e);
}

static void retire(struct lab *t, const char *to)
{
    struct err e = {0};
    struct retire_job j = {{.run = retire_run}, to};
    assert_ok(commit_run(t->commit, &j.job, &e), e);
}

/* A statement of whatever entry, by whomever. */
static void state_entry(struct lab *t, uint64_t seq, const uint8_t *other_salt, struct buf *out)
{
    static const struct sql select = {"SELECT leaf, salt, payload FROM entry WHERE pos = $1"};
    AUTO(rows_close) struct rows r = {0};
    struct err e = {0};
    uint8_t note[2048];
    uint64_t size;
    struct merkle_hash root;
    struct merkle_proof proof;
    const struct value at[] = {value_int(entry_pos(1, seq))};
    assert_ok(db_query_row(t->db, &select, at, 1, &r, &e), e);
    tree_root(t->tree, &size, &root);
    assert_ok(tree_prove_inclusion(t->tree, t->db, seq, size, &proof, &e), e);
    struct entry_kept k = {rows_blob(&r, 0), rows_blob(&r, 1), rows_blob(&r, 2)};
    if (other_salt)
        k.salt = slice_of(other_salt, ENTRY_SALT_SIZE);
    buf_init(out, 1 << 20);
    statement_write(out, &k, seq, &proof, lab_checkpoint(t, note, sizeof note));
    assert_true(buf_ok(out));
}

static bool verifies(struct slice file, const struct lab *keys_of, struct statement *s, struct err *e)
{
    AUTO(buf_clear) struct buf extra = {0};
    return statement_read(&crypto_openssl, file, &extra, s, e) &&
           statement_verify(&crypto_openssl, s, keys_of->note_key, 2, e) &&
           slice_eq(statement_device(s), SLICE_LIT("dev_01")) && statement_state(s);
}

static int setup(void **state)
{
    struct lab *t = lab_new();
    assert_true(lab_models(t, 0, MODELS, "{}", false));
    retire(t, NULL);
    assert_true(lab_models(t, 10, MODELS, "{}", false));
    state_entry(t, GONE, NULL, &t->file);
    *state = t;
    return 0;
}

static void a_statement_verifies(void **state)
{
    struct lab *t = *state;
    struct err e = {0};
    struct statement s;
    assert_ok(verifies(buf_slice(&t->file), t, &s, &e), e);
    assert_int_equal(s.index, GONE);
    assert_int_equal(s.checkpoint.size, 2 * MODELS + 1);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct lab *t = *state;
    struct statement s;
    for (size_t i = 0; i < 8 * t->file.n; i++) {
        struct err e = {0};
        t->file.p[i / 8] ^= (char)(1 << i % 8);
        if (verifies(buf_slice(&t->file), t, &s, &e))
            fail_msg("bit %zu of byte %zu: not found", i % 8, i / 8);
        assert_int_not_equal(e.code, 0);
        t->file.p[i / 8] ^= (char)(1 << i % 8);
    }
}

static void every_cut_and_what_stands_behind_is_refused(void **state)
{
    struct lab *t = *state;
    struct statement s;
    struct err e = {0};
    for (size_t n = 0; n < t->file.n; n++)
        if (verifies(slice_of(t->file.p, n), t, &s, &e))
            fail_msg("%zu of %zu bytes: not found", n, t->file.n);
    buf_put_char(&t->file, '\n');
    assert_false(verifies(buf_slice(&t->file), t, &s, &e));
    t->file.n--;
}

static void other_keys_are_refused(void **state)
{
    struct lab *t = *state;
    struct lab *other = lab_new();
    struct statement s;
    struct err e = {0};
    assert_false(verifies(buf_slice(&t->file), other, &s, &e));
    assert_int_equal(e.code, ERR_NOTE_SIG);
    AUTO(buf_clear) struct buf extra = {0};
    assert_ok(statement_read(&crypto_openssl, buf_slice(&t->file), &extra, &s, &e), e);
    assert_false(statement_verify(&crypto_openssl, &s, NULL, 0, &e));
    lab_free(other);
}

/* The leaf of one entry at the place of another; the salt of nobody. */
static void another_place_or_salt_is_refused(void **state)
{
    struct lab *t = *state;
    const uint8_t salt[ENTRY_SALT_SIZE] = {1};
    struct statement s;
    struct err e = {0};
    AUTO(buf_clear) struct buf extra = {0}, file = {0};
    assert_ok(statement_read(&crypto_openssl, buf_slice(&t->file), &extra, &s, &e), e);
    s.index ^= 1;
    assert_false(statement_verify(&crypto_openssl, &s, t->note_key, 2, &e));
    assert_int_equal(e.code, ERR_PROOF);
    state_entry(t, GONE, salt, &file);
    err_clear(&e);
    assert_false(verifies(buf_slice(&file), t, &s, &e));
    assert_int_equal(e.code, ERR_LEDGER_ENTRY);
}

static void an_entry_that_ends_no_device_is_refused(void **state)
{
    struct lab *t = *state;
    static const struct {
        const char *to;
        bool ends;
    } rows[] = {{"suspended", false}, {"active", false}, {"revoked", true}, {"scrapped", true}};
    struct statement s;
    for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
        struct err e = {0};
        AUTO(buf_clear) struct buf file = {0};
        uint64_t seq = 0; /* a model's */
        if (i) {
            struct merkle_hash root;
            tree_root(t->tree, &seq, &root);
            retire(t, rows[i - 1].to);
        }
        state_entry(t, seq, NULL, &file);
        bool ok = verifies(buf_slice(&file), t, &s, &e);
        assert_int_equal(ok, i && rows[i - 1].ends);
        assert_int_equal(e.code, ok ? 0 : ERR_POLICY);
    }
}

static void what_was_erased_states_nothing(void **state)
{
    struct lab *t = *state;
    struct statement s;
    struct err e = {0};
    AUTO(buf_clear) struct buf extra = {0}, file = {0};
    assert_ok(statement_read(&crypto_openssl, buf_slice(&t->file), &extra, &s, &e), e);
    struct entry_kept k = {.leaf = s.kept.leaf};
    buf_init(&file, 1 << 20);
    statement_write(&file, &k, s.index, &(struct merkle_proof){0}, s.note);
    assert_false(verifies(buf_slice(&file), t, &s, &e));
    assert_int_equal(e.code, ERR_LEDGER_ENTRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_verifies),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(every_cut_and_what_stands_behind_is_refused),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(another_place_or_salt_is_refused),
        cmocka_unit_test(an_entry_that_ends_no_device_is_refused),
        cmocka_unit_test(what_was_erased_states_nothing),
    };
    return cmocka_run_group_tests(tests, setup, lab_teardown);
}
