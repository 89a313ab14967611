#include "signer/snapshot.h"

#include <stdlib.h>

#include "base/file.h"
#include "core/cbor.h"
#include "x509/cert.h"

#define SNAPSHOT_VERSION 4
#define SNAPSHOT_FIELDS  11
#define SNAPSHOT_MAX     (1u << 30)

static void bits_put(struct writer *w, const struct bits *b)
{
    uint32_t words = b->cap;
    while (words && b->words[words - 1] == 0)
        words--;
    cbor_put_head(w, CBOR_BSTR, 8ull * words);
    for (uint32_t i = 0; i < words; i++)
        writer_u64(w, b->words[i]);
}

static bool bits_get(struct reader *r, struct bits *b)
{
    struct slice s = cbor_get_bstr(r);
    if (s.n % 8)
        return false;
    *b = (struct bits){.cap = (uint32_t)(s.n / 8)};
    if (s.n && !(b->words = calloc(b->cap, 8)))
        return false;
    struct reader words = reader_of(s);
    for (uint32_t i = 0; i < b->cap; i++) {
        b->words[i] = reader_u64(&words);
        b->count += (uint32_t)__builtin_popcountll(b->words[i]);
    }
    return true;
}

static void put(struct writer *w, const struct domain *d)
{
    struct journal_mark end = journal_end(d->journal);
    cbor_put_array(w, SNAPSHOT_FIELDS);
    cbor_put_uint(w, SNAPSHOT_VERSION);
    cbor_put_uint(w, end.at);
    cbor_put_bstr(w, SLICE_ARRAY(end.digest));
    cbor_put_bstr(w, SLICE_ARRAY(d->set_up));
    cbor_put_int(w, d->last_time);
    cover_put(w, &d->cover);
    cbor_put_uint(w, d->head_seq);
    cbor_put_bstr(w, SLICE_ARRAY(d->head_prev));
    cbor_put_uint(w, d->root_list.number);
    cbor_put_bstr(w, SLICE_ARRAY(d->root_list.digest));
    cbor_put_array(w, d->shards.n);
    for (size_t i = 0; i < d->shards.n; i++) {
        const struct shard *s = &d->shards.v[i];
        cbor_put_array(w, 7);
        cbor_put_uint(w, s->node);
        cbor_put_uint(w, s->number);
        cbor_put_uint(w, s->universe);
        cbor_put_uint(w, s->head_universe);
        cbor_put_uint(w, s->crl_number);
        bits_put(w, &s->revoked);
        bits_put(w, &s->held);
    }
}

bool snapshot_write(const struct domain *d, const char *path, struct err *e)
{
    struct writer count = writer_counting();
    put(&count, d);
    uint8_t *bytes = malloc(count.n + SHA256_SIZE), digest[SHA256_SIZE];
    if (!bytes)
        return err_set(e, ERR_NOMEM, "snapshot of %zu bytes", count.n);
    struct writer w = writer_of(bytes, count.n + SHA256_SIZE);
    put(&w, d);
    struct slice s = writer_slice(&w);
    d->crypto->sha256(&s, 1, digest);
    writer_put(&w, SLICE_ARRAY(digest));
    bool ok = writer_done(&w, &s) ? file_write_atomic(path, 0600, s, e) : err_set(e, ERR_INTERNAL, "snapshot");
    free(bytes);
    return ok;
}

static bool get_shards(struct domain *d, struct reader *r)
{
    size_t n = cbor_get_array(r);
    for (size_t i = 0; reader_ok(r) && i < n; i++) {
        cbor_get_array_n(r, 7);
        uint8_t node = (uint8_t)cbor_get_uint_max(r, 0x7f);
        uint16_t number = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
        struct shard *s = reader_ok(r) ? shards_need(&d->shards, node, number) : NULL;
        if (!s)
            return false;
        s->universe = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
        s->head_universe = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
        s->crl_number = cbor_get_uint(r);
        if (!bits_get(r, &s->revoked) || !bits_get(r, &s->held))
            return false;
    }
    return reader_end(r);
}

