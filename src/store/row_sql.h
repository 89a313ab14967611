/* The statements of a table, made from its descriptor once in a process.  Internal to src/store. */
#ifndef KITH_STORE_ROW_SQL_H
#define KITH_STORE_ROW_SQL_H

#include "store/commit.h"

struct row_sql {
    struct sql select, select_all, upsert, insert, remove;
};

const struct row_sql *row_sql(const struct table *t);

#endif
