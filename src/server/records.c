#include "server/records.h"

#include <stdio.h>

#include "base/json.h"
#include "base/str.h"
#include "keys/crypto.h"
#include "store/row.h"

#define SETTINGS_MAX (64 * 1024)

static void take_claim(const struct rows *r, struct claim_row *out)
{
    struct slice digest = rows_blob(r, DEVICE_CLAIM_DIGEST), nonce = rows_blob(r, DEVICE_CLAIM_NONCE);
    if (digest.n != sizeof out->digest)
        return;
    out->used = !rows_is_null(r, DEVICE_CLAIM_USED_AT);
    out->found = out->used || nonce.n == sizeof out->nonce;
    memcpy(out->digest, digest.p, digest.n);
    if (nonce.n == sizeof out->nonce)
        memcpy(out->nonce, nonce.p, nonce.n);
    out->expires_at = rows_int(r, DEVICE_CLAIM_EXPIRES_AT);
    out->used_at = rows_int(r, DEVICE_CLAIM_USED_AT);
    out->used_spki64 = rows_int(r, DEVICE_CLAIM_SPKI64);
}

bool claim_is_genuine(const struct claim_row *c, const char *text)
{
    uint8_t digest[SHA256_SIZE];
    sha256(slice_str(text), digest);
    return c->found && slice_eq_ct(SLICE_ARRAY(digest), SLICE_ARRAY(c->digest));
}

bool claim_is_open(const struct claim_row *c, int64_t now)
{
    return c->found && !c->used && now <= c->expires_at;
}

static void take_device(const struct rows *r, struct device_row *out)
{
    *out = (struct device_row){.state = (enum device_state)rows_int(r, DEVICE_STATE),
                               .created_at = rows_int(r, DEVICE_CREATED_AT),
                               .updated_at = rows_int(r, DEVICE_UPDATED_AT)};
    str_copy(out->id, sizeof out->id, rows_text(r, DEVICE_ID));
    str_copy(out->model, sizeof out->model, rows_text(r, DEVICE_MODEL));
    str_copy(out->serial, sizeof out->serial, rows_text(r, DEVICE_SERIAL));
    str_copy(out->owner, sizeof out->owner, rows_text(r, DEVICE_OWNER));
    str_copy(out->lock_reason, sizeof out->lock_reason, rows_text(r, DEVICE_LOCK_REASON));
    take_claim(r, &out->claim);
}

bool device_row_open(struct db *db, const char *id, struct rows *rows, struct device_row *out, struct err *e)
{
    *out = (struct device_row){0};
    const struct value key = value_text(id);
    if (row_read(db, &table_device, &key, rows, e)) {
        take_device(rows, out);
        return true;
    }
    if (e->code)
        return false;
    err_set(e, ERR_NOTFOUND, "device \"%s\" is not known", ERR_QUOTE(slice_str(id)));
    err_why(e, "no device has this id");
    return err_try(e, "kith device ls");
}

bool device_row_read(struct db *db, const char *id, struct device_row *out, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    return device_row_open(db, id, &r, out, e);
}

static const struct sql sql_find = {"SELECT id FROM device WHERE serial = $1 AND ($2 = '' OR model = $2) "
                                    "AND ($3 = '' OR owner = $3) ORDER BY id"};

bool device_find(struct db *db, const char *id_or_serial, const char *model, const char *owner, struct device_row *out,
                 struct err *e)
{
    char id[DEVICE_ID_SIZE + 1] = "";
    const struct value args[] = {value_text(id_or_serial), value_text(model ? model : ""),
                                 value_text(owner ? owner : "")};
    AUTO(rows_close) struct rows r = {0};
    if (!model && device_row_read(db, id_or_serial, out, e) && (!owner || strcmp(owner, out->owner) == 0))
        return true;
    if (!model && e->code && e->code != ERR_NOTFOUND)
        return false;
    *out = (struct device_row){0};
    if (db_query_row(db, &sql_find, args, ARRAY_LEN(args), &r, e))
        str_copy(id, sizeof id, rows_text(&r, 0));
    else if (!e->code)
        err_set(e, ERR_NOTFOUND, "no device has the id or serial number \"%s\"", ERR_QUOTE(args[0].s));
    if (!id[0] && e->code == ERR_NOTFOUND) {
        err_why(e, owner ? "or it is another owner's" : "each device is in the list by both");
        return err_try(e, "kith device ls");
    }
    if (!id[0])
        return false;
    if (!model && rows_next(&r, e)) {
        err_set(e, ERR_CONFLICT, "several devices have the serial number \"%s\"", ERR_QUOTE(args[0].s));
        err_why(e, "a serial number is one device's within a model only");
        return err_try(e, "kith device ls --serial %s, then one of them by its id", ERR_QUOTE(args[0].s));
    }
    return !e->code && device_row_read(db, id, out, e);
}

static const struct sql sql_key = {"SELECT subject FROM certificate WHERE spki64 = $1"};

bool key_owner(struct db *db, const uint8_t spki_hash[32], char *out, size_t cap, struct err *e)
{
    out[0] = 0;
    AUTO(rows_close) struct rows r = {0};
    const struct value key = value_int(spki64_of(spki_hash));
    if (!db_query_row(db, &sql_key, &key, 1, &r, e))
        return e->code == ERR_NONE;
    str_copy(out, cap, rows_text(&r, 0));
    return true;
}

bool setting_as_text(const struct json *map, const char *name, char *out, size_t cap, struct err *e)
{
    const char *text;
    int64_t number;
    bool truth;
    struct err ignored;
    if (json_get_int(map, name, INT64_MIN, INT64_MAX, &number, &ignored))
        snprintf(out, cap, "%lld", (long long)number);
    else if (json_get_bool(map, name, &truth, &ignored))
        str_copy(out, cap, truth ? "yes" : "no");
    else if (json_get_text(map, name, cap - 1, &text, e))
        str_copy(out, cap, text);
    else
        return false;
    return true;
}

bool model_settings_text(struct db *db, const char *model, const struct setting_text *want, size_t n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    AUTO(json_free_auto) struct json *j = NULL;
    const struct value key = value_text(model);
    for (size_t i = 0; i < n; i++)
        str_copy(want[i].out, want[i].cap, want[i].def);
    if (!row_read(db, &table_model, &key, &r, e)) {
        if (e->code)
            return false;
        err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(slice_str(model)));
        err_why(e, "a device's model says by which profile it is certified");
        return err_try(e, "kith model ls, or kith model add NAME first");
    }
    const char *settings = rows_text(&r, MODEL_SETTINGS);
    if (!settings[0] || strcmp(settings, "{}") == 0)
        return true;
    if (!json_read(slice_str(settings), SETTINGS_MAX, &j, e))
        return err_ctx(e, "model %s", model);
    for (size_t i = 0; i < n; i++)
        if (json_has(j, want[i].name) && !setting_as_text(j, want[i].name, want[i].out, want[i].cap, e))
            return err_ctx(e, "model %s", model);
    return true;
}

bool model_setting_text(struct db *db, const char *model, const char *name, const char *def, char *out, size_t cap,
                        struct err *e)
{
    const struct setting_text want = {name, def, out, cap};
    return model_settings_text(db, model, &want, 1, e);
}
