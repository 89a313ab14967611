#include "server/directory.h"

#include <stdio.h>

#include "base/json.h"
#include "core/cbor.h"
#include "store/row.h"
#include "store/tables.h"

static const struct sql sql_device = {"SELECT id, model, state, tags FROM device WHERE id = $1"};
static const struct sql sql_devices = {
    "SELECT id, model, state, tags FROM device WHERE id > $1 ORDER BY id LIMIT 1000"};
static const struct sql sql_certs = {
    "SELECT id FROM certificate WHERE subject = $1 AND revoked_at IS NULL ORDER BY id LIMIT 32"};

/* Tags are a JSON map of texts; here they become CBOR, with `site` also on its own. */
static bool put_tags(const char *text, struct directory_record *out, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    struct writer w = WRITER_ARRAY(out->tags);
    size_t n = 0;
    if (text[0] && !json_read(slice_str(text), DIRECTORY_TAGS_MAX, &j, e))
        return false;
    size_t count = j ? json_count(j) : 0;
    count = count > FEED_TAGS_MAX ? FEED_TAGS_MAX : count;
    cbor_put_map(&w, count);
    /* CBOR wants its keys in order: by length, then bytewise. */
    const char *last = "";
    for (; n < count; n++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < json_count(j); i++) {
            const char *key = json_key(j, i), *lead = best == SIZE_MAX ? NULL : json_key(j, best);
            bool after = strlen(key) > strlen(last) || (strlen(key) == strlen(last) && strcmp(key, last) > 0);
            bool before = !lead || strlen(key) < strlen(lead) || (strlen(key) == strlen(lead) && strcmp(key, lead) < 0);
            if (after && before)
                best = i;
        }
        if (best == SIZE_MAX)
            break;
        last = json_key(j, best);
        const char *value = json_text(json_value(j, best));
        cbor_put_text(&w, last);
        cbor_put_text(&w, value ? value : "");
        if (strcmp(last, "site") == 0)
            snprintf(out->site, sizeof out->site, "%s", value ? value : "");
    }
    if (n != count || !writer_done(&w, &out->frame.device.tags))
        return err_set(e, ERR_LIMIT, "tags of device %s", out->id);
    return true;
}

static bool put_certs(struct db *db, struct directory_record *out, struct err *e)
{
    int64_t ids[32];
    size_t n = 0;
    struct writer w = WRITER_ARRAY(out->certs);
    const struct value args[] = {value_text(out->id)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(db, &sql_certs, args, 1, &r, e))
        return false;
    while (n < ARRAY_LEN(ids) && rows_next(&r, e))
        ids[n++] = rows_int(&r, 0);
    if (e->code)
        return false;
    cbor_put_array(&w, n);
    for (size_t i = 0; i < n; i++)
        cbor_put_uint(&w, (uint64_t)ids[i]);
    return writer_done(&w, &out->frame.device.certs) || err_set(e, ERR_LIMIT, "certificates of device %s", out->id);
}

static bool take(struct db *db, const struct rows *r, struct directory_record *out, struct err *e)
{
    *out = (struct directory_record){.frame.kind = FEED_DEVICE};
    struct feed_device *d = &out->frame.device;
    snprintf(out->id, sizeof out->id, "%s", rows_text(r, 0));
    snprintf(out->model, sizeof out->model, "%s", rows_text(r, 1));
    d->removed = !device_may_connect((enum device_state)rows_int(r, 2));
    if (!put_tags(rows_text(r, 3), out, e) || !put_certs(db, out, e))
        return false;
    d->id = slice_str(out->id);
    d->model = slice_str(out->model);
    d->site = slice_str(out->site);
    return true;
}

bool directory_read(struct db *db, const char *device, struct directory_record *out, struct err *e)
{
    const struct value args[] = {value_text(device)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!db_query_row(db, &sql_device, args, 1, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "device %s", device);
    return take(db, &r, out, e);
}

bool directory_send(struct db *db, const char *site, void (*send)(void *ctx, const struct feed_frame *f), void *ctx,
                    struct err *e)
{
    char after[DEVICE_ID_SIZE + 1] = "";
    bool more = true;
    err_clear(e);
    while (more) {
        const struct value args[] = {value_text(after)};
        AUTO(rows_close) struct rows r = {0};
        struct directory_record rec;
        if (!db_query(db, &sql_devices, args, 1, &r, e))
            return false;
        more = false;
        while (rows_next(&r, e)) {
            more = true;
            if (!take(db, &r, &rec, e))
                return false;
            snprintf(after, sizeof after, "%s", rec.id);
            if (!rec.frame.device.removed && (site[0] == 0 || strcmp(site, rec.site) == 0))
                send(ctx, &rec.frame);
        }
        if (e->code)
            return false;
    }
    return true;
}

bool gateway_site(struct db *db, const char *gateway, char *out, size_t cap, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value key = value_text(gateway);
    out[0] = 0;
    if (!row_read(db, &table_gateway, &key, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "gateway \"%s\" is not registered", gateway);
    snprintf(out, cap, "%s", rows_text(&r, GATEWAY_SITE));
    return true;
}

bool topics_setting(struct db *db, char *out, size_t cap, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value key = value_text(TOPICS_SETTING);
    err_clear(e);
    bool found = row_read(db, &table_setting, &key, &r, e);
    if (!found && e->code)
        return false;
    int n = snprintf(out, cap, "%s", found ? rows_text(&r, SETTING_VALUE) : "both kith/%i/#\n");
    return (n >= 0 && (size_t)n < cap) || err_set(e, ERR_LIMIT, "the setting " TOPICS_SETTING " is too long");
}
