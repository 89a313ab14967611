#include "server/feed_state.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/crash_point.h"
#include "core/cbor.h"
#include "core/revset.h"
#include "keys/key.h"
#include "server/feed_hub.h"

static void clear_sets(struct feed_state *s)
{
    for (size_t i = 0; i < s->sets_n; i++)
        feed_set_clear(&s->sets[i]);
    free(s->sets);
    s->sets = NULL;
    s->sets_n = 0;
}

void feed_state_clear(struct feed_state *s)
{
    clear_sets(s);
    free(s->head_mem);
    for (size_t i = 0; i < FEED_STEPS_KEPT; i++)
        free(s->steps[i].mem);
    *s = (struct feed_state){0};
}

static bool take_head(struct feed_state *s, const struct feed_head *h, struct slice message,
                      const uint8_t hash[SHA256_SIZE], struct err *e)
{
    void *mem = malloc(message.n);
    if (!mem)
        return err_set(e, ERR_NOMEM, "head");
    memcpy(mem, message.p, message.n);
    free(s->head_mem);
    s->head_mem = mem;
    s->head = slice_of(mem, message.n);
    s->seq = h->seq;
    s->head_at = h->time_at;
    memcpy(s->hash, hash, SHA256_SIZE);
    return true;
}

bool feed_state_load(struct feed_state *s, struct app *app, struct slice head, struct reader *rows, struct err *e)
{
    struct feed_head h;
    struct feed_row row;
    uint8_t hash[SHA256_SIZE];
    if (!feed_head_read(head, app->crypto, app->ca.spki, sig_alg_of_spki(app->ca.spki), &h, hash, e))
        return false;
    clear_sets(s);
    size_t n = cbor_get_array(rows);
    s->sets = calloc(n + 1, sizeof *s->sets);
    if (!s->sets)
        return err_set(e, ERR_NOMEM, "sets");
    struct reader hr = feed_rows(&h);
    for (size_t i = 0; i < n; i++) {
        cbor_get_array_n(rows, 5);
        struct feed_key key = {.issuer = (uint8_t)cbor_get_uint_max(rows, 255),
                               .node = (uint8_t)cbor_get_uint_max(rows, 127),
                               .shard = (uint16_t)cbor_get_uint_max(rows, UINT16_MAX)};
        struct slice revoked = cbor_get_bstr(rows), held = cbor_get_bstr(rows);
        if (!reader_ok(rows) || !feed_row_next(&hr, &row) || feed_key_cmp(key, row.key) != 0)
            return err_set(e, ERR_SIGNER_PROTOCOL, "the sets are not those of the head");
        if (!feed_set_make(key, row.universe, revoked, held, &s->sets[s->sets_n], e))
            return false;
        s->sets_n++;
        if (!feed_set_check(&s->sets[s->sets_n - 1], &row, app->crypto, e))
            return false;
    }
    return take_head(s, &h, head, hash, e);
}

