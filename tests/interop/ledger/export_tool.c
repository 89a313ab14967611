/* `make FILE`: a log of a few entries and its export.  `verify`: reads frames (u32 length, an export) from standard input
 * and answers each with 1 (sound) or 0, trusting the keys in the file as the other implementation does. */
#include "unit/ledger/found.h"

#include "base/buf.h"
#include "ledger/erase.h"
#include "ledger/export.h"

static bool write_file(void *ctx, struct slice s, struct err *e)
{
    return fwrite(s.p, 1, s.n, ctx) == s.n || err_set(e, ERR_IO, "write");
}

/* Entry 0 has a newer one. */
static bool erase_run(struct tx *tx, struct job *job, struct err *e)
{
    (void)job;
    return erase_entry(tx, 0, "operator:alice", "asked for", e);
}

static int make(const char *path)
{
    struct err e = {0};
    uint8_t note[2048];
    struct lab *t = lab_new();
    FILE *f = fopen(path, "wb");
    if (!f)
        return 1;
    struct job erase = {.run = erase_run};
    bool ok = lab_models(t, 0, 3, "{}", false) && lab_models(t, 0, 1, NULL, false) && commit_run(t->commit, &erase, &e);
    ok = ok && export_write(t->db, 1, &crypto_openssl, lab_checkpoint(t, note, sizeof(note)), t->note_key, 2,
                            write_file, f, &e);
    ok = fclose(f) == 0 && ok;
    lab_free(t);
    return ok ? 0 : 1;
}

static bool read_slice(void *ctx, void *p, size_t cap, size_t *n, struct err *e)
{
    struct slice *s = ctx;
    (void)e;
    *n = s->n < cap ? s->n : cap;
    memcpy(p, s->p, *n);
    *s = slice_of(s->p + *n, s->n - *n);
    return true;
}

static int verify(void)
{
    uint8_t head[4];
    static uint8_t buf[1 << 20];
    struct err e = {0};
    if (!crypto_init(&e))
        return 1;
    while (fread(head, 1, 4, stdin) == 4) {
        struct reader r = reader_of(SLICE_ARRAY(head));
        size_t n = reader_u32(&r);
        if (n > sizeof(buf) || fread(buf, 1, n, stdin) != n)
            return 1;
        struct slice s = slice_of(buf, n);
        struct verify_opts o = {.crypto = &crypto_openssl};
        struct verify_report report;
        if (!verify_export(read_slice, &s, &o, &report, &e))
            return 1;
        putchar(report.findings ? '0' : '1');
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "make") == 0)
        return make(argv[2]);
    return argc == 2 && strcmp(argv[1], "verify") == 0 ? verify() : 2;
}
