/* Finds ledger entries by whom they name, what they say and when, without reading the log: a Bloom filter for each 256 entries,
 * 10 bits a name or type, and the times between which they lie, say where to look; about 1 in 100 of the other blocks is read
 * in vain.  1.3 bytes an entry where an index would cost 20 or more.
 *
 * Filters are a node's bookkeeping, made behind the writer for blocks that are full; the entries since are read as they
 * are.  What a filter says is checked at the entry itself, and without one its entries are read: a wrong one can cost an
 * entry in a list (`ledger verify` names it), never show a wrong one.  Deleting them all makes them anew. */
#ifndef KITH_SERVER_ENTRY_FILTER_H
#define KITH_SERVER_ENTRY_FILTER_H

#include "ledger/entry_query.h"
#include "model/event.h"
#include "server/app.h"

/* false: enough. */
typedef bool entry_visit(void *ctx, const struct entry_found *f);

/* Visits the entries of this node that q matches, in its order, from its `from` on.  *next: the entry to go on with, if visit had
 * enough or read_max entries (0: no bound) were read; ENTRY_SEQ_NONE: that was all.  Erased ones name nobody. */
MUST_USE bool entry_filter_scan(struct app *app, struct db *db, const struct entry_query *q, uint64_t read_max,
                                entry_visit *visit, void *ctx, uint64_t *next, struct err *e);

/* Makes the filters of some blocks that have none yet; *more: there are others.  From one thread. */
MUST_USE bool entry_filter_build(struct app *app, bool *more, struct err *e);

#endif
