/* Entries of the ledger as answers show them, in every list of them. */
#ifndef KITH_SERVER_API_ENTRIES_H
#define KITH_SERVER_API_ENTRIES_H

#include "server/api/api.h"
#include "server/entry_filter.h"

struct entry_list {
    struct call *c;
    size_t n, max;
    bool failed; /* with e: the database's */
    struct err e;
};

/* Puts one into the list that is open, with what its certificate says.  False: enough, or an error. */
bool entry_list_put(struct entry_list *l, const struct entry_found *f);
MUST_USE bool entry_list_ok(const struct entry_list *l, struct err *e);

#endif
