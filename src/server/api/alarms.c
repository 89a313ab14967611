/* Alarms that stand, and who says that they have been looked at. */
#include "server/alarms.h"
#include "server/api/api.h"

void alarm_put(struct call *c, const struct rows *r)
{
    struct alarm a;
    alarm_of_row(r, &a);
    json_out_text(&c->out, "name", a.name);
    if (a.device[0])
        json_out_text(&c->out, "device", a.device);
    json_out_bool(&c->out, "warning", a.is_warning);
    json_out_text(&c->out, "text", a.text);
}

static bool list(struct call *c, struct err *e)
{
    return call_list(c, "alarms", &alarm_rows, NULL, 0, alarm_put, NULL, e);
}

/* Whoever forged entries may have made himself an operator: only this host's own user says that they are right. */
static bool end_alarm(struct call *c, const char *name, const char *why, bool *was, struct err *e)
{
    if (strcmp(name, ALARM_ADOPTED) == 0 && c->who->party != PARTY_LOCAL) {
        err_set(e, ERR_POLICY, "adopted entries are acknowledged at the platform's own host");
        return err_try(e, "kith --dir DIR ledger adopt, there");
    }
    return alarm_end(c->app, name, c->who->name, why, was, e);
}

static bool adopt(struct call *c, struct err *e)
{
    bool was;
    if (!end_alarm(c, ALARM_ADOPTED, NULL, &was, e))
        return false;
    json_out_bool(&c->out, "cleared", was);
    return true;
}

static bool end(struct call *c, struct err *e)
{
    const char *name = http_param(c->req, "name"), *why;
    bool was;
    if (!call_text(c, "why", 200, "", &why, e) || !end_alarm(c, name, why[0] ? why : NULL, &was, e))
        return false;
    if (!was) {
        err_set(e, ERR_NOTFOUND, "there is no alarm \"%s\"", ERR_QUOTE(slice_str(name)));
        return err_try(e, "kith alarm ls");
    }
    json_out_text(&c->out, "name", name);
    json_out_bool(&c->out, "ended", true);
    return true;
}

const struct api_row api_alarms[] = {
    {"GET", "/v1/alarms", list, ACCESS_READ, NULL},
    {"POST", "/v1/alarms/{name}/end", end, ACCESS_ACT, TAKES("why")},
    {"POST", "/v1/ledger/adopt", adopt, ACCESS_GRANT, NULL},
};
const size_t api_alarms_n = ARRAY_LEN(api_alarms);
