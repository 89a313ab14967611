#include "found.h"

#include "base/buf.h"
#include "ledger/export.h"

#define ENTRIES 6

static bool write_buf(void *ctx, struct slice s, struct err *e)
{
    struct buf *b = ctx;
    buf_put(b, s);
    return buf_ok(b) || err_set(e, ERR_LIMIT, "too long");
}

struct source {
    struct slice s;
    size_t step;
};

static bool read_slice(void *ctx, void *p, size_t cap, size_t *n, struct err *e)
{
    struct source *s = ctx;
    (void)e;
    *n = s->s.n < cap ? s->s.n : cap;
    *n = *n < s->step ? *n : s->step;
    memcpy(p, s->s.p, *n);
    s->s = slice_of(s->s.p + *n, s->s.n - *n);
    return true;
}

static void export(struct lab *t, struct buf *out)
{
    struct err e = {0};
    uint8_t note[2048];
    buf_init(out, 64 << 20);
    assert_ok(export_write(t->db, 1, &crypto_openssl, lab_checkpoint(t, note, sizeof(note)), t->note_key, 2, write_buf,
                           out, &e),
              e);
}

static int setup(void **state)
{
    struct lab *t = lab_new();
    assert_true(lab_models(t, 0, ENTRIES, "{}", false));
    export(t, &t->file);
    const char *keep = getenv("KITH_TEST_EXPORT"); /* for tests/interop/verify_export.py */
    FILE *f = keep ? fopen(keep, "wb") : NULL;
    if (f) {
        fwrite(t->file.p, 1, t->file.n, f);
        fclose(f);
    }
    *state = t;
    return 0;
}

static void verify(struct lab *t, struct slice file, size_t step, struct found *f, struct verify_report *report)
{
    struct err e = {0};
    struct verify_opts o = found_opts(t, f);
    struct source s = {file, step};
    assert_ok(verify_export(read_slice, &s, &o, report, &e), e);
}

static void an_export_verifies(void **state)
{
    struct lab *t = *state;
    struct verify_report r;
    struct found f;
    struct merkle_hash root;
    uint64_t size;
    verify(t, buf_slice(&t->file), SIZE_MAX, &f, &r);
    if (f.n)
        fail_msg("%s", f.text);
    tree_root(t->tree, &size, &root);
    assert_int_equal(r.entries, ENTRIES);
    assert_int_equal(r.signed_size, ENTRIES);
    assert_memory_equal(&r.root, &root, sizeof(root));
    verify(t, buf_slice(&t->file), 1, &f, &r);
    assert_int_equal(f.n, 0);
}

static void every_flipped_byte_is_found(void **state)
{
    struct lab *t = *state;
    size_t entries_at = 0;
    for (size_t i = 0; i < t->file.n; i++) {
        struct verify_report r;
        struct found f;
        t->file.p[i] ^= (char)(1 << i % 8);
        verify(t, buf_slice(&t->file), SIZE_MAX, &f, &r);
        t->file.p[i] ^= (char)(1 << i % 8);
        if (f.n == 0)
            fail_msg("byte %zu of %zu: not found", i, t->file.n);
        /* Behind the head and the list of hashes each finding names its entry. */
        if (entries_at == 0 && f.first == FINDING_ENTRY && f.seq == 0)
            entries_at = i;
        if (entries_at && f.seq == ENTRY_SEQ_NONE)
            fail_msg("byte %zu: no entry named: %s", i, f.text);
    }
    assert_true(entries_at > 0);
}

static void every_cut_is_found(void **state)
{
    struct lab *t = *state;
    for (size_t n = 0; n < t->file.n; n++) {
        struct verify_report r;
        struct found f;
        verify(t, slice_of(t->file.p, n), SIZE_MAX, &f, &r);
        if (f.n == 0)
            fail_msg("%zu of %zu bytes: not found", n, t->file.n);
    }
    buf_put_char(&t->file, 'x');
    struct verify_report r;
    struct found f;
    verify(t, buf_slice(&t->file), SIZE_MAX, &f, &r);
    assert_int_equal(f.n, 1);
    t->file.n--;
}

/* Somebody else's log, well made: the keys in the file are theirs. */
static void an_export_by_other_keys_is_refused(void **state)
{
    struct lab *t = *state;
    struct lab *other = lab_new();
    struct buf file;
    struct verify_report r;
    struct found f;
    struct err e = {0};
    assert_true(lab_models(other, 0, 3, "{}", false));
    export(other, &file);
    verify(t, buf_slice(&file), SIZE_MAX, &f, &r);
    assert_int_equal(f.first, FINDING_CHECKPOINT);
    struct verify_opts o = found_opts(t, &f);
    struct source s = {buf_slice(&file), SIZE_MAX};
    o.keys_n = 0;
    assert_ok(verify_export(read_slice, &s, &o, &r, &e), e);
    assert_int_equal(f.n, 0);
    assert_true(r.keys_from_file);
    buf_clear(&file);
    lab_free(other);
}

static void a_large_export_names_the_one_altered_entry(void **state)
{
    struct lab *t = *state;
    struct buf file;
    struct verify_report r;
    struct found f;
    assert_true(lab_models(t, ENTRIES, 2000, "{\"note\":\"needle\"}", false));
    export(t, &file);
    verify(t, buf_slice(&file), 4096, &f, &r);
    assert_int_equal(f.n, 0);
    char *hit = memmem(file.p, file.n, "model-001234", 12);
    assert_non_null(hit);
    hit[11] = '5';
    verify(t, buf_slice(&file), 4096, &f, &r);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.first, FINDING_ENTRY);
    assert_int_equal(f.seq, 1234);
    buf_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_verifies),
        cmocka_unit_test(every_flipped_byte_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(an_export_by_other_keys_is_refused),
        cmocka_unit_test(a_large_export_names_the_one_altered_entry),
    };
    return cmocka_run_group_tests(tests, setup, lab_teardown);
}
