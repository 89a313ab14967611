/* Devices: listed, shown, and what is done to them. */
#include "server/api/devices_add.h"

#include "base/nearest.h"
#include "core/crl_reason.h"
#include "server/device_acts.h"
#include "server/gateways.h"
#include "server/records.h"
#include "store/row.h"

#define LIST_MAX    1000
#define WAIT_MS_MAX 60000

/* ---- looking ---- */

static void put_device(struct call *c, const struct device_row *d)
{
    json_out_text(&c->out, "id", d->id);
    json_out_text(&c->out, "model", d->model);
    json_out_text(&c->out, "serial", d->serial);
    json_out_text(&c->out, "state", device_state_name(d->state));
    json_out_text(&c->out, "owner", d->owner[0] ? d->owner : NULL);
    json_out_time(&c->out, "created_at", d->created_at);
    json_out_time(&c->out, "updated_at", d->updated_at);
    if (d->lock_reason[0])
        json_out_text(&c->out, "locked", d->lock_reason);
}

#define LIST_WHERE "AND ($2 = '' OR model = $2) AND ($3 = 0 OR state = $3) AND ($4 = '' OR serial = $4) "
#define LIST_SQL   "SELECT id FROM device WHERE id > $1 " LIST_WHERE
static const struct sql sql_list = {LIST_SQL "ORDER BY id LIMIT $5"};
static const struct sql sql_list_owner = {LIST_SQL "AND owner = $6 ORDER BY id LIMIT $5"};
/* From the side of the manufacturer's anchor, which is that of the index. */
static const struct sql sql_list_anchor = {"SELECT d.id FROM idevid i JOIN device d ON d.id = i.device WHERE "
                                           "i.device > $1 " LIST_WHERE "AND ($6 = '' OR owner = $6) AND i.anchor = $7 "
                                           "ORDER BY i.device LIMIT $5"};

