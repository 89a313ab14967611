/* What is read as a note, checkpoint or verifier key and written again is the same. */
#include "fuzz.h"
#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct err e = {0};
    struct note note;
    struct checkpoint c;
    struct note_key k;
    uint8_t buf[NOTE_MAX + 256];
    char vkey[NOTE_VKEY_MAX];
    if (note_read(s, &note, &e)) {
        HOLDS(note.sigs_n > 0 && note.text.n > 1 && note.text.p[note.text.n - 1] == '\n');
        HOLDS(note.text.p == data && note.all.n == n);
        if (checkpoint_read(note.text, &c, &e)) {
            struct writer w = writer_of(buf, sizeof buf);
            checkpoint_write(&w, &c);
            HOLDS(slice_eq(writer_slice(&w), note.text));
        }
    } else {
        HOLDS(e.code == ERR_NOTE && note.sigs_n == 0);
    }
    if (note_key_read(&fuzz_crypto, s, &k, &e)) {
        note_key_write(&k, vkey);
        HOLDS(slice_eq(slice_str(vkey), s));
        note.sigs_n = 0;
        (void)!note_open(&fuzz_crypto, s, &k, 1, &note, &e);
    }
    return 0;
}