static bool other_set_up(const struct domain *d, struct err *e)
{
    if (d->ca_key) {
        err_set(e, ERR_ROSTER, "the %s signer's roster is not the one that it was set up with", d->name);
        return err_try(e, "put the roster and profiles back as `kith init` wrote them");
    }
    err_set(e, ERR_JOURNAL, "the %s signer's journal is of another log", d->name);
    err_why(e, "it was set up with another key or origin, and does not know what was vouched for here");
    return err_try(e, "restore the signer's directory from its last copy; only kith init makes a journal");
}

/* Emptied, cut or changed: it is all the same. */
static bool damaged(struct err *e)
{
    err_set(e, ERR_JOURNAL, "the signer's snapshot was cut, changed or damaged");
    err_why(e, "it ends with the SHA-256 of what stands before, and that does not fit");
    return err_try(e, "move it away: the journal has everything that it says");
}

/* As in a JOURNAL_ROOT_LIST. */
static void get_root_list(struct reader *r, struct domain *d)
{
    uint64_t number = cbor_get_uint(r);
    struct slice digest = cbor_get_bstr_n(r, SHA256_SIZE);
    if (!reader_ok(r))
        return;
    d->root_list.number = number;
    memcpy(d->root_list.digest, digest.p, SHA256_SIZE);
}

static bool get(struct domain *d, struct slice bytes, struct err *e)
{
    struct reader r = reader_of(bytes);
    cbor_get_array_n(&r, SNAPSHOT_FIELDS);
    uint64_t version = cbor_get_uint(&r);
    d->snapshot_at.at = cbor_get_uint(&r);
    struct slice digest = cbor_get_bstr_n(&r, SHA256_SIZE), roster = cbor_get_bstr_n(&r, SHA256_SIZE);
    d->last_time = cbor_get_int(&r);
    if (!reader_ok(&r) || version != SNAPSHOT_VERSION)
        return damaged(e);
    memcpy(d->snapshot_at.digest, digest.p, SHA256_SIZE);
    if (!slice_eq(roster, SLICE_ARRAY(d->set_up)))
        return other_set_up(d, e);
    if (!cover_get(&r, &d->cover, e))
        return false;
    d->head_seq = cbor_get_uint(&r);
    struct slice prev = cbor_get_bstr_n(&r, SHA256_SIZE);
    get_root_list(&r, d);
    if (!reader_ok(&r) || !get_shards(d, &r))
        return damaged(e);
    memcpy(d->head_prev, prev.p, SHA256_SIZE);
    return true;
}

/* The digest at the end: a disk that changed a bit must not make a revoked certificate good. */
static bool checked(const struct domain *d, struct slice file, struct slice *state, struct err *e)
{
    uint8_t digest[SHA256_SIZE];
    if (file.n < sizeof digest)
        return damaged(e);
    *state = slice_of(file.p, file.n - sizeof digest);
    d->crypto->sha256(state, 1, digest);
    if (memcmp(digest, file.p + state->n, sizeof digest) == 0)
        return true;
    return damaged(e);
}

bool snapshot_read(struct domain *d, const char *path, bool *found, struct err *e)
{
    *found = file_exists(path);
    if (!*found)
        return true;
    struct slice state;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, SNAPSHOT_MAX);
    if (!file_read_private(path, SNAPSHOT_MAX, &b, e) || !checked(d, buf_slice(&b), &state, e) || !get(d, state, e))
        return err_ctx(e, "%s", path);
    return true;
}

/* The shard of a serial of ours, made if it is not there. */
static struct shard *shard_of_serial(struct domain *d, struct slice bytes, struct serial *s, struct err *e)
{
    if (!serial_get(bytes, ISSUER_ISSUING, s, e))
        return NULL;
    struct shard *shard = shards_need(&d->shards, s->node, s->shard);
    if (!shard)
        err_set(e, ERR_NOMEM, "shard");
    else
        shard->stale = true;
    return shard;
}

static bool replay_cert(struct domain *d, struct reader *r, struct err *e)
{
    struct slice der = cbor_get_bstr(r);
    uint8_t ref[SHA256_SIZE];
    struct cert c;
    struct serial s;
    struct shard *shard;
    if (!cert_read(der, &c, e) || !(shard = shard_of_serial(d, c.serial, &s, e)))
        return false;
    if (s.index >= shard->universe)
        shard->universe = s.index + 1;
    d->crypto->sha256(&der, 1, ref);
    return cover_add(&d->cover, ref, e);
}

