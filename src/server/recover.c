#include "server/recover.h"

#include <stdlib.h>

#include "base/crash_point.h"
#include "base/str.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "server/cert_row.h"
#include "server/records.h"
#include "server/unanswered.h"
#include "store/entry.h"
#include "store/row.h"
#include "x509/name.h"

#define REFS_MAX (64u << 20)

struct recovery {
    struct app *app;
    struct db *db;
    struct buf refs; /* digests that entries since the last checkpoint name */
    size_t found;
};

/* One record to be entered. */
struct lost {
    struct job job;
    enum journal_kind kind;
    int64_t at;
    uint8_t ref[SHA256_SIZE];
    struct slice der, credential, profile, device;
    enum authority_kind authority;
    uint64_t number, node, shard;
    struct feed_mark mark; /* what the gateways are to be told of a certificate */
};

static const struct sql sql_checkpoint = {"SELECT size FROM checkpoint WHERE node = $1 ORDER BY size DESC LIMIT 1"};
static const struct sql sql_leaves = {"SELECT leaf FROM entry WHERE pos >= $1 AND pos <= $2"};

static bool collect_refs(struct recovery *r, struct err *e)
{
    uint8_t node = (uint8_t)r->app->settings.node;
    const struct value which[] = {value_int(node)};
    uint64_t from = 0;
    {
        AUTO(rows_close) struct rows rows = {0};
        err_clear(e);
        if (db_query_row(r->db, &sql_checkpoint, which, 1, &rows, e))
            from = (uint64_t)rows_int(&rows, 0);
        else if (e->code)
            return false;
    }
    struct value range[2];
    entry_range(node, from, range);
    AUTO(rows_close) struct rows rows = {0};
    struct entry en;
    if (!db_query(r->db, &sql_leaves, range, 2, &rows, e))
        return false;
    while (rows_next(&rows, e)) {
        if (!entry_read(rows_blob(&rows, 0), &en, e))
            return false;
        if (en.ref)
            buf_put(&r->refs, slice_of(en.ref, SHA256_SIZE));
    }
    return e->code == ERR_NONE;
}

static bool is_entered(const struct recovery *r, const uint8_t ref[SHA256_SIZE])
{
    struct slice all = buf_slice(&r->refs);
    for (size_t i = 0; i < all.n; i += SHA256_SIZE)
        if (memcmp(all.p + i, ref, SHA256_SIZE) == 0)
            return true;
    return false;
}

/* A party is certified by the profile that has its name.  What is none of them gets the kind that gives no right. */
static enum cert_subject kind_of(const struct lost *l)
{
    for (enum cert_subject k = CERT_GATEWAY; k <= CERT_OPERATOR && !l->device.n; k++)
        if (slice_eq(l->profile, slice_str(cert_subject_name(k))))
            return k;
    return l->device.n ? CERT_DEVICE : CERT_SERVER;
}

/* On hold as long as who asked for it may ask again; revoked if nobody can. */
static bool enter_cert(struct tx *tx, struct lost *l, struct err *e)
{
    struct cert c;
    struct cert_row row;
    char subject[80] = "", profile[PROFILE_NAME_MAX] = "";
    bool wanted, is_device = l->device.n > 0;
    if (!cert_read(l->der, &c, e))
        return false;
    struct slice name = is_device ? l->device : name_get0_cn(c.subject);
    str_copy_slice(subject, sizeof subject, name);
    str_copy_slice(profile, sizeof profile, l->profile);
    const struct cert_origin from = {.kind = kind_of(l), .subject = subject, .profile = profile, .issued_at = l->at};
    if (!cert_row_make(&row, l->der, &from, e))
        return false;
    const struct unanswered u = {.cert_id = row.id,
                                 .at = l->at,
                                 .authority = is_device ? l->authority : AUTHORITY_SERVER,
                                 .subject = subject,
                                 .credential = l->credential};
    if (!unanswered_is_wanted(tx, &u, &wanted, e))
        return false;
    row.cols[CERTIFICATE_HOLD] = value_int(wanted);
    if (!wanted)
        cert_cols_revoke(row.cols, tx, CRL_REASON_SUPERSEDED);
    struct event_draft d = event_draft_of(EVENT_CERT_UNANSWERED);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "subject", subject);
    l->mark =
        (struct feed_mark){.kind = wanted ? MARK_HOLD : MARK_REVOKE, .reason = wanted ? 0 : CRL_REASON_SUPERSEDED};
    serial_put(&row.serial, l->mark.serial);
    return cert_row_enter(tx, &row, &d, e) && (!wanted || unanswered_keep(tx, &u, e));
}

