/* Heads and deltas (doc/spec/feed.md). */
#include "model/feed.h"

#include "core/cose.h"

#define HEAD_ITEMS      7
#define ROW_ITEMS       8
#define DELTA_ROW_ITEMS 7
#define ROW_BYTES_MAX   (1 + 2 + 2 + 3 + 3 * 5 + 2 * (2 + SHA256_SIZE))
#define HEAD_FIXED_MAX  (1 + 1 + 3 + FEED_ORIGIN_MAX + 3 * 9 + 2 + SHA256_SIZE + 9)

int feed_key_cmp(struct feed_key a, struct feed_key b)
{
    uint32_t x = (uint32_t)a.issuer << 24 | (uint32_t)a.node << 16 | a.shard;
    uint32_t y = (uint32_t)b.issuer << 24 | (uint32_t)b.node << 16 | b.shard;
    return (x > y) - (x < y);
}

static struct feed_key key_get(struct reader *r)
{
    struct feed_key k = {.issuer = (uint8_t)cbor_get_uint_max(r, UINT8_MAX)};
    k.node = (uint8_t)cbor_get_uint_max(r, 0x7f);
    k.shard = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
    if (!k.issuer || !k.node)
        reader_fail(r);
    return k;
}

static void key_put(struct writer *w, struct feed_key k)
{
    cbor_put_uint(w, k.issuer);
    cbor_put_uint(w, k.node);
    cbor_put_uint(w, k.shard);
}

size_t feed_head_payload_max(size_t row_n)
{
    return HEAD_FIXED_MAX + row_n * ROW_BYTES_MAX;
}

static void row_put(struct writer *w, const struct feed_row *row)
{
    cbor_put_array(w, ROW_ITEMS);
    key_put(w, row->key);
    cbor_put_uint(w, row->universe);
    cbor_put_uint(w, row->revoked_n);
    cbor_put_bstr(w, SLICE_ARRAY(row->revoked_hash));
    cbor_put_uint(w, row->held_n);
    cbor_put_bstr(w, SLICE_ARRAY(row->held_hash));
}

bool feed_head_write(struct writer *w, const struct signer *signer, const struct crypto *crypto,
                     const struct feed_head *h, const struct feed_row *rows, size_t row_n, uint8_t *scratch,
                     size_t scratch_n, uint8_t hash[SHA256_SIZE], struct err *e)
{
    memset(hash, 0, SHA256_SIZE);
    if (!h->seq || h->time_at < 0 || h->next_at < h->time_at || h->origin.n > FEED_ORIGIN_MAX)
        return err_set(e, ERR_FEED, "head %llu: number or times make no sense", (unsigned long long)h->seq);
    struct writer p = writer_of(scratch, scratch_n);
    cbor_put_array(&p, HEAD_ITEMS);
    cbor_put_uint(&p, FEED_VERSION);
    cbor_put_tstr(&p, h->origin);
    cbor_put_uint(&p, h->seq);
    cbor_put_bstr(&p, SLICE_ARRAY(h->prev));
    cbor_put_uint(&p, (uint64_t)h->time_at);
    cbor_put_uint(&p, (uint64_t)h->next_at);
    cbor_put_array(&p, row_n);
    for (size_t i = 0; i < row_n; i++) {
        if (i && feed_key_cmp(rows[i - 1].key, rows[i].key) >= 0)
            return err_set(e, ERR_USAGE, "feed head: row %zu does not ascend", i);
        row_put(&p, &rows[i]);
    }
    struct slice payload;
    if (!writer_done(&p, &payload))
        return err_set(e, ERR_LIMIT, "feed head: %zu rows do not fit in %zu bytes", row_n, scratch_n);
    const struct cose_opts opts = {.content_type = FEED_CONTENT_TYPE};
    if (!cose_write_sign1(w, signer, &opts, payload, e))
        return err_ctx(e, "feed head %llu", (unsigned long long)h->seq);
    crypto->sha256(&payload, 1, hash);
    return true;
}

