/* A leaf, a payload, an event: refused, or well-formed and written the same. */
#include "fuzz.h"
#include "model/event.h"
#include "store/entry.h"

/* The values of a key; a number that no column holds is left out. */
static bool key_values(struct slice keys, struct value *v, size_t *n)
{
    struct reader r = reader_of(keys);
    *n = cbor_get_array(&r);
    if (*n > DB_ARGS_MAX)
        return false;
    for (size_t i = 0; i < *n; i++) {
        enum cbor_type t = cbor_peek(&r);
        v[i] = value_null();
        if (t == CBOR_TSTR)
            v[i] = (struct value){.type = VALUE_TEXT, .s = cbor_get_tstr(&r)};
        else if (t == CBOR_BSTR)
            v[i] = value_blob(cbor_get_bstr(&r));
        else if (!cbor_take_null(&r))
            v[i] = value_int(cbor_get_int(&r));
    }
    return reader_ok(&r);
}

static void each_change(struct slice payload)
{
    struct entry_payload p;
    struct entry_change ch;
    struct err e = {0};
    size_t n = 0, keys_n;
    bool all = true;
    if (!entry_read_payload(payload, &p, &e))
        return;
    uint8_t *buf = malloc(payload.n);
    struct writer w = writer_of(buf, payload.n);
    HOLDS(buf && cbor_valid(payload) && cbor_valid(p.fields));
    entry_put_payload(&w, p.fields, p.changes_n);
    for (struct reader r = entry_changes(&p); entry_change_next(&r, &ch); n++) {
        struct value v[DB_ARGS_MAX];
        HOLDS(cbor_valid(ch.keys));
        all = all && key_values(ch.keys, v, &keys_n);
        if (all)
            entry_put_change(&w, &(struct table){.number = ch.table, .nkeys = (uint8_t)keys_n}, v, ch.rowhash);
    }
    HOLDS(n == p.changes_n);
    HOLDS(!all || slice_eq(writer_slice(&w), payload));
    free(buf);
}

static void leaf(struct slice s)
{
    struct err e = {0};
    struct entry en;
    struct entry_payload p;
    uint8_t salt[ENTRY_SALT_SIZE] = {0}, again[ENTRY_LEAF_OURS];
    struct writer w = WRITER_ARRAY(again);
    if (!entry_read(s, &en, &e))
        return;
    HOLDS(cbor_valid(s));
    HOLDS(!entry_check_payload(&fuzz_crypto, &en, SLICE_ARRAY(salt), s, &p, &e));
    entry_put_leaf(&w, &en);
    HOLDS(slice_eq(writer_slice(&w), s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct err e = {0};
    struct entry en;
    struct entry_payload p;
    struct event_draft d;
    uint8_t salt[ENTRY_SALT_SIZE] = {0};
    leaf(s);
    each_change(s);
    /* The payload of a leaf that is made to fit. */
    en = (struct entry){.node = 1};
    fuzz_crypto.sha256((struct slice[]){SLICE_ARRAY(salt), s}, 2, en.commitment);
    if (entry_check_payload(&fuzz_crypto, &en, SLICE_ARRAY(salt), s, &p, &e))
        s = p.fields;
    uint8_t *buf = malloc(EVENT_WRITE_MAX);
    for (size_t i = 0; buf && event_kind_at(i); i++) {
        if (!event_read(event_kind_at(i)->type, s, &d, NULL))
            continue;
        struct writer w = writer_of(buf, EVENT_WRITE_MAX);
        if (event_write(&d, &w, &e))
            HOLDS(slice_eq(writer_slice(&w), s));
        else
            HOLDS(e.code == ERR_LIMIT);
    }
    free(buf);
    return 0;
}
