/* Models: product types with their settings. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/nearest.h"
#include "ca/profile.h"
#include "keys/crypto.h"
#include "server/api/api.h"
#include "server/live_certs.h"
#include "server/records.h"
#include "store/row.h"

#define SETTINGS_MAX (32 * 1024)

struct model_job {
    struct job job;
    const char *name, *who;
    struct slice settings;
    bool exists; /* change one that is there */
};

static bool run(struct tx *tx, struct job *job, struct err *e)
{
    struct model_job *j = (struct model_job *)job;
    uint8_t *fields = NULL;
    const struct value key = value_text(j->name);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    bool found = row_read(tx_db(tx), &table_model, &key, &r, e);
    if (!found && e->code)
        return false;
    if (found != j->exists) {
        err_set(e, found ? ERR_CONFLICT : ERR_NOTFOUND, "model \"%s\" %s", j->name,
                found ? "exists already" : "is not known");
        err_why(e, found ? "adding it again would replace its settings" : "no product type has this name");
        return err_try(e, found ? "kith model set changes it" : "kith model ls");
    }
    struct event_draft d = event_draft_of(found ? EVENT_MODEL_CHANGED : EVENT_MODEL_ADDED);
    event_set_text(&d, "who", j->who);
    event_set_text(&d, "model", j->name);
    event_set_slice(&d, found ? "to" : "settings", j->settings);
    if (found)
        event_set_text(&d, "from", rows_text(&r, MODEL_SETTINGS));
    const struct value cols[MODEL_COLS] = {
        [MODEL_NAME] = key,
        [MODEL_SETTINGS] = {.type = VALUE_TEXT, .s = j->settings},
        [MODEL_CREATED_AT] = value_int(found ? rows_int(&r, MODEL_CREATED_AT) : tx_now_ms(tx) / 1000),
    };
    const struct change change = {.table = &table_model, .cols = cols, .insert = !found};
    struct event ev;
    fields = malloc(2 * SETTINGS_MAX + 1024);
    bool ok = fields || err_set(e, ERR_NOMEM, "model");
    ok = ok && event_make(&d, NULL, fields, 2 * SETTINGS_MAX + 1024, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
    free(fields);
    return ok;
}

static bool is_number(const char *text, long min, long max)
{
    size_t n = strspn(text, "0123456789");
    long v = n > 0 && n <= 4 && text[n] == 0 ? strtol(text, NULL, 10) : -1;
    return v >= min && v <= max;
}

static bool is_switch(const char *key)
{
    return strcmp(key, "quarantine_on_second_key") == 0 || strcmp(key, "channel_binding") == 0;
}

static bool no_profile(const char *name, struct err *e)
{
    err_set(e, ERR_USAGE, "profile \"%s\" is not one of this platform's", ERR_QUOTE(slice_str(name)));
    err_why(e, "those that the signer was set up with lie in " PATH_PROFILES);
    return err_try(e, "profile=ldevid");
}

/* A device comes with a claim or an IDevID: by a profile that is for neither it could never enrol. */
static bool check_profile(struct call *c, const char *name, struct err *e)
{
    struct arena a;
    AUTO(buf_clear) struct buf text = {0};
    struct profile p = {0};
    if (!party_name_check("profile", slice_str(name), 31, e))
        return no_profile(name, e);
    arena_init(&a, 8192);
    buf_init(&text, PROFILE_FILE_MAX);
    const char *dir = settings_path(&c->app->settings, &a, PATH_PROFILES);
    const char *path = arena_printf(&a, "%s/%s.profile", dir, name);
    bool there = file_exists(path);
    bool read =
        there && file_read(path, PROFILE_FILE_MAX, &text, e) && profile_parse(c->app->crypto, buf_slice(&text), &p, e);
    arena_clear(&a);
    if (!there)
        return no_profile(name, e);
    if (!read)
        return err_ctx(e, PATH_PROFILES "/%s.profile", name);
    if (p.by & (PROFILE_BY_CLAIM | PROFILE_BY_IDEVID))
        return true;
    err_set(e, ERR_USAGE, "profile \"%s\" is not for devices", name);
    err_why(e, "a device enrols by a claim or an IDevID; its \"for =\" in " PATH_PROFILES " names neither");
    return err_try(e, "profile=ldevid");
}

static const char *const known[] = {"profile",         "renew_expired_days", "quarantine_on_second_key",
                                    "channel_binding", "live_certificates",  NULL};

/* A model with a setting that nothing understands would refuse its devices later. */
static bool settings_check(struct call *c, const struct json *settings, struct err *e)
{
    for (size_t i = 0; i < json_count(settings); i++) {
        const char *key = json_key(settings, i);
        char v[64] = "";
        if (!nearest_check(ERR_USAGE, "setting of a model", key, known, e) ||
            !call_member(setting_as_text(settings, key, v, sizeof v, e), e))
            return false;
        if (strcmp(key, "profile") == 0) {
            if (!check_profile(c, v, e))
                return false;
        } else if (strcmp(key, "renew_expired_days") == 0 && !is_number(v, 0, 9999)) {
            err_set(e, ERR_USAGE, "renew_expired_days: \"%s\" is not a number of at most 4 digits",
                    ERR_QUOTE(slice_str(v)));
            err_why(e, "so many days after its end a certificate still renews itself");
            return err_try(e, "renew_expired_days=30");
        } else if (strcmp(key, "live_certificates") == 0 && !is_number(v, LIVE_CERTS_MIN, LIVE_CERTS_MAX)) {
            err_set(e, ERR_USAGE, "live_certificates: \"%s\" is not a number from %d to %d", ERR_QUOTE(slice_str(v)),
                    LIVE_CERTS_MIN, LIVE_CERTS_MAX);
            err_why(e, "so many of a device are good at once: the current one and the one after it, at least");
            return err_try(e, "live_certificates=" LIVE_CERTS_DEFAULT);
        } else if (is_switch(key) && strcmp(v, "yes") != 0 && strcmp(v, "no") != 0) {
            err_set(e, ERR_USAGE, "%s: \"%s\" is neither yes nor no", key, ERR_QUOTE(slice_str(v)));
            err_why(e, "it is a switch");
            return err_try(e, "%s=yes", key);
        }
    }
    return true;
}

/* The settings are kept as their own JSON text. */
static bool settings_of(struct call *c, struct buf *out, struct err *e)
{
    const struct json *settings;
    buf_init(out, SETTINGS_MAX);
    if (!c->in || !json_has(c->in, "settings")) {
        buf_put_str(out, "{}");
        return true;
    }
    if (!call_member(json_get_map(c->in, "settings", &settings, e), e) || !settings_check(c, settings, e))
        return false;
    struct json_out o = json_out_of(out);
    json_put(&o, NULL, settings);
    return buf_ok(out) || err_set(e, ERR_LIMIT, "settings of more than %d bytes", SETTINGS_MAX) ||
           err_why(e, "as JSON, all together") || err_try(e, "fewer settings, or shorter values");
}

static bool put_model(struct call *c, const char *name, bool exists, struct err *e)
{
    AUTO(buf_clear) struct buf settings = {0};
    if (!name_check("model", slice_str(name), MODEL_NAME_MAX, e) || !settings_of(c, &settings, e))
        return false;
    struct model_job j = {
        .job = {.run = run}, .name = name, .who = c->who->name, .settings = buf_slice(&settings), .exists = exists};
    if (!commit_run(c->app->commit, &j.job, e))
        return false;
    json_out_text(&c->out, "name", name);
    json_out_raw(&c->out, "settings", j.settings);
    return true;
}

static bool add(struct call *c, struct err *e)
{
    const char *name;
    c->status = 201;
    return call_text(c, "name", MODEL_NAME_MAX, NULL, &name, e) && put_model(c, name, false, e);
}

static bool set(struct call *c, struct err *e)
{
    if (c->in && json_has(c->in, "settings"))
        return put_model(c, http_param(c->req, "name"), true, e);
    err_set(e, ERR_USAGE, "\"settings\" is missing");
    err_why(e, "they are replaced as a whole, and nothing would be left of them");
    return err_try(e, "{\"settings\":{...}} with all that the model is to have; {} for the defaults");
}

/* The settings go out as they stand there: a row that somebody edited must not spoil the answer, and is named. */
static bool put_row(struct call *c, const struct rows *r, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    struct slice settings = slice_str(rows_text(r, MODEL_SETTINGS));
    if (!json_read(settings, SETTINGS_MAX, &j, e)) {
        err_ctx(e, "model \"%s\": its row in the database was changed", rows_text(r, MODEL_NAME));
        err_why(e, "its settings are no JSON any more; the server writes nothing else there");
        return err_try(e, "kith ledger verify, then restore the newest copy of the database");
    }
    json_out_text(&c->out, "name", rows_text(r, MODEL_NAME));
    json_out_raw(&c->out, "settings", settings);
    json_out_time(&c->out, "created_at", rows_int(r, MODEL_CREATED_AT));
    return true;
}

static bool show(struct call *c, struct err *e)
{
    const struct value key = value_text(http_param(c->req, "name"));
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!row_read(c->db, &table_model, &key, &r, e))
        return !e->code &&
               (err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(key.s)) || err_try(e, "kith model ls"));
    return put_row(c, &r, e);
}

static bool list(struct call *c, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(c->db, row_select_all(&table_model), NULL, 0, &r, e))
        return false;
    json_out_list(&c->out, "models");
    while (rows_next(&r, e)) {
        json_out_map(&c->out, NULL);
        if (!put_row(c, &r, e))
            return false;
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    return e->code == ERR_NONE;
}

const struct api_row api_models[] = {
    {"GET", "/v1/models", list, ACCESS_READ, NULL},
    {"POST", "/v1/models", add, ACCESS_SET, TAKES("name", "settings")},
    {"GET", "/v1/models/{name}", show, ACCESS_READ, NULL},
    {"PUT", "/v1/models/{name}", set, ACCESS_SET, TAKES("settings")},
};
const size_t api_models_n = ARRAY_LEN(api_models);
