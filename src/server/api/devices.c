/* Devices: added one by one or by the thousand, listed, shown, and what is done to them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/nearest.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "model/event_print.h"
#include "model/token.h"
#include "server/api/api.h"
#include "server/device_acts.h"
#include "server/device_add.h"
#include "server/gateways.h"
#include "server/records.h"
#include "store/row.h"

#define CLAIM_S     (7 * 86400) /* how long a claim is open unless asked otherwise */
#define CLAIM_S_MAX (3650 * 86400ll)
#define TAGS_MAX    1024
#define BATCH_MAX   2000
#define LIST_MAX    1000
#define WAIT_MS_MAX 60000

/* ---- adding ---- */

static bool is_no_text(const char *tag, struct err *e)
{
    err_set(e, ERR_USAGE, "tag \"%s\" is no text", ERR_QUOTE(slice_str(tag)));
    err_why(e, "topics and sites are chosen by texts");
    return err_try(e, "{\"tags\": {\"site\": \"berlin\"}}");
}

static bool read_tags(const struct json *in, struct arena *a, struct slice *out, struct err *e)
{
    const struct json *tags;
    *out = (struct slice){0};
    if (!json_has(in, "tags"))
        return true;
    if (!call_member(json_get_map(in, "tags", &tags, e), e))
        return false;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, TAGS_MAX);
    struct json_out o = json_out_of(&b);
    for (size_t i = 0; i < json_count(tags); i++)
        if (!json_text(json_value(tags, i)) || !name_check("tag", slice_str(json_key(tags, i)), TAG_MAX, e) ||
            !name_check("tag's value", slice_str(json_text(json_value(tags, i))), TAG_MAX, e))
            return e->code ? false : is_no_text(json_key(tags, i), e);
    json_put(&o, NULL, tags);
    if (!buf_ok(&b)) {
        err_set(e, ERR_LIMIT, "tags of more than %d bytes", TAGS_MAX);
        err_why(e, "as JSON; gateways keep them in memory");
        return err_try(e, "fewer tags, or shorter ones");
    }
    *out = arena_dup(a, buf_slice(&b));
    return true;
}

static const char *const device_members[] = {"model", "serial", "owner", "tags", "token", "expires_s", "v", NULL};

static bool read_members(const struct json *in, struct device_new *d, int64_t *expires_s, struct err *e)
{
    return json_get_text(in, "model", MODEL_NAME_MAX, &d->model, e) &&
           json_get_text(in, "serial", DEVICE_SERIAL_MAX, &d->serial, e) &&
           (!json_has(in, "owner") || json_get_text(in, "owner", OWNER_NAME_MAX, &d->owner, e)) &&
           (!json_has(in, "token") || json_get_bool(in, "token", &d->claim_wanted, e)) &&
           (!json_has(in, "expires_s") || json_get_int(in, "expires_s", 60, CLAIM_S_MAX, expires_s, e));
}

static bool read_device(struct app *app, const struct json *in, struct arena *a, struct device_new *d, struct err *e)
{
    int64_t expires_s = CLAIM_S;
    *d = (struct device_new){0};
    if (!in) {
        err_set(e, ERR_USAGE, "a JSON map with model and serial is needed");
        err_why(e, "without the two there is no device");
        return err_try(e, "{\"model\": NAME, \"serial\": SERIAL}");
    }
    if (!call_member(read_members(in, d, &expires_s, e), e) || !read_tags(in, a, &d->tags, e))
        return false;
    d->claim_expires_at = app_now(app) + expires_s;
    return device_prepare(app, d, e);
}

static bool put_claim(struct call *c, const struct device_new *d, struct err *e)
{
    char token[TOKEN_MAX];
    uint8_t root[SHA256_SIZE];
    sha256(c->app->root_der, root);
    if (!token_format(c->app->settings.url, root, d->id, d->claim, token, sizeof token, e))
        return false;
    json_out_text(&c->out, "claim", d->claim);
    json_out_time(&c->out, "claim_expires_at", d->claim_expires_at);
    json_out_text(&c->out, "token", token);
    return true;
}

static bool put_added(struct call *c, const struct device_new *d, struct err *e)
{
    json_out_text(&c->out, "id", d->id);
    json_out_text(&c->out, "model", d->model);
    json_out_text(&c->out, "serial", d->serial);
    json_out_text(&c->out, "state", device_state_name(DEVICE_CLAIMED));
    return !d->claim_wanted || put_claim(c, d, e);
}

