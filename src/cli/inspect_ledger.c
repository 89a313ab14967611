/* What a ledger hands out, for `kith inspect`: checkpoints, statements, exports, keys. */
#include "cli/view.h"
#include "keys/crypto.h"
#include "ledger/export.h"
#include "ledger/statement.h"
#include "model/event_print.h"

static void put_signers(struct view *v, const struct note *n)
{
    view_list(v, "signatures");
    for (size_t i = 0; i < n->sigs_n; i++)
        view_put_item(v, "signed by", n->sigs[i].name);
    view_list_end(v);
}

bool view_note(struct view *v, struct slice s)
{
    struct note n;
    struct checkpoint c;
    struct err e;
    if (!note_read(s, &n, &e))
        return false;
    if (checkpoint_read(n.text, &c, &e)) {
        view_put_text(v, "type", "checkpoint of a log (C2SP signed note)");
        view_put_slice(v, "origin", c.origin);
        view_put_int(v, "entries", (int64_t)c.size);
        view_put_bytes(v, "root", SLICE_ARRAY(c.root.b));
    } else {
        view_put_text(v, "type", "signed note (C2SP)");
        view_put_slice(v, "text", n.text);
    }
    put_signers(v, &n);
    view_put_text(v, "signatures are", "not checked: kith ledger verify does it");
    return true;
}

static void put_said(struct view *v, const struct statement *s)
{
    AUTO(buf_clear) struct buf b = {0};
    if (v->json) {
        json_out_text(&v->o, "event", event_kind_of(s->entry.type) ? event_name(s->entry.type) : "unknown");
        json_out_map(&v->o, "fields");
        event_print_json(&v->o, s->entry.type, s->said.fields);
        json_out_end(&v->o);
        return;
    }
    buf_init(&b, OUT_MAX / 4);
    event_print_text(&b, s->entry.type, s->said.fields);
    view_put_slice(v, "says", buf_slice(&b));
}

bool view_statement(struct view *v, struct slice s)
{
    struct statement st;
    struct note n;
    struct err e = {0};
    AUTO(buf_clear) struct buf extra = {0};
    struct slice rest = s;
    if (!slice_take_prefix(&rest, SLICE_LIT(STATEMENT_MAGIC)))
        return false;
    view_put_text(v, "type", "statement of a ledger about a device (C2SP tlog-proof)");
    if (!statement_read(&crypto_openssl, s, &extra, &st, &e) || !note_read(st.note, &n, &e)) {
        view_put_text(v, "fault", e.what);
        return true;
    }
    view_put_int(v, "entry", (int64_t)st.index);
    view_put_time(v, "time", st.entry.time_ms / 1000);
    put_said(v, &st);
    view_put_text(v, "payload", "as its leaf committed to");
    view_put_slice(v, "origin", st.checkpoint.origin);
    view_put_int(v, "entries", (int64_t)st.checkpoint.size);
    view_put_bytes(v, "root", SLICE_ARRAY(st.checkpoint.root.b));
    put_signers(v, &n);
    view_put_text(v, "signatures are", "not checked, nor its place: kith ledger verify --statement does it");
    return true;
}

bool view_export(struct view *v, struct slice s)
{
    struct slice rest = s, line;
    if (!slice_take_prefix(&rest, SLICE_LIT(EXPORT_MAGIC)))
        return false;
    view_put_text(v, "type", "export of a ledger");
    view_list(v, "keys");
    while (slice_take_prefix(&rest, SLICE_LIT("key ")))
        view_put_item(v, "key", slice_take_line(&rest));
    view_list_end(v);
    line = slice_take_line(&rest);
    uint64_t n = 0;
    struct note note;
    struct checkpoint c;
    struct err e;
    if (slice_take_prefix(&line, SLICE_LIT("note ")) && slice_take_decimal(&line, NOTE_MAX, &n) && n <= rest.n &&
        note_read(slice_of(rest.p, n), &note, &e) && checkpoint_read(note.text, &c, &e)) {
        view_put_slice(v, "origin", c.origin);
        view_put_int(v, "entries", (int64_t)c.size);
        view_put_bytes(v, "root", SLICE_ARRAY(c.root.b));
        put_signers(v, &note);
    } else {
        view_put_text(v, "fault", "its checkpoint is malformed");
    }
    view_put_int(v, "bytes", (int64_t)s.n);
    view_put_text(v, "signatures are", "not checked: kith ledger verify --export does it");
    return true;
}

bool view_vkeys(struct view *v, struct slice s)
{
    struct note_key key;
    struct err ignored;
    struct slice rest = s, line;
    size_t n = 0;
    for (; slice_take_said_line(&rest, &line); n++)
        if (!note_key_read(&crypto_openssl, line, &key, &ignored))
            return false;
    if (n == 0)
        return false;
    view_put_text(v, "type", "keys that sign a log's checkpoints (C2SP)");
    view_list(v, "keys");
    for (rest = s; slice_take_said_line(&rest, &line);)
        view_put_item(v, "key", line);
    view_list_end(v);
    return true;
}
