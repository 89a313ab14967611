#include "server/device_acts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crash_point.h"
#include "base/id.h"
#include "base/log.h"
#include "base/nearest.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "server/unanswered.h"
#include "store/row.h"

#define MARKS_MAX 256 /* certificates of one device that are valid at once */

/* ---- new devices ---- */

static bool ask_claim(struct app *app, struct device_new *d, struct err *e)
{
    AUTO(buf_clear) struct buf out = {0};
    uint8_t fields[128];
    size_t n;
    struct writer w = WRITER_ARRAY(fields);
    buf_init(&out, 256);
    if (!env_random(&app->env, d->nonce, sizeof d->nonce, e))
        return false;
    cbor_put_tstr(&w, slice_str(d->id));
    cbor_put_bstr(&w, SLICE_ARRAY(d->nonce));
    cbor_put_int(&w, d->claim_expires_at);
    if (!client_call(app->issuing, REQUEST_CLAIM, writer_slice(&w), 3, &out, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&out));
    struct slice text = cbor_get_tstr(&r);
    if (!answer_end(&r, e))
        return false;
    if (text.n != CLAIM_TEXT_SIZE)
        return err_set(e, ERR_SIGNER_PROTOCOL, "a claim of %zu characters", text.n);
    memcpy(d->claim, text.p, text.n);
    d->claim[text.n] = 0;
    sha256(text, d->digest);
    buf_wipe(&out);
    return true;
}

bool device_prepare(struct app *app, struct device_new *d, struct err *e)
{
    uint8_t random[ID_RANDOM];
    if (!name_check("model", slice_str(d->model), MODEL_NAME_MAX, e) ||
        !name_check("serial", slice_str(d->serial), DEVICE_SERIAL_MAX, e) ||
        (d->owner && !name_check("owner", slice_str(d->owner), OWNER_NAME_MAX, e)) ||
        !env_random(&app->env, random, sizeof random, e))
        return false;
    char id[ID_MAX];
    id_make("dev_", (uint64_t)env_now_ms(&app->env), random, id);
    memcpy(d->id, id, DEVICE_ID_SIZE);
    return !d->claim_wanted || ask_claim(app, d, e);
}

static void put_claim(const struct device_new *d, struct value *cols)
{
    cols[DEVICE_CLAIM_DIGEST] = value_blob(SLICE_ARRAY(d->digest));
    cols[DEVICE_CLAIM_NONCE] = value_blob(SLICE_ARRAY(d->nonce));
    cols[DEVICE_CLAIM_EXPIRES_AT] = value_int(d->claim_expires_at);
    cols[DEVICE_CLAIM_USED_AT] = cols[DEVICE_CLAIM_SPKI64] = value_null();
}

/* `change` NULL: the device's row has the claim already. */
static bool record_claim(struct tx *tx, const struct device_new *d, const char *who, const struct change *change,
                         struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    struct event_draft draft = event_draft_of(EVENT_CLAIM_CREATED);
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "device", d->id);
    event_set_bytes(&draft, "digest", SLICE_ARRAY(d->digest));
    event_set_int(&draft, "expires_at", d->claim_expires_at);
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) &&
           tx_record(tx, &ev, change, change ? 1 : 0, NULL, e);
}

static const struct sql sql_models = {"SELECT name FROM model ORDER BY name LIMIT 1000"};

static bool record_model(struct tx *tx, const char *name, const char *who, struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    struct event_draft draft = event_draft_of(EVENT_MODEL_ADDED);
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "model", name);
    event_set_text(&draft, "settings", "{}");
    const struct value cols[MODEL_COLS] = {
        [MODEL_NAME] = value_text(name),
        [MODEL_SETTINGS] = value_text("{}"),
        [MODEL_CREATED_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    const struct change change = {.table = &table_model, .cols = cols};
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

/* True if it is the platform's first; else the error has the name that is nearest to it. */
static bool is_first_model(struct tx *tx, const char *name, struct err *e)
{
    struct nearest near = nearest_of(slice_str(name));
    char known[MODEL_NAME_MAX + 1] = "";
    size_t n = 0;
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(tx_db(tx), &sql_models, NULL, 0, &r, e))
        return false;
    for (; rows_next(&r, e); n++) {
        unsigned before = near.distance;
        nearest_offer(&near, rows_text(&r, 0));
        if (near.distance < before) {
            snprintf(known, sizeof known, "%s", rows_text(&r, 0)); /* the row's own text goes with the next row */
            near.best = known;
        }
    }
    if (e->code || n == 0)
        return e->code == ERR_NONE;
    err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(slice_str(name)));
    return nearest_word(&near) ? err_try(e, "did you mean \"%s\"? If not: kith model add \"%s\"", known, name)
                               : err_try(e, "kith model add \"%s\"", name);
}

