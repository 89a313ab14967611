/* A leaf's changes are as many as it says; its payload is refused or fits; an event that is read is written the same. */
#include "core/cbor.h"
#include "fuzz.h"
#include "ledger/entry.h"
#include "model/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n), fields;
    struct err e = {0};
    struct entry en;
    struct entry_change ch;
    struct event_draft d;
    uint8_t salt[ENTRY_SALT_SIZE] = {0};
    if (entry_read(s, &en, &e)) {
        size_t changes = 0;
        HOLDS(cbor_valid(s));
        for (struct entry_changes it = entry_changes(&en, (struct slice){0}); entry_change_next(&it, &ch);)
            changes++;
        HOLDS(changes == en.changes_n);
        HOLDS(!entry_check_payload(&fuzz_crypto, &en, SLICE_ARRAY(salt), s, &fields, &e));
    }
    /* The payload of a leaf that is made to fit. */
    en = (struct entry){.node = 1};
    fuzz_crypto.sha256((struct slice[]){SLICE_ARRAY(salt), s}, 2, en.commitment);
    if (entry_check_payload(&fuzz_crypto, &en, SLICE_ARRAY(salt), s, &fields, &e)) {
        struct event_payload p;
        HOLDS(event_payload_read(s, &p, &e) && slice_eq(p.fields, fields));
        s = fields;
    }
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