static bool enter_signed(struct tx *tx, const struct lost *l, struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    bool is_crl = l->kind == JOURNAL_CRL;
    struct event_draft d = event_draft_of(is_crl ? EVENT_CRL_ISSUED : EVENT_FEED_HEAD);
    event_set_text(&d, "who", "signer:issuing");
    event_set_bytes(&d, "digest", SLICE_ARRAY(l->ref));
    if (is_crl) {
        event_set_text(&d, "issuer", "issuing");
        event_set_int(&d, "node", (int64_t)l->node);
        event_set_int(&d, "shard", (int64_t)l->shard);
        event_set_int(&d, "number", (int64_t)l->number);
        event_set_int(&d, "this_update", l->at);
    } else {
        event_set_int(&d, "seq", (int64_t)l->number);
        event_set_int(&d, "time_at", l->at);
    }
    return event_make(&d, l->ref, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

static bool enter(struct tx *tx, struct job *job, struct err *e)
{
    struct lost *l = (struct lost *)job;
    return l->kind == JOURNAL_CERT ? enter_cert(tx, l, e) : enter_signed(tx, l, e);
}

static bool take_record(struct recovery *rec, struct slice record, struct err *e)
{
    struct reader r;
    struct lost l = {.job = {.run = enter}};
    if (!journal_record_read(record, &r, &l.kind, &l.at, e))
        return false;
    if (l.kind == JOURNAL_CERT) {
        l.der = cbor_get_bstr(&r);
        l.authority = (enum authority_kind)cbor_get_uint(&r);
        l.credential = cbor_get_bstr(&r);
        l.profile = cbor_get_tstr(&r);
        l.device = cbor_get_tstr(&r);
        sha256(l.der, l.ref);
    } else if (l.kind == JOURNAL_HEAD || l.kind == JOURNAL_CRL) {
        if (l.kind == JOURNAL_CRL) {
            l.node = cbor_get_uint(&r);
            l.shard = cbor_get_uint(&r);
        }
        l.number = cbor_get_uint(&r);
        struct slice ref = cbor_get_bstr_n(&r, SHA256_SIZE);
        if (reader_ok(&r))
            memcpy(l.ref, ref.p, SHA256_SIZE);
    } else {
        return true;
    }
    if (!reader_ok(&r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a journal's record that is malformed");
    if (is_entered(rec, l.ref))
        return true;
    rec->found++;
    crash_point("server.recovering");
    if (!commit_run(rec->app->commit, &l.job, e))
        return false;
    crash_point("server.recovered");
    /* At the start there is no feed yet; it finds what the signer does not know by itself. */
    if (l.kind == JOURNAL_CERT && rec->app->feed)
        feed_hub_mark(rec->app->feed, &l.mark, 1);
    return true;
}

static bool take_part(struct recovery *rec, uint64_t *at, bool *more, struct err *e)
{
    AUTO(buf_clear) struct buf out = {0};
    uint8_t item[16];
    size_t n;
    struct writer w = WRITER_ARRAY(item);
    cbor_put_uint(&w, *at);
    buf_init(&out, REQUEST_FRAME_MAX);
    if (!client_call(rec->app->issuing, REQUEST_JOURNAL, writer_slice(&w), 1, &out, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&out));
    uint64_t next = cbor_get_uint(&r), end = cbor_get_uint(&r);
    size_t count = cbor_get_array(&r);
    for (size_t i = 0; reader_ok(&r) && i < count; i++)
        if (!take_record(rec, cbor_get_bstr(&r), e))
            return false;
    *more = next < end && next > *at;
    *at = next;
    return answer_end(&r, e);
}

bool recover_journal(struct app *app, size_t *found, struct err *e)
{
    struct recovery rec = {.app = app};
    uint64_t at = 0;
    bool more = true, ok = db_open(app->settings.database, false, &rec.db, e);
    buf_init(&rec.refs, REFS_MAX);
    ok = ok && collect_refs(&rec, e);
    if (ok) {
        const struct value key = value_text("issuing");
        AUTO(rows_close) struct rows rows = {0};
        err_clear(e);
        if (row_read(rec.db, &table_journal_mark, &key, &rows, e))
            at = (uint64_t)rows_int(&rows, JOURNAL_MARK_POSITION);
        ok = e->code == ERR_NONE;
    }
    while (ok && more)
        ok = take_part(&rec, &at, &more, e);
    buf_clear(&rec.refs);
    db_free(rec.db);
    *found = rec.found;
    return ok;
}
