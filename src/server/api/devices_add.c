/* Devices that are added: one, or thousands in one request; and their claims. */
#include "server/api/devices_add.h"

#include <stdio.h>
#include <stdlib.h>

#include "keys/crypto.h"
#include "model/token.h"
#include "server/device_add.h"
#include "server/records.h"

#define CLAIM_S     (7 * 86400) /* how long a claim is open unless asked otherwise */
#define CLAIM_S_MAX (3650 * 86400ll)
#define TAGS_MAX    1024
#define BATCH_MAX   2000

/* ---- one ---- */

static bool is_no_text(const char *tag, struct err *e)
{
    err_set(e, ERR_USAGE, "tag \"%s\" is no text", ERR_QUOTE(slice_str(tag)));
    err_why(e, "topics and sites are chosen by texts");
    return err_try(e, "{\"tags\": {\"site\": \"berlin\"}}");
}

bool devices_add_tags(const struct json *in, struct arena *a, struct slice *out, struct err *e)
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
            !label_check("tag's value", slice_str(json_text(json_value(tags, i))), TAG_MAX, e))
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

const char *const devices_add_members[] = {"model", "serial", "owner", "tags", "token", "expires_s", "v", NULL};

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
    if (!call_member(read_members(in, d, &expires_s, e), e) || !devices_add_tags(in, a, &d->tags, e))
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

bool devices_add_one(struct call *c, struct err *e)
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

/* ---- many: JSON lines in, one report out ---- */

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
    for (size_t i = 0; json_is_map(line) && devices_add_members[i]; i++)
        if (json_has(line, devices_add_members[i]))
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
        if (json_read(line, API_BODY_MAX, &b->lines[b->n], each) &&
            json_only(b->lines[b->n], devices_add_members, each))
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

bool devices_add_batch(struct call *c, struct err *e)
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

/* ---- a claim for one that is there ---- */

bool devices_add_claim(struct call *c, struct err *e)
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
