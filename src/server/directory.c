#include "server/directory.h"

#include <stdio.h>

#include "base/json.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "model/event.h"
#include "store/entry.h"
#include "store/row.h"
#include "store/tables.h"

static const struct sql sql_device = {"SELECT id, model, state, tags FROM device WHERE id = $1"};
static const struct sql sql_devices = {"SELECT id, model, state, tags FROM device WHERE id > $1 ORDER BY id LIMIT $2"};
static const struct sql sql_entries = {
    "SELECT pos, type, payload FROM entry WHERE pos > $1 AND pos <= $2 ORDER BY pos LIMIT $3"};
static const struct sql sql_newest = {"SELECT pos FROM entry WHERE pos >= $1 AND pos <= $2 ORDER BY pos DESC LIMIT 1"};
static const struct sql sql_time = {"SELECT time_ms FROM entry WHERE pos = $1"};

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

static bool take(const struct rows *r, struct directory_record *out, struct err *e)
{
    *out = (struct directory_record){.frame.kind = FEED_DEVICE};
    struct feed_device *d = &out->frame.device;
    snprintf(out->id, sizeof out->id, "%s", rows_text(r, 0));
    if (!put_tags(rows_text(r, 3), out, e))
        return false;
    d->id = slice_str(out->id);
    d->site = slice_str(out->site);
    d->removed = !device_may_connect((enum device_state)rows_int(r, 2));
    if (d->removed) {
        d->tags = (struct slice){0};
        return true;
    }
    snprintf(out->model, sizeof out->model, "%s", rows_text(r, 1));
    d->model = slice_str(out->model);
    return true;
}