struct reader feed_rows(const struct feed_head *h)
{
    return reader_of(h->rows);
}

bool feed_row_next(struct reader *r, struct feed_row *row)
{
    *row = (struct feed_row){0};
    if (!reader_ok(r) || !reader_left(r))
        return false;
    struct feed_row got = {0};
    cbor_get_array_n(r, ROW_ITEMS);
    got.key = key_get(r);
    got.universe = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
    got.revoked_n = (uint32_t)cbor_get_uint_max(r, got.universe);
    struct slice revoked = cbor_get_bstr_n(r, SHA256_SIZE);
    got.held_n = (uint32_t)cbor_get_uint_max(r, got.universe);
    struct slice held = cbor_get_bstr_n(r, SHA256_SIZE);
    if (!reader_ok(r))
        return false;
    memcpy(got.revoked_hash, revoked.p, SHA256_SIZE);
    memcpy(got.held_hash, held.p, SHA256_SIZE);
    *row = got;
    return true;
}

bool feed_row_find(const struct feed_head *h, struct feed_key key, struct feed_row *row)
{
    for (struct reader r = feed_rows(h); feed_row_next(&r, row);)
        if (feed_key_cmp(row->key, key) == 0)
            return true;
    *row = (struct feed_row){0};
    return false;
}

static bool payload_read(struct slice payload, struct feed_head *out, struct err *e)
{
    struct feed_head h = {0};
    struct reader r = reader_of(payload);
    cbor_get_array_n(&r, HEAD_ITEMS);
    uint64_t version = cbor_get_uint(&r);
    if (reader_ok(&r) && version != FEED_VERSION)
        return err_set(e, ERR_FEED, "head of version %llu, not %d", (unsigned long long)version, FEED_VERSION);
    h.origin = cbor_get_tstr(&r);
    h.seq = cbor_get_uint(&r);
    struct slice prev = cbor_get_bstr_n(&r, SHA256_SIZE);
    h.time_at = (int64_t)cbor_get_uint_max(&r, INT64_MAX / 2);
    h.next_at = (int64_t)cbor_get_uint_max(&r, INT64_MAX / 2);
    h.row_n = cbor_get_array(&r);
    h.rows = reader_rest(&r);
    if (!reader_ok(&r) || !h.seq || h.next_at < h.time_at || h.origin.n > FEED_ORIGIN_MAX)
        return err_set(e, ERR_FEED, "not the payload of a head");
    memcpy(h.prev, prev.p, SHA256_SIZE);

    size_t n = 0;
    struct feed_row row, last = {0};
    struct reader rows = feed_rows(&h);
    for (; feed_row_next(&rows, &row); n++, last = row)
        if (n && feed_key_cmp(last.key, row.key) >= 0)
            return err_set(e, ERR_FEED, "head %llu: row %zu does not ascend", (unsigned long long)h.seq, n);
    if (!reader_end(&rows) || n != h.row_n)
        return err_set(e, ERR_FEED, "head %llu: row %zu is not one", (unsigned long long)h.seq, n);
    *out = h;
    return true;
}

bool feed_head_read(struct slice message, const struct crypto *crypto, struct slice spki, enum sig_alg alg,
                    struct feed_head *out, uint8_t hash[SHA256_SIZE], struct err *e)
{
    *out = (struct feed_head){0};
    if (hash)
        memset(hash, 0, SHA256_SIZE);
    struct cose_sign1 m;
    if (!cose_read_sign1(message, &m, e))
        return err_ctx(e, "feed head");
    if (m.detached || !slice_eq(m.content_type, SLICE_LIT(FEED_CONTENT_TYPE)))
        return err_set(e, ERR_FEED, "a signed message, but no feed head: content type \"%s\"",
                       ERR_QUOTE(m.content_type));
    if (!cose_verify_sign1(&m, crypto, spki, alg, (struct slice){0}, (struct slice){0}, e))
        return err_ctx(e, "feed head");
    if (!payload_read(m.payload, out, e))
        return err_why(e, "doc/spec/feed.md, head");
    if (hash)
        crypto->sha256(&m.payload, 1, hash);
    return true;
}

