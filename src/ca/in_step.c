#include "ca/in_step.h"

#include "ca/journal.h"
#include "ca/own_key.h"
#include "ca/request.h"
#include "core/cbor.h"
#include "store/row.h"
#include "store/tables.h"

static bool journal_behind(struct err *e)
{
    err_why(e, "a signer that does not know what it signed could sign against it: a serial number twice, a list that "
               "lacks a revocation; nothing is signed beside a database that knows more");
    return err_try(e, "stop kithd and restore the newest copy of " PATH_SIGNERS
                      "/, or directory and database from copies of one time; do not cut or delete files there");
}

bool in_step_last(struct db *db, const struct settings *s, const struct crypto *c, struct last_checkpoint *out,
                  struct err *e)
{
    struct note_key keys[NOTE_KEYS];
    const struct log_of_keys log = {
        .node = (uint8_t)s->node, .origin = s->origin, .keys = keys, .keys_n = ARRAY_LEN(keys)};
    return own_key_vkeys(c, s, keys, e) && last_checkpoint_read(db, c, &log, out, e);
}

bool in_step_judge(const struct in_step_log *log, const char *signer, uint64_t vouched, struct err *e)
{
    if (vouched > log->size) {
        err_set(e, ERR_STORE_BEHIND,
                "the database has %llu entries, but the %s signer has vouched for %llu: it is an older copy",
                (unsigned long long)log->size, signer, (unsigned long long)vouched);
        err_why(e,
                "what was issued, revoked and recorded since that copy is not in it; nothing is issued on top of it");
        return err_try(e, "restore the newest copy of the database, not older than the signers' journals");
    }
    if (vouched >= log->signed_size)
        return true;
    err_set(e, ERR_JOURNAL_BEHIND,
            "the database has a checkpoint of %llu entries that the %s signer signed, but its journal knows of %llu: "
            "it is an older copy, or was cut",
            (unsigned long long)log->signed_size, signer, (unsigned long long)vouched);
    return journal_behind(e);
}

bool in_step_mark(struct db *db, uint64_t *at, struct err *e)
{
    const struct value key = value_text("issuing");
    AUTO(rows_close) struct rows rows = {0};
    err_clear(e);
    *at = row_read(db, &table_journal_mark, &key, &rows, e) ? (uint64_t)rows_int(&rows, JOURNAL_MARK_POSITION) : 0;
    return e->code == ERR_NONE;
}

bool in_step_meet(struct named *named, const struct crypto *c, struct slice record, struct err *e)
{
    struct reader r;
    enum journal_kind kind;
    int64_t at;
    uint8_t ref[SHA256_SIZE];
    if (!journal_record_read(record, &r, &kind, &at, e))
        return false;
    if (!journal_record_ref(c, kind, &r, ref, e))
        return e->code == ERR_NONE;
    struct named_ref *by = named_find(named, ref);
    if (by)
        by->met = true;
    return true;
}

bool in_step_all_met(const struct named *named, uint64_t vouched, struct err *e)
{
    const struct named_ref *first = NULL;
    for (size_t i = 0; i < named->n; i++) {
        const struct named_ref *r = &named->v[i];
        if (!r->met && r->seq >= vouched && (!first || r->seq < first->seq))
            first = r;
    }
    if (!first)
        return true;
    err_set(e, ERR_JOURNAL_BEHIND,
            "entry %llu names something that the issuing signer signed, but its journal does not hold it: it is an "
            "older copy, or was cut, or the entry is forged",
            (unsigned long long)first->seq);
    return journal_behind(e);
}

struct look {
    const struct crypto *crypto;
    struct named *named; /* NULL: this signer's signatures have no entries */
    uint64_t mark, vouched;
};

static bool on_record(void *ctx, struct slice record, const struct journal_mark *next, struct err *e)
{
    struct look *l = ctx;
    struct reader r;
    enum journal_kind kind;
    int64_t at;
    if (!journal_record_read(record, &r, &kind, &at, e))
        return false;
    if (kind == JOURNAL_COSIGN)
        l->vouched = cbor_get_uint(&r);
    return !l->named || next->at <= l->mark || in_step_meet(l->named, l->crypto, record, e);
}

static bool read_journal(const struct settings *s, const char *signer, struct look *l, struct err *e)
{
    const struct journal_mark start = {0};
    AUTO(arena_clear) struct arena a;
    arena_init(&a, 8192);
    const char *path = arena_printf(&a, "%s/" PATH_SIGNERS "/%s/journal", s->dir, signer);
    return arena_ok(&a, e) && journal_check(path, l->crypto, &start, on_record, l, e);
}

bool in_step_check(struct db *db, const struct settings *s, const struct crypto *c, struct err *e)
{
    AUTO(named_clear) struct named named = {0};
    struct in_step_log log;
    struct last_checkpoint last = {0};
    struct look issuing = {.crypto = c, .named = &named}, ledger = {.crypto = c};
    struct err ignored;
    if (!in_step_mark(db, &issuing.mark, &ignored) || !in_step_last(db, s, c, &last, &ignored) ||
        !named_read(&named, db, (uint8_t)s->node, last.size, &ignored) ||
        !read_journal(s, "issuing", &issuing, &ignored) || !read_journal(s, "ledger", &ledger, &ignored) ||
        !log_size_load(db, (uint8_t)s->node, &log.size, &ignored))
        return true;
    log.signed_size = last.size;
    return in_step_judge(&log, "issuing", issuing.vouched, e) && in_step_judge(&log, "ledger", ledger.vouched, e) &&
           in_step_all_met(&named, issuing.vouched, e);
}
