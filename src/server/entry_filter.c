#include "server/entry_filter.h"

#include <stdlib.h>

#define BLOCK       256               /* entries */
#define WORDS       (ENTRY_NAMES + 1) /* what an entry is found by: its names and its type */
#define WORDS_MAX   (WORDS * BLOCK)
#define WORD_BITS   10
#define PROBES      7 /* 10 bits and 7 probes: 0.8 % */
#define HEAD_SIZE   16
#define FILTER_MAX  (HEAD_SIZE + WORDS_MAX * WORD_BITS / 8 + 1)
#define PAGE        1024 /* filters read at once; entries of the end of the log likewise */
#define BUILD_BLOCK 32   /* blocks of one transaction */

static uint64_t hash_of(struct slice s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * 0x100000001b3u;
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

/* ---- one filter: the earliest and the latest time (ms) of its entries, then bits, as many as its bytes have ---- */

static size_t bit_of(uint64_t h, unsigned probe, size_t bits)
{
    uint32_t a = (uint32_t)h, b = (uint32_t)(h >> 32) | 1;
    return (a + probe * b) % bits;
}

static bool bits_have(struct slice f, uint64_t h)
{
    for (unsigned i = 0; i < PROBES; i++) {
        size_t bit = f.n ? bit_of(h, i, 8 * f.n) : 0;
        if (!f.n || !(f.p[bit / 8] >> bit % 8 & 1))
            return false;
    }
    return true;
}

struct block {
    int64_t first_ms, last_ms;
    uint64_t words[WORDS_MAX];
    size_t words_n;
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
    struct writer w = WRITER_ARRAY(b->filter);
    size_t distinct = 0;
    qsort(b->words, b->words_n, sizeof b->words[0], compare);
    for (size_t i = 0; i < b->words_n; i++)
        if (i == 0 || b->words[i] != b->words[distinct - 1])
            b->words[distinct++] = b->words[i];
    writer_u64(&w, (uint64_t)b->first_ms);
    writer_u64(&w, (uint64_t)b->last_ms);
    size_t bytes = (distinct * WORD_BITS + 7) / 8;
    uint8_t *bits = b->filter + HEAD_SIZE;
    memset(bits, 0, bytes);
    for (size_t i = 0; i < distinct; i++)
        for (unsigned p = 0; p < PROBES; p++) {
            size_t bit = bit_of(b->words[i], p, 8 * bytes);
            bits[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    b->n = HEAD_SIZE + bytes;
}

/* ---- making them ---- */

static const struct sql sql_block = {
    "SELECT time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};

static void block_add(struct block *b, int64_t time_ms, unsigned type, struct slice payload)
{
    struct slice names[ENTRY_NAMES];
    struct entry_payload p;
    struct err ignored; /* erased, or of another version: it is found by its type */
    if (b->words_n + WORDS > WORDS_MAX)
        return;
    b->first_ms = time_ms < b->first_ms ? time_ms : b->first_ms;
    b->last_ms = time_ms > b->last_ms ? time_ms : b->last_ms;
    b->words[b->words_n++] = hash_of(slice_str(event_name(type)));
    if (!entry_read_payload(payload, &p, &ignored))
        return;
    entry_names(type, p.fields, names);
    for (size_t i = 0; i < ENTRY_NAMES; i++)
        if (names[i].n)
            b->words[b->words_n++] = hash_of(names[i]);
}

static bool block_read(struct db *db, int64_t pos, struct block *b, struct err *e)
{
    const struct value range[] = {value_int(pos), value_int(pos + BLOCK)};
    AUTO(rows_close) struct rows r = {0};
    b->words_n = 0;
    b->first_ms = INT64_MAX;
    b->last_ms = INT64_MIN;
    if (!db_query(db, &sql_block, range, 2, &r, e))
        return false;
    while (rows_next(&r, e))
        block_add(b, rows_int(&r, 0), (unsigned)rows_int(&r, 1), rows_blob(&r, 2));
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
        s->names[s->names_n++] = hash_of(entry_actor(slice_str(name)));
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
        s->types[i] = hash_of(slice_str(event_name(q->types[i])));
    if (s->names_n + q->types_n == 0 && q->since_ms == INT64_MIN && q->until_ms == INT64_MAX)
        s->filtered = x->first; /* every block has what is wanted */
}

/* What is no filter says nothing: its entries are read. */
static bool block_may_have(const struct scan *s, struct slice filter)
{
    struct reader r = reader_of(filter);
    int64_t first_ms = (int64_t)reader_u64(&r), last_ms = (int64_t)reader_u64(&r);
    if (!reader_ok(&r))
        return true;
    struct slice bits = slice_of(filter.p + HEAD_SIZE, filter.n - HEAD_SIZE);
    bool has = last_ms >= s->q->since_ms && first_ms < s->q->until_ms;
    for (size_t i = 0; has && i < s->names_n; i++)
        has = bits_have(bits, s->names[i]);
    bool of_type = s->q->types_n == 0;
    for (size_t i = 0; has && !of_type && i < s->q->types_n; i++)
        of_type = bits_have(bits, s->types[i]);
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
