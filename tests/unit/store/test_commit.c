#include "core/cbor.h"
#include "store_test.h"

static const struct sql q_setting = {"SELECT value FROM setting WHERE key = $1"};
static const struct sql q_entry = {"SELECT leaf, salt, payload FROM entry WHERE pos = $1"};

static bool add_one(struct tx *tx, void *arg, struct err *e)
{
    return record_setting(tx, arg, "on", e);
}

static void a_change_and_its_entry_are_written_together(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, add_one, "a", &e), e);
    assert_ok(test_do(c, add_one, "b", &e), e);
    assert_int_equal(t->committed, 2);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "setting"), 2);
    assert_int_equal(test_count(t->where, "entry"), 2);
    /* It goes on where it stopped. */
    c = test_start(t);
    assert_int_equal(t->committed, 2);
    assert_ok(test_do(c, add_one, "a", &e), e);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "setting"), 2);
    assert_int_equal(test_count(t->where, "entry"), 3);
}

static bool record_device(struct tx *tx, void *arg, struct err *e)
{
    static const uint8_t ref[32] = {9};
    (void)arg;
    const struct value dev[DEVICE_COLS] = {value_text("dev_1"), value_text("m"), value_text("s"), value_int(3),
                                           value_null(),        value_int(5),    value_int(-6)};
    const struct value gone[SETTING_COLS] = {value_text("x")};
    const struct change changes[] = {{.table = &table_device, .cols = dev},
                                     {.table = &table_setting, .cols = gone, .remove = true}};
    uint64_t seq;
    bool ok = tx_record(tx, &(struct event){.type = 300, .fields = SLICE_LIT("\xa1\x01\x02"), .ref = ref}, changes, 2,
                        &seq, e);
    return ok && (seq == 0 || err_set(e, ERR_INTERNAL, "seq"));
}

/* Against the definition of an entry, byte by byte. */
static void an_entry_commits_to_rows_and_payload(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, record_device, NULL, &e), e);
    commit_stop(c);
    assert_ok(db_open(t->where, false, &db, &e), e);
    struct value pos = value_int(entry_pos(1, 0));
    assert_ok(db_query_row(db, &q_entry, &pos, 1, &r, &e), e);
    struct slice salt = rows_blob(&r, 1), payload = rows_blob(&r, 2);
    assert_int_equal(salt.n, 16);
    uint8_t commitment[32], row[32];
    sha256_parts((struct slice[]){salt, payload}, 2, commitment);
    sha256_parts((struct slice[]){salt, SLICE_LIT("\x8e\x65"
                                                  "dev_1"
                                                  "\x61m\x61s\x03\xf6\x05\x25\xf6\xf6\xf6\xf6\xf6\xf6\xf6")},
                 2, row);
    assert_int_equal(payload.n, 54);
    assert_memory_equal(payload.p,
                        "\x82\xa1\x01\x02\x82\x83\x02\x81\x65"
                        "dev_1\x58\x20",
                        16);
    assert_memory_equal(payload.p + 16, row, 32);
    assert_memory_equal(payload.p + 48, "\x83\x09\x81\x61x\xf6", 6);
    struct reader in = reader_of(rows_blob(&r, 0));
    cbor_get_array_n(&in, 6);
    assert_int_equal(cbor_get_uint(&in), 1);
    assert_int_equal(cbor_get_uint(&in), 1);
    assert_true(cbor_get_uint(&in) == (uint64_t)t->now_ms);
    assert_int_equal(cbor_get_uint(&in), 300);
    assert_slice(cbor_get_bstr(&in), SLICE_ARRAY(commitment));
    assert_slice(cbor_get_bstr(&in), SLICE_ARRAY(((uint8_t[32]){9})));
    assert_true(reader_end(&in));
}

/* ---- rules ---- */

static bool scratch_ledgered(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[SETTING_COLS] = {value_text("a"), value_text("b")};
    (void)arg;
    return tx_scratch(tx, &(struct change){.table = &table_setting, .cols = cols}, e);
}

static bool scratch_entry(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[ENTRY_COLS] = {value_int(1)};
    (void)arg;
    return tx_scratch(tx, &(struct change){.table = &table_entry, .cols = cols, .remove = true}, e);
}

static bool record_scratch(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[GATEWAY_ACK_COLS] = {value_text("a"), value_int(1), value_int(2)};
    (void)arg;
    return tx_record(tx, &(struct event){.type = 1}, &(struct change){.table = &table_gateway_ack, .cols = cols}, 1,
                     NULL, e);
}

