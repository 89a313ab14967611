/* The newest checkpoint of a log in a database that all have signed.  Whoever can write the database may have put others there:
 * they are passed over, for `kith ledger verify` to name. */
#ifndef KITH_LEDGER_LAST_CHECKPOINT_H
#define KITH_LEDGER_LAST_CHECKPOINT_H

#include "base/buf.h"
#include "ledger/note.h"
#include "store/db.h"

struct log_of_keys {
    uint8_t node;
    const char *origin;
    const struct note_key *keys; /* each has to have signed */
    size_t keys_n;
};

struct last_checkpoint {
    uint64_t size; /* of its tree; 0: there is none */
    int64_t made_at;
    struct buf *note; /* where the whole of it is appended; NULL: nowhere */
};

MUST_USE bool last_checkpoint_read(struct db *db, const struct crypto *c, const struct log_of_keys *log,
                                   struct last_checkpoint *out, struct err *e);

#endif
