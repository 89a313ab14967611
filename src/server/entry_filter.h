/* Finds the ledger entries that name a device (gateway, operator) without reading the log: a Bloom filter for each 256 entries,
 * 10 bits a name, says where to look; about 1 in 100 of the other blocks is read in vain.  1.3 bytes an entry where an index
 * would cost 20 or more.
 *
 * Filters are a node's bookkeeping, made behind the writer for blocks that are full; the entries since are read as they
 * are.  What a filter says is checked at the entry itself, so a lost or wrong one can cost an entry in a list, never a
 * wrong one; deleting them all makes them anew. */
#ifndef KITH_SERVER_ENTRY_FILTER_H
#define KITH_SERVER_ENTRY_FILTER_H

#include "ledger/entry.h"
#include "model/event.h"
#include "server/app.h"

struct entry_found {
    uint64_t seq;
    int64_t time_ms;
    unsigned type;
    struct slice fields; /* borrowed during the call, as is what follows */
    const struct entry_payload *payload;
};
/* false: enough. */
typedef bool entry_visit(void *ctx, const struct entry_found *f);

/* Visits the entries of this node that name `subject` as device, subject or (device:, gateway:, operator:) who, newest
 * first, none from before since_ms.  Erased ones name nobody. */
MUST_USE bool entry_filter_scan(struct app *app, struct db *db, const char *subject, int64_t since_ms,
                                entry_visit *visit, void *ctx, struct err *e);

/* Makes the filters of some blocks that have none yet; *more: there are others.  From one thread. */
MUST_USE bool entry_filter_build(struct app *app, bool *more, struct err *e);

#endif
