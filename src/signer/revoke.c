/* Revocation and hold: marks in the shards, and the signed head of the feed that follows from them. */
#include <stdlib.h>

#include "base/crash_point.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "model/device.h"
#include "model/feed.h"
#include "signer/domain.h"

#define BATCH_MAX 100000 /* serials in one request */

/* What one request changes, for the delta. */
struct mark {
    struct feed_key key;
    uint32_t index;
    enum journal_kind kind;
};

struct marks {
    struct mark *v;
    size_t n, cap;
};

static bool marks_add(struct marks *m, const struct serial *s, enum journal_kind kind, struct err *e)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 64;
        struct mark *v = reallocarray(m->v, cap, sizeof *v);
        if (!v)
            return err_set(e, ERR_NOMEM, "marks");
        m->v = v;
        m->cap = cap;
    }
    m->v[m->n++] = (struct mark){
        .key = {.issuer = s->issuer, .node = s->node, .shard = s->shard}, .index = s->index, .kind = kind};
    return true;
}

static bool record_mark(struct domain *d, enum journal_kind kind, struct slice serial, int reason, struct err *e)
{
    uint8_t record[64];
    struct writer w = WRITER_ARRAY(record);
    cbor_put_array(&w, kind == JOURNAL_REVOKE ? 4 : 3);
    cbor_put_uint(&w, kind);
    cbor_put_int(&w, domain_now(d));
    cbor_put_bstr(&w, serial);
    if (kind == JOURNAL_REVOKE)
        cbor_put_int(&w, reason);
    return domain_record(d, writer_slice(&w), NULL, e);
}

/* The shard that a serial number points into, if it was given out. */
static struct shard *find_shard(struct domain *d, struct slice bytes, struct serial *s, struct err *e)
{
    if (!serial_get(bytes, ISSUER_ISSUING, s, e))
        return NULL;
    struct shard *shard = shards_find(&d->shards, s->node, s->shard);
    if (shard && s->index < shard->universe && serial_is_ours(d, s))
        return shard;
    err_set(e, ERR_SERIAL, "\"%s\" was never given out", ERR_QUOTE(bytes));
    return NULL;
}

static bool change(struct domain *d, enum journal_kind kind, struct shard *shard, const struct serial *s,
                   struct marks *m, struct err *e)
{
    const struct domain_step step = {.kind = kind, .node = s->node, .shard = s->shard, .index = s->index};
    bool ok = true;
    if (!domain_step(d, &step, e) || !marks_add(m, s, kind, e))
        return false;
    shard->stale = true;
    if (kind == JOURNAL_RELEASE)
        bits_unset(&shard->held, s->index);
    else
        bits_set(kind == JOURNAL_REVOKE ? &shard->revoked : &shard->held, s->index, &ok);
    return ok || err_set(e, ERR_NOMEM, "revocation bits");
}

/* Sets or takes off one mark; what is so already changes nothing. */
static bool mark(struct domain *d, enum journal_kind kind, struct slice bytes, int reason, struct marks *m,
                 struct err *e)
{
    struct serial s;
    struct shard *shard = find_shard(d, bytes, &s, e);
    if (!shard)
        return false;
    bool revoked = bits_has(&shard->revoked, s.index), held = bits_has(&shard->held, s.index);
    if (kind == JOURNAL_REVOKE ? revoked : kind == JOURNAL_HOLD ? revoked || held : !held)
        return true;
    if (kind == JOURNAL_REVOKE && held && !change(d, JOURNAL_RELEASE, shard, &s, m, e))
        return false;
    return change(d, kind, shard, &s, m, e) && record_mark(d, kind, bytes, reason, e);
}

