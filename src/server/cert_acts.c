#include "server/cert_acts.h"

#include <stdlib.h>

#include "core/crl_reason.h"
#include "server/cert_row.h"
#include "server/records.h"
#include "store/row.h"

#define PAGE 256 /* certificates that are looked up at once */

uint64_t marks_tell(struct app *app, const struct marks *m)
{
    uint64_t ticket = feed_hub_mark(app->feed, m->v, m->n);
    for (size_t i = 0; i < m->n; i++) {
        struct serial s;
        struct err ignored;
        if (m->v[i].kind == MARK_REVOKE && serial_get(SLICE_ARRAY(m->v[i].serial), ISSUER_ISSUING, &s, &ignored))
            feed_hub_cut(app->feed, serial_cert_id(&s));
    }
    return ticket;
}

/* Writes one certificate's new state with its entry. */
static bool change_cert(struct tx *tx, const struct cert_act *a, const struct rows *row, struct marks *m, struct err *e)
{
    static const enum event_type types[] = {
        [MARK_REVOKE] = EVENT_CERT_REVOKED, [MARK_HOLD] = EVENT_CERT_HELD, [MARK_RELEASE] = EVENT_CERT_RELEASED};
    uint8_t fields[1024];
    struct event ev;
    struct value cols[CERTIFICATE_COLS];
    struct event_draft d = event_draft_of(types[a->kind]);
    struct feed_mark mark = {.kind = a->kind, .reason = a->reason};
    row_values(row, &table_certificate, cols);
    if (!serial_of_row(cols[CERTIFICATE_ID].i, cols[CERTIFICATE_TAIL].s, mark.serial))
        return err_set(e, ERR_SERIAL, "certificate %lld has no serial number", (long long)cols[CERTIFICATE_ID].i);
    event_set_text(&d, "who", a->who);
    event_set_slice(&d, "subject", cols[CERTIFICATE_SUBJECT].s);
    event_set_text(&d, "why", a->why);
    if (a->kind == MARK_REVOKE) {
        event_set_text(&d, "reason", crl_reason_name(a->reason));
        event_set_int(&d, "decided_ms", tx_now_ms(tx));
        cert_cols_revoke(cols, tx, a->reason);
    }
    cols[CERTIFICATE_HOLD] = value_int(a->kind == MARK_HOLD);
    const struct change change = {.table = &table_certificate, .cols = cols};
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e) &&
           marks_add(m, &mark, e);
}

bool cert_act(struct tx *tx, const struct cert_act *a, int64_t id, struct marks *m, struct err *e)
{
    const struct value key = value_int(id);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!row_read(tx_db(tx), &table_certificate, &key, &r, e))
        return !e->code &&
               (err_set(e, ERR_NOTFOUND, "certificate %lld is not known", (long long)id) || err_try(e, "kith cert ls"));
    if (!rows_is_null(&r, CERTIFICATE_REVOKED_AT))
        return err_set(e, ERR_CONFLICT, "certificate %lld is revoked already", (long long)id) ||
               err_why(e, "RFC 5280 section 5.3.1: it is for good, and its reason stays") || err_try(e, "kith cert ls");
    return change_cert(tx, a, &r, m, e);
}

/* $5: the value of `hold` that the act leaves nothing to do for. */
static const struct sql sql_page = {
    "SELECT id FROM certificate WHERE subject = $1 AND id > $2 AND subject_kind = $3 AND revoked_at IS NULL "
    "AND not_after >= $4 AND hold <> $5 ORDER BY id LIMIT $6"};

bool cert_act_all(struct tx *tx, const struct cert_act *a, const char *subject, enum cert_subject kind, struct marks *m,
                  struct err *e)
{
    static const int done[] = {[MARK_REVOKE] = -1, [MARK_HOLD] = 1, [MARK_RELEASE] = 0};
    int64_t ids[PAGE] = {0};
    size_t n;
    do {
        const struct value args[] = {value_text(subject),      value_int(ids[PAGE - 1]),
                                     value_int(kind),          value_int(tx_now_ms(tx) / 1000),
                                     value_int(done[a->kind]), value_int(PAGE)};
        if (!db_query_ints(tx_db(tx), &sql_page, args, ARRAY_LEN(args), ids, PAGE, &n, e))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!cert_act(tx, a, ids[i], m, e))
                return false;
    } while (n == PAGE);
    return true;
}

/* ---- one, by itself ---- */

struct revoke_job {
    struct job job;
    struct cert_act act;
    int64_t id;
    struct marks marks;
};

static bool run_revoke(struct tx *tx, struct job *job, struct err *e)
{
    struct revoke_job *j = (struct revoke_job *)job;
    j->marks.n = 0;
    return cert_act(tx, &j->act, j->id, &j->marks, e);
}

bool cert_revoke(struct app *app, int64_t id, int reason, const char *who, uint64_t *ticket, struct err *e)
{
    struct revoke_job j = {
        .job = {.run = run_revoke}, .act = {.kind = MARK_REVOKE, .reason = reason, .who = who}, .id = id};
    bool ok = commit_run(app->commit, &j.job, e);
    if (ok)
        *ticket = marks_tell(app, &j.marks);
    marks_clear(&j.marks);
    return ok;
}