static const struct sql sql_exists = {"SELECT id, state FROM device WHERE model = $1 AND serial = $2"};

/* *new_model: the device's model has to be made first. */
static bool check_new(struct tx *tx, const struct device_new *d, bool *new_model, struct err *e)
{
    const struct value model = value_text(d->model), both[] = {model, value_text(d->serial)};
    AUTO(rows_close) struct rows m = {0}, r = {0};
    err_clear(e);
    *new_model = false;
    if (!row_read(tx_db(tx), &table_model, &model, &m, e)) {
        if (e->code || !is_first_model(tx, d->model, e))
            return false;
        *new_model = d->model_may_be_new;
        if (*new_model)
            return true;
        err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(model.s));
        return err_try(e, "kith model add \"%s\"", d->model);
    }
    if (db_query_row(tx_db(tx), &sql_exists, both, 2, &r, e)) {
        err_set(e, ERR_CONFLICT, "%s %s exists already: %s", d->model, d->serial, rows_text(&r, 0));
        if (device_state_is_permanent((enum device_state)rows_int(&r, 1))) {
            err_why(e, "it is %s, for good; a serial number serves once",
                    device_state_name((enum device_state)rows_int(&r, 1)));
            return err_try(e, "a serial number of its own for the new device");
        }
        return err_try(e, "kith device token %s, for a new claim", d->serial);
    }
    return e->code == ERR_NONE;
}

static bool record_device(struct tx *tx, const struct device_new *d, const char *who, struct err *e)
{
    uint8_t fields[4096];
    struct event ev;
    int64_t now = tx_now_ms(tx) / 1000;
    struct event_draft draft = event_draft_of(EVENT_DEVICE_ADDED);
    struct value tags = {.type = d->tags.n ? VALUE_TEXT : VALUE_NULL, .s = d->tags};
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "device", d->id);
    event_set_text(&draft, "model", d->model);
    event_set_text(&draft, "serial", d->serial);
    event_set_text(&draft, "state", device_state_name(DEVICE_CLAIMED));
    event_set_text(&draft, "owner", d->owner);
    event_set_slice(&draft, "tags", d->tags);
    struct value cols[DEVICE_COLS] = {
        [DEVICE_ID] = value_text(d->id),         [DEVICE_MODEL] = value_text(d->model),
        [DEVICE_SERIAL] = value_text(d->serial), [DEVICE_STATE] = value_int(DEVICE_CLAIMED),
        [DEVICE_OWNER] = value_text(d->owner),   [DEVICE_CREATED_AT] = value_int(now),
        [DEVICE_UPDATED_AT] = value_int(now),    [DEVICE_TAGS] = tags,
    };
    if (d->claim_wanted)
        put_claim(d, cols);
    const struct change change = {.table = &table_device, .cols = cols};
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

struct add_job {
    struct job job;
    struct device_new *d;
    size_t n;
    const char *who;
    struct err *each;
};

/* Those that cannot be added are told one by one; the others are added all the same. */
static bool run_add(struct tx *tx, struct job *job, struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    for (size_t i = 0; i < j->n; i++) {
        struct device_new *d = &j->d[i];
        d->model_made = false;
        if (j->each[i].code || !check_new(tx, d, &d->model_made, &j->each[i]))
            continue;
        if (d->model_made && !record_model(tx, d->model, j->who, e))
            return false;
        if (!record_device(tx, d, j->who, e) || (d->claim_wanted && !record_claim(tx, d, j->who, NULL, e)))
            return false;
    }
    return true;
}

bool device_add(struct app *app, struct device_new *d, size_t n, const char *who, struct err *each, struct err *e)
{
    struct add_job j = {.job = {.run = run_add}, .d = d, .n = n, .who = who, .each = each};
    return commit_run(app->commit, &j.job, e);
}