static int by_place(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    int c = feed_key_cmp(x->key, y->key);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* The marks of one shard: [from, to) of the sorted list. */
struct run {
    size_t from, to;
};

static struct run run_of(const struct marks *m, size_t from, struct feed_key key)
{
    while (from < m->n && feed_key_cmp(m->v[from].key, key) < 0)
        from++;
    struct run r = {from, from};
    while (r.to < m->n && feed_key_cmp(m->v[r.to].key, key) == 0)
        r.to++;
    return r;
}

/* The indexes of one kind in a run, into v. */
static struct feed_indexes pick(const struct marks *m, struct run r, enum journal_kind kind, uint32_t *v)
{
    size_t n = 0;
    for (size_t i = r.from; i < r.to; i++)
        if (m->v[i].kind == kind)
            v[n++] = m->v[i].index;
    return (struct feed_indexes){v, n};
}

static struct feed_key key_of(const struct shard *s)
{
    return (struct feed_key){.issuer = ISSUER_ISSUING, .node = s->node, .shard = s->number};
}

/* A row for each live shard with a mark, or with more certificates than the last head said. */
static size_t put_delta_rows(const struct domain *d, const struct marks *m, uint32_t *v, struct writer *w)
{
    size_t rows = 0;
    struct run r = {0};
    for (size_t i = 0; i < d->shards.n; i++) {
        const struct shard *s = &d->shards.v[i];
        r = run_of(m, r.to, key_of(s));
        if (!shard_is_live(s, d->last_time) || (r.from == r.to && s->universe == s->head_universe))
            continue;
        rows++;
        if (w)
            feed_delta_row_put(w, key_of(s), s->universe, pick(m, r, JOURNAL_REVOKE, v),
                               pick(m, r, JOURNAL_HOLD, v + m->n), pick(m, r, JOURNAL_RELEASE, v + 2 * m->n));
    }
    return rows;
}

static bool put_delta(struct domain *d, struct marks *m, struct writer *w, struct err *e)
{
    if (m->n)
        qsort(m->v, m->n, sizeof *m->v, by_place);
    uint32_t *v = calloc(3 * m->n + 1, sizeof *v);
    if (!v)
        return err_set(e, ERR_NOMEM, "delta");
    feed_delta_begin(w, d->head_seq + 1, put_delta_rows(d, m, v, NULL));
    put_delta_rows(d, m, v, w);
    free(v);
    return true;
}

static bool record_head(struct domain *d, uint64_t seq, const uint8_t hash[SHA256_SIZE], struct err *e)
{
    uint8_t record[4096];
    struct writer w = WRITER_ARRAY(record);
    size_t grown = 0;
    for (size_t i = 0; i < d->shards.n; i++)
        grown += d->shards.v[i].universe != d->shards.v[i].head_universe;
    cbor_put_array(&w, 5);
    cbor_put_uint(&w, JOURNAL_HEAD);
    cbor_put_int(&w, d->last_time);
    cbor_put_uint(&w, seq);
    cbor_put_bstr(&w, slice_of(hash, SHA256_SIZE));
    cbor_put_array(&w, grown);
    for (size_t i = 0; i < d->shards.n; i++) {
        struct shard *s = &d->shards.v[i];
        if (s->universe == s->head_universe)
            continue;
        cbor_put_array(&w, 3);
        cbor_put_uint(&w, s->node);
        cbor_put_uint(&w, s->number);
        cbor_put_uint(&w, s->universe);
        s->head_universe = s->universe;
    }
    if (!writer_ok(&w))
        return err_set(e, ERR_LIMIT, "%zu shards grew since the last head", grown);
    return domain_record(d, writer_slice(&w), hash, e);
}

static bool put_head(struct domain *d, struct writer *w, struct err *e)
{
    int64_t now = d->last_time;
    struct feed_head h = {.origin = slice_str(d->settings->origin),
                          .seq = d->head_seq + 1,
                          .time_at = now,
                          .next_at = now + d->settings->feed_valid_s};
    memcpy(h.prev, d->head_prev, SHA256_SIZE);
    size_t scratch_n = feed_head_payload_max(d->shards.n);
    struct feed_row *rows = calloc(d->shards.n + 1, sizeof *rows);
    uint8_t *scratch = malloc(scratch_n), hash[SHA256_SIZE];
    bool ok = (rows && scratch) || err_set(e, ERR_NOMEM, "head");
    size_t n = 0;
    for (size_t i = 0; ok && i < d->shards.n; i++) {
        struct shard *s = &d->shards.v[i];
        if (!shard_is_live(s, now))
            continue;
        ok = shard_refresh(s, d->crypto, e);
        struct feed_row *row = &rows[n++];
        *row = (struct feed_row){
            .key = key_of(s), .universe = s->universe, .revoked_n = s->revoked.count, .held_n = s->held.count};
        memcpy(row->revoked_hash, s->revoked_digest, SHA256_SIZE);
        memcpy(row->held_hash, s->held_digest, SHA256_SIZE);
    }
    struct signer signer = key_signer(d->ca_key);
    ok = ok && feed_head_write(w, &signer, d->crypto, &h, rows, n, scratch, scratch_n, hash, e);
    free(rows);
    free(scratch);
    struct domain_step step = {.kind = JOURNAL_HEAD, .seq = d->head_seq};
    memcpy(step.prev, d->head_prev, SHA256_SIZE);
    crash_point("signer.head");
    if (!ok || !domain_step(d, &step, e) || !record_head(d, h.seq, hash, e))
        return false;
    d->head_seq = h.seq;
    memcpy(d->head_prev, hash, SHA256_SIZE);
    return true;
}

/* [id, 0, head, delta] */
static bool answer_head(struct domain *d, uint64_t id, struct marks *m, struct buf *out, struct err *e)
{
    uint8_t *delta = malloc(DOMAIN_HEAD_MAX + 16 * m->n), *head = malloc(DOMAIN_HEAD_MAX);
    struct writer wd = writer_of(delta, DOMAIN_HEAD_MAX + 16 * m->n), wh = writer_of(head, DOMAIN_HEAD_MAX);
    bool ok = (delta && head) || err_set(e, ERR_NOMEM, "head");
    domain_now(d); /* delta and head are of one time: the same shards live in both */
    ok = ok && put_delta(d, m, &wd, e) && put_head(d, &wh, e);
    if (ok && (!writer_ok(&wd) || !writer_ok(&wh)))
        ok = err_set(e, ERR_LIMIT, "head or delta is too large");
    if (ok) {
        uint8_t frame[64];
        struct writer a = WRITER_ARRAY(frame);
        answer_put(&a, id, 2);
        cbor_put_head(&a, CBOR_BSTR, wh.n);
        buf_put(out, writer_slice(&a));
        buf_put(out, writer_slice(&wh));
        a = WRITER_ARRAY(frame);
        cbor_put_head(&a, CBOR_BSTR, wd.n);
        buf_put(out, writer_slice(&a));
        buf_put(out, writer_slice(&wd));
    }
    free(delta);
    free(head);
    return ok;
}

static bool malformed(struct err *e)
{
    return err_set(e, ERR_SIGNER_PROTOCOL, "a list of serial numbers that is malformed");
}

/* One list of a request: [serial, reason] pairs for revocations, serials else. */
static bool mark_list(struct domain *d, struct reader *r, enum journal_kind kind, struct marks *m, struct err *e)
{
    size_t count = cbor_get_array(r);
    if (count > BATCH_MAX)
        return malformed(e);
    for (size_t i = 0; i < count; i++) {
        if (kind == JOURNAL_REVOKE)
            cbor_get_array_n(r, 2);
        struct slice serial = cbor_get_bstr(r);
        int64_t reason = kind == JOURNAL_REVOKE ? cbor_get_int(r) : 0;
        if (!reader_ok(r) || !crl_reason_is_final(reason))
            return malformed(e);
        if (!mark(d, kind, serial, (int)reason, m, e))
            return false;
    }
    return true;
}

/* Done whole or not at all: domain_handle() takes back what was done before an error. */
static bool revoke_or_hold(struct domain *d, uint64_t id, struct reader *r, const enum journal_kind *kinds, size_t n,
                           struct buf *out, struct err *e)
{
    struct marks m = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = mark_list(d, r, kinds[i], &m, e);
    ok = ok && (reader_end(r) || malformed(e)) && answer_head(d, id, &m, out, e);
    free(m.v);
    return ok;
}

bool signer_revoke(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    static const enum journal_kind kinds[] = {JOURNAL_REVOKE};
    return n == ARRAY_LEN(kinds) ? revoke_or_hold(d, id, r, kinds, n, out, e) : malformed(e);
}

bool signer_hold(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    static const enum journal_kind kinds[] = {JOURNAL_HOLD, JOURNAL_RELEASE};
    return n == ARRAY_LEN(kinds) ? revoke_or_hold(d, id, r, kinds, n, out, e) : malformed(e);
}

bool signer_head(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    struct marks none = {0};
    if (n != 0 || !reader_end(r))
        return malformed(e);
    return answer_head(d, id, &none, out, e);
}

static bool put_set(const struct shard *s, const struct bits *b, struct buf *out, struct err *e)
{
    uint8_t *bytes, head[16];
    size_t n;
    if (!shard_encode_set(s, b, &bytes, &n, e))
        return false;
    struct writer w = WRITER_ARRAY(head);
    cbor_put_head(&w, CBOR_BSTR, n);
    buf_put(out, writer_slice(&w));
    buf_put(out, slice_of(bytes, n));
    free(bytes);
    return true;
}

bool signer_sets(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    uint8_t small[64];
    uint8_t *head = malloc(DOMAIN_HEAD_MAX);
    struct writer a = WRITER_ARRAY(small), wh = writer_of(head, DOMAIN_HEAD_MAX);
    size_t live = 0;
    domain_now(d);
    if (n != 0 || !reader_end(r) || !head || !put_head(d, &wh, e)) {
        free(head);
        return e->code ? false : malformed(e);
    }
    answer_put(&a, id, 2);
    cbor_put_head(&a, CBOR_BSTR, wh.n);
    buf_put(out, writer_slice(&a));
    buf_put(out, writer_slice(&wh));
    free(head);
    a = WRITER_ARRAY(small);
    for (size_t i = 0; i < d->shards.n; i++)
        live += shard_is_live(&d->shards.v[i], d->last_time);
    cbor_put_array(&a, live);
    buf_put(out, writer_slice(&a));
    for (size_t i = 0; i < d->shards.n; i++) {
        const struct shard *s = &d->shards.v[i];
        if (!shard_is_live(s, d->last_time))
            continue;
        a = WRITER_ARRAY(small);
        cbor_put_array(&a, 5);
        cbor_put_uint(&a, ISSUER_ISSUING);
        cbor_put_uint(&a, s->node);
        cbor_put_uint(&a, s->number);
        buf_put(out, writer_slice(&a));
        if (!put_set(s, &s->revoked, out, e) || !put_set(s, &s->held, out, e))
            return false;
    }
    return true;
}
