#include "server/recover.h"

#include "base/crash_point.h"
#include "base/str.h"
#include "ca/in_step.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "server/cert_row.h"
#include "server/records.h"
#include "server/unanswered.h"
#include "x509/name.h"

struct recovery {
    struct app *app;
    struct named named; /* what entries since the last checkpoint name */
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

static bool read_named(struct recovery *r, struct db *db, struct err *e)
{
    const struct settings *s = &r->app->settings;
    struct last_checkpoint last = {0};
    return in_step_last(db, s, r->app->crypto, &last, e) && named_read(&r->named, db, (uint8_t)s->node, last.size, e);
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

static bool enter_record(void *ctx, struct slice record, struct err *e)
{
    struct recovery *rec = ctx;
    struct reader r, about;
    struct lost l = {.job = {.run = enter}};
    if (!journal_record_read(record, &r, &l.kind, &l.at, e))
        return false;
    about = r;
    if (!journal_record_ref(rec->app->crypto, l.kind, &about, l.ref, e))
        return e->code == ERR_NONE;
    if (named_find(&rec->named, l.ref))
        return true;
    if (l.kind == JOURNAL_CERT) {
        l.der = cbor_get_bstr(&r);
        l.authority = (enum authority_kind)cbor_get_uint(&r);
        l.credential = cbor_get_bstr(&r);
        l.profile = cbor_get_tstr(&r);
        l.device = cbor_get_tstr(&r);
    } else {
        if (l.kind == JOURNAL_CRL) {
            l.node = cbor_get_uint(&r);
            l.shard = cbor_get_uint(&r);
        }
        l.number = cbor_get_uint(&r);
    }
    if (!reader_ok(&r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a journal's record that is malformed");
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

typedef bool take_record(void *ctx, struct slice record, struct err *e);

static bool take_part(struct app *app, take_record *take, void *ctx, uint64_t *at, bool *more, struct err *e)
{
    AUTO(buf_clear) struct buf out = {0};
    uint8_t item[16];
    size_t n;
    struct writer w = WRITER_ARRAY(item);
    cbor_put_uint(&w, *at);
    buf_init(&out, REQUEST_FRAME_MAX);
    if (!client_call(app->issuing, REQUEST_JOURNAL, writer_slice(&w), 1, &out, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&out));
    uint64_t next = cbor_get_uint(&r), end = cbor_get_uint(&r);
    size_t count = cbor_get_array(&r);
    for (size_t i = 0; reader_ok(&r) && i < count; i++)
        if (!take(ctx, cbor_get_bstr(&r), e))
            return false;
    *more = next < end && next > *at;
    *at = next;
    return answer_end(&r, e);
}

/* All records of the issuing signer from where the ledger has all that stands before. */
static bool take_all(struct app *app, struct db *db, take_record *take, void *ctx, struct err *e)
{
    uint64_t at;
    bool more = true, ok = in_step_mark(db, &at, e);
    while (ok && more)
        ok = take_part(app, take, ctx, &at, &more, e);
    return ok;
}

bool recover_journal(struct app *app, size_t *found, struct err *e)
{
    struct recovery rec = {.app = app};
    AUTO(db_free_auto) struct db *db = NULL;
    bool ok = db_open(app->settings.database, false, &db, e) && read_named(&rec, db, e) &&
              take_all(app, db, enter_record, &rec, e);
    named_clear(&rec.named);
    *found = rec.found;
    return ok;
}

struct meeting {
    struct named named;
    const struct crypto *crypto;
};

static bool meet_record(void *ctx, struct slice record, struct err *e)
{
    struct meeting *m = ctx;
    return in_step_meet(&m->named, m->crypto, record, e);
}

bool recover_check(struct app *app, uint64_t vouched, struct err *e)
{
    struct meeting m = {.crypto = app->crypto};
    struct db *db = app_db(app);
    bool ok = named_read(&m.named, db, (uint8_t)app->settings.node, vouched, e) &&
              (m.named.n == 0 || take_all(app, db, meet_record, &m, e)) && in_step_all_met(&m.named, vouched, e);
    named_clear(&m.named);
    return ok;
}
