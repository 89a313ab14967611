#include "ledger/entry.h"

static bool change_read(struct reader *r, struct entry_change *out)
{
    static const uint8_t zeros[SHA256_SIZE];
    cbor_get_array_n(r, 3);
    out->table = (uint8_t)cbor_get_uint_max(r, UINT8_MAX);
    out->keyhash = cbor_get_bstr_n(r, SHA256_SIZE).p;
    out->rowhash = cbor_get_bstr_n(r, SHA256_SIZE).p;
    if (!reader_ok(r))
        return false;
    out->removed = memcmp(out->rowhash, zeros, SHA256_SIZE) == 0;
    return true;
}

bool entry_read(struct slice leaf, struct entry *out, struct err *e)
{
    struct reader r = reader_of(leaf);
    struct entry en = {0};
    struct entry_change ch;
    *out = en;
    cbor_get_array_n(&r, 7);
    uint64_t version = cbor_get_uint(&r);
    if (reader_ok(&r) && version != ENTRY_VERSION)
        return err_set(e, ERR_LEDGER_ENTRY, "leaf of version %llu, not %d", (unsigned long long)version, ENTRY_VERSION);
    en.node = (uint8_t)cbor_get_uint_max(&r, 127);
    en.time_ms = (int64_t)cbor_get_uint_max(&r, INT64_MAX);
    en.type = (uint16_t)cbor_get_uint_max(&r, UINT16_MAX);
    struct slice commitment = cbor_get_bstr_n(&r, SHA256_SIZE);
    en.changes_n = cbor_get_array(&r);
    const uint8_t *start = r.p;
    for (size_t i = 0; i < en.changes_n && change_read(&r, &ch); i++)
        ;
    en.changes = slice_of(start, (size_t)(r.p - start));
    if (!cbor_take_null(&r))
        en.ref = cbor_get_bstr_n(&r, SHA256_SIZE).p;
    if (!reader_end(&r) || leaf.n > ENTRY_LEAF_MAX || en.node == 0) {
        err_set(e, ERR_LEDGER_ENTRY, "leaf of %zu bytes: not an entry", leaf.n);
        return err_why(e, "doc/spec/ledger.md, leaf");
    }
    memcpy(en.commitment, commitment.p, SHA256_SIZE);
    *out = en;
    return true;
}

static bool payload_read(struct slice payload, struct slice *fields, size_t *changes_n, struct reader *changes)
{
    struct reader r = reader_of(payload);
    cbor_get_array_n(&r, 2);
    bool form = cbor_peek(&r) == CBOR_MAP;
    *fields = cbor_take_raw(&r);
    *changes = r;
    form = form && cbor_peek(&r) == CBOR_ARRAY;
    cbor_skip(&r);
    if (!form || !reader_end(&r))
        return false;
    *changes_n = cbor_get_array(changes);
    return true;
}

bool entry_check_payload(const struct crypto *c, const struct entry *en, struct slice salt, struct slice payload,
                         struct slice *fields, struct err *e)
{
    uint8_t hash[SHA256_SIZE];
    struct reader keys = {0};
    size_t n = 0;
    *fields = (struct slice){0};
    c->sha256((struct slice[]){salt, payload}, 2, hash);
    if (salt.n != ENTRY_SALT_SIZE || memcmp(hash, en->commitment, SHA256_SIZE) != 0)
        return err_set(e, ERR_LEDGER_ENTRY, "salt and payload do not give the commitment of the leaf");
    if (!payload_read(payload, fields, &n, &keys) || n != en->changes_n)
        return err_set(e, ERR_LEDGER_ENTRY, "the payload is not [fields, changes], or has other changes than the leaf");
    struct entry_changes it = entry_changes(en, payload);
    struct entry_change ch;
    for (size_t i = 0; i < n; i++) {
        if (!entry_change_next(&it, &ch) || ch.keys.n == 0)
            return err_set(e, ERR_LEDGER_ENTRY, "change %zu: the payload names another table than the leaf", i);
        c->sha256((struct slice[]){salt, ch.keys}, 2, hash);
        if (memcmp(hash, ch.keyhash, SHA256_SIZE) != 0)
            return err_set(e, ERR_LEDGER_ENTRY, "change %zu: the key does not give the hash in the leaf", i);
    }
    return true;
}

struct entry_changes entry_changes(const struct entry *en, struct slice payload)
{
    struct entry_changes it = {.leaf = reader_of(en->changes), .left = en->changes_n};
    struct slice fields;
    size_t n;
    if (payload.n == 0 || !payload_read(payload, &fields, &n, &it.payload) || n != en->changes_n)
        reader_fail(&it.payload);
    return it;
}

bool entry_change_next(struct entry_changes *it, struct entry_change *out)
{
    *out = (struct entry_change){0};
    if (it->left == 0 || !change_read(&it->leaf, out))
        return false;
    it->left--;
    cbor_get_array_n(&it->payload, 2);
    uint64_t table = cbor_get_uint_max(&it->payload, UINT8_MAX);
    bool form = cbor_peek(&it->payload) == CBOR_ARRAY;
    struct slice keys = cbor_take_raw(&it->payload);
    if (reader_ok(&it->payload) && form && table == out->table)
        out->keys = keys;
    return true;
}
