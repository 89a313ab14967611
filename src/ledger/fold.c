#include "ledger/fold.h"

#include "store/row.h"
#include "store/tables.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS_FIRST 4096

bool fold_init(struct fold *f, struct verify_run *run, struct err *e)
{
    *f = (struct fold){.run = run, .cap = SLOTS_FIRST, .passes = 1};
    f->memory_max = run->o->memory_max ? run->o->memory_max : (size_t)512 << 20;
    f->slots = calloc(f->cap, sizeof(*f->slots));
    f->row = malloc(ROW_MAX);
    if (f->slots && f->row)
        return true;
    fold_clear(f);
    return err_set(e, ERR_NOMEM, "no memory to compare rows with entries");
}

void fold_clear(struct fold *f)
{
    free(f->slots);
    free(f->row);
    *f = (struct fold){0};
}

bool fold_next_pass(struct fold *f)
{
    if (++f->pass >= f->passes)
        return false;
    memset(f->slots, 0, f->cap * sizeof(*f->slots));
    f->n = 0;
    return true;
}

static void key_hash(const struct fold *f, uint8_t table, struct slice keys, uint8_t out[16])
{
    uint8_t hash[SHA256_SIZE];
    f->run->o->crypto->sha256((struct slice[]){slice_of(&table, 1), keys}, 2, hash);
    memcpy(out, hash, 16);
}

/* Passes and buckets come from different bytes of the key. */
static bool in_pass(const struct fold *f, const uint8_t key[16])
{
    uint32_t v;
    memcpy(&v, key + 8, sizeof(v));
    return v % f->passes == f->pass;
}

static struct fold_slot *slot_find(const struct fold *f, const uint8_t key[16])
{
    uint64_t at;
    memcpy(&at, key, sizeof(at));
    for (size_t i = (size_t)at & (f->cap - 1);; i = (i + 1) & (f->cap - 1))
        if (!f->slots[i].used || memcmp(f->slots[i].key, key, 16) == 0)
            return &f->slots[i];
}

static bool rehash(struct fold *f, size_t cap, struct err *e)
{
    struct fold_slot *old = f->slots, *slots = calloc(cap, sizeof(*slots));
    size_t old_cap = f->cap;
    if (!slots)
        return err_set(e, ERR_NOMEM, "%zu bytes to compare rows with entries", cap * sizeof(*slots));
    f->slots = slots;
    f->cap = cap;
    f->n = 0;
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i].used || !in_pass(f, old[i].key))
            continue;
        *slot_find(f, old[i].key) = old[i];
        f->n++;
    }
    free(old);
    return true;
}

/* Makes room: a larger map, or in the first pass half of the keys, of which the rest comes in further passes. */
static bool fold_room(struct fold *f, struct err *e)
{
    while (f->n >= f->cap / 4 * 3) {
        bool large = 2 * f->cap * sizeof(*f->slots) > f->memory_max;
        if (large && f->pass == 0 && f->passes < 1u << 16)
            f->passes *= 2;
        if (!rehash(f, large && f->pass == 0 ? f->cap : 2 * f->cap, e))
            return false;
    }
    return true;
}

bool fold_entry(struct fold *f, int64_t pos, const struct entry *en, struct slice salt, struct slice payload,
                struct err *e)
{
    struct entry_payload p;
    struct entry_change ch;
    if (salt.n != ENTRY_SALT_SIZE || !entry_read_payload(payload, &p, NULL))
        return true; /* erased, or altered: that is another's finding */
    for (struct reader r = entry_changes(&p); entry_change_next(&r, &ch);) {
        uint8_t key[16];
        key_hash(f, ch.table, ch.keys, key);
        if (!in_pass(f, key))
            continue;
        if (!fold_room(f, e))
            return false;
        if (!in_pass(f, key))
            continue; /* it went to a later pass */
        struct fold_slot *s = slot_find(f, key);
        /* Between the logs of two nodes the time decides, within one the number. */
        bool other_node = s->used && (s->pos ^ pos) >> ENTRY_NODE_SHIFT;
        if (other_node && s->time_ms > en->time_ms)
            continue;
        f->n += !s->used;
        *s = (struct fold_slot){
            .pos = pos, .time_ms = en->time_ms, .table = ch.table, .used = true, .removed = !ch.rowhash};
        memcpy(s->key, key, sizeof(key));
        memcpy(s->salt, salt.p, sizeof(s->salt));
        if (ch.rowhash)
            memcpy(s->rowhash, ch.rowhash, sizeof(s->rowhash));
    }
    return true;
}

/* ---- rows ---- */

#define PAGE      1000
#define PAGE_TEXT 1024

/* Statements are cached by their address, so these live for ever. */
static struct {
    char first_text[PAGE_TEXT], next_text[PAGE_TEXT];
    struct sql first, next;
} pages[UINT8_MAX + 1];
static pthread_once_t pages_once = PTHREAD_ONCE_INIT;

static void page_names(FILE *out, const struct table *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%s", i ? ", " : "", t->cols[i].name);
}

static void page_write(char *text, const struct table *t, bool next)
{
    FILE *out = fmemopen(text, PAGE_TEXT, "w");
    if (!out)
        return; /* an empty statement fails where it is used */
    fprintf(out, "SELECT ");
    page_names(out, t, t->ncols);
    fprintf(out, " FROM %s", t->name);
    if (next) {
        fprintf(out, " WHERE (");
        page_names(out, t, t->nkeys);
        fprintf(out, ") > (");
        for (unsigned i = 1; i <= t->nkeys; i++)
            fprintf(out, "%s$%u", i > 1 ? ", " : "", i);
        fprintf(out, ")");
    }
    fprintf(out, " ORDER BY ");
    page_names(out, t, t->nkeys);
    fprintf(out, " LIMIT %d", PAGE);
    fclose(out);
}

