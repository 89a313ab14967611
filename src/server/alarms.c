#include "server/alarms.h"

#include <stdio.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "store/row.h"

#define KEY   "alarm:"
#define CLAIM "claim:"

const struct sql alarm_rows = {
    "SELECT key, value FROM setting WHERE substr(key, 1, 6) = 'alarm:' ORDER BY key LIMIT 1000"};
static const struct sql sql_claims = {"SELECT COUNT(*) FROM setting WHERE substr(key, 1, 12) = 'alarm:claim:'"};

static struct alarm named(const char *name)
{
    struct alarm a = {.is_warning = strncmp(name, CLAIM, sizeof CLAIM - 1) == 0};
    snprintf(a.name, sizeof a.name, "%s", name);
    if (a.is_warning && strncmp(name + sizeof CLAIM - 1, "dev_", 4) == 0)
        snprintf(a.device, sizeof a.device, "%s", name + sizeof CLAIM - 1);
    return a;
}

void alarm_of_row(const struct rows *r, struct alarm *out)
{
    *out = named(rows_text(r, 0) + sizeof KEY - 1);
    snprintf(out->text, sizeof out->text, "%s", rows_text(r, 1));
}

static bool stands(struct db *db, const char *name, bool *out, struct err *e)
{
    char key[sizeof KEY + ALARM_NAME_SIZE];
    AUTO(rows_close) struct rows r = {0};
    snprintf(key, sizeof key, KEY "%s", name);
    const struct value k = value_text(key);
    err_clear(e);
    *out = row_read(db, &table_setting, &k, &r, e);
    return e->code == ERR_NONE;
}

/* text NULL: the row goes. */
static bool put(struct tx *tx, struct event_draft *d, const struct alarm *a, const char *text, struct err *e)
{
    char key[sizeof KEY + ALARM_NAME_SIZE];
    uint8_t fields[1024];
    struct event ev;
    snprintf(key, sizeof key, KEY "%s", a->name);
    const struct value cols[SETTING_COLS] = {
        [SETTING_KEY] = value_text(key), [SETTING_VALUE] = value_text(text ? text : "")};
    const struct change ch = {.table = &table_setting, .cols = cols, .remove = !text};
    event_set_text(d, "alarm", a->name);
    event_set_text(d, "subject", a->device[0] ? a->device : NULL);
    return event_make(d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &ch, 1, NULL, e);
}

bool alarm_raise(struct tx *tx, const struct alarm *a, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_ALARM_RAISED);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "text", a->text);
    return put(tx, &d, a, a->text, e);
}

bool alarm_raise_claim(struct tx *tx, const char *device, enum err_code code, struct alarm *raised, struct err *e)
{
    char name[ALARM_NAME_SIZE];
    bool is_there;
    AUTO(rows_close) struct rows r = {0};
    *raised = (struct alarm){0};
    snprintf(name, sizeof name, CLAIM "%s", device);
    if (!stands(tx_db(tx), name, &is_there, e) || (!is_there && !db_query_row(tx_db(tx), &sql_claims, NULL, 0, &r, e)))
        return false;
    bool full = !is_there && rows_int(&r, 0) >= ALARM_CLAIMS_MAX;
    if (full && !stands(tx_db(tx), CLAIM "others", &is_there, e))
        return false;
    if (is_there)
        return true;
    struct alarm a = named(full ? CLAIM "others" : name);
    if (full)
        snprintf(
            a.text, sizeof a.text,
            "more than %d devices were asked for with a second key or IDevID: kith ledger ls --type claim.refused has "
            "all of them",
            ALARM_CLAIMS_MAX);
    else if (code == ERR_IDEVID_OTHER)
        snprintf(a.text, sizeof a.text,
                 "a second IDevID came for %s at %s: its manufacturer gave it a new one, or one serial number to two "
                 "devices, or it was copied",
                 device, RFC3339(tx_now_ms(tx) / 1000));
    else
        snprintf(a.text, sizeof a.text,
                 "the claim of %s was shown with a second key at %s: the device lost its key, or somebody else has a "
                 "copy of its token",
                 device, RFC3339(tx_now_ms(tx) / 1000));
    if (!alarm_raise(tx, &a, e))
        return false;
    *raised = a;
    return true;
}

void alarm_log(struct app *app, const struct alarm *a)
{
    LOG(&app->env, WARN, "alarm", "raised", log_str("alarm", a->name), log_str("text", a->text));
}

struct end_job {
    struct job job;
    const char *name, *who, *why;
    bool was;
};

static bool run_end(struct tx *tx, struct job *job, struct err *e)
{
    struct end_job *j = (struct end_job *)job;
    const struct alarm a = named(j->name);
    struct event_draft d = event_draft_of(EVENT_ALARM_CLEARED);
    if (!stands(tx_db(tx), j->name, &j->was, e))
        return false;
    if (!j->was)
        return true;
    event_set_text(&d, "who", j->who);
    event_set_text(&d, "why", j->why);
    return put(tx, &d, &a, NULL, e);
}

bool alarm_end(struct app *app, const char *name, const char *who, const char *why, bool *was, struct err *e)
{
    struct end_job j = {.job = {.run = run_end}, .name = name, .who = who, .why = why};
    *was = false;
    if (strlen(name) >= ALARM_NAME_SIZE) /* none has so long a name */
        return true;
    if (!commit_run(app->commit, &j.job, e))
        return false;
    *was = j.was;
    if (j.was)
        LOG(&app->env, NOTICE, "alarm", "ended", log_str("alarm", name), log_str("who", who));
    return true;
}
