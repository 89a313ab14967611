#include "store/db_ops.h"

bool db_pg_open(const char *conninfo, bool writable, struct db **out, struct err *e)
{
    (void)conninfo;
    (void)writable;
    *out = NULL;
    return err_set(e, ERR_UNAVAILABLE, "PostgreSQL is not built in yet");
}
