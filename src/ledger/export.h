/* The export of a log: one file that somebody else can verify without us (doc/spec/ledger.md has the bytes).
 *
 *     kith-ledger-export 1 LF
 *     key VKEY LF                the log's, then those of the cosigners
 *     note BYTES LF
 *     (the checkpoint's signed note)
 * then a CBOR sequence: for each 256 entries a byte string with their leaf hashes, then the entries [leaf, salt, payload],
 * salt and payload null where they were erased. */
#ifndef KITH_LEDGER_EXPORT_H
#define KITH_LEDGER_EXPORT_H

#include "ledger/note.h"
#include "store/db.h"

#define EXPORT_MAGIC    "kith-ledger-export 1\n"
#define EXPORT_KEYS_MAX 32

typedef bool export_write_fn(void *ctx, struct slice s, struct err *e);

/* Writes the log of `node` up to the checkpoint in `note`; keys[0] is the log's.  The note is verified first, and the
 * entries are not: verify_export() does that.  Errors: note, note-signature, ledger (entries are missing), the writer's. */
MUST_USE bool export_write(struct db *db, uint8_t node, const struct crypto *c, struct slice note,
                           const struct note_key *keys, size_t keys_n, export_write_fn *write, void *write_ctx,
                           struct err *e);

#endif