static struct feed_set *find_set(const struct feed_state *s, struct feed_key key)
{
    size_t lo = 0, hi = s->sets_n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = feed_key_cmp(s->sets[mid].key, key);
        if (c == 0)
            return &s->sets[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

bool feed_state_has(const struct feed_state *s, struct feed_key key)
{
    return find_set(s, key) != NULL;
}

/* The set of one row of the new head: changed by the delta, or the old one taken over. */
static bool next_set(struct feed_state *s, const struct feed_row *row, struct reader *dr, struct feed_delta_row *d,
                     bool *have, struct app *app, struct feed_set *out, struct err *e)
{
    struct feed_set *old = find_set(s, row->key);
    if (*have && feed_key_cmp(d->key, row->key) == 0) {
        if (!feed_set_apply(old, d, out, e))
            return false;
        *have = feed_delta_row_next(dr, d);
    } else if (old) {
        *out = *old;
        old->mem = NULL;
    } else {
        return err_set(e, ERR_SIGNER_PROTOCOL, "a head with a shard that no delta made");
    }
    return feed_set_check(out, row, app->crypto, e);
}

static bool keep_step(struct feed_state *s, struct slice head, struct slice delta, struct err *e)
{
    struct feed_step *st = &s->steps[s->seq % FEED_STEPS_KEPT];
    uint8_t *mem = malloc(head.n + delta.n);
    if (!mem)
        return err_set(e, ERR_NOMEM, "step");
    memcpy(mem, head.p, head.n);
    memcpy(mem + head.n, delta.p, delta.n);
    free(st->mem);
    *st = (struct feed_step){
        .seq = s->seq, .mem = mem, .head = slice_of(mem, head.n), .delta = slice_of(mem + head.n, delta.n)};
    memcpy(st->hash, s->hash, SHA256_SIZE);
    return true;
}

bool feed_state_step(struct feed_state *s, struct app *app, struct slice head, struct slice delta, struct err *e)
{
    struct feed_head h;
    struct feed_delta d;
    struct feed_row row;
    struct feed_delta_row dr = {0};
    uint8_t hash[SHA256_SIZE];
    if (!feed_head_read(head, app->crypto, app->ca.spki, sig_alg_of_spki(app->ca.spki), &h, hash, e) ||
        !feed_delta_read(delta, &d, e))
        return false;
    if (h.seq != s->seq + 1 || d.seq != h.seq || memcmp(h.prev, s->hash, SHA256_SIZE) != 0)
        return err_set(e, ERR_SIGNER_PROTOCOL, "head %llu does not follow head %llu", (unsigned long long)h.seq,
                       (unsigned long long)s->seq);
    struct feed_set *sets = calloc(h.row_n + 1, sizeof *sets);
    if (!sets)
        return err_set(e, ERR_NOMEM, "sets");
    struct reader deltas = feed_delta_rows(&d), rows = feed_rows(&h);
    bool have = feed_delta_row_next(&deltas, &dr), ok = true;
    size_t n = 0;
    while (ok && feed_row_next(&rows, &row)) {
        ok = next_set(s, &row, &deltas, &dr, &have, app, &sets[n], e);
        n++;
    }
    if (ok && have)
        ok = err_set(e, ERR_SIGNER_PROTOCOL, "the delta has a shard that head %llu has not", (unsigned long long)h.seq);
    clear_sets(s);
    s->sets = sets;
    s->sets_n = n;
    return ok && take_head(s, &h, head, hash, e) && keep_step(s, head, delta, e);
}

/* Whether the gateway's head is one of ours, and every step since is kept. */
static bool can_resume(const struct feed_state *s, const char *since, const char *prev, uint64_t *seq)
{
    uint8_t hash[SHA256_SIZE];
    size_t n;
    struct err e;
    *seq = 0;
    if (!since || !prev)
        return false;
    struct slice digits = slice_str(since);
    if (!slice_take_decimal(&digits, UINT64_MAX, seq) || digits.n)
        return false;
    if (!codec_decode(CODEC_HEX, slice_str(prev), hash, sizeof hash, &n, &e) || n != sizeof hash || *seq == 0 ||
        *seq > s->seq)
        return false;
    if (*seq == s->seq)
        return memcmp(hash, s->hash, sizeof hash) == 0;
    const struct feed_step *at = &s->steps[*seq % FEED_STEPS_KEPT];
    if (at->seq != *seq || memcmp(at->hash, hash, sizeof hash) != 0)
        return false;
    for (uint64_t i = *seq + 1; i <= s->seq; i++)
        if (s->steps[i % FEED_STEPS_KEPT].seq != i)
            return false;
    return true;
}

void feed_state_send(const struct feed_state *s, const char *since, const char *prev,
                     void (*send)(void *ctx, const struct feed_frame *f), void *ctx)
{
    uint64_t seq;
    if (can_resume(s, since, prev, &seq)) {
        for (uint64_t i = seq + 1; i <= s->seq; i++) {
            const struct feed_step *st = &s->steps[i % FEED_STEPS_KEPT];
            send(ctx, &(struct feed_frame){.kind = FEED_DELTA, .head = st->head, .delta = st->delta});
        }
        return;
    }
    send(ctx, &(struct feed_frame){.kind = FEED_SNAPSHOT, .head = s->head});
    for (size_t i = 0; i < s->sets_n; i++)
        send(ctx, &(struct feed_frame){
                      .kind = FEED_ROW, .key = s->sets[i].key, .revoked = s->sets[i].revoked, .held = s->sets[i].held});
}

/* Each half by its index: with OR every certificate there is would be read. */
#define WITHDRAWN_COLS "SELECT id, serial_tail, reason, revoked_at, hold FROM certificate WHERE not_after >= $1 "
static const struct sql sql_withdrawn = {WITHDRAWN_COLS "AND revoked_at IS NOT NULL UNION ALL " WITHDRAWN_COLS
                                                        "AND hold = 1 AND revoked_at IS NULL"};

static bool in_set(struct slice set, uint32_t index)
{
    struct revset r;
    struct err e;
    return set.n && revset_open(set, &r, &e) && index < r.universe && revset_has(&r, index);
}

static const struct sql sql_hold = {"SELECT serial_tail, hold FROM certificate WHERE id = $1 AND revoked_at IS NULL"};

/* The signer holds it and the database does not: the word was lost on its way. */
static bool find_released(const struct feed_set *set, struct db *db, struct feed_hub *h, struct err *e)
{
    struct revset held;
    uint32_t index;
    if (!set->held.n)
        return true;
    if (!revset_open(set->held, &held, e))
        return false;
    for (struct revset_iter it = revset_iter(&held); revset_next(&it, &index);) {
        const struct serial s = {
            .issuer = set->key.issuer, .node = set->key.node, .shard = set->key.shard, .index = index};
        const struct value args[] = {value_int(serial_cert_id(&s))};
        AUTO(rows_close) struct rows r = {0};
        struct feed_mark m = {.kind = MARK_RELEASE};
        err_clear(e);
        if (!db_query_row(db, &sql_hold, args, 1, &r, e)) {
            if (e->code)
                return false;
            continue;
        }
        if (rows_int(&r, 1) || !serial_of_row(args[0].i, rows_blob(&r, 0), m.serial))
            continue;
        feed_hub_mark(h, &m, 1);
    }
    return true;
}

bool feed_state_holds(struct db *db, struct feed_mark *m, size_t n, struct err *e)
{
    struct serial s;
    for (size_t i = 0; i < n; i++) {
        AUTO(rows_close) struct rows r = {0};
        if (m[i].kind == MARK_REVOKE)
            continue;
        if (!serial_get(SLICE_ARRAY(m[i].serial), ISSUER_ISSUING, &s, e))
            return false;
        const struct value args[] = {value_int(serial_cert_id(&s))};
        crash_point("server.holds");
        err_clear(e);
        if (db_query_row(db, &sql_hold, args, 1, &r, e))
            m[i].kind = rows_int(&r, 1) ? MARK_HOLD : MARK_RELEASE;
        else if (e->code)
            return false;
    }
    return true;
}

bool feed_state_missing(const struct feed_state *s, struct db *db, int64_t now, struct feed_hub *h, struct err *e)
{
    const struct value args[] = {value_int(now)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(db, &sql_withdrawn, args, 1, &r, e))
        return false;
    while (rows_next(&r, e)) {
        struct serial at = serial_of_cert_id(rows_int(&r, 0));
        const struct feed_set *set =
            find_set(s, (struct feed_key){.issuer = at.issuer, .node = at.node, .shard = at.shard});
        bool revoked = !rows_is_null(&r, 3);
        struct feed_mark m = {.kind = revoked ? MARK_REVOKE : MARK_HOLD, .reason = (int)rows_int(&r, 2)};
        if (at.issuer != ISSUER_ISSUING || !serial_of_row(rows_int(&r, 0), rows_blob(&r, 1), m.serial) ||
            (set && in_set(revoked ? set->revoked : set->held, at.index)))
            continue;
        crash_point("server.missing");
        feed_hub_mark(h, &m, 1);
    }
    rows_close(&r);
    for (size_t i = 0; !e->code && i < s->sets_n; i++)
        if (!find_released(&s->sets[i], db, h, e))
            return false;
    return e->code == ERR_NONE;
}