static bool swallowed(struct tx *tx, void *arg, struct err *e)
{
    (void)!scratch_ledgered(tx, arg, e);
    err_clear(e);
    return true;
}

static bool wrong_type(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[SETTING_COLS] = {value_text("a"), value_int(1)};
    (void)arg;
    return tx_record(tx, &(struct event){.type = 1}, &(struct change){.table = &table_setting, .cols = cols}, 1, NULL,
                     e);
}

static bool null_value(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[SETTING_COLS] = {value_text("a"), value_null()};
    (void)arg;
    return tx_record(tx, &(struct event){.type = 1}, &(struct change){.table = &table_setting, .cols = cols}, 1, NULL,
                     e);
}

static bool not_utf8(struct tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return record_setting(tx, "a\xff", "b", e);
}

static bool bad_fields(struct tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return tx_record(tx, &(struct event){.type = 1, .fields = SLICE_LIT("\xa1\x01")}, NULL, 0, NULL, e);
}

static void the_rules_of_writing_hold(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    static const struct {
        bool (*fn)(struct tx *tx, void *arg, struct err *e);
        enum err_code code;
    } cases[] = {
        {scratch_ledgered, ERR_STORE_RULE}, {scratch_entry, ERR_STORE_RULE}, {record_scratch, ERR_STORE_RULE},
        {swallowed, ERR_STORE_RULE},        {wrong_type, ERR_STORE_VALUE},   {null_value, ERR_STORE_VALUE},
        {not_utf8, ERR_STORE_VALUE},        {bad_fields, ERR_CBOR},
    };
    struct commit *c = test_start(t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_err(test_do(c, cases[i].fn, NULL, &e), e, cases[i].code);
    assert_ok(test_do(c, add_one, "still", &e), e);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 1);
    assert_int_equal(test_count(t->where, "gateway_ack"), 0);
}

static bool add_new(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[SETTING_COLS] = {value_text("one"), value_text(arg)};
    const struct change change = {.table = &table_setting, .cols = cols, .insert = true};
    return tx_record(tx, &(struct event){.type = 7}, &change, 1, NULL, e);
}

static void a_new_row_overwrites_none(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    const struct value key = value_text("one");
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, add_new, "first", &e), e);
    assert_err(test_do(c, add_new, "second", &e), e, ERR_STORE_EXISTS);
    assert_ok(test_do(c, add_one, "other", &e), e);
    commit_stop(c);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(row_read(db, &table_setting, &key, &r, &e), e);
    assert_string_equal(rows_text(&r, 1), "first");
    assert_int_equal(test_count(t->where, "entry"), 2);
}

static bool scratch_ack(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[GATEWAY_ACK_COLS] = {value_text("k"), value_int(*(int *)arg), value_int(2)};
    return tx_scratch(tx, &(struct change){.table = &table_gateway_ack, .cols = cols}, e);
}

static bool scratch_drop(struct tx *tx, void *arg, struct err *e)
{
    const struct value cols[GATEWAY_ACK_COLS] = {value_text("k")};
    (void)arg;
    return tx_scratch(tx, &(struct change){.table = &table_gateway_ack, .cols = cols, .remove = true}, e);
}

static void scratch_rows_come_and_go_without_entries(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    int seqs[] = {1, 2};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, scratch_ack, &seqs[0], &e), e);
    assert_ok(test_do(c, scratch_ack, &seqs[1], &e), e);
    assert_int_equal(test_count(t->where, "gateway_ack"), 1);
    assert_ok(test_do(c, scratch_drop, NULL, &e), e);
    assert_int_equal(test_count(t->where, "gateway_ack"), 0);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 0);
}

/* ---- batches ---- */

struct batch_job {
    struct job job;
    int n, runs;
    bool refuse_before, refuse_after, finished;
    struct err err;
};

static bool batch_job_run(struct tx *tx, struct job *job, struct err *e)
{
    struct batch_job *j = (struct batch_job *)job;
    char key[16];
    snprintf(key, sizeof key, "k%d", j->n);
    j->runs++;
    if (j->refuse_before)
        return err_set(e, ERR_POLICY, "no");
    if (!record_setting(tx, key, "v", e))
        return false;
    return !j->refuse_after || err_set(e, ERR_CONFLICT, "too late");
}

static void batch_job_done(struct job *job, const struct err *e)
{
    struct batch_job *j = (struct batch_job *)job;
    if (e)
        j->err = *e;
    j->finished = true;
}

static bool hold_gate(struct tx *tx, void *arg, struct err *e)
{
    (void)tx, (void)e;
    while (!__atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE))
        usleep(100);
    return true;
}

static void nothing_done(struct job *job, const struct err *e)
{
    (void)job, (void)e;
}

