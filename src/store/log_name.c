#include "store/log_name.h"

#include "store/db_ops.h"
#include "store/row.h"
#include "store/row_sql.h"
#include "store/tables.h"

static const struct sql log_of_origin = {"SELECT node FROM log WHERE origin = $1"};

bool log_name_check(struct db *db, unsigned node, const char *origin, bool *there, struct err *e)
{
    const struct value key = value_int(node), name = value_text(origin);
    AUTO(rows_close) struct rows r = {0}, other = {0};
    err_clear(e);
    *there = row_read(db, &table_log, &key, &r, e);
    if (e->code || (*there && strcmp(origin, rows_text(&r, LOG_ORIGIN)) == 0))
        return e->code == ERR_NONE;
    if (*there) {
        err_set(e, ERR_STORE_ORIGIN, "the log is named \"%s\", the configuration says \"%s\"",
                ERR_QUOTE(slice_str(rows_text(&r, LOG_ORIGIN))), ERR_QUOTE(name.s));
        err_why(e, "its name stands in every checkpoint that was signed");
        return err_try(e, "a log keeps its name; set origin back");
    }
    if (!db_query_row(db, &log_of_origin, &name, 1, &other, e))
        return e->code == ERR_NONE;
    err_set(e, ERR_STORE_ORIGIN, "the log \"%s\" is that of node %lld, the configuration says node \"%u\"",
            ERR_QUOTE(name.s), (long long)rows_int(&other, 0), node);
    err_why(e, "the node's number stands in each serial number and entry; two would write two logs of one name");
    return err_try(e, "node = %lld", (long long)rows_int(&other, 0));
}

static bool is_there(struct db *db, unsigned node, struct err *e)
{
    const struct value key = value_int(node);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    return row_read(db, &table_log, &key, &r, e) || (!e->code && err_set(e, ERR_USAGE, "a new log needs an origin"));
}

bool log_name_open(struct db *db, unsigned node, const char *origin, int64_t now_ms, struct err *e)
{
    bool there;
    if (!origin)
        return is_there(db, node, e);
    if (!log_name_check(db, node, origin, &there, e) || there)
        return e->code == ERR_NONE;
    const struct value cols[LOG_COLS] = {value_int(node), value_text(origin), value_int(now_ms)};
    if (!row_check(&table_log, cols, LOG_COLS, e))
        return false;
    if (db_begin(db, e) && db_exec(db, &row_sql(&table_log)->insert, cols, LOG_COLS, e) && db_commit(db, e))
        return true;
    db_rollback(db);
    return false;
}