bool directory_read(struct db *db, const char *device, struct directory_record *out, struct err *e)
{
    const struct value args[] = {value_text(device)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!db_query_row(db, &sql_device, args, 1, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "device %s", device);
    return take(&r, out, e);
}

bool directory_page(struct db *db, const char *site, char after[DEVICE_ID_SIZE + 1], directory_send_fn *send, void *ctx,
                    bool *end, struct err *e)
{
    const struct value args[] = {value_text(after), value_int(DIRECTORY_PAGE)};
    AUTO(rows_close) struct rows r = {0};
    struct directory_record rec;
    size_t n = 0;
    char last[DEVICE_ID_SIZE + 1] = "";
    *end = false;
    err_clear(e);
    if (!db_query(db, &sql_devices, args, 2, &r, e))
        return false;
    for (; rows_next(&r, e); n++) {
        if (!take(&r, &rec, e))
            return false;
        memcpy(last, rec.id, sizeof last);
        if (!rec.frame.device.removed && (site[0] == 0 || strcmp(site, rec.site) == 0))
            send(ctx, &rec.frame);
    }
    if (n)
        memcpy(after, last, sizeof last);
    *end = n < DIRECTORY_PAGE;
    return e->code == ERR_NONE;
}

/* ---- changes ---- */

/* The site in a JSON map of tags. */
static void site_of(struct slice tags, char out[TAG_MAX + 1])
{
    AUTO(json_free_auto) struct json *j = NULL;
    struct err e;
    const char *v = NULL;
    if (tags.n && json_read(tags, DIRECTORY_TAGS_MAX, &j, &e))
        for (size_t i = 0; i < json_count(j); i++)
            if (strcmp(json_key(j, i), "site") == 0)
                v = json_text(json_value(j, i));
    snprintf(out, TAG_MAX + 1, "%s", v ? v : "");
}

/* The device whose row an entry changed. */
static bool changed_device(const struct entry_payload *p, char out[DEVICE_ID_SIZE])
{
    struct entry_change c;
    for (struct reader r = entry_changes(p); entry_change_next(&r, &c);) {
        if (c.table != table_device.number)
            continue;
        struct reader keys = reader_of(c.keys);
        cbor_get_array_n(&keys, 1);
        struct slice id = cbor_get_tstr(&keys);
        if (!reader_end(&keys) || id.n != DEVICE_ID_SIZE - 1)
            return false;
        memcpy(out, id.p, id.n);
        out[id.n] = 0;
        return true;
    }
    return false;
}

static void add_change(struct directory_changes *out, unsigned type, struct slice payload)
{
    struct directory_change *c = &out->v[out->n];
    struct entry_payload p;
    struct err e;
    *c = (struct directory_change){0};
    /* A device that is new may not connect yet. */
    if (type == EVENT_DEVICE_ADDED || !entry_read_payload(payload, &p, &e) || !changed_device(&p, c->device))
        return;
    if (type == EVENT_DEVICE_TAGS)
        site_of(event_get_text(type, p.fields, "from"), c->left);
    out->n++;
}

bool directory_changes(struct db *db, uint8_t node, int64_t *pos, struct directory_changes *out, struct err *e)
{
    struct value args[] = {[2] = value_int(DIRECTORY_SCAN)};
    AUTO(rows_close) struct rows r = {0};
    entry_range(node, entry_seq(*pos), args);
    out->n = 0;
    err_clear(e);
    if (!db_query(db, &sql_entries, args, ARRAY_LEN(args), &r, e))
        return false;
    while (rows_next(&r, e)) {
        *pos = rows_int(&r, 0);
        /* What was erased has a newer entry for the same row. */
        if (!rows_is_null(&r, 2))
            add_change(out, (unsigned)rows_int(&r, 1), rows_blob(&r, 2));
    }
    return e->code == ERR_NONE;
}

void directory_tell(const struct directory_change *c, const struct directory_record *rec, const char *site,
                    directory_send_fn *send, void *ctx)
{
    if (site[0] == 0 || strcmp(site, rec->site) == 0) {
        send(ctx, &rec->frame);
    } else if (c->left[0] && strcmp(site, c->left) == 0) {
        const struct feed_device gone = {.id = slice_str(c->device), .site = slice_str(c->left), .removed = true};
        send(ctx, &(struct feed_frame){.kind = FEED_DEVICE, .device = gone});
    }
}

/* ---- cursors: pos(8) time_ms(8) start of SHA-256(site)(8) ---- */

bool directory_newest(struct db *db, uint8_t node, int64_t *pos, struct err *e)
{
    struct value range[2];
    AUTO(rows_close) struct rows r = {0};
    entry_range(node, 0, range);
    *pos = range[0].i;
    err_clear(e);
    if (db_query_row(db, &sql_newest, range, 2, &r, e))
        *pos = rows_int(&r, 0);
    return e->code == ERR_NONE;
}

bool directory_cursor(struct db *db, int64_t pos, const char *site, uint8_t out[FEED_CURSOR_SIZE], struct err *e)
{
    const struct value args[] = {value_int(pos)};
    AUTO(rows_close) struct rows r = {0};
    uint8_t hash[SHA256_SIZE];
    struct writer w = writer_of(out, FEED_CURSOR_SIZE);
    err_clear(e);
    if (!db_query_row(db, &sql_time, args, 1, &r, e))
        return e->code ? false : err_set(e, ERR_NOTFOUND, "entry %lld", (long long)pos);
    sha256(slice_str(site), hash);
    writer_u64(&w, (uint64_t)pos);
    writer_u64(&w, (uint64_t)rows_int(&r, 0));
    writer_put(&w, slice_of(hash, 8));
    return writer_ok(&w);
}

bool directory_resumes(struct db *db, uint8_t node, const uint8_t cursor[FEED_CURSOR_SIZE], const char *site,
                       int64_t *pos, struct err *e)
{
    uint8_t ours[FEED_CURSOR_SIZE];
    int64_t newest;
    struct reader r = reader_of(slice_of(cursor, FEED_CURSOR_SIZE));
    uint64_t at = reader_u64(&r);
    *pos = 0;
    if (!directory_newest(db, node, &newest, e) || at < (uint64_t)entry_pos(node, 0) || at > (uint64_t)newest ||
        (uint64_t)newest - at > DIRECTORY_BEHIND)
        return false;
    if (!directory_cursor(db, (int64_t)at, site, ours, e)) {
        if (e->code == ERR_NOTFOUND)
            err_clear(e);
        return false;
    }
    if (memcmp(ours, cursor, sizeof ours) != 0)
        return false;
    *pos = (int64_t)at;
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