/* Submits all while the thread is held in another job, so that they make one batch. */
static void run_as_one_batch(struct commit *c, struct batch_job *jobs, size_t n)
{
    bool open = false;
    struct fn_job gate = {.job = {.run = fn_job_run, .done = nothing_done}, .fn = hold_gate, .arg = &open};
    commit_submit(c, &gate.job);
    while (__atomic_load_n(&gate.runs, __ATOMIC_ACQUIRE) == 0)
        usleep(100);
    for (size_t i = 0; i < n; i++) {
        jobs[i].n = (int)i;
        jobs[i].job = (struct job){.run = batch_job_run, .done = batch_job_done};
        commit_submit(c, &jobs[i].job);
    }
    __atomic_store_n(&open, true, __ATOMIC_RELEASE);
    commit_stop(c);
}

struct looking_job {
    struct job job;
    struct env_test *t;
    struct batch_job *other;
    bool write, saw_other, told_before_commit;
    struct err err;
};

static bool looking_job_run(struct tx *tx, struct job *job, struct err *e)
{
    struct looking_job *j = (struct looking_job *)job;
    AUTO(rows_close) struct rows r = {0};
    const struct value key = value_text("k0");
    j->saw_other = db_query_row(tx_db(tx), &q_setting, &key, 1, &r, e);
    return !e->code && (!j->write || record_setting(tx, "looked", "v", e));
}

static void looking_job_done(struct job *job, const struct err *e)
{
    struct looking_job *j = (struct looking_job *)job;
    if (e)
        j->err = *e;
    j->told_before_commit = j->t->committed == 0 && !j->other->finished;
}

static void a_job_that_looks_does_not_wait_for_those_that_write(void **state)
{
    struct env_test *t = *state;
    bool open = false;
    struct batch_job other = {.job = {.run = batch_job_run, .done = batch_job_done}};
    struct looking_job looks[2];
    struct fn_job gate = {.job = {.run = fn_job_run, .done = nothing_done}, .fn = hold_gate, .arg = &open};
    struct commit *c = test_start(t);
    commit_submit(c, &gate.job);
    while (__atomic_load_n(&gate.runs, __ATOMIC_ACQUIRE) == 0)
        usleep(100);
    commit_submit(c, &other.job);
    for (int i = 0; i < 2; i++) {
        looks[i] = (struct looking_job){.job = {.run = looking_job_run, .done = looking_job_done, .looks = true},
                                        .t = t,
                                        .other = &other,
                                        .write = i == 1};
        commit_submit(c, &looks[i].job);
    }
    __atomic_store_n(&open, true, __ATOMIC_RELEASE);
    commit_stop(c);
    assert_true(looks[0].told_before_commit && !looks[0].saw_other && !looks[0].err.code);
    assert_int_equal(looks[1].err.code, ERR_INTERNAL);
    assert_true(other.finished && !other.err.code);
    assert_int_equal(test_count(t->where, "setting"), 1);
    assert_int_equal(test_count(t->where, "entry"), 1);
}

static void a_job_that_refuses_before_writing_is_refused_alone(void **state)
{
    struct env_test *t = *state;
    struct batch_job jobs[20] = {[7] = {.refuse_before = true}};
    run_as_one_batch(test_start(t), jobs, ARRAY_LEN(jobs));
    for (int i = 0; i < 20; i++) {
        assert_true(jobs[i].finished);
        assert_int_equal(jobs[i].runs, 1);
        assert_int_equal(jobs[i].err.code, i == 7 ? ERR_POLICY : ERR_NONE);
    }
    assert_int_equal(test_count(t->where, "entry"), 19);
    assert_int_equal(t->rolled_back, 0);
}

static void a_job_that_fails_after_writing_takes_no_other_with_it(void **state)
{
    struct env_test *t = *state;
    struct batch_job jobs[20] = {[7] = {.refuse_after = true}};
    run_as_one_batch(test_start(t), jobs, ARRAY_LEN(jobs));
    for (int i = 0; i < 20; i++) {
        assert_true(jobs[i].finished);
        assert_int_equal(jobs[i].runs, i <= 7 ? 2 : 1);
        assert_int_equal(jobs[i].err.code, i == 7 ? ERR_CONFLICT : ERR_NONE);
    }
    assert_int_equal(test_count(t->where, "entry"), 19);
    assert_int_equal(test_count(t->where, "setting"), 19);
    assert_int_equal(t->rolled_back, 2);
    assert_int_equal(t->committed, 19);
}

/* ---- reading and changing a row ---- */

