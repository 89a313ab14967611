#include "server/clock.h"

#include "base/log.h"
#include "store/tables.h"

#define JUMP_MS 60000

static bool record(struct app *app, int64_t from_ms, int64_t to_ms, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_CLOCK_JUMPED);
    event_set_text(&d, "who", "system:server");
    event_set_int(&d, "from_ms", from_ms);
    event_set_int(&d, "to_ms", to_ms);
    return app_record(app, &d, e);
}

static const struct sql sql_before = {
    "SELECT time_ms FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos DESC LIMIT 1"};

/* Of the entry before those of this start; 0: none. */
static int64_t last_entry_ms(struct app *app)
{
    struct err e;
    uint8_t node = (uint8_t)app->settings.node;
    const struct value args[] = {value_int(entry_pos(node, 0)), value_int(entry_pos(node, app->entries_at_start))};
    AUTO(rows_close) struct rows r = {0};
    return db_query_row(app_db(app), &sql_before, args, 2, &r, &e) ? rows_int(&r, 0) : 0;
}

static bool is_jump(int64_t from_ms, int64_t to_ms, bool started)
{
    int64_t d = to_ms - from_ms;
    return d < -JUMP_MS || (d > JUMP_MS && !started); /* to have been off is no jump */
}

void clock_watch(struct app *app)
{
    static int64_t wall_ms, mono_ms;
    struct err e;
    bool started = !mono_ms;
    int64_t now = env_now_ms(&app->env), mono = env_mono_ms(&app->env);
    int64_t expected = started ? last_entry_ms(app) : wall_ms + (mono - mono_ms);
    if (expected && is_jump(expected, now, started)) {
        LOG(&app->env, WARN, "server", "the clock jumped", log_int("by_ms", now - expected));
        if (!record(app, expected, now, &e)) {
            LOG(&app->env, WARN, "server", "not entered", log_err(&e));
            return; /* again in a second */
        }
    }
    wall_ms = now;
    mono_ms = mono;
}