static bool add(struct call *c, struct err *e)
{
    struct arena a;
    struct device_new d;
    struct err each = {0};
    arena_init(&a, 16 * 1024);
    bool ok = read_device(c->app, c->in, &a, &d, e);
    d.model_may_be_new = true;
    ok = ok && device_add(c->app, &d, 1, c->who->name, &each, e);
    if (ok && each.code) {
        *e = each;
        ok = false;
    }
    ok = ok && put_added(c, &d, e);
    if (ok && d.model_made)
        json_out_bool(&c->out, "model_added", true);
    c->status = 201;
    arena_clear(&a);
    return ok;
}

/* JSON lines in, one report out. */
struct batch {
    struct arena arena;
    struct device_new *d;
    struct err *each;
    struct json **lines;
    size_t n;
};

/* Whatever else is wrong with it: a map that says something of a device. */
static bool is_of_device(const struct json *line)
{
    for (size_t i = 0; json_is_map(line) && device_members[i]; i++)
        if (json_has(line, device_members[i]))
            return true;
    return false;
}

/* A platform's first model is made along with devices if they are all of it. */
static void allow_first_model(struct batch *b)
{
    const char *model = NULL;
    bool one = true;
    for (size_t i = 0; i < b->n; i++)
        if (b->each[i].code == ERR_NONE) {
            one = one && (!model || strcmp(model, b->d[i].model) == 0);
            model = b->d[i].model;
        }
    for (size_t i = 0; i < b->n; i++)
        b->d[i].model_may_be_new = one;
}

/* A line that fails stands in the report; a body in which there is no line of a device at all is refused. */
static bool read_batch(struct call *c, struct batch *b, struct err *e)
{
    bool readable = false;
    struct slice body = http_body(c->req);
    while (body.n) {
        struct slice line = slice_take_line(&body);
        if (line.n == 0)
            continue;
        if (b->n == BATCH_MAX)
            return err_set(e, ERR_LIMIT, "more than %d lines at once", BATCH_MAX) ||
                   err_why(e, "they are added in one transaction") || err_try(e, "several requests");
        struct err *each = &b->each[b->n];
        if (json_read(line, API_BODY_MAX, &b->lines[b->n], each) && json_only(b->lines[b->n], device_members, each))
            (void)!read_device(c->app, b->lines[b->n], &b->arena, &b->d[b->n], each);
        readable = readable || is_of_device(b->lines[b->n]);
        b->n++;
    }
    allow_first_model(b);
    if (readable)
        return true;
    if (b->n == 0) {
        err_set(e, ERR_USAGE, "the body is empty");
    } else {
        *e = b->each[0];
        err_ctx(e, "line 1");
    }
    err_why(e, "no line of the body is a JSON map of a device; nothing was added");
    return err_try(e, "one map a line: {\"model\": NAME, \"serial\": SERIAL}");
}

/* One whose device is gone for good is a failure: it never enrols. */
static bool is_known(const struct batch *b, size_t i)
{
    return b->each[i].code == ERR_CONFLICT && !b->d[i].gone;
}