static bool change_device(struct tx *tx, void *arg, struct err *e)
{
    struct value key = value_text("dev_1"), cols[DEVICE_COLS];
    AUTO(rows_close) struct rows r = {0};
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return e->code || err_set(e, ERR_NOTFOUND, "no dev_1");
    row_values(&r, &table_device, cols);
    cols[DEVICE_OWNER] = value_text(arg);
    cols[DEVICE_STATE] = value_int(rows_int(&r, DEVICE_STATE) + 1);
    return tx_record(tx, &(struct event){.type = 2}, &(struct change){.table = &table_device, .cols = cols}, 1, NULL,
                     e);
}

static void a_row_is_read_changed_and_written_back(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct value key = value_text("dev_1");
    struct commit *c = test_start(t);
    assert_err(test_do(c, change_device, "nobody", &e), e, ERR_NOTFOUND);
    assert_ok(test_do(c, record_device, NULL, &e), e);
    for (int i = 0; i < 50; i++)
        assert_ok(test_do(c, change_device, i % 2 ? "a" : "a long owner's name that moves the row about", &e), e);
    commit_stop(c);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(row_read(db, &table_device, &key, &r, &e), e);
    assert_string_equal(rows_text(&r, DEVICE_OWNER), "a");
    assert_string_equal(rows_text(&r, DEVICE_SERIAL), "s");
    assert_int_equal(rows_int(&r, DEVICE_STATE), 53);
    assert_int_equal(rows_int(&r, DEVICE_UPDATED_AT), -6);
    assert_true(rows_is_null(&r, DEVICE_TAGS));
    rows_close(&r);
    key = value_text("dev_2");
    assert_false(row_read(db, &table_device, &key, &r, &e));
    assert_int_equal(e.code, ERR_NONE);
}

static bool rename_device(struct tx *tx, void *arg, struct err *e)
{
    struct value key = value_text("dev_1"), cols[DEVICE_COLS];
    AUTO(rows_close) struct rows r = {0};
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return false;
    row_values(&r, &table_device, cols);
    cols[strcmp(arg, "model") == 0 ? DEVICE_MODEL : DEVICE_SERIAL] = value_text("other");
    return tx_record(tx, &(struct event){.type = 2}, &(struct change){.table = &table_device, .cols = cols}, 1, NULL,
                     e);
}

/* What the entry would say of such a row is not what the row would be. */
static void a_row_keeps_the_columns_that_are_fixed(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct value key = value_text("dev_1");
    struct commit *c = test_start(t);
    assert_ok(test_do(c, record_device, NULL, &e), e);
    assert_err(test_do(c, rename_device, "model", &e), e, ERR_STORE_VALUE);
    assert_err(test_do(c, rename_device, "serial", &e), e, ERR_STORE_VALUE);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 1);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(row_read(db, &table_device, &key, &r, &e), e);
    assert_string_equal(rows_text(&r, DEVICE_MODEL), "m");
    assert_string_equal(rows_text(&r, DEVICE_SERIAL), "s");
}

static bool second_device(struct tx *tx, void *arg, struct err *e)
{
    (void)arg;
    const struct value dev[DEVICE_COLS] = {value_text("dev_2"), value_text("m"), value_text("s"), value_int(3),
                                           value_null(),        value_int(5),    value_int(6)};
    return tx_record(tx, &(struct event){.type = 1}, &(struct change){.table = &table_device, .cols = dev}, 1, NULL, e);
}

static void a_serial_is_one_device_of_a_model(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, record_device, NULL, &e), e);
    assert_err(test_do(c, second_device, NULL, &e), e, ERR_STORE_EXISTS);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 1);
}

static const struct event said = {.type = 114};

static bool erase_first(struct tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return tx_entry_erase(tx, 0, &said, e);
}

static bool erase_absent(struct tx *tx, void *arg, struct err *e)
{
    (void)arg;
    return tx_entry_erase(tx, 2, &said, e);
}

static void an_erased_entry_keeps_its_leaf_and_another_says_it(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(rows_close) struct rows r = {0};
    struct value pos = value_int(entry_pos(1, 0));
    struct commit *c = test_start(t);
    assert_ok(test_do(c, add_one, "a", &e), e);
    assert_ok(test_do(c, erase_first, NULL, &e), e);
    assert_err(test_do(c, erase_absent, NULL, &e), e, ERR_NOTFOUND);
    commit_stop(c);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(db_query_row(db, &q_entry, &pos, 1, &r, &e), e);
    assert_true(rows_blob(&r, 0).n > 40);
    assert_true(rows_is_null(&r, 1) && rows_is_null(&r, 2));
    assert_int_equal(test_count(t->where, "entry"), 2);
}

