/* A leaf is refused or well-formed; a payload has as many changes as it says; an event that is read is written the same. */
#include "core/cbor.h"
#include "fuzz.h"
#include "ledger/entry.h"
#include "model/event.h"

static void each_change(struct slice payload)
{
    struct entry_payload p;
    struct entry_change ch;
    struct err e = {0};
    size_t n = 0;
    if (!entry_read_payload(payload, &p, &e))
        return;
    HOLDS(cbor_valid(payload) && cbor_valid(p.fields));
    for (struct reader r = entry_changes(&p); entry_change_next(&r, &ch); n++)
        HOLDS(cbor_valid(ch.keys));
    HOLDS(n == p.changes_n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct err e = {0};
    struct entry en;
    struct entry_payload p;
    struct event_draft d;
    uint8_t salt[ENTRY_SALT_SIZE] = {0};
    if (entry_read(s, &en, &e)) {
        HOLDS(cbor_valid(s));
        HOLDS(!entry_check_payload(&fuzz_crypto, &en, SLICE_ARRAY(salt), s, &p, &e));
    }
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
