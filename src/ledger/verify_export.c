/* An export against itself and against the keys that are trusted (ledger/verify.h, doc/spec/ledger.md). */
#include "ledger/erased.h"
#include "ledger/export.h"
#include "ledger/tree.h"

#include <inttypes.h>
#include <stdlib.h>

#define ITEM_MAX     ENTRY_KEPT_MAX
#define BUFFER_SIZE  ((size_t)4 << 20)
#define SUSPECTS_MAX 64

struct input {
    struct verify_run *run;
    verify_read_fn *read;
    void *ctx;
    uint8_t *buf;
    size_t at, n;
    bool end;
    struct note_key keys[EXPORT_KEYS_MAX];
    size_t keys_n;
    uint8_t note[NOTE_MAX];
    struct checkpoint checkpoint;        /* borrows note */
    struct merkle_frontier listed, made; /* of the hashes in the file, of the entries in it */
    uint64_t suspects[SUSPECTS_MAX];
    size_t suspects_n;
    uint64_t suspects_all;
    struct erased erased;
};

/* Makes sure that `want` bytes are there if the file has them. */
static bool fill(struct input *in, size_t want, struct err *e)
{
    if (in->n - in->at >= want || in->end)
        return true;
    memmove(in->buf, in->buf + in->at, in->n - in->at);
    in->n -= in->at;
    in->at = 0;
    while (in->n < BUFFER_SIZE && !in->end) {
        size_t got = 0;
        if (!in->read(in->ctx, in->buf + in->n, BUFFER_SIZE - in->n, &got, e))
            return false;
        in->end = got == 0;
        in->n += got;
    }
    return true;
}

static struct slice left(const struct input *in)
{
    return slice_of(in->buf + in->at, in->n - in->at);
}

static bool form_bad(struct input *in, uint64_t seq, const char *what)
{
    if (seq == ENTRY_SEQ_NONE)
        finding_put(in->run, FINDING_FORM, seq, "export: %s", what);
    else
        finding_put(in->run, FINDING_FORM, seq, "export: entry %" PRIu64 ": %s", seq, what);
    return false;
}

/* ---- the head: false if nothing after it can be read, with a finding or an error ---- */

static bool take_line(struct input *in, struct slice *line)
{
    struct slice s = left(in);
    const uint8_t *nl = s.n ? memchr(s.p, '\n', s.n < 1024 ? s.n : 1024) : NULL;
    if (!nl)
        return false;
    *line = slice_of(s.p, (size_t)(nl - s.p));
    in->at += line->n + 1;
    return true;
}

static bool head_read(struct input *in, uint64_t *note_n)
{
    const struct crypto *c = in->run->o->crypto;
    struct slice line;
    if (!take_line(in, &line) || !slice_eq(line, slice_of(EXPORT_MAGIC, sizeof(EXPORT_MAGIC) - 2)))
        return form_bad(in, ENTRY_SEQ_NONE, "the first line is not `kith-ledger-export 1`");
    for (;;) {
        struct err why = {0};
        if (!take_line(in, &line))
            return form_bad(in, ENTRY_SEQ_NONE, "the head has no end");
        if (!slice_take_prefix(&line, SLICE_LIT("key ")))
            break;
        if (in->keys_n == EXPORT_KEYS_MAX)
            return form_bad(in, ENTRY_SEQ_NONE, "more than 32 keys");
        if (!note_key_read(c, line, &in->keys[in->keys_n++], &why))
            return form_bad(in, ENTRY_SEQ_NONE, why.what);
    }
    if (in->keys_n == 0 || !slice_take_prefix(&line, SLICE_LIT("note ")) ||
        !slice_take_decimal(&line, NOTE_MAX, note_n) || line.n || left(in).n < *note_n)
        return form_bad(in, ENTRY_SEQ_NONE, "the head has no key, or no note of the size that it says");
    memcpy(in->note, left(in).p, *note_n);
    in->at += *note_n;
    return true;
}

/* The checkpoint by the keys that are trusted, and by those in the file: whoever made it claims that they signed. */
static bool note_check(struct input *in, size_t note_n)
{
    const struct verify_opts *o = in->run->o;
    struct slice bytes = slice_of(in->note, note_n);
    struct note n;
    struct err why = {0};
    in->run->report->keys_from_file = o->keys_n == 0;
    bool ok = note_open(o->crypto, bytes, in->keys, in->keys_n, &n, &why) &&
              (o->keys_n == 0 || note_open(o->crypto, bytes, o->keys, o->keys_n, &n, &why));
    if (!ok)
        finding_put(in->run, FINDING_CHECKPOINT, ENTRY_SEQ_NONE, "export: %s", why.what);
    if (!note_read(bytes, &n, &why) || !checkpoint_read(n.text, &in->checkpoint, &why))
        return form_bad(in, ENTRY_SEQ_NONE, why.what);
    if (ok) {
        in->run->report->checkpoints = 1;
        in->run->report->signed_size = in->checkpoint.size;
    }
    return true;
}

/* ---- entries ---- */

static bool block_take(struct input *in, uint64_t seq, size_t want, struct merkle_hash *hashes)
{
    struct reader r = reader_of(left(in));
    size_t before = reader_left(&r);
    struct slice s = cbor_get_bstr_n(&r, want * sizeof(*hashes));
    if (!reader_ok(&r))
        return form_bad(in, seq, "no list of hashes stands before it, or one of another length");
    memcpy(hashes, s.p, s.n);
    for (size_t i = 0; i < want; i++)
        merkle_append(in->run->o->crypto, &in->listed, &hashes[i], NULL, NULL);
    in->at += before - reader_left(&r);
    return true;
}

