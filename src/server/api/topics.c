/* The topics that devices may use at brokers: one text for the platform, sent to every gateway. */
#include <stdlib.h>

#include "model/topics.h"
#include "server/api/api.h"
#include "server/directory.h"
#include "server/feed_hub.h"
#include "store/row.h"

struct topics_job {
    struct job job;
    const char *text, *who;
};

static bool run(struct tx *tx, struct job *job, struct err *e)
{
    const struct topics_job *j = (const struct topics_job *)job;
    const struct value cols[SETTING_COLS] = {
        [SETTING_KEY] = value_text(TOPICS_SETTING), [SETTING_VALUE] = value_text(j->text)};
    const struct change change = {.table = &table_setting, .cols = cols};
    struct event ev;
    struct event_draft d = event_draft_of(EVENT_SETTING_CHANGED);
    uint8_t *fields = malloc(TOPICS_SETTING_MAX + 512);
    event_set_text(&d, "who", j->who);
    event_set_text(&d, "key", TOPICS_SETTING);
    event_set_text(&d, "to", j->text);
    bool ok = fields || err_set(e, ERR_NOMEM, "topics");
    ok =
        ok && event_make(&d, NULL, fields, TOPICS_SETTING_MAX + 512, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
    free(fields);
    return ok;
}

static bool show(struct call *c, struct err *e)
{
    char *text = malloc(TOPICS_SETTING_MAX + 1);
    bool ok = text || err_set(e, ERR_NOMEM, "topics");
    ok = ok && topics_setting(c->db, text, TOPICS_SETTING_MAX + 1, e);
    if (ok)
        json_out_text(&c->out, "text", text);
    free(text);
    return ok;
}

static bool set(struct call *c, struct err *e)
{
    struct topics_job j = {.job = {.run = run}, .who = c->who->name};
    struct topics *parsed;
    /* Gateways would refuse what is not a policy, and go on with the one before. */
    if (!call_text(c, "text", TOPICS_SETTING_MAX, NULL, &j.text, e) || !topics_read(slice_str(j.text), &parsed, e))
        return false;
    topics_free(parsed);
    if (!commit_run(c->app->commit, &j.job, e))
        return false;
    feed_hub_policy(c->app->feed);
    json_out_text(&c->out, "text", j.text);
    return true;
}

const struct api_row api_topics[] = {
    {"GET", "/v1/topics", show, ACCESS_READ, NULL},
    {"PUT", "/v1/topics", set, ACCESS_SET, TAKES("text")},
};
const size_t api_topics_n = ARRAY_LEN(api_topics);
