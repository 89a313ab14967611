#include "server/entry_filter.h"

#include <stdlib.h>

#include "ledger/filter.h"

#define BLOCK       FILTER_BLOCK
#define PAGE        1024 /* filters read at once; entries of the end of the log likewise */
#define BUILD_BLOCK 32   /* blocks of one transaction */

/* ---- making them ---- */

static const struct sql sql_block = {
    "SELECT time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};

static bool block_read(struct db *db, int64_t pos, struct filter_block *b, struct err *e)
{
    const struct value range[] = {value_int(pos), value_int(pos + BLOCK)};
    AUTO(rows_close) struct rows r = {0};
    filter_begin(b);
    if (!db_query(db, &sql_block, range, 2, &r, e))
        return false;
    while (rows_next(&r, e))
        filter_add(b, rows_int(&r, 0), (unsigned)rows_int(&r, 1), rows_blob(&r, 2));
    if (!e->code)
        filter_finish(b);
    return e->code == ERR_NONE;
}

struct build_job {
    struct job job;
    int64_t pos; /* of the first block's first entry */
    size_t n;
    struct filter_block blocks[BUILD_BLOCK];
};

static bool run(struct tx *tx, struct job *job, struct err *e)
{
    struct build_job *j = (struct build_job *)job;
    for (size_t i = 0; i < j->n; i++) {
        const struct value cols[ENTRY_FILTER_COLS] = {
            [ENTRY_FILTER_POS] = value_int(j->pos + (int64_t)(i * BLOCK)),
            [ENTRY_FILTER_DATA] = value_blob(filter_bytes(&j->blocks[i])),
        };
        if (!tx_scratch(tx, &(struct change){.table = &table_entry_filter, .cols = cols}, e))
            return false;
    }
    return true;
}

static const struct sql sql_last = {
    "SELECT pos FROM entry_filter WHERE pos >= $1 AND pos <= $2 ORDER BY pos DESC LIMIT 1"};

static const struct sql sql_last_entry = {
    "SELECT pos FROM entry WHERE pos >= $1 AND pos <= $2 ORDER BY pos DESC LIMIT 1"};

/* [first, filtered) has filters, [filtered, end) is only in the log; what is not committed yet is not there at all. */
struct extent {
    int64_t first, filtered, end;
};

static bool find_extent(struct app *app, struct db *db, struct extent *x, struct err *e)
{
    uint8_t node = (uint8_t)app->settings.node;
    struct value range[2];
    AUTO(rows_close) struct rows filter = {0}, entry = {0};
    entry_range(node, 0, range);
    *x = (struct extent){range[0].i, range[0].i, range[0].i};
    if (db_query_row(db, &sql_last, range, 2, &filter, e))
        x->filtered = rows_int(&filter, 0) + BLOCK;
    if (!e->code && db_query_row(db, &sql_last_entry, range, 2, &entry, e))
        x->end = rows_int(&entry, 0) + 1;
    return e->code == ERR_NONE;
}

bool entry_filter_build(struct app *app, bool *more, struct err *e)
{
    struct db *db = app_db(app);
    struct build_job *j;
    struct extent x;
    *more = false;
    if (!find_extent(app, db, &x, e))
        return false;
    if (x.end - x.filtered < BLOCK)
        return true;
    if (!(j = calloc(1, sizeof *j)))
        return err_set(e, ERR_NOMEM, "filters of the ledger");
    *j = (struct build_job){.job = {.run = run}, .pos = x.filtered};
    bool ok = true;
    for (; ok && j->n < BUILD_BLOCK && x.end - x.filtered >= BLOCK; x.filtered += BLOCK) {
        ok = block_read(db, x.filtered, &j->blocks[j->n], e);
        j->n += ok;
    }
    *more = ok && x.end - x.filtered >= BLOCK;
    ok = ok && commit_run(app->commit, &j->job, e);
    free(j);
    return ok;
}

/* ---- asking ---- */

struct scan {
    struct db *db;
    const struct entry_query *q;
    entry_visit *visit;
    void *ctx;
    uint64_t names[3], types[ENTRY_QUERY_TYPES_MAX]; /* hashes: all of these, one of those */
    size_t names_n;
    int64_t filtered; /* from here on there are no filters */
    int64_t lo, hi;   /* [lo, hi) is still to be looked at */
    uint64_t left;    /* entries that may still be read */
    bool enough;
};

static void add_name(struct scan *s, const char *name)
{
    if (name[0])
        s->names[s->names_n++] = filter_word(entry_actor(slice_str(name)));
}

/* From where to where, and by which words. */
static void scan_begin(struct scan *s, const struct extent *x)
{
    const struct entry_query *q = s->q;
    int64_t from = q->from > (uint64_t)(x->end - x->first) ? x->end : x->first + (int64_t)q->from;
    s->filtered = x->filtered < x->end ? x->filtered : x->end;
    s->lo = x->first;
    s->hi = x->end;
    if (q->from != ENTRY_SEQ_NONE && q->oldest_first)
        s->lo = from;
    if (q->from != ENTRY_SEQ_NONE && !q->oldest_first && from < x->end)
        s->hi = from + 1;
    add_name(s, q->who);
    add_name(s, q->subject);
    add_name(s, q->device);
    for (size_t i = 0; i < q->types_n; i++)
        s->types[i] = filter_word(slice_str(event_name(q->types[i])));
    if (s->names_n + q->types_n == 0 && q->since_ms == INT64_MIN && q->until_ms == INT64_MAX)
        s->filtered = x->first; /* every block has what is wanted */
}

/* What is no filter says nothing: its entries are read. */
static bool block_may_have(const struct scan *s, struct slice bytes)
{
    struct filter f;
    if (!filter_read(bytes, &f))
        return true;
    bool has = f.last_ms >= s->q->since_ms && f.first_ms < s->q->until_ms;
    for (size_t i = 0; has && i < s->names_n; i++)
        has = filter_has(&f, s->names[i]);
    bool of_type = s->q->types_n == 0;
    for (size_t i = 0; has && !of_type && i < s->q->types_n; i++)
        of_type = filter_has(&f, s->types[i]);
    return has && of_type;
}

/* Everything on the way to (and without) pos was looked at. */
static void scan_pass(struct scan *s, int64_t from, int64_t to)
{
    if (s->q->oldest_first)
        s->lo = to > s->lo ? to : s->lo;
    else
        s->hi = from < s->hi ? from : s->hi;
}

static void look_at(struct scan *s, const struct rows *r)
{
    struct entry_found f = {.seq = entry_seq(rows_int(r, 0)),
                            .time_ms = rows_int(r, 1),
                            .type = (unsigned)rows_int(r, 2),
                            .erased = rows_is_null(r, 3)};
    struct err ignored; /* what an entry of another version says is not known */
    if (!f.erased)
        (void)!entry_read_payload(rows_blob(r, 3), &f.payload, &ignored);
    if (entry_query_matches(s->q, &f))
        s->enough = !s->visit(s->ctx, &f);
}

#define SQL_ENTRIES "SELECT pos, time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"
static const struct sql sql_newest_first = {SQL_ENTRIES " DESC"}, sql_oldest_first = {SQL_ENTRIES};

static bool scan_range(struct scan *s, int64_t from, int64_t to, struct err *e)
{
    from = from > s->lo ? from : s->lo;
    to = to < s->hi ? to : s->hi;
    const struct value range[] = {value_int(from), value_int(to)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(s->db, s->q->oldest_first ? &sql_oldest_first : &sql_newest_first, range, 2, &r, e))
        return false;
    while (!s->enough && rows_next(&r, e)) {
        int64_t pos = rows_int(&r, 0);
        look_at(s, &r);
        scan_pass(s, pos, pos + 1);
        s->enough = s->enough || --s->left == 0;
    }
    if (s->enough)
        return true;
    scan_pass(s, from, to);
    return e->code == ERR_NONE;
}

static const struct sql sql_filters = {"SELECT pos, data FROM entry_filter WHERE pos >= $1 AND pos < $2"};

/* Which of n blocks from `first` on are to be read; one whose filter is gone is. */
static bool read_filters(struct scan *s, int64_t first, size_t n, bool may[PAGE], struct err *e)
{
    const struct value range[] = {value_int(first), value_int(first + (int64_t)n * BLOCK)};
    AUTO(rows_close) struct rows r = {0};
    for (size_t i = 0; i < n; i++)
        may[i] = true;
    if (!db_query(s->db, &sql_filters, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        int64_t at = rows_int(&r, 0) - first;
        if (at % BLOCK == 0)
            may[at / BLOCK] = block_may_have(s, rows_blob(&r, 1));
    }
    return e->code == ERR_NONE;
}

/* One page of filters and the entries that they lead to, or one page of entries that have none. */
static bool scan_page(struct scan *s, const struct extent *x, struct err *e)
{
    bool oldest = s->q->oldest_first, may[PAGE];
    if (oldest ? s->lo >= s->filtered : s->hi > s->filtered) {
        int64_t from = s->hi - PAGE > s->filtered ? s->hi - PAGE : s->filtered;
        return oldest ? scan_range(s, s->lo, s->lo + PAGE, e) : scan_range(s, from, s->hi, e);
    }
    int64_t begin = (s->lo - x->first) / BLOCK,
            end = ((s->hi < s->filtered ? s->hi : s->filtered) - x->first - 1) / BLOCK + 1;
    size_t n = end - begin < PAGE ? (size_t)(end - begin) : PAGE;
    int64_t first = x->first + (oldest ? begin : end - (int64_t)n) * BLOCK;
    if (!read_filters(s, first, n, may, e))
        return false;
    for (size_t i = 0; i < n && !s->enough; i++) {
        size_t k = oldest ? i : n - 1 - i;
        int64_t pos = first + (int64_t)k * BLOCK;
        if (!may[k])
            scan_pass(s, pos, pos + BLOCK);
        else if (!scan_range(s, pos, pos + BLOCK, e))
            return false;
    }
    return true;
}

bool entry_filter_scan(struct app *app, struct db *db, const struct entry_query *q, uint64_t read_max,
                       entry_visit *visit, void *ctx, uint64_t *next, struct err *e)
{
    struct scan s = {.db = db, .q = q, .visit = visit, .ctx = ctx, .left = read_max ? read_max : UINT64_MAX};
    struct extent x;
    *next = ENTRY_SEQ_NONE;
    if (!find_extent(app, db, &x, e))
        return false;
    scan_begin(&s, &x);
    while (!s.enough && s.lo < s.hi)
        if (!scan_page(&s, &x, e))
            return false;
    if (s.lo < s.hi)
        *next = entry_seq(q->oldest_first ? s.lo : s.hi - 1);
    return true;
}