static bool entry_check(struct input *in, uint64_t seq, struct slice leaf, struct slice salt, struct slice payload,
                        struct err *e)
{
    struct entry en;
    struct entry_payload p;
    struct err why = {0};
    bool erased = !salt.p && !payload.p;
    if (!entry_read(leaf, &en, &why) ||
        (!erased && !entry_check_payload(in->run->o->crypto, &en, salt, payload, &p, &why))) {
        finding_put(in->run, FINDING_ENTRY, seq, "export: entry %" PRIu64 ": %s", seq, why.what);
        return true;
    }
    if (in->run->o->entry)
        in->run->o->entry(in->run->o->ctx, seq, &en, payload, erased ? NULL : &p);
    return erased_take(&in->erased, seq, &en, erased ? NULL : &p, e);
}

static bool entry_take(struct input *in, uint64_t seq, const struct merkle_hash *hash, struct err *e)
{
    struct reader r = reader_of(left(in));
    size_t before = reader_left(&r);
    struct merkle_hash h;
    struct entry_kept k = entry_get_kept(&r);
    if (!reader_ok(&r))
        return form_bad(in, seq, "not [leaf, salt, payload]");
    in->at += before - reader_left(&r);
    merkle_leaf(in->run->o->crypto, k.leaf, &h);
    merkle_append(in->run->o->crypto, &in->made, &h, NULL, NULL);
    if (memcmp(&h, hash, sizeof(h)) != 0) {
        in->suspects_all++;
        if (in->suspects_n < SUSPECTS_MAX)
            in->suspects[in->suspects_n++] = seq;
    }
    in->run->report->entries++;
    return entry_check(in, seq, k.leaf, k.salt, k.payload, e);
}

/* Which of the two lists is the signed one decides what was altered. */
static void roots_check(struct input *in)
{
    struct merkle_hash listed, made;
    const struct crypto *c = in->run->o->crypto;
    merkle_root(c, &in->listed, &listed);
    merkle_root(c, &in->made, &made);
    in->run->report->root = made;
    bool listed_ok = memcmp(&listed, &in->checkpoint.root, sizeof(listed)) == 0;
    bool made_ok = memcmp(&made, &in->checkpoint.root, sizeof(made)) == 0;
    for (size_t i = 0; i < in->suspects_n; i++)
        finding_put(in->run, made_ok ? FINDING_TILE : FINDING_ENTRY, in->suspects[i],
                    made_ok ? "export: the listed hash of entry %" PRIu64 " was altered; the entry is as signed"
                            : "export: entry %" PRIu64 " was altered: its leaf does not give its hash",
                    in->suspects[i]);
    if (in->suspects_all > in->suspects_n)
        finding_put(in->run, FINDING_ENTRY, ENTRY_SEQ_NONE, "export: %" PRIu64 " more entries were altered",
                    in->suspects_all - in->suspects_n);
    in->suspects_n = 0;
    if (!listed_ok && !made_ok)
        finding_put(in->run, FINDING_CHECKPOINT, ENTRY_SEQ_NONE,
                    "export: the entries do not give the root of the checkpoint");
}

/* False with e->code: I/O.  False without: a finding, after which nothing can be read. */
static bool entries_read(struct input *in, struct err *e)
{
    uint64_t size = in->checkpoint.size;
    struct merkle_hash hashes[TILE_WIDTH];
    for (uint64_t seq = 0; seq < size; seq++) {
        if (!fill(in, ITEM_MAX, e))
            return false;
        if (seq % TILE_WIDTH == 0) {
            finding_progress(in->run, seq, size);
            if (!block_take(in, seq, size - seq < TILE_WIDTH ? (size_t)(size - seq) : TILE_WIDTH, hashes) ||
                !fill(in, ITEM_MAX, e))
                return false;
        }
        if (!entry_take(in, seq, &hashes[seq % TILE_WIDTH], e))
            return false;
    }
    erased_report(&in->erased);
    roots_check(in);
    if (!fill(in, 1, e))
        return false;
    return left(in).n == 0 || form_bad(in, ENTRY_SEQ_NONE, "something stands behind the last entry");
}

bool verify_export(verify_read_fn *read, void *read_ctx, const struct verify_opts *o, struct verify_report *out,
                   struct err *e)
{
    struct err own = {0};
    struct verify_report report = {0};
    struct verify_run run = {o, &report};
    uint64_t note_n = 0;
    *out = report;
    e = e ? e : &own;
    err_clear(e);
    struct input *in = calloc(1, sizeof(*in));
    if (!in || !(in->buf = malloc(BUFFER_SIZE))) {
        free(in);
        return err_set(e, ERR_NOMEM, "%zu bytes to read an export", BUFFER_SIZE);
    }
    in->run = &run;
    in->erased = (struct erased){.run = &run, .where = "export"};
    in->read = read;
    in->ctx = read_ctx;
    bool whole = fill(in, ITEM_MAX, e) && head_read(in, &note_n) && note_check(in, note_n) && entries_read(in, e);
    /* A file that stops making sense part of the way was altered there, or before: say which entries were. */
    if (!whole && !e->code)
        for (size_t i = 0; i < in->suspects_n; i++)
            finding_put(&run, FINDING_ENTRY, in->suspects[i],
                        "export: entry %" PRIu64 " was altered: its leaf does not give its listed hash",
                        in->suspects[i]);
    bool ok = e->code == 0;
    erased_clear(&in->erased);
    free(in->buf);
    free(in);
    if (ok)
        *out = report;
    return ok;
}