/* ---- delta ---- */

static void indexes_put(struct writer *w, struct feed_indexes list)
{
    cbor_put_array(w, list.n);
    for (size_t i = 0; i < list.n; i++)
        cbor_put_uint(w, list.p[i]);
}

void feed_delta_begin(struct writer *w, uint64_t seq, size_t row_n)
{
    cbor_put_array(w, 2);
    cbor_put_uint(w, seq);
    cbor_put_array(w, row_n);
}

void feed_delta_row_put(struct writer *w, struct feed_key key, uint32_t universe, struct feed_indexes revoked,
                        struct feed_indexes held, struct feed_indexes released)
{
    cbor_put_array(w, DELTA_ROW_ITEMS);
    key_put(w, key);
    cbor_put_uint(w, universe);
    indexes_put(w, revoked);
    indexes_put(w, held);
    indexes_put(w, released);
}

struct reader feed_indexes(struct slice list)
{
    struct reader r = reader_of(list);
    cbor_get_array(&r);
    return r;
}

bool feed_index_next(struct reader *r, uint32_t *index)
{
    *index = 0;
    if (!reader_ok(r) || !reader_left(r))
        return false;
    *index = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
    return reader_ok(r);
}

static struct slice indexes_get(struct reader *r, uint32_t universe)
{
    struct slice raw = cbor_take_raw(r);
    struct reader in = reader_of(raw);
    size_t want = cbor_get_array(&in), n = 0;
    if (!reader_ok(&in)) {
        reader_fail(r);
        return (struct slice){0};
    }
    uint32_t v, last = 0;
    for (; feed_index_next(&in, &v); n++, last = v)
        if (v >= universe || (n && v <= last))
            reader_fail(&in);
    if (!reader_end(&in) || n != want)
        reader_fail(r);
    return raw;
}

struct reader feed_delta_rows(const struct feed_delta *d)
{
    return reader_of(d->rows);
}

bool feed_delta_row_next(struct reader *r, struct feed_delta_row *row)
{
    *row = (struct feed_delta_row){0};
    if (!reader_ok(r) || !reader_left(r))
        return false;
    struct feed_delta_row got = {0};
    cbor_get_array_n(r, DELTA_ROW_ITEMS);
    got.key = key_get(r);
    got.universe = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
    got.revoked = indexes_get(r, got.universe);
    got.held = indexes_get(r, got.universe);
    got.released = indexes_get(r, got.universe);
    if (!reader_ok(r))
        return false;
    *row = got;
    return true;
}

bool feed_delta_read(struct slice bytes, struct feed_delta *out, struct err *e)
{
    *out = (struct feed_delta){0};
    struct feed_delta d = {0};
    struct reader r = reader_of(bytes);
    cbor_get_array_n(&r, 2);
    d.seq = cbor_get_uint(&r);
    d.row_n = cbor_get_array(&r);
    d.rows = reader_rest(&r);
    if (!reader_ok(&r))
        return err_set(e, ERR_FEED, "not a delta");
    size_t n = 0;
    struct feed_delta_row row, last = {0};
    struct reader rows = feed_delta_rows(&d);
    for (; feed_delta_row_next(&rows, &row); n++, last = row)
        if (n && feed_key_cmp(last.key, row.key) >= 0)
            return err_set(e, ERR_FEED, "delta %llu: row %zu does not ascend", (unsigned long long)d.seq, n);
    if (!reader_end(&rows) || n != d.row_n)
        return err_set(e, ERR_FEED, "delta %llu: row %zu is not one", (unsigned long long)d.seq, n);
    *out = d;
    return true;
}
