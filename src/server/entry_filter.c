#include "server/entry_filter.h"

#include <stdlib.h>

#include "ledger/entry.h"

#define BLOCK       256 /* entries */
#define NAMES_MAX   (3 * BLOCK)
#define NAME_BITS   10
#define PROBES      7 /* 10 bits and 7 probes: 0.8 % */
#define FILTER_MAX  (NAMES_MAX * NAME_BITS / 8 + 1)
#define PAGE        1024 /* filters read at once; entries of the end of the log likewise */
#define BUILD_BLOCK 32   /* blocks of one transaction */

/* ---- names ---- */

static uint64_t hash_of(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

/* "device:dev_1": who acted, without what he is. */
static struct slice actor(unsigned type, struct slice fields)
{
    struct slice who = event_get_text(type, fields, "who");
    const uint8_t *colon = who.n ? memchr(who.p, ':', who.n) : NULL;
    return colon ? slice_of(colon + 1, who.n - (size_t)(colon + 1 - who.p)) : (struct slice){0};
}

struct names {
    struct slice v[3];
};

static struct names names_of(unsigned type, struct slice fields)
{
    return (struct names){
        {event_get_text(type, fields, "device"), event_get_text(type, fields, "subject"), actor(type, fields)}};
}

static bool is_named(unsigned type, struct slice fields, struct slice subject)
{
    struct names n = names_of(type, fields);
    for (size_t i = 0; i < ARRAY_LEN(n.v); i++)
        if (slice_eq(n.v[i], subject))
            return true;
    return false;
}

/* ---- one filter: bits, as many as its bytes have ---- */

static size_t bit_of(uint64_t h, unsigned probe, size_t bits)
{
    uint32_t a = (uint32_t)h, b = (uint32_t)(h >> 32) | 1;
    return (a + probe * b) % bits;
}

static bool filter_has(struct slice f, uint64_t h)
{
    for (unsigned i = 0; i < PROBES; i++) {
        size_t bit = f.n ? bit_of(h, i, 8 * f.n) : 0;
        if (!f.n || !(f.p[bit / 8] >> bit % 8 & 1))
            return false;
    }
    return true;
}

struct block {
    uint64_t names[NAMES_MAX];
    size_t names_n;
    uint8_t filter[FILTER_MAX];
    size_t n;
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void block_finish(struct block *b)
{
    size_t distinct = 0;
    qsort(b->names, b->names_n, sizeof b->names[0], compare);
    for (size_t i = 0; i < b->names_n; i++)
        if (i == 0 || b->names[i] != b->names[distinct - 1])
            b->names[distinct++] = b->names[i];
    b->n = (distinct * NAME_BITS + 7) / 8;
    memset(b->filter, 0, b->n);
    for (size_t i = 0; i < distinct; i++)
        for (unsigned p = 0; p < PROBES; p++) {
            size_t bit = bit_of(b->names[i], p, 8 * b->n);
            b->filter[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
}

/* ---- making them ---- */

static const struct sql sql_payloads = {
    "SELECT type, payload FROM entry WHERE pos >= $1 AND pos < $2 AND payload IS NOT NULL ORDER BY pos"};

static bool block_read(struct db *db, int64_t pos, struct block *b, struct err *e)
{
    const struct value range[] = {value_int(pos), value_int(pos + BLOCK)};
    AUTO(rows_close) struct rows r = {0};
    b->names_n = 0;
    if (!db_query(db, &sql_payloads, range, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        struct entry_payload p;
        struct err ignored;
        if (!entry_read_payload(rows_blob(&r, 1), &p, &ignored))
            continue;
        struct names n = names_of((unsigned)rows_int(&r, 0), p.fields);
        for (size_t i = 0; i < ARRAY_LEN(n.v); i++)
            if (n.v[i].n && b->names_n < NAMES_MAX)
                b->names[b->names_n++] = hash_of(n.v[i]);
    }
    if (!e->code)
        block_finish(b);
    return e->code == ERR_NONE;
}

struct build_job {
    struct job job;
    int64_t pos; /* of the first block's first entry */
    size_t n;
    struct block blocks[BUILD_BLOCK];
};

static bool run(struct tx *tx, struct job *job, struct err *e)
{
    struct build_job *j = (struct build_job *)job;
    for (size_t i = 0; i < j->n; i++) {
        const struct value cols[ENTRY_FILTER_COLS] = {
            [ENTRY_FILTER_POS] = value_int(j->pos + (int64_t)(i * BLOCK)),
            [ENTRY_FILTER_DATA] = value_blob(slice_of(j->blocks[i].filter, j->blocks[i].n)),
        };
        if (!tx_scratch(tx, &(struct change){.table = &table_entry_filter, .cols = cols}, e))
            return false;
    }
    return true;
}

static const struct sql sql_last = {
    "SELECT pos FROM entry_filter WHERE pos >= $1 AND pos < $2 ORDER BY pos DESC LIMIT 1"};

static const struct sql sql_last_entry = {
    "SELECT pos FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos DESC LIMIT 1"};

/* [first, filtered) has filters, [filtered, end) is only in the log; what is not committed yet is not there at all. */
struct extent {
    int64_t first, filtered, end;
};

static bool find_extent(struct app *app, struct db *db, struct extent *x, struct err *e)
{
    uint8_t node = (uint8_t)app->settings.node;
    const struct value range[] = {value_int(entry_pos(node, 0)), value_int(entry_pos((uint8_t)(node + 1), 0))};
    AUTO(rows_close) struct rows filter = {0}, entry = {0};
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
    struct slice subject;
    int64_t since_ms;
    entry_visit *visit;
    void *ctx;
    bool enough;
};

static const struct sql sql_entries = {
    "SELECT pos, time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos DESC"};

static bool scan_range(struct scan *s, int64_t from, int64_t to, struct err *e)
{
    const struct value range[] = {value_int(from), value_int(to)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(s->db, &sql_entries, range, 2, &r, e))
        return false;
    while (!s->enough && rows_next(&r, e)) {
        struct entry_payload p;
        struct err ignored; /* an entry of another version is passed over */
        s->enough = rows_int(&r, 1) < s->since_ms;
        if (s->enough || rows_is_null(&r, 3) || !entry_read_payload(rows_blob(&r, 3), &p, &ignored) ||
            !is_named((unsigned)rows_int(&r, 2), p.fields, s->subject))
            continue;
        const struct entry_found f = {entry_seq(rows_int(&r, 0)), rows_int(&r, 1), (unsigned)rows_int(&r, 2), p.fields,
                                      &p};
        s->enough = !s->visit(s->ctx, &f);
    }
    return s->enough || e->code == ERR_NONE;
}

static const struct sql sql_filters = {
    "SELECT pos, data FROM entry_filter WHERE pos >= $1 AND pos < $2 ORDER BY pos DESC LIMIT $3"};

/* One page of filters below *end: where to look.  *end becomes the page's lowest. */
static bool read_page(struct scan *s, int64_t first, int64_t *end, int64_t *hits, size_t *n, struct err *e)
{
    uint64_t h = hash_of(s->subject);
    const struct value args[] = {value_int(first), value_int(*end), value_int(PAGE)};
    AUTO(rows_close) struct rows r = {0};
    *n = 0;
    if (!db_query(s->db, &sql_filters, args, ARRAY_LEN(args), &r, e))
        return false;
    *end = first;
    for (int i = 0; rows_next(&r, e); i++) {
        if (i == PAGE - 1)
            *end = rows_int(&r, 0);
        if (filter_has(rows_blob(&r, 1), h))
            hits[(*n)++] = rows_int(&r, 0);
    }
    return e->code == ERR_NONE;
}

bool entry_filter_scan(struct app *app, struct db *db, const char *subject, int64_t since_ms, entry_visit *visit,
                       void *ctx, struct err *e)
{
    struct scan s = {.db = db, .subject = slice_str(subject), .since_ms = since_ms, .visit = visit, .ctx = ctx};
    struct extent x;
    int64_t hits[PAGE];
    size_t n;
    if (!find_extent(app, db, &x, e))
        return false;
    for (; !s.enough && x.end > x.filtered; x.end -= PAGE)
        if (!scan_range(&s, x.end - PAGE > x.filtered ? x.end - PAGE : x.filtered, x.end, e))
            return false;
    while (!s.enough && x.filtered > x.first) {
        if (!read_page(&s, x.first, &x.filtered, hits, &n, e))
            return false;
        for (size_t i = 0; !s.enough && i < n; i++)
            if (!scan_range(&s, hits[i], hits[i] + BLOCK, e))
                return false;
    }
    return true;
}