static void a_log_keeps_its_name_and_has_one_writer(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    struct commit *c = test_start(t), *second;
    struct commit_config cfg = test_config(t);
#ifndef STORE_TEST_PG
    assert_err(commit_start(&cfg, &second, &e), e, ERR_STORE_WRITER);
#endif
    commit_stop(c);
    cfg.origin = "other.example/log/01";
    assert_err(commit_start(&cfg, &second, &e), e, ERR_STORE_ORIGIN);
    cfg = test_config(t);
    cfg.node = 2;
    assert_err(commit_start(&cfg, &second, &e), e, ERR_STORE_ORIGIN);
    assert_string_equal(e.hint, "node = 1");
    cfg.node = 1;
    cfg.origin = NULL;
    assert_ok(commit_start(&cfg, &second, &e), e);
    commit_stop(second);
    cfg.node = 128;
    assert_err(commit_start(&cfg, &second, &e), e, ERR_USAGE);
}

static void a_reader_in_a_snapshot_sees_one_state(void **state)
{
    struct env_test *t = *state;
    struct err e = {0};
    AUTO(db_free_auto) struct db *db = NULL;
    struct value key = value_text("later");
    struct rows r = {0};
    struct commit *c = test_start(t);
    assert_ok(test_do(c, add_one, "first", &e), e);
    assert_ok(db_open(t->where, false, &db, &e), e);
    assert_ok(db_snapshot_begin(db, &e), e);
    assert_false(db_query_row(db, &q_setting, &key, 1, &r, &e));
    assert_ok(test_do(c, add_one, "later", &e), e);
    assert_false(db_query_row(db, &q_setting, &key, 1, &r, &e));
    assert_int_equal(e.code, ERR_NONE);
    db_snapshot_end(db);
    assert_ok(db_query_row(db, &q_setting, &key, 1, &r, &e), e);
    rows_close(&r);
    commit_stop(c);
}

struct late {
    struct job job;
    struct commit *c;
    int runs, told;
    enum err_code code;
    struct late *then; /* submitted when it is done */
};

static bool late_run(struct tx *tx, struct job *job, struct err *e)
{
    struct late *l = (struct late *)job;
    l->runs++;
    return record_setting(tx, "late", "on", e);
}

static void late_done(struct job *job, const struct err *e)
{
    struct late *l = (struct late *)job;
    l->told++;
    l->code = e ? e->code : ERR_NONE;
    if (l->then)
        commit_submit(l->c, &l->then->job);
}

static bool wait_for_close(struct tx *tx, struct job *job, struct err *e)
{
    usleep(50000);
    return late_run(tx, job, e);
}

static void after_the_end_what_is_queued_is_done_and_the_rest_told(void **state)
{
    struct env_test *t = *state;
    struct commit *c = test_start(t);
    struct late v[3];
    for (size_t i = 0; i < 3; i++)
        v[i] = (struct late){.job = {.run = i ? late_run : wait_for_close, .done = late_done}, .c = c};
    v[0].then = &v[1]; /* submitted by the thread itself, when it is asked to end */
    commit_submit(c, &v[0].job);
    commit_close(c);
    commit_submit(c, &v[2].job);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(v[i].told, 1);
        assert_int_equal(v[i].runs, i == 0);
        assert_int_equal(v[i].code, i == 0 ? ERR_NONE : ERR_STORE_UNAVAILABLE);
    }
    commit_close(c);
    commit_stop(c);
    assert_int_equal(test_count(t->where, "entry"), 1);
}

int main(void)
{
#ifdef STORE_TEST_PG
    if (!pg_installed())
        return 1;
#endif
#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)
    const struct CMUnitTest tests[] = {
        T(a_change_and_its_entry_are_written_together),
        T(an_entry_commits_to_rows_and_payload),
        T(the_rules_of_writing_hold),
        T(a_new_row_overwrites_none),
        T(scratch_rows_come_and_go_without_entries),
        T(a_job_that_looks_does_not_wait_for_those_that_write),
        T(a_job_that_refuses_before_writing_is_refused_alone),
        T(a_job_that_fails_after_writing_takes_no_other_with_it),
        T(a_row_is_read_changed_and_written_back),
        T(a_row_keeps_the_columns_that_are_fixed),
        T(a_serial_is_one_device_of_a_model),
        T(an_erased_entry_keeps_its_leaf_and_another_says_it),
        T(a_log_keeps_its_name_and_has_one_writer),
        T(a_reader_in_a_snapshot_sees_one_state),
        T(after_the_end_what_is_queued_is_done_and_the_rest_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