/* Of those that are known: who asked for tokens and lost the answer learns which devices have not enrolled yet. */
static void report_waiting(struct call *c, const struct batch *b)
{
    struct device_row dev;
    struct err ignored;
    json_out_list(&c->out, "waiting");
    for (size_t i = 0; i < b->n; i++) {
        const struct device_new *d = &b->d[i];
        if (!is_known(b, i) || !d->claim_wanted || !device_find(c->db, d->serial, d->model, NULL, &dev, &ignored) ||
            dev.state != DEVICE_CLAIMED)
            continue;
        json_out_map(&c->out, NULL);
        json_out_int(&c->out, "line", (int64_t)i + 1);
        json_out_text(&c->out, "id", dev.id);
        json_out_text(&c->out, "serial", dev.serial);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
}

static bool report_batch(struct call *c, const struct batch *b, struct err *e)
{
    int64_t added = 0, existing = 0;
    for (size_t i = 0; i < b->n; i++) {
        added += b->each[i].code == ERR_NONE;
        existing += is_known(b, i);
    }
    json_out_int(&c->out, "added", added);
    json_out_int(&c->out, "existing", existing);
    json_out_list(&c->out, "failed");
    for (size_t i = 0; i < b->n; i++) {
        if (b->each[i].code == ERR_NONE || is_known(b, i))
            continue;
        json_out_map(&c->out, NULL);
        json_out_int(&c->out, "line", (int64_t)i + 1);
        json_out_text(&c->out, "code", err_slug(b->each[i].code));
        json_out_text(&c->out, "detail", b->each[i].what);
        if (b->each[i].hint[0])
            json_out_text(&c->out, "try", b->each[i].hint);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    report_waiting(c, b);
    for (size_t i = 0; i < b->n; i++)
        if (b->each[i].code == ERR_NONE && b->d[i].model_made)
            json_out_text(&c->out, "model_added", b->d[i].model);
    json_out_list(&c->out, "devices");
    bool ok = true;
    for (size_t i = 0; ok && i < b->n; i++) {
        if (b->each[i].code != ERR_NONE)
            continue;
        json_out_map(&c->out, NULL);
        ok = put_added(c, &b->d[i], e);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    return ok;
}

static bool add_batch(struct call *c, struct err *e)
{
    struct batch b = {.d = calloc(BATCH_MAX, sizeof *b.d),
                      .each = calloc(BATCH_MAX, sizeof *b.each),
                      .lines = calloc(BATCH_MAX, sizeof *b.lines)};
    arena_init(&b.arena, 4u << 20);
    bool ok = (b.d && b.each && b.lines) || err_set(e, ERR_NOMEM, "batch");
    ok = ok && read_batch(c, &b, e) && device_add(c->app, b.d, b.n, c->who->name, b.each, e) && report_batch(c, &b, e);
    for (size_t i = 0; i < b.n; i++)
        json_free(b.lines[i]);
    arena_clear(&b.arena);
    free(b.d);
    free(b.each);
    free(b.lines);
    return ok;
}

static bool new_claim(struct call *c, struct err *e)
{
    struct device_row dev;
    struct device_new d = {.claim_wanted = true};
    int64_t expires_s;
    if (!call_device(c, &dev, e) || !call_int(c, "expires_s", 60, CLAIM_S_MAX, CLAIM_S, &expires_s, e))
        return false;
    snprintf(d.id, sizeof d.id, "%s", dev.id);
    d.claim_expires_at = app_now(c->app) + expires_s;
    json_out_text(&c->out, "id", d.id);
    return device_claim(c->app, &d, c->who->name, e) && put_claim(c, &d, e);
}

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
        err_set(e, ERR_DENIED, "an owner sees no devices but its own");
        err_why(e, "to an owner those of others do not exist");
        return err_try(e, "leave the owner out");
    }
    if (!owner && http_has_query(c->req, "owner"))
        owner = named;
    enum device_state which = device_state_from_name(state);
    if (state[0] && which == DEVICE_NONE)
        return nearest_refuse(ERR_USAGE, "state of a device", state, device_state_names(), e);
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
    if (!device_change_state(c->app, &da, e))
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
    ok = ok && read_tags(c->in, &a, &ed.tags, e) && call_device(c, &d, e);
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
    {"POST", "/v1/devices", add, ACCESS_ADD, device_members},
    {"POST", "/v1/devices/batch", add_batch, ACCESS_ADD | API_LINES | API_WAITS, NULL},
    {"GET", "/v1/devices", list, ACCESS_READ | ACCESS_OWNER, list_params},
    {"GET", "/v1/devices/{id}", show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"GET", "/v1/devices/{id}/history", history_show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"GET", "/v1/devices/{id}/statement", statement_show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"POST", "/v1/devices/{id}/token", new_claim, ACCESS_ACT, TAKES("expires_s")},
    {"POST", "/v1/devices/{id}/owner", set_owner, ACCESS_ACT | ACCESS_OWNER, TAKES("owner", "from", "why")},
    {"POST", "/v1/devices/{id}/tags", set_tags, ACCESS_ACT, TAKES("tags")},
    {"POST", "/v1/devices/{id}/{act}", act, ACCESS_ACT, TAKES("why", "reason", "wait_ms")},
};
const size_t api_devices_n = ARRAY_LEN(api_devices);