static bool list(struct call *c, struct err *e)
{
    char after[DEVICE_ID_SIZE + 1], model[MODEL_NAME_MAX + 1], state[16], serial[DEVICE_SERIAL_MAX + 1],
        named[OWNER_NAME_MAX + 1], anchor[ANCHOR_NAME_MAX + 1];
    const char *owner = call_owner(c);
    struct device_row d = {0};
    if (!call_query(c, "after", after, sizeof after, e) || !call_query(c, "model", model, sizeof model, e) ||
        !call_query(c, "serial", serial, sizeof serial, e) || !call_query(c, "state", state, sizeof state, e) ||
        !call_query(c, "owner", named, sizeof named, e) || !call_query(c, "anchor", anchor, sizeof anchor, e))
        return false;
    bool by_anchor = http_has_query(c->req, "anchor");
    if (owner && http_has_query(c->req, "owner") && strcmp(named, owner) != 0) {
        err_set(e, ERR_FORBIDDEN, "an owner sees no devices but its own");
        err_why(e, "to an owner those of others do not exist");
        return err_try(e, "leave the owner out");
    }
    if (!owner && http_has_query(c->req, "owner"))
        owner = named;
    if (state[0] && !nearest_check(ERR_USAGE, "state of a device", state, device_state_names(), e))
        return false;
    enum device_state which = device_state_from_name(state);
    int64_t limit, n = 0;
    if (!call_query_int(c, "limit", 1, LIST_MAX, 100, &limit, e))
        return false;
    const struct value args[] = {value_text(after),  value_text(model), value_int(which),
                                 value_text(serial), value_int(limit),  value_text(owner ? owner : ""),
                                 value_text(anchor)};
    AUTO(rows_close) struct rows r = {0};
    const struct sql *sql = by_anchor ? &sql_list_anchor : owner ? &sql_list_owner : &sql_list;
    if (!db_query(c->db, sql, args, by_anchor ? 7 : owner ? 6 : 5, &r, e))
        return false;
    json_out_list(&c->out, "devices");
    for (; rows_next(&r, e); n++) {
        if (!device_row_read(c->db, rows_text(&r, 0), &d, e))
            return false;
        json_out_map(&c->out, NULL);
        put_device(c, &d);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    if (n == limit)
        json_out_text(&c->out, "next", d.id);
    return e->code == ERR_NONE;
}

static const struct sql sql_certs = {
    "SELECT id, serial_tail, profile, not_before, not_after, revoked_at, reason, hold FROM certificate "
    "WHERE subject = $1 ORDER BY issued_at DESC, id DESC LIMIT 100"};

static void put_cert(struct call *c, const struct rows *r)
{
    uint8_t serial[SERIAL_SIZE];
    json_out_int(&c->out, "id", rows_int(r, 0));
    if (serial_of_row(rows_int(r, 0), rows_blob(r, 1), serial))
        json_out_bytes(&c->out, "serial", CODEC_HEX, SLICE_ARRAY(serial));
    json_out_text(&c->out, "profile", rows_text(r, 2));
    json_out_time(&c->out, "not_before", rows_int(r, 3));
    json_out_time(&c->out, "not_after", rows_int(r, 4));
    if (!rows_is_null(r, 5)) {
        json_out_time(&c->out, "revoked_at", rows_int(r, 5));
        json_out_text(&c->out, "reason", crl_reason_name(rows_int(r, 6)));
    }
    if (rows_int(r, 7))
        json_out_bool(&c->out, "hold", true);
}

static bool show(struct call *c, struct err *e)
{
    struct device_row d;
    if (!call_device(c, &d, e))
        return false;
    put_device(c, &d);
    const struct value args[] = {value_text(d.id)};
    AUTO(rows_close) struct rows dev = {0};
    if (!row_read(c->db, &table_device, args, &dev, e))
        return false;
    const char *tags = rows_text(&dev, DEVICE_TAGS);
    json_out_raw(&c->out, "tags", slice_str(tags[0] ? tags : "{}"));
    return call_list(c, "certificates", &sql_certs, args, 1, put_cert, NULL, e);
}

/* ---- acts ---- */

static const struct act_name {
    const char *name;
    enum device_state to;
    int reason;
} act_names[] = {
    {"suspend", DEVICE_SUSPENDED, 0},      {"resume", DEVICE_ACTIVE, 0},
    {"revoke", DEVICE_REVOKED, 0},         {"retire", DEVICE_RETIRED, CRL_REASON_CESSATION},
    {"quarantine", DEVICE_QUARANTINED, 0},
};

static bool no_act(const char *verb, struct err *e)
{
    err_set(e, ERR_NOTFOUND, "nothing is done to devices by \"%s\"", ERR_QUOTE(slice_str(verb)));
    err_why(e, "doc/openapi.json has what can be done to one");
    return err_try(e, "suspend, resume, revoke, retire or quarantine");
}

/* Whoever asks again, because the answer was lost or gateways were silent, is not refused: what was to be is so. */
static bool is_already(struct call *c, const struct device_row *d, struct device_act *a)
{
    if (a->to == DEVICE_ACTIVE || d->state != a->to)
        return false;
    a->now = d->state;
    a->ticket = feed_hub_mark(c->app->feed, NULL, 0);
    json_out_bool(&c->out, "already", true);
    return true;
}

static bool act(struct call *c, struct err *e)
{
    const char *verb = http_param(c->req, "act");
    struct device_row d;
    const struct act_name *a = NULL;
    int64_t wait_ms;
    for (size_t i = 0; i < ARRAY_LEN(act_names); i++)
        if (strcmp(act_names[i].name, verb) == 0)
            a = &act_names[i];
    if (!a)
        return no_act(verb, e);
    struct device_act da = {.who = c->who->name, .to = a->to};
    if (!call_text(c, "why", DEVICE_WHY_MAX, "", &da.why, e) || !call_reason(c, a->reason, &da.reason, e) ||
        !call_int(c, "wait_ms", 0, WAIT_MS_MAX, 0, &wait_ms, e) || !call_device(c, &d, e))
        return false;
    da.device = d.id;
    if (!is_already(c, &d, &da) && !device_change_state(c->app, &da, e))
        return false;
    json_out_text(&c->out, "id", d.id);
    json_out_text(&c->out, "state", device_state_name(da.now));
    json_out_int(&c->out, "certificates", (int64_t)da.certs);
    if (wait_ms)
        gateways_wait(c, da.ticket, wait_ms);
    return true;
}

static const struct sql sql_owner = {"SELECT name FROM operator WHERE name = $1 AND role = 'owner'"};

/* An owner may hand its device on, but only to one who will see it then. */
static bool check_heir(struct call *c, const char *owner, struct err *e)
{
    const struct value args[] = {value_text(owner)};
    AUTO(rows_close) struct rows r = {0};
    if (!call_owner(c) || db_query_row(c->db, &sql_owner, args, 1, &r, e))
        return true;
    if (e->code)
        return false;
    err_set(e, ERR_NOTFOUND, "no owner \"%s\" is known", ERR_QUOTE(args[0].s));
    err_why(e, "the device would be nobody's who could see it");
    return err_try(e, "the name of an operator whose role is owner");
}

/* POST {"owner": NAME, "from": who has it now}: "" for a device that nobody has, anything if it is not given. */
static bool set_owner(struct call *c, struct err *e)
{
    struct device_row d;
    const char *owner, *why, *from = NULL;
    if (!call_text(c, "owner", OWNER_NAME_MAX, NULL, &owner, e) || !call_text(c, "why", 200, "", &why, e) ||
        (json_has(c->in, "from") && !call_text(c, "from", OWNER_NAME_MAX, NULL, &from, e)) ||
        !name_check("owner", slice_str(owner), OWNER_NAME_MAX, e) || !call_device(c, &d, e) || !check_heir(c, owner, e))
        return false;
    const struct device_edit ed = {.device = d.id,
                                   .who = c->who->name,
                                   .why = why,
                                   .owner_changes = true,
                                   .owner = owner,
                                   .owner_was = call_owner(c) ? call_owner(c) : from};
    json_out_text(&c->out, "id", d.id);
    json_out_text(&c->out, "owner", owner);
    return device_edit(c->app, &ed, e);
}

static bool no_tags(struct err *e)
{
    err_set(e, ERR_USAGE, "\"tags\" is missing");
    err_why(e, "they are replaced as a whole, and nothing would be left of them");
    return err_try(e, "{\"tags\": {...}} with all that the device is to have; {} for none");
}

static bool set_tags(struct call *c, struct err *e)
{
    struct device_row d;
    struct arena a;
    struct device_edit ed = {.who = c->who->name, .tags_change = true};
    arena_init(&a, 8192);
    bool ok = (c->in && json_has(c->in, "tags")) || no_tags(e);
    ok = ok && devices_add_tags(c->in, &a, &ed.tags, e) && call_device(c, &d, e);
    if (ok) {
        ed.device = d.id;
        json_out_text(&c->out, "id", d.id);
        json_out_raw(&c->out, "tags", ed.tags);
        ok = device_edit(c->app, &ed, e);
    }
    arena_clear(&a);
    return ok;
}

static const char *const list_params[] = {"model", "after", "serial", "state", "owner", "anchor", "limit", NULL};

const struct api_row api_devices[] = {
    {"POST", "/v1/devices", devices_add_one, ACCESS_ADD, devices_add_members},
    {"POST", "/v1/devices/batch", devices_add_batch, ACCESS_ADD | API_LINES | API_WAITS, NULL},
    {"GET", "/v1/devices", list, ACCESS_READ | ACCESS_OWNER, list_params},
    {"GET", "/v1/devices/{id}", show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"GET", "/v1/devices/{id}/history", history_show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"GET", "/v1/devices/{id}/statement", statement_show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"POST", "/v1/devices/{id}/token", devices_add_claim, ACCESS_ACT, TAKES("expires_s")},
    {"POST", "/v1/devices/{id}/owner", set_owner, ACCESS_ACT | ACCESS_OWNER, TAKES("owner", "from", "why")},
    {"POST", "/v1/devices/{id}/tags", set_tags, ACCESS_ACT, TAKES("tags")},
    {"POST", "/v1/devices/{id}/{act}", act, ACCESS_ACT, TAKES("why", "reason", "wait_ms")},
};
const size_t api_devices_n = ARRAY_LEN(api_devices);
