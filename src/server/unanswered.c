#include "server/unanswered.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "server/records.h"
#include "store/row.h"

#define GRACE_S   86400
#define SWEEP_MAX 256
#define PAGE      16 /* of one subject that are looked up at once */

/* Whether there may be any: spares each issuance a look. */
static atomic_bool any = true;

static const struct sql sql_newer = {
    "SELECT id FROM certificate WHERE subject = $1 AND revoked_at IS NULL AND id <> $2 AND hold = 0 "
    "AND (issued_at > $3 OR (issued_at = $3 AND id > $2)) LIMIT 1"};

/* Whether the subject was given a newer certificate by another request. */
static bool is_superseded(struct tx *tx, const char *subject, int64_t cert_id, int64_t at, bool *out, struct err *e)
{
    const struct value args[] = {value_text(subject), value_int(cert_id), value_int(at)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    *out = db_query_row(tx_db(tx), &sql_newer, args, ARRAY_LEN(args), &r, e);
    return e->code == ERR_NONE;
}

bool unanswered_is_wanted(struct tx *tx, const struct unanswered *u, bool *wanted, struct err *e)
{
    struct device_row dev;
    uint8_t nonce[SHA256_SIZE];
    bool superseded;
    *wanted = false;
    if (u->authority != AUTHORITY_CLAIM && u->authority != AUTHORITY_IDEVID && u->authority != AUTHORITY_RENEWAL)
        return true;
    if (!device_row_read(tx_db(tx), u->subject, &dev, e))
        return e->code == ERR_NOTFOUND;
    bool may = u->authority == AUTHORITY_RENEWAL ? device_may_renew(dev.state) : device_may_enrol(dev.state);
    if (!may || u->at <= tx_now_ms(tx) / 1000 - GRACE_S)
        return true;
    if (u->authority == AUTHORITY_CLAIM) {
        sha256(SLICE_ARRAY(dev.claim.nonce), nonce);
        if (!dev.claim.found || dev.claim.used || !slice_eq(SLICE_ARRAY(nonce), u->credential))
            return true;
    }
    if (!is_superseded(tx, u->subject, u->cert_id, u->at, &superseded, e))
        return false;
    *wanted = !superseded;
    return true;
}

bool unanswered_keep(struct tx *tx, const struct unanswered *u, struct err *e)
{
    const struct value cols[UNANSWERED_COLS] = {
        [UNANSWERED_CERT] = value_int(u->cert_id), [UNANSWERED_CREDENTIAL] = value_blob(u->credential)};
    any = true;
    return tx_scratch(tx, &(struct change){.table = &table_unanswered, .cols = cols}, e);
}

bool unanswered_forget(struct tx *tx, int64_t cert_id, struct err *e)
{
    const struct value cols[UNANSWERED_COLS] = {[UNANSWERED_CERT] = value_int(cert_id)};
    return tx_scratch(tx, &(struct change){.table = &table_unanswered, .cols = cols, .remove = true}, e);
}

static const struct sql sql_find = {
    "SELECT c.id FROM unanswered u JOIN certificate c ON c.id = u.cert WHERE u.credential = $1 AND c.spki = $2 "
    "AND c.subject = $3 AND c.profile = $4 AND c.issued_at > $5 AND c.revoked_at IS NULL AND c.hold = 1 "
    "ORDER BY c.id DESC LIMIT 1"};

bool unanswered_find(struct tx *tx, const struct issuance *is, int64_t *cert_id, struct err *e)
{
    uint8_t credential[SHA256_SIZE];
    *cert_id = 0;
    if (!any)
        return true;
    sha256(is->authority == AUTHORITY_CLAIM ? SLICE_ARRAY(is->nonce) : slice_of(is->old_der, is->old_der_n),
           credential);
    const struct value args[] = {value_blob(SLICE_ARRAY(credential)), value_blob(SLICE_ARRAY(is->spki_hash)),
                                 value_text(is->subject), value_text(is->profile),
                                 value_int(tx_now_ms(tx) / 1000 - GRACE_S)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (db_query_row(tx_db(tx), &sql_find, args, ARRAY_LEN(args), &r, e))
        *cert_id = rows_int(&r, 0);
    return e->code == ERR_NONE;
}

static bool revoke_one(struct tx *tx, int64_t id, const char *why, struct marks *m, struct err *e)
{
    const struct cert_act act = {
        .kind = MARK_REVOKE, .reason = CRL_REASON_SUPERSEDED, .who = "system:server", .why = why};
    return cert_act(tx, &act, id, m, e) && unanswered_forget(tx, id, e);
}

static const struct sql sql_of_subject = {
    "SELECT c.id FROM unanswered u JOIN certificate c ON c.id = u.cert WHERE c.subject = $1 AND c.revoked_at IS NULL "
    "AND c.hold = 1 ORDER BY c.id LIMIT $2"};

bool unanswered_revoke(struct tx *tx, const char *subject, const char *why, struct marks *m, struct err *e)
{
    const struct value args[] = {value_text(subject), value_int(PAGE)};
    int64_t ids[PAGE];
    size_t n = any ? PAGE : 0;
    while (n == PAGE) { /* whoever is revoked is not found again */
        if (!db_query_ints(tx_db(tx), &sql_of_subject, args, ARRAY_LEN(args), ids, PAGE, &n, e))
            return false;
        for (size_t i = 0; i < n; i++)
            if (!revoke_one(tx, ids[i], why, m, e))
                return false;
    }
    return true;
}

/* ---- the sweep ---- */

struct sweep {
    struct job job;
    struct app *app;
    struct marks marks;
};

struct waiting {
    int64_t id, at;
    char subject[72];
    bool over; /* it was revoked, or counts: there is nothing to wait for */
};

static const struct sql sql_all = {
    "SELECT u.cert, c.issued_at, c.subject, c.revoked_at, c.hold FROM unanswered u JOIN certificate c ON c.id = u.cert "
    "ORDER BY c.issued_at LIMIT 256"};

static bool read_all(struct tx *tx, struct waiting *v, size_t *n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    *n = 0;
    if (!db_query(tx_db(tx), &sql_all, NULL, 0, &r, e))
        return false;
    while (*n < SWEEP_MAX && rows_next(&r, e)) {
        struct waiting *w = &v[(*n)++];
        *w = (struct waiting){
            .id = rows_int(&r, 0), .at = rows_int(&r, 1), .over = !rows_is_null(&r, 3) || rows_int(&r, 4) == 0};
        strncpy(w->subject, rows_text(&r, 2), sizeof w->subject - 1);
    }
    return e->code == ERR_NONE;
}

static bool run_sweep(struct tx *tx, struct job *job, struct err *e)
{
    struct sweep *s = (struct sweep *)job;
    static struct waiting v[SWEEP_MAX]; /* the commit thread's */
    size_t n;
    int64_t since = tx_now_ms(tx) / 1000 - GRACE_S;
    s->marks.n = 0;
    if (!read_all(tx, v, &n, e))
        return false;
    any = n > 0;
    for (size_t i = 0; i < n; i++) {
        bool superseded;
        if (v[i].over) {
            if (!unanswered_forget(tx, v[i].id, e))
                return false;
            continue;
        }
        if (!is_superseded(tx, v[i].subject, v[i].id, v[i].at, &superseded, e))
            return false;
        const char *why = superseded         ? "never delivered; the device has another"
                          : v[i].at <= since ? "never delivered, and nobody asked again within a day"
                                             : NULL;
        if (why && !revoke_one(tx, v[i].id, why, &s->marks, e))
            return false;
    }
    return true;
}

static void swept(struct job *job, const struct err *e)
{
    static struct log_trouble trouble;
    struct sweep *s = (struct sweep *)job;
    log_trouble(&s->app->env, &trouble, "server", "unanswered certificates are not looked through", e);
    if (!e && s->marks.n)
        marks_tell(s->app, &s->marks);
    marks_clear(&s->marks);
    free(s);
}

void unanswered_sweep(struct app *app)
{
    struct sweep *s = any ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return;
    s->app = app;
    s->job = (struct job){.run = run_sweep, .done = swept};
    commit_submit(app->commit, &s->job);
}
