/* The statement that a device is gone for good: the entry that says so with its salt and payload, its place in the tree, and a
 * signed checkpoint of that tree.  One file that somebody else can verify without us (c2sp.org/tlog-proof;
 * doc/spec/ledger.md has the bytes).  Borrows its input, and the buffer into which the entry is decoded. */
#ifndef KITH_LEDGER_STATEMENT_H
#define KITH_LEDGER_STATEMENT_H

#include "base/buf.h"
#include "ledger/note.h"
#include "store/entry.h"

#define STATEMENT_MAGIC "c2sp.org/tlog-proof@v1\n"
#define STATEMENT_MAX   (2u << 20)

struct statement {
    struct entry_kept kept;
    struct entry entry;
    struct entry_payload said; /* what the leaf committed to */
    uint64_t index;
    uint8_t path[MERKLE_PROOF_MAX * SHA256_SIZE];
    size_t path_n; /* bytes */
    struct slice note;
    struct checkpoint checkpoint;
};

/* Appends the file. */
void statement_write(struct buf *b, const struct entry_kept *kept, uint64_t index, const struct merkle_proof *proof,
                     struct slice note);

/* What the bytes alone tell: their form, and that salt and payload give the commitment of the leaf.  `extra` holds the entry,
 * and must outlive *out.  Errors: note (form), ledger-entry (of the entry in it). */
MUST_USE bool statement_read(const struct crypto *c, struct slice file, struct buf *extra, struct statement *out,
                             struct err *e);
/* The checkpoint is signed by each of the keys, the entry stands in it at its index, and says that a device is gone for good.
 * Errors: note-signature, proof, policy (it says something else). */
MUST_USE bool statement_verify(const struct crypto *c, const struct statement *s, const struct note_key *keys,
                               size_t keys_n, struct err *e);

/* The device that the entry names, and the permanent state that it came into; NULL if it came into none. */
struct slice statement_device(const struct statement *s);
const char *statement_state(const struct statement *s);

#endif