static bool run_claim(struct tx *tx, struct job *job, struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    struct device_row dev;
    struct value cols[DEVICE_COLS];
    const struct value key = value_text(j->d->id);
    const struct change change = {.table = &table_device, .cols = cols};
    AUTO(rows_close) struct rows r = {0};
    if (!device_row_read(tx_db(tx), j->d->id, &dev, e))
        return false;
    if (device_state_is_permanent(dev.state))
        return err_set(e, ERR_TOMBSTONE, "device %s is %s", dev.id, device_state_name(dev.state));
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return false;
    row_values(&r, &table_device, cols);
    put_claim(j->d, cols);
    return record_claim(tx, j->d, j->who, &change, e);
}

bool device_claim(struct app *app, struct device_new *d, const char *who, struct err *e)
{
    struct add_job j = {.job = {.run = run_claim}, .d = d, .who = who};
    return ask_claim(app, d, e) && commit_run(app->commit, &j.job, e);
}

/* ---- certificates ---- */

struct marks {
    struct feed_mark v[MARKS_MAX];
    size_t n;
};

/* Writes one certificate's new state with its entry and adds the mark for the gateways. */
static bool change_cert(struct tx *tx, const struct rows *row, enum mark_kind kind, int reason, const char *who,
                        const char *why, struct marks *m, struct err *e)
{
    static const enum event_type types[] = {
        [MARK_REVOKE] = EVENT_CERT_REVOKED, [MARK_HOLD] = EVENT_CERT_HELD, [MARK_RELEASE] = EVENT_CERT_RELEASED};
    uint8_t fields[1024];
    struct event ev;
    struct value cols[CERTIFICATE_COLS];
    struct event_draft d = event_draft_of(types[kind]);
    row_values(row, &table_certificate, cols);
    if (m->n == MARKS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d certificates of one subject", MARKS_MAX);
    m->v[m->n] = (struct feed_mark){.kind = kind, .reason = reason};
    if (!serial_of_row(cols[CERTIFICATE_ID].i, cols[CERTIFICATE_TAIL].s, m->v[m->n++].serial))
        return err_set(e, ERR_SERIAL, "certificate %lld has no serial number", (long long)cols[CERTIFICATE_ID].i);
    event_set_text(&d, "who", who);
    event_set_slice(&d, "subject", cols[CERTIFICATE_SUBJECT].s);
    event_set_text(&d, "why", why);
    if (kind == MARK_REVOKE) {
        event_set_text(&d, "reason", revocation_reason_name(reason));
        event_set_int(&d, "decided_ms", tx_now_ms(tx));
        cols[CERTIFICATE_REVOKED_AT] = value_int(tx_now_ms(tx) / 1000);
        cols[CERTIFICATE_REASON] = value_int(reason);
    }
    cols[CERTIFICATE_HOLD] = value_int(kind == MARK_HOLD);
    const struct change change = {.table = &table_certificate, .cols = cols};
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

static const struct sql sql_certs = {
    "SELECT id FROM certificate WHERE subject = $1 AND revoked_at IS NULL AND not_after >= $2 ORDER BY id"};

static bool change_certs(struct tx *tx, const char *subject, enum mark_kind kind, int reason, const char *who,
                         const char *why, struct marks *m, struct err *e)
{
    int64_t ids[MARKS_MAX];
    size_t n = 0;
    const struct value args[] = {value_text(subject), value_int(tx_now_ms(tx) / 1000)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(tx_db(tx), &sql_certs, args, 2, &r, e))
        return false;
    while (n < MARKS_MAX && rows_next(&r, e))
        ids[n++] = rows_int(&r, 0);
    rows_close(&r);
    for (size_t i = 0; !e->code && i < n; i++) {
        const struct value key = value_int(ids[i]);
        AUTO(rows_close) struct rows row = {0};
        if (!row_read(tx_db(tx), &table_certificate, &key, &row, e) ||
            !change_cert(tx, &row, kind, reason, who, why, m, e))
            return false;
    }
    return e->code == ERR_NONE;
}

struct revoke_job {
    struct job job;
    int64_t id;
    int reason;
    const char *who;
    struct marks marks;
};

static bool run_revoke(struct tx *tx, struct job *job, struct err *e)
{
    struct revoke_job *j = (struct revoke_job *)job;
    const struct value key = value_int(j->id);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    j->marks.n = 0;
    if (!row_read(tx_db(tx), &table_certificate, &key, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "certificate %lld is not known", (long long)j->id);
    if (!rows_is_null(&r, CERTIFICATE_REVOKED_AT))
        return err_set(e, ERR_CONFLICT, "certificate %lld is revoked already", (long long)j->id);
    return change_cert(tx, &r, MARK_REVOKE, j->reason, j->who, NULL, &j->marks, e);
}

bool cert_revoke(struct app *app, int64_t id, int reason, const char *who, uint64_t *ticket, struct err *e)
{
    struct revoke_job *j = calloc(1, sizeof *j);
    if (!j)
        return err_set(e, ERR_NOMEM, "revocation");
    *j = (struct revoke_job){.job = {.run = run_revoke}, .id = id, .reason = reason, .who = who};
    bool ok = commit_run(app->commit, &j->job, e);
    if (ok) {
        *ticket = feed_hub_mark(app->feed, j->marks.v, j->marks.n);
        feed_hub_cut(app->feed, id);
    }
    free(j);
    return ok;
}

/* ---- states ---- */

struct state_job {
    struct job job;
    struct device_act *act;
    struct marks marks;
};

static bool record_state(struct tx *tx, const struct device_act *a, const struct device_row *dev, enum device_state to,
                         size_t certs, struct err *e)
{
    uint8_t fields[1024];
    struct event ev;
    struct value cols[DEVICE_COLS];
    const struct value key = value_text(dev->id);
    AUTO(rows_close) struct rows r = {0};
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return false;
    row_values(&r, &table_device, cols);
    cols[DEVICE_STATE] = value_int(to);
    cols[DEVICE_UPDATED_AT] = value_int(tx_now_ms(tx) / 1000);
    bool retired = to == DEVICE_RETIRED;
    struct event_draft d = event_draft_of(retired ? EVENT_DEVICE_RETIRED : EVENT_DEVICE_STATE);
    event_set_text(&d, "who", a->who);
    event_set_text(&d, "device", dev->id);
    event_set_text(&d, "from", device_state_name(dev->state));
    event_set_text(&d, "why", a->why ? a->why : "");
    if (retired) {
        event_set_int(&d, "certs", (int64_t)certs);
    } else {
        event_set_text(&d, "to", device_state_name(to));
        event_set_int(&d, "decided_ms", tx_now_ms(tx));
    }
    const struct change change = {.table = &table_device, .cols = cols};
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

static const struct sql sql_enrolled = {"SELECT id FROM certificate WHERE subject = $1 LIMIT 1"};

/* A device that is let go on goes back to where it was: active if it ever had a certificate. */
static bool resumed_state(struct tx *tx, const char *device, enum device_state *to, struct err *e)
{
    const struct value args[] = {value_text(device)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    *to = db_query_row(tx_db(tx), &sql_enrolled, args, 1, &r, e) ? DEVICE_ACTIVE : DEVICE_CLAIMED;
    return e->code == ERR_NONE;
}

static bool run_state(struct tx *tx, struct job *job, struct err *e)
{
    struct state_job *j = (struct state_job *)job;
    struct device_act *a = j->act;
    struct device_row dev;
    enum device_state to = a->to;
    j->marks.n = 0;
    if (!device_row_read(tx_db(tx), a->device, &dev, e))
        return false;
    if (to == DEVICE_ACTIVE && !resumed_state(tx, dev.id, &to, e))
        return false;
    if (!device_transition(dev.state, to, e))
        return err_ctx(e, "%s", dev.id);
    enum mark_kind kind = device_state_is_permanent(to)                        ? MARK_REVOKE
                          : to == DEVICE_SUSPENDED || to == DEVICE_QUARANTINED ? MARK_HOLD
                                                                               : MARK_RELEASE;
    if (!unanswered_revoke(tx, dev.id, "never delivered; the device's state changed", j->marks.v, &j->marks.n,
                           MARKS_MAX, e) ||
        !change_certs(tx, dev.id, kind, a->reason, a->who, a->why, &j->marks, e))
        return false;
    a->now = to;
    a->certs = j->marks.n;
    return record_state(tx, a, &dev, to, j->marks.n, e);
}

bool device_change_state(struct app *app, struct device_act *a, struct err *e)
{
    struct state_job *j = calloc(1, sizeof *j);
    if (!j)
        return err_set(e, ERR_NOMEM, "device");
    *j = (struct state_job){.job = {.run = run_state}, .act = a};
    bool ok = commit_run(app->commit, &j->job, e);
    if (ok) {
        crash_point("server.state");
        a->ticket = feed_hub_mark(app->feed, j->marks.v, j->marks.n);
        feed_hub_device(app->feed, 0);
    }
    free(j);
    return ok;
}

struct quarantine_job {
    struct state_job state;
    struct app *app;
    struct device_act act;
    char device[DEVICE_ID_SIZE + 1], why[128];
};

static void quarantined(struct job *job, const struct err *e)
{
    struct quarantine_job *q = (struct quarantine_job *)job;
    if (e) {
        LOG(&q->app->env, WARN, "device", "no quarantine", log_str("device", q->device), log_err(e));
    } else {
        feed_hub_mark(q->app->feed, q->state.marks.v, q->state.marks.n);
        feed_hub_device(q->app->feed, 0);
    }
    free(q);
}

void device_quarantine(struct app *app, const char *device, const char *why)
{
    struct quarantine_job *q = calloc(1, sizeof *q);
    if (!q)
        return;
    q->app = app;
    snprintf(q->device, sizeof q->device, "%s", device);
    snprintf(q->why, sizeof q->why, "%s", why);
    q->act = (struct device_act){.device = q->device, .who = "system:rule", .why = q->why, .to = DEVICE_QUARANTINED};
    q->state = (struct state_job){.job = {.run = run_state, .done = quarantined}, .act = &q->act};
    commit_submit(app->commit, &q->state.job);
}

/* ---- owner and tags ---- */

struct edit_job {
    struct job job;
    const struct device_edit *ed;
};

static struct event_draft draft_edit(const struct device_edit *ed, struct slice from, struct slice to)
{
    bool first = ed->owner_changes && from.n == 0;
    struct event_draft d = event_draft_of(!ed->owner_changes ? EVENT_DEVICE_TAGS
                                          : first            ? EVENT_DEVICE_CLAIMED
                                                             : EVENT_DEVICE_OWNER);
    event_set_text(&d, "who", ed->who);
    event_set_text(&d, "device", ed->device);
    if (first) {
        event_set_slice(&d, "owner", to);
        return d;
    }
    event_set_slice(&d, "from", from);
    event_set_slice(&d, "to", to);
    if (ed->owner_changes)
        event_set_text(&d, "why", ed->why ? ed->why : "");
    return d;
}

static bool check_edit(const struct device_edit *ed, const struct rows *r, struct err *e)
{
    if (device_state_is_permanent((enum device_state)rows_int(r, DEVICE_STATE)))
        return err_set(e, ERR_TOMBSTONE, "device %s is gone for good", ed->device);
    const char *owner = rows_text(r, DEVICE_OWNER);
    if (!ed->owner_was || strcmp(ed->owner_was, owner) == 0)
        return true;
    err_set(e, ERR_CONFLICT, "device %s belongs to %s%s", ed->device, owner[0] ? "another owner" : "nobody",
            owner[0] ? " already" : "");
    return err_try(e, owner[0] ? "kith device transfer" : "kith device claim");
}

static bool run_edit(struct tx *tx, struct job *job, struct err *e)
{
    const struct device_edit *ed = ((struct edit_job *)job)->ed;
    uint8_t fields[4096];
    struct event ev;
    struct value cols[DEVICE_COLS];
    const struct value key = value_text(ed->device);
    AUTO(rows_close) struct rows r = {0};
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "device %s is not known", ed->device);
    if (!check_edit(ed, &r, e))
        return false;
    row_values(&r, &table_device, cols);
    int which = ed->owner_changes ? DEVICE_OWNER : DEVICE_TAGS;
    struct slice from = cols[which].s;
    if (ed->owner_changes)
        cols[DEVICE_OWNER] = value_text(ed->owner);
    if (ed->tags_change)
        cols[DEVICE_TAGS] = (struct value){.type = ed->tags.n ? VALUE_TEXT : VALUE_NULL, .s = ed->tags};
    cols[DEVICE_UPDATED_AT] = value_int(tx_now_ms(tx) / 1000);
    struct event_draft d = draft_edit(ed, from, cols[which].s);
    const struct change change = {.table = &table_device, .cols = cols};
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

bool device_edit(struct app *app, const struct device_edit *ed, struct err *e)
{
    struct edit_job j = {.job = {.run = run_edit}, .ed = ed};
    if (!commit_run(app->commit, &j.job, e))
        return false;
    feed_hub_device(app->feed, 0);
    return true;
}
