#include "ledger/statement.h"

#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "model/device.h"
#include "model/event.h"

void statement_write(struct buf *b, const struct entry_kept *kept, uint64_t index, const struct merkle_proof *proof,
                     struct slice note)
{
    AUTO(buf_clear) struct buf extra = {0};
    buf_init(&extra, ENTRY_KEPT_MAX);
    size_t max = kept->leaf.n + kept->payload.n + ENTRY_SALT_SIZE + 32;
    uint8_t *p = (uint8_t *)buf_space(&extra, max);
    struct writer w = writer_of(p, p ? max : 0);
    struct slice s = {0};
    entry_put_kept(&w, kept);
    if (!writer_done(&w, &s))
        b->bad = true; /* without it there is no statement */
    buf_put_str(b, STATEMENT_MAGIC "extra ");
    codec_put(b, CODEC_BASE64, s);
    buf_printf(b, "\nindex %" PRIu64 "\n", index);
    for (size_t i = 0; i < proof->n; i++) {
        codec_put(b, CODEC_BASE64, slice_of(proof->path[i].b, SHA256_SIZE));
        buf_put_char(b, '\n');
    }
    buf_put_char(b, '\n');
    buf_put(b, note);
}

/* ---- reading ---- */

static bool form_bad(struct err *e, const char *what)
{
    err_set(e, ERR_NOTE, "statement: %s", what);
    return err_why(e, "c2sp.org/tlog-proof; doc/spec/ledger.md, statement");
}

static bool path_read(struct slice *rest, struct statement *s, struct err *e)
{
    struct slice line;
    size_t n;
    for (;;) {
        if (!slice_take_ended_line(rest, &line))
            return form_bad(e, "it ends within the hashes of its proof");
        if (line.n == 0)
            return true;
        if (s->path_n == sizeof s->path)
            return form_bad(e, "too many hashes in its proof");
        uint8_t hash[SHA256_SIZE];
        if (!codec_decode(CODEC_BASE64, line, hash, sizeof hash, &n, e) || n != sizeof hash)
            return form_bad(e, "a hash of its proof is not one");
        memcpy(s->path + s->path_n, hash, sizeof hash);
        s->path_n += sizeof hash;
    }
}

static bool extra_read(const struct crypto *c, struct slice text, struct buf *extra, struct statement *s, struct err *e)
{
    size_t max = codec_bytes_max(CODEC_BASE64, text.n), n;
    buf_init(extra, STATEMENT_MAX);
    void *p = buf_space(extra, max + 1);
    if (!p)
        return err_set(e, ERR_NOMEM, "%zu bytes of a statement", text.n);
    if (!codec_decode(CODEC_BASE64, text, p, max, &n, e))
        return form_bad(e, "its extra data is not base64");
    struct reader r = reader_of(slice_of(p, n));
    s->kept = entry_get_kept(&r);
    if (!reader_end(&r))
        return form_bad(e, "its extra data is not [leaf, salt, payload]");
    if (!s->kept.salt.p) {
        err_set(e, ERR_LEDGER_ENTRY, "statement: what the entry says is erased");
        return err_why(e, "without salt and payload a leaf says nothing of any device");
    }
    return entry_read(s->kept.leaf, &s->entry, e) &&
           entry_check_payload(c, &s->entry, s->kept.salt, s->kept.payload, &s->said, e);
}

bool statement_read(const struct crypto *c, struct slice file, struct buf *extra, struct statement *out, struct err *e)
{
    struct statement s = {0};
    struct slice rest = file, text;
    struct note n;
    *out = s;
    if (file.n > STATEMENT_MAX)
        return form_bad(e, "too long");
    if (!slice_take_prefix(&rest, SLICE_LIT(STATEMENT_MAGIC)))
        return form_bad(e, "its first line is not c2sp.org/tlog-proof@v1");
    if (!slice_take_prefix(&rest, SLICE_LIT("extra ")) || !slice_take_ended_line(&rest, &text))
        return form_bad(e, "there is no extra data in it");
    if (!slice_take_prefix(&rest, SLICE_LIT("index ")) || !slice_take_decimal(&rest, INT64_MAX, &s.index) ||
        !slice_take_prefix(&rest, SLICE_LIT("\n")))
        return form_bad(e, "there is no index in it");
    if (!path_read(&rest, &s, e))
        return false;
    s.note = rest;
    if (!note_read(rest, &n, e) || !checkpoint_read(n.text, &s.checkpoint, e) || !extra_read(c, text, extra, &s, e))
        return false;
    *out = s;
    return true;
}

/* ---- what it says, and whether that is so ---- */

struct slice statement_device(const struct statement *s)
{
    return event_get_text(s->entry.type, s->said.fields, "device");
}

const char *statement_state(const struct statement *s)
{
    char name[32] = "";
    if (s->entry.type == EVENT_DEVICE_RETIRED)
        return device_state_name(DEVICE_RETIRED);
    struct slice to = event_get_text(s->entry.type, s->said.fields, "to");
    if (s->entry.type != EVENT_DEVICE_STATE || to.n >= sizeof name)
        return NULL;
    if (to.n)
        memcpy(name, to.p, to.n);
    enum device_state state = device_state_from_name(name);
    return device_state_is_permanent(state) ? device_state_name(state) : NULL;
}

bool statement_verify(const struct crypto *c, const struct statement *s, const struct note_key *keys, size_t keys_n,
                      struct err *e)
{
    struct note n;
    struct merkle_hash leaf;
    if (keys_n == 0)
        return err_set(e, ERR_USAGE, "without keys that are trusted nothing is verified");
    if (!note_open(c, s->note, keys, keys_n, &n, e))
        return false;
    merkle_leaf(c, s->kept.leaf, &leaf);
    if (!merkle_verify_inclusion(c, &leaf, s->index, s->checkpoint.size, slice_of(s->path, s->path_n),
                                 &s->checkpoint.root, e))
        return err_ctx(e, "entry %" PRIu64, s->index);
    if (statement_device(s).n == 0 || !statement_state(s)) {
        err_set(e, ERR_POLICY, "entry %" PRIu64 " does not say that a device is gone for good", s->index);
        return err_why(e, "it is of %s", event_kind_of(s->entry.type) ? event_name(s->entry.type) : "no known event");
    }
    return true;
}
