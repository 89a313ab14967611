#include "ledger/erase.h"

#include "model/event.h"
#include "store/tables.h"

#define FIELDS_MAX 1024

static const struct sql entry_select = {"SELECT type, payload FROM entry WHERE pos = $1"};

static bool may_erase(struct tx *tx, uint64_t seq, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value pos = value_int(entry_pos(tx_node(tx), seq));
    unsigned long long n = seq;
    err_clear(e);
    if (!db_query_row(tx_db(tx), &entry_select, &pos, 1, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "the log has no entry %llu", n);
    if (rows_is_null(&r, 1))
        return err_set(e, ERR_CONFLICT, "entry %llu is erased already", n);
    if (rows_int(&r, 0) != EVENT_ENTRY_ERASED)
        return true;
    err_set(e, ERR_POLICY, "entry %llu says that another one was erased", n);
    return err_why(e, "doc/spec/ledger.md: what is erased without an entry that says so is a finding");
}

bool erase_entry(struct tx *tx, uint64_t seq, const char *who, const char *why, struct err *e)
{
    struct err own;
    uint8_t fields[FIELDS_MAX];
    struct writer w = WRITER_ARRAY(fields);
    struct event_draft d = event_draft_of(EVENT_ENTRY_ERASED);
    e = e ? e : &own;
    event_set_text(&d, "who", who);
    event_set_int(&d, "entry", (int64_t)seq);
    event_set_text(&d, "why", why);
    if (!may_erase(tx, seq, e) || !event_write(&d, &w, e))
        return false;
    const struct event said = {.type = EVENT_ENTRY_ERASED, .fields = writer_slice(&w)};
    return tx_entry_erase(tx, seq, &said, e);
}
