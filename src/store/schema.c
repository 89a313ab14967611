#include "store/schema.h"

#include <stdio.h>

#include "store/tables.h"

#define MADE_MAX  64
#define NAME_SIZE 64

/* Both list [kind, name, table], in the words of CREATE.  The index of a primary key belongs to its table. */
static const struct sql sql_list_sqlite = {
    "SELECT CASE WHEN type = 'index' AND sql LIKE 'CREATE UNIQUE %' THEN 'unique index' ELSE type END, name, tbl_name"
    " FROM sqlite_master WHERE NOT (type = 'index' AND sql IS NULL)"
    " AND NOT (name IN ('sqlite_stat1', 'sqlite_stat4') AND sql LIKE 'CREATE TABLE %')"};
static const struct sql sql_list_pg = {
    "WITH here AS (SELECT c.oid, c.relkind, CAST(c.relname AS TEXT) AS name FROM pg_catalog.pg_class c"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()),"
    " extension AS (SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e')"
    " SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'"
    "  WHEN 'S' THEN 'sequence' ELSE 'table' END, name, name FROM here WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    "  AND oid NOT IN (SELECT objid FROM extension WHERE classid = CAST('pg_catalog.pg_class' AS regclass))"
    " UNION ALL SELECT CASE WHEN i.indisunique THEN 'unique index' ELSE 'index' END, x.name, t.name"
    "  FROM pg_catalog.pg_index i JOIN here x ON x.oid = i.indexrelid JOIN here t ON t.oid = i.indrelid"
    "  WHERE NOT i.indisprimary"
    " UNION ALL SELECT 'trigger', CAST(g.tgname AS TEXT), t.name FROM pg_catalog.pg_trigger g"
    "  JOIN here t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal"
    " UNION ALL SELECT 'rule', CAST(w.rulename AS TEXT), t.name FROM pg_catalog.pg_rewrite w"
    "  JOIN here t ON t.oid = w.ev_class WHERE w.rulename <> '_RETURN'"
    " UNION ALL SELECT 'policy', CAST(p.polname AS TEXT), t.name FROM pg_catalog.pg_policy p"
    "  JOIN here t ON t.oid = p.polrelid"
    " UNION ALL SELECT 'function', CAST(f.proname AS TEXT), CAST(f.proname AS TEXT) FROM pg_catalog.pg_proc f"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = current_schema()"
    "  AND f.oid NOT IN (SELECT objid FROM extension WHERE classid = CAST('pg_catalog.pg_proc' AS regclass))"};

struct made {
    const char *kind;
    char name[NAME_SIZE], table[NAME_SIZE];
    bool seen;
};

static bool take(const char **at, const char *word)
{
    size_t n = strlen(word);
    if (strncmp(*at, word, n) != 0)
        return false;
    *at += n;
    return true;
}

static void take_name(const char **at, char out[NAME_SIZE])
{
    size_t n = strcspn(*at, " (");
    snprintf(out, NAME_SIZE, "%.*s", (int)n, *at);
    *at += n;
}

/* What the scripts create.  (None drops anything; one that does is to be read here, or a test says so.) */
static size_t made_read(struct made out[MADE_MAX])
{
    const char *at;
    size_t n = 0;
    for (size_t i = 0; (at = tables_script(i)); i++)
        while ((at = strstr(at, "CREATE ")) && n < MADE_MAX) {
            struct made *m = &out[n++];
            at += strlen("CREATE ");
            m->kind = take(&at, "UNIQUE INDEX ") ? "unique index" : take(&at, "INDEX ") ? "index" : "table";
            bool table = take(&at, "TABLE ");
            (void)take(&at, "IF NOT EXISTS ");
            take_name(&at, m->name);
            if (!table && take(&at, " ON "))
                take_name(&at, m->table);
            else
                memcpy(m->table, m->name, NAME_SIZE);
        }
    return n;
}

static struct made *made_find(struct made *all, size_t n, const struct rows *r)
{
    for (size_t i = 0; i < n; i++)
        if (!all[i].seen && strcmp(all[i].name, rows_text(r, 1)) == 0 && strcmp(all[i].kind, rows_text(r, 0)) == 0 &&
            strcmp(all[i].table, rows_text(r, 2)) == 0)
            return &all[i];
    return NULL;
}

static void report(schema_found_fn *found, void *ctx, const char *kind, const char *name, const char *table,
                   const char *end)
{
    char text[400], on[128] = "";
    if (strcmp(name, table) != 0)
        snprintf(on, sizeof on, " on \"%s\"", ERR_QUOTE(slice_str(table)));
    snprintf(text, sizeof text, "%s \"%s\"%s %s", kind, ERR_QUOTE(slice_str(name)), on, end);
    found(ctx, table, name, text);
}

bool schema_check(struct db *db, schema_found_fn *found, void *ctx, struct err *e)
{
    struct made made[MADE_MAX] = {0};
    size_t n = made_read(made);
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(db, db_is_postgres(db) ? &sql_list_pg : &sql_list_sqlite, NULL, 0, &r, e))
        return err_ctx(e, "schema");
    while (rows_next(&r, e)) {
        struct made *m = made_find(made, n, &r);
        if (m)
            m->seen = true;
        else
            report(found, ctx, rows_text(&r, 0), rows_text(&r, 1), rows_text(&r, 2),
                   "is in the database, but none of Kith's");
    }
    if (e->code)
        return err_ctx(e, "schema");
    for (size_t i = 0; i < n; i++)
        if (!made[i].seen)
            report(found, ctx, made[i].kind, made[i].name, made[i].table, "is gone");
    return true;
}

struct first {
    size_t n;
    char text[400];
};

static void first_found(void *ctx, const char *table, const char *name, const char *text)
{
    struct first *f = ctx;
    (void)table, (void)name;
    if (f->n++ == 0)
        snprintf(f->text, sizeof f->text, "%s", text);
}

bool schema_sound(struct db *db, struct err *e)
{
    struct first f = {0};
    if (!schema_check(db, first_found, &f, e))
        return false;
    if (f.n == 0)
        return true;
    err_set(e, ERR_STORE_SCHEMA, "%s", f.text);
    err_why(e, "it changes what is read and written without a row that differs from its entry");
    return err_try(e, "kith ledger verify names all; find out who made it before you undo it");
}
