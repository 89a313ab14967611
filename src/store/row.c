#include "store/row.h"

#include <pthread.h>
#include <stdio.h>

#include "core/cbor.h"
#include "core/utf8.h"
#include "store/row_sql.h"
#include "store/tables.h"

/* ---- checks and canonical form ---- */

bool row_check(const struct table *t, const struct value *cols, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct column *c = &t->cols[i];
        const struct value *v = &cols[i];
        if (v->type == VALUE_NULL ? !c->null_ok : v->type != c->type)
            return err_set(e, ERR_STORE_VALUE, "%s.%s: %s", t->name, c->name,
                           v->type == VALUE_NULL ? "null" : "a value of another type");
        if (v->type == VALUE_TEXT && (!utf8_valid(v->s) || (v->s.n && memchr(v->s.p, 0, v->s.n))))
            return err_set(e, ERR_STORE_VALUE, "%s.%s: \"%s\" is not text", t->name, c->name, ERR_QUOTE(v->s));
    }
    return true;
}

void row_put(struct writer *w, const struct value *cols, size_t n)
{
    cbor_put_array(w, n);
    for (size_t i = 0; i < n; i++)
        switch (cols[i].type) {
        case VALUE_NULL:
            cbor_put_null(w);
            break;
        case VALUE_INT:
            cbor_put_int(w, cols[i].i);
            break;
        case VALUE_TEXT:
            cbor_put_tstr(w, cols[i].s);
            break;
        case VALUE_BLOB:
            cbor_put_bstr(w, cols[i].s);
            break;
        }
}

bool row_hash(const struct crypto *crypto, const uint8_t salt[ENTRY_SALT_SIZE], const struct value *cols, size_t n,
              uint8_t *buf, size_t cap, uint8_t out[SHA256_SIZE])
{
    struct writer w = writer_of(buf, cap);
    struct slice parts[2] = {slice_of(salt, ENTRY_SALT_SIZE)};
    memset(out, 0, SHA256_SIZE);
    row_put(&w, cols, n);
    if (!writer_done(&w, &parts[1]))
        return false;
    crypto->sha256(parts, 2, out);
    return true;
}

/* ---- SQL from descriptors ---- */

#define SQL_MAX     2048
#define NUMBERS_MAX 64

static struct {
    char select[SQL_MAX], select_all[SQL_MAX], upsert[SQL_MAX], insert[SQL_MAX], remove[SQL_MAX];
    struct row_sql sql;
} texts[NUMBERS_MAX];
static pthread_once_t texts_once = PTHREAD_ONCE_INIT;

static void add(struct writer *w, const char *s)
{
    writer_put(w, slice_str(s));
}

static void add_names(struct writer *w, const struct table *t, size_t from, size_t to, const char *pattern,
                      const char *between)
{
    for (size_t i = from; i < to; i++) {
        if (i > from)
            add(w, between);
        for (const char *p = pattern; *p; p++) {
            char number[24];
            snprintf(number, sizeof number, "$%zu", i + 1);
            if (*p == '@')
                add(w, t->cols[i].name);
            else if (*p == '#')
                add(w, number);
            else
                writer_put(w, slice_of(p, 1));
        }
    }
}

static void write_select(struct writer *w, const struct table *t)
{
    add(w, "SELECT ");
    add_names(w, t, 0, t->ncols, "@", ", ");
    add(w, " FROM ");
    add(w, t->name);
}

static void write_insert(struct writer *w, const struct table *t)
{
    add(w, "INSERT INTO ");
    add(w, t->name);
    add(w, " (");
    add_names(w, t, 0, t->ncols, "@", ", ");
    add(w, ") VALUES (");
    add_names(w, t, 0, t->ncols, "#", ", ");
    add(w, ")");
}

/* A row that differs in a fixed column would not be what its entry says: it gives NULL to a column that takes none, and
 * fails. */
static void write_guarded(struct writer *w, const struct table *t, size_t guard)
{
    add_names(w, t, guard, guard + 1, "@ = CASE WHEN ", "");
    for (size_t i = t->nkeys; i < t->nfixed; i++) {
        add(w, i > t->nkeys ? " AND " : "");
        add(w, t->name);
        add_names(w, t, i, i + 1, ".@ IS NOT DISTINCT FROM excluded.@", "");
    }
    add_names(w, t, guard, guard + 1, " THEN excluded.@ END", "");
}

/* Fixed columns are not set: SQLite would write every index anew that they stand in. */
static void write_update(struct writer *w, const struct table *t)
{
    size_t guard = t->nfixed;
    while (guard < t->ncols && t->cols[guard].null_ok)
        guard++;
    for (size_t i = t->nfixed; i < t->ncols; i++) {
        add(w, i > t->nfixed ? ", " : "");
        if (i == guard && t->nfixed > t->nkeys)
            write_guarded(w, t, i);
        else
            add_names(w, t, i, i + 1, "@ = excluded.@", "");
    }
}

static void texts_of(const struct table *t)
{
    /* The buffers are zero before this, and one byte is kept for the NUL; a test prepares every statement. */
    struct writer w = writer_of(texts[t->number].select, SQL_MAX - 1);
    write_select(&w, t);
    add(&w, " WHERE ");
    add_names(&w, t, 0, t->nkeys, "@ = #", " AND ");
    w = writer_of(texts[t->number].select_all, SQL_MAX - 1);
    write_select(&w, t);
    add(&w, " ORDER BY ");
    add_names(&w, t, 0, t->nkeys, "@", ", ");
    w = writer_of(texts[t->number].insert, SQL_MAX - 1);
    write_insert(&w, t);
    w = writer_of(texts[t->number].upsert, SQL_MAX - 1);
    write_insert(&w, t);
    add(&w, " ON CONFLICT (");
    add_names(&w, t, 0, t->nkeys, "@", ", ");
    add(&w, ") DO UPDATE SET ");
    write_update(&w, t);
    w = writer_of(texts[t->number].remove, SQL_MAX - 1);
    add(&w, "DELETE FROM ");
    add(&w, t->name);
    add(&w, " WHERE ");
    add_names(&w, t, 0, t->nkeys, "@ = #", " AND ");
}

static void texts_make(void)
{
    for (size_t i = 0; i < tables_n; i++) {
        uint8_t n = tables_all[i]->number;
        texts_of(tables_all[i]);
        texts[n].sql = (struct row_sql){
            {texts[n].select}, {texts[n].select_all}, {texts[n].upsert}, {texts[n].insert}, {texts[n].remove}};
    }
}

const struct row_sql *row_sql(const struct table *t)
{
    pthread_once(&texts_once, texts_make);
    return &texts[t->number % NUMBERS_MAX].sql;
}

const struct sql *row_select_all(const struct table *t)
{
    return &row_sql(t)->select_all;
}

bool row_read(struct db *db, const struct table *t, const struct value *keys, struct rows *out, struct err *e)
{
    return db_query_row(db, &row_sql(t)->select, keys, t->nkeys, out, e);
}

void row_values(const struct rows *r, const struct table *t, struct value *cols)
{
    for (int i = 0; i < t->ncols; i++) {
        cols[i] = value_null();
        if (rows_is_null(r, i))
            continue;
        cols[i].type = t->cols[i].type;
        if (cols[i].type == VALUE_INT)
            cols[i].i = rows_int(r, i);
        else
            cols[i].s = rows_blob(r, i);
    }
}