static bool replay_mark(struct domain *d, enum journal_kind kind, struct reader *r, struct err *e)
{
    struct serial s;
    struct shard *shard = shard_of_serial(d, cbor_get_bstr(r), &s, e);
    bool ok = true;
    if (!shard)
        return false;
    if (kind == JOURNAL_REVOKE) {
        bits_set(&shard->revoked, s.index, &ok);
        bits_unset(&shard->held, s.index);
    } else if (kind == JOURNAL_HOLD) {
        bits_set(&shard->held, s.index, &ok);
    } else {
        bits_unset(&shard->held, s.index);
    }
    return ok || err_set(e, ERR_NOMEM, "revocation bits");
}

static bool replay_crl(struct domain *d, struct reader *r, struct err *e)
{
    uint8_t node = (uint8_t)cbor_get_uint_max(r, 0x7f);
    uint16_t number = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
    uint64_t crl_number = cbor_get_uint(r);
    struct slice ref = cbor_get_bstr_n(r, SHA256_SIZE);
    struct shard *shard = reader_ok(r) ? shards_need(&d->shards, node, number) : NULL;
    if (!shard)
        return err_set(e, ERR_JOURNAL, "a CRL's record");
    shard->crl_number = crl_number;
    return cover_add(&d->cover, ref.p, e);
}

static bool replay_head(struct domain *d, struct reader *r, struct err *e)
{
    d->head_seq = cbor_get_uint(r);
    struct slice ref = cbor_get_bstr_n(r, SHA256_SIZE);
    size_t n = cbor_get_array(r);
    for (size_t i = 0; reader_ok(r) && i < n; i++) {
        cbor_get_array_n(r, 3);
        uint8_t node = (uint8_t)cbor_get_uint_max(r, 0x7f);
        uint16_t number = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
        struct shard *s = reader_ok(r) ? shards_need(&d->shards, node, number) : NULL;
        if (!s)
            break;
        s->head_universe = (uint32_t)cbor_get_uint_max(r, UINT32_MAX);
        if (s->head_universe > s->universe) /* an index that was given out, but whose certificate was never signed */
            s->universe = s->head_universe;
    }
    if (!reader_end(r))
        return err_set(e, ERR_JOURNAL, "a head's record");
    memcpy(d->head_prev, ref.p, SHA256_SIZE);
    return cover_add(&d->cover, ref.p, e);
}

bool snapshot_replay(void *ctx, struct slice record, const struct journal_mark *next, struct err *e)
{
    (void)next;
    struct domain *d = ctx;
    struct reader r;
    enum journal_kind kind;
    int64_t at;
    if (!journal_record_read(record, &r, &kind, &at, e))
        return false;
    bool signs = kind != JOURNAL_SETUP && kind != JOURNAL_ROOT_LIST;
    if ((at > d->last_time && signs) || kind == JOURNAL_CLOCK)
        d->last_time = at;
    switch (kind) {
    case JOURNAL_CERT:
        return replay_cert(d, &r, e);
    case JOURNAL_REVOKE:
    case JOURNAL_HOLD:
    case JOURNAL_RELEASE:
        return replay_mark(d, kind, &r, e);
    case JOURNAL_HEAD:
        return replay_head(d, &r, e);
    case JOURNAL_CRL:
        return replay_crl(d, &r, e);
    case JOURNAL_COSIGN: {
        struct merkle_hash root;
        uint64_t size = cbor_get_uint(&r);
        struct slice s = cbor_get_bstr_n(&r, SHA256_SIZE);
        if (!reader_end(&r))
            break;
        memcpy(root.b, s.p, SHA256_SIZE);
        cover_vouched(&d->cover, size, &root);
        return true;
    }
    case JOURNAL_CLOCK:
        return reader_end(&r) || err_set(e, ERR_JOURNAL, "a clock's record");
    case JOURNAL_ROOT_LIST:
        get_root_list(&r, d);
        return reader_end(&r) || err_set(e, ERR_JOURNAL, "a record of the root's list");
    case JOURNAL_SETUP: {
        struct slice roster = cbor_get_bstr_n(&r, SHA256_SIZE);
        if (!reader_end(&r))
            break;
        return slice_eq(roster, SLICE_ARRAY(d->set_up)) || other_set_up(d, e);
    }
    }
    return err_set(e, ERR_JOURNAL, "a record of no known kind (%d)", (int)kind);
}
