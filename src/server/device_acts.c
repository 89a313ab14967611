#include "server/device_acts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "server/cert_acts.h"
#include "server/unanswered.h"
#include "store/row.h"

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
    bool locked = (to == DEVICE_SUSPENDED || to == DEVICE_QUARANTINED) && a->why && a->why[0];
    cols[DEVICE_LOCK_REASON] = value_text(locked ? a->why : NULL);
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
    const struct cert_act act = {.kind = kind, .reason = a->reason, .who = a->who, .why = a->why};
    if (!unanswered_revoke(tx, dev.id, "never delivered; the device's state changed", &j->marks, e) ||
        !cert_act_all(tx, &act, dev.id, CERT_DEVICE, &j->marks, e))
        return false;
    a->now = to;
    a->certs = j->marks.n;
    return record_state(tx, a, &dev, to, j->marks.n, e);
}

bool device_change_state(struct app *app, struct device_act *a, struct err *e)
{
    struct state_job j = {.job = {.run = run_state}, .act = a};
    bool ok = commit_run(app->commit, &j.job, e);
    if (ok) {
        crash_point("server.state");
        a->ticket = marks_tell(app, &j.marks);
        feed_hub_device(app->feed, 0);
    }
    marks_clear(&j.marks);
    return ok;
}

struct quarantine_job {
    struct state_job state;
    struct app *app;
    struct device_act act;
    char device[DEVICE_ID_SIZE + 1], why[DEVICE_WHY_MAX + 1];
};

static void quarantined(struct job *job, const struct err *e)
{
    struct quarantine_job *q = (struct quarantine_job *)job;
    if (e) {
        LOG(&q->app->env, WARN, "device", "no quarantine", log_str("device", q->device), log_err(e));
    } else {
        marks_tell(q->app, &q->state.marks);
        feed_hub_device(q->app->feed, 0);
    }
    marks_clear(&q->state.marks);
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
    enum device_state state = (enum device_state)rows_int(r, DEVICE_STATE);
    if (device_state_is_permanent(state))
        return device_refuse_gone(ed->device, state, e);
    const char *owner = rows_text(r, DEVICE_OWNER);
    if (!ed->owner_was || strcmp(ed->owner_was, owner) == 0)
        return true;
    err_set(e, ERR_CONFLICT, "device %s belongs to %s%s", ed->device, owner[0] ? "another owner" : "nobody",
            owner[0] ? " already" : "");
    err_why(e, "who has it now is to be named, or two would give it away at once");
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
