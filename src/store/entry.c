#include "store/entry.h"

#include "store/row.h"

void entry_commit(const struct crypto *c, const uint8_t salt[ENTRY_SALT_SIZE], struct slice payload,
                  uint8_t out[SHA256_SIZE])
{
    c->sha256((struct slice[]){slice_of(salt, ENTRY_SALT_SIZE), payload}, 2, out);
}

/* ---- writing ---- */

static void put_hash(struct writer *w, const uint8_t *hash)
{
    if (hash)
        cbor_put_bstr(w, slice_of(hash, SHA256_SIZE));
    else
        cbor_put_null(w);
}

/* [1, node, time_ms, type, commitment, ref / null] */
void entry_put_leaf(struct writer *w, const struct entry *en)
{
    cbor_put_array(w, 6);
    cbor_put_uint(w, ENTRY_VERSION);
    cbor_put_uint(w, en->node);
    cbor_put_uint(w, (uint64_t)en->time_ms);
    cbor_put_uint(w, en->type);
    put_hash(w, en->commitment);
    put_hash(w, en->ref);
}

/* [fields map, [* change]] */
void entry_put_payload(struct writer *w, struct slice fields, size_t changes_n)
{
    cbor_put_array(w, 2);
    if (fields.n)
        cbor_put_raw(w, fields);
    else
        cbor_put_map(w, 0);
    cbor_put_array(w, changes_n);
}

/* [table uint, [* key column values], rowhash bstr32 / null] */
void entry_put_change(struct writer *w, const struct table *t, const struct value *keys, const uint8_t *rowhash)
{
    cbor_put_array(w, 3);
    cbor_put_uint(w, t->number);
    row_put(w, keys, t->nkeys);
    put_hash(w, rowhash);
}

/* ---- reading ---- */

bool entry_read(struct slice leaf, struct entry *out, struct err *e)
{
    struct reader r = reader_of(leaf);
    struct entry en = {0};
    *out = en;
    cbor_get_array_n(&r, 6);
    uint64_t version = cbor_get_uint(&r);
    if (reader_ok(&r) && version != ENTRY_VERSION)
        return err_set(e, ERR_LEDGER_ENTRY, "leaf of version %llu, not %d", (unsigned long long)version, ENTRY_VERSION);
    en.node = (uint8_t)cbor_get_uint_max(&r, 127);
    en.time_ms = (int64_t)cbor_get_uint_max(&r, INT64_MAX);
    en.type = (uint16_t)cbor_get_uint_max(&r, UINT16_MAX);
    struct slice commitment = cbor_get_bstr_n(&r, SHA256_SIZE);
    if (!cbor_take_null(&r))
        en.ref = cbor_get_bstr_n(&r, SHA256_SIZE).p;
    if (!reader_end(&r) || en.node == 0) {
        err_set(e, ERR_LEDGER_ENTRY, "leaf of %zu bytes: not an entry", leaf.n);
        return err_why(e, "doc/spec/ledger.md, leaf");
    }
    memcpy(en.commitment, commitment.p, SHA256_SIZE);
    *out = en;
    return true;
}

static void put_or_null(struct writer *w, struct slice s)
{
    if (s.p)
        cbor_put_bstr(w, s);
    else
        cbor_put_null(w);
}

void entry_put_kept(struct writer *w, const struct entry_kept *k)
{
    cbor_put_array(w, 3);
    cbor_put_bstr(w, k->leaf);
    put_or_null(w, k->salt);
    put_or_null(w, k->payload);
}

struct entry_kept entry_get_kept(struct reader *r)
{
    struct entry_kept k = {0};
    cbor_get_array_n(r, 3);
    k.leaf = cbor_get_bstr(r);
    if (!cbor_take_null(r))
        k.salt = cbor_get_bstr_n(r, ENTRY_SALT_SIZE);
    if (!cbor_take_null(r))
        k.payload = cbor_get_bstr(r);
    if ((k.salt.p == NULL) != (k.payload.p == NULL))
        reader_fail(r);
    return reader_ok(r) ? k : (struct entry_kept){0};
}

/* A primary key: at least one int, text, bytes or null. */
static struct slice keys_get(struct reader *r)
{
    const uint8_t *start = r->p;
    size_t n = cbor_get_array(r);
    if (n == 0)
        reader_fail(r);
    for (size_t i = 0; i < n && reader_ok(r); i++) {
        enum cbor_type t = cbor_peek(r);
        if (t == CBOR_ARRAY || t == CBOR_MAP || t == CBOR_TAG || (t == CBOR_SIMPLE && !cbor_peek_null(r)))
            reader_fail(r);
        cbor_skip(r);
    }
    return reader_ok(r) ? slice_of(start, (size_t)(r->p - start)) : (struct slice){0};
}

static void change_get(struct reader *r, struct entry_change *out)
{
    cbor_get_array_n(r, 3);
    out->table = (uint8_t)cbor_get_uint_max(r, UINT8_MAX);
    out->keys = keys_get(r);
    out->rowhash = cbor_take_null(r) ? NULL : cbor_get_bstr_n(r, SHA256_SIZE).p;
}

bool entry_read_payload(struct slice payload, struct entry_payload *out, struct err *e)
{
    struct reader r = reader_of(payload);
    struct entry_payload p;
    struct entry_change ch;
    *out = (struct entry_payload){0};
    cbor_get_array_n(&r, 2);
    bool form = cbor_peek(&r) == CBOR_MAP;
    p.fields = cbor_take_raw(&r);
    p.changes_n = cbor_get_array(&r);
    const uint8_t *start = r.p;
    for (size_t i = 0; i < p.changes_n && reader_ok(&r); i++)
        change_get(&r, &ch);
    p.changes = slice_of(start, (size_t)(r.p - start));
    if (!form || !reader_end(&r)) {
        err_set(e, ERR_LEDGER_ENTRY, "payload of %zu bytes: not [fields, changes]", payload.n);
        return err_why(e, "doc/spec/ledger.md, payload");
    }
    *out = p;
    return true;
}

bool entry_check_payload(const struct crypto *c, const struct entry *en, struct slice salt, struct slice payload,
                         struct entry_payload *out, struct err *e)
{
    uint8_t hash[SHA256_SIZE];
    *out = (struct entry_payload){0};
    if (salt.n == ENTRY_SALT_SIZE)
        entry_commit(c, salt.p, payload, hash);
    if (salt.n != ENTRY_SALT_SIZE || memcmp(hash, en->commitment, SHA256_SIZE) != 0)
        return err_set(e, ERR_LEDGER_ENTRY, "salt and payload do not give the commitment of the leaf");
    return entry_read_payload(payload, out, e);
}

struct reader entry_changes(const struct entry_payload *p)
{
    return reader_of(p->changes);
}

bool entry_change_next(struct reader *r, struct entry_change *out)
{
    *out = (struct entry_change){0};
    if (reader_left(r) == 0)
        return false;
    change_get(r, out);
    return reader_ok(r);
}
