/* What a ledger hands out, for `kith inspect`: checkpoints, exports, keys. */
#include "cli/view.h"
#include "keys/crypto.h"
#include "ledger/export.h"

static void put_signers(struct view *v, const struct note *n)
{
    if (v->json)
        json_out_list(&v->o, "signatures");
    for (size_t i = 0; i < n->sigs_n; i++) {
        const struct note_sig *s = &n->sigs[i];
        if (v->json)
            json_out_slice(&v->o, NULL, s->name);
        else
            view_put_slice(v, "signed by", s->name);
    }
    if (v->json)
        json_out_end(&v->o);
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

bool view_export(struct view *v, struct slice s)
{
    size_t magic = strlen(EXPORT_MAGIC);
    if (s.n < magic || memcmp(s.p, EXPORT_MAGIC, magic) != 0)
        return false;
    view_put_text(v, "type", "export of a ledger");
    struct slice rest = slice_of(s.p + magic, s.n - magic);
    if (v->json)
        json_out_list(&v->o, "keys");
    while (rest.n > 4 && memcmp(rest.p, "key ", 4) == 0) {
        struct slice line = slice_take_line(&rest);
        line = slice_of(line.p + 4, line.n - 4);
        if (v->json)
            json_out_slice(&v->o, NULL, line);
        else
            view_put_slice(v, "key", line);
    }
    if (v->json)
        json_out_end(&v->o);
    struct slice line = slice_take_line(&rest);
    size_t n = 0;
    for (size_t i = 5; i < line.n && line.p[i] >= '0' && line.p[i] <= '9' && n < NOTE_MAX; i++)
        n = 10 * n + (size_t)(line.p[i] - '0');
    struct note note;
    struct checkpoint c;
    struct err e;
    if (n <= rest.n && note_read(slice_of(rest.p, n), &note, &e) && checkpoint_read(note.text, &c, &e)) {
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

/* ledger.vkeys: a verifier key of C2SP signed notes in each line; '#' begins a comment line. */
static bool next_key_line(struct slice *rest, struct slice *line)
{
    while (rest->n) {
        *line = slice_take_line(rest);
        if (line->n && line->p[0] != '#')
            return true;
    }
    return false;
}

bool view_vkeys(struct view *v, struct slice s)
{
    struct note_key key;
    struct err ignored;
    struct slice rest = s, line;
    size_t n = 0;
    for (; next_key_line(&rest, &line); n++)
        if (!note_key_read(&crypto_openssl, line, &key, &ignored))
            return false;
    if (n == 0)
        return false;
    view_put_text(v, "type", "keys that sign a log's checkpoints (C2SP)");
    if (v->json)
        json_out_list(&v->o, "keys");
    for (rest = s; next_key_line(&rest, &line);) {
        if (v->json)
            json_out_slice(&v->o, NULL, line);
        else
            view_put_slice(v, "key", line);
    }
    if (v->json)
        json_out_end(&v->o);
    return true;
}