static void pages_make(void)
{
    for (size_t i = 0; i < tables_n; i++) {
        const struct table *t = tables_all[i];
        page_write(pages[t->number].first_text, t, false);
        page_write(pages[t->number].next_text, t, true);
        pages[t->number].first.text = pages[t->number].first_text;
        pages[t->number].next.text = pages[t->number].next_text;
    }
}

static void row_compare(struct fold *f, const struct table *t, const struct value *cols)
{
    uint8_t key[16], hash[SHA256_SIZE];
    char text[KEY_TEXT_MAX];
    struct writer w = writer_of(f->row, ROW_MAX);
    row_put(&w, cols, t->nkeys);
    struct slice keys = writer_slice(&w);
    key_hash(f, t->number, keys, key);
    if (!in_pass(f, key))
        return;
    f->run->report->rows++;
    finding_key_text(keys, text);
    struct fold_slot *s = slot_find(f, key);
    if (!s->used) {
        finding_put_row(f->run, FINDING_ROW_UNKNOWN, ENTRY_SEQ_NONE, t->name, text,
                        "%s %s is in the database, but no entry speaks of it", t->name, text);
        return;
    }
    s->seen = true;
    unsigned long long seq = entry_seq(s->pos);
    if (s->removed)
        finding_put_row(f->run, FINDING_ROW_EDITED, seq, t->name, text,
                        "%s %s is in the database, but entry %llu removed it", t->name, text, seq);
    else if (!row_hash(f->run->o->crypto, s->salt, cols, t->ncols, f->row, ROW_MAX, hash) ||
             memcmp(hash, s->rowhash, SHA256_SIZE) != 0)
        finding_put_row(f->run, FINDING_ROW_EDITED, seq, t->name, text, "%s %s is not what its last entry, %llu, says",
                        t->name, text, seq);
}

/* What a page's last row has as keys, copied, for rows go with their page. */
static bool keys_copy(const struct table *t, const struct value *cols, uint8_t *buf, size_t cap, struct value *keys)
{
    struct writer w = writer_of(buf, cap);
    for (size_t i = 0; i < t->nkeys; i++) {
        keys[i] = cols[i];
        if (cols[i].type != VALUE_TEXT && cols[i].type != VALUE_BLOB)
            continue;
        keys[i].s = slice_of(buf + w.n, cols[i].s.n);
        writer_put(&w, cols[i].s);
        writer_u8(&w, 0);
    }
    return writer_ok(&w);
}

static bool table_compare(struct fold *f, struct db *db, const struct table *t, struct err *e)
{
    struct value keys[TABLE_COLS_MAX], cols[TABLE_COLS_MAX];
    uint8_t buf[4096];
    bool first = true, more = true;
    while (more) {
        AUTO(rows_close) struct rows r = {0};
        size_t n = 0;
        if (!db_query(db, first ? &pages[t->number].first : &pages[t->number].next, keys, first ? 0 : t->nkeys, &r, e))
            return err_ctx(e, "%s", t->name);
        while (rows_next(&r, e)) {
            row_values(&r, t, cols);
            row_compare(f, t, cols);
            if (++n == PAGE && !keys_copy(t, cols, buf, sizeof(buf), keys))
                return err_set(e, ERR_LIMIT, "%s: a key of more than %zu bytes", t->name, sizeof(buf));
        }
        if (e->code)
            return err_ctx(e, "%s", t->name);
        first = false;
        more = n == PAGE;
    }
    return true;
}

static const struct sql entry_select = {"SELECT payload FROM entry WHERE pos = $1"};

/* The key of a row that is gone stands in its entry only. */
static bool missing_put(struct fold *f, struct db *db, const struct fold_slot *s, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    struct value pos = value_int(s->pos);
    const struct table *t = table_by_number(s->table);
    char text[KEY_TEXT_MAX] = "?";
    struct entry_payload p;
    struct entry_change ch;
    uint8_t key[16];
    if (!db_query_row(db, &entry_select, &pos, 1, &r, e))
        return e->code == 0;
    if (entry_read_payload(rows_blob(&r, 0), &p, NULL)) {
        for (struct reader it = entry_changes(&p); entry_change_next(&it, &ch);) {
            key_hash(f, ch.table, ch.keys, key);
            if (memcmp(key, s->key, sizeof(key)) == 0)
                finding_key_text(ch.keys, text);
        }
    }
    const char *name = t ? t->name : "unknown table";
    unsigned long long seq = entry_seq(s->pos);
    finding_put_row(f->run, FINDING_ROW_MISSING, seq, name, text, "%s %s is gone, but entry %llu says it is there",
                    name, text, seq);
    return true;
}

bool fold_compare(struct fold *f, struct db *db, struct err *e)
{
    pthread_once(&pages_once, pages_make);
    for (size_t i = 0; i < tables_n; i++)
        if (!tables_all[i]->exempt && !table_compare(f, db, tables_all[i], e))
            return false;
    for (size_t i = 0; i < f->cap; i++) {
        const struct fold_slot *s = &f->slots[i];
        if (s->used && !s->seen && !s->removed && !missing_put(f, db, s, e))
            return false;
    }
    return true;
}
