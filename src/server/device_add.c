#include "server/device_add.h"

#include <stdio.h>

#include "base/id.h"
#include "base/nearest.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "store/row.h"

static bool ask_claim(struct app *app, struct device_new *d, struct err *e)
{
    AUTO(buf_clear) struct buf out = {0};
    uint8_t fields[128];
    size_t n;
    struct writer w = WRITER_ARRAY(fields);
    buf_init(&out, 256);
    if (!env_random(&app->env, d->nonce, sizeof d->nonce, e))
        return false;
    cbor_put_tstr(&w, slice_str(d->id));
    cbor_put_bstr(&w, SLICE_ARRAY(d->nonce));
    cbor_put_int(&w, d->claim_expires_at);
    if (!client_call(app->issuing, REQUEST_CLAIM, writer_slice(&w), 3, &out, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&out));
    struct slice text = cbor_get_tstr(&r);
    if (!answer_end(&r, e))
        return false;
    if (text.n != CLAIM_TEXT_SIZE)
        return err_set(e, ERR_SIGNER_PROTOCOL, "a claim of %zu characters, not %d", text.n, CLAIM_TEXT_SIZE);
    memcpy(d->claim, text.p, text.n);
    d->claim[text.n] = 0;
    sha256(text, d->digest);
    buf_wipe(&out);
    return true;
}

/* Devices are found by id or serial number: a word must not be the one's id and the other's serial number. */
static bool check_no_id(const char *serial, struct err *e)
{
    if (!id_is_valid("dev_", serial))
        return true;
    err_set(e, ERR_NAME, "serial \"%s\" has the form of a device's id", serial);
    err_why(e, "where a device is named by id or serial number, it would stand for another one");
    return err_try(e, "the serial number that the device's maker gave it");
}

bool device_prepare(struct app *app, struct device_new *d, struct err *e)
{
    uint8_t random[ID_RANDOM];
    if (!name_check("model", slice_str(d->model), MODEL_NAME_MAX, e) ||
        !name_check("serial", slice_str(d->serial), DEVICE_SERIAL_MAX, e) || !check_no_id(d->serial, e) ||
        (d->owner && !name_check("owner", slice_str(d->owner), OWNER_NAME_MAX, e)) ||
        !env_random(&app->env, random, sizeof random, e))
        return false;
    char id[ID_MAX];
    id_make("dev_", (uint64_t)env_now_ms(&app->env), random, id);
    memcpy(d->id, id, DEVICE_ID_SIZE);
    return !d->claim_wanted || ask_claim(app, d, e);
}

static void put_claim(const struct device_new *d, struct value *cols)
{
    cols[DEVICE_CLAIM_DIGEST] = value_blob(SLICE_ARRAY(d->digest));
    cols[DEVICE_CLAIM_NONCE] = value_blob(SLICE_ARRAY(d->nonce));
    cols[DEVICE_CLAIM_EXPIRES_AT] = value_int(d->claim_expires_at);
    cols[DEVICE_CLAIM_USED_AT] = cols[DEVICE_CLAIM_SPKI64] = value_null();
}

/* `change` NULL: the device's row has the claim already. */
static bool record_claim(struct tx *tx, const struct device_new *d, const char *who, const struct change *change,
                         struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    struct event_draft draft = event_draft_of(EVENT_CLAIM_CREATED);
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "device", d->id);
    event_set_bytes(&draft, "digest", SLICE_ARRAY(d->digest));
    event_set_int(&draft, "expires_at", d->claim_expires_at);
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) &&
           tx_record(tx, &ev, change, change ? 1 : 0, NULL, e);
}

static const struct sql sql_models = {"SELECT name FROM model ORDER BY name LIMIT 1000"};

static bool record_model(struct tx *tx, const char *name, const char *who, struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    struct event_draft draft = event_draft_of(EVENT_MODEL_ADDED);
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "model", name);
    event_set_text(&draft, "settings", "{}");
    const struct value cols[MODEL_COLS] = {
        [MODEL_NAME] = value_text(name),
        [MODEL_SETTINGS] = value_text("{}"),
        [MODEL_CREATED_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    const struct change change = {.table = &table_model, .cols = cols, .insert = true};
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

/* True if it is the platform's first; else the error has the name that is nearest to it. */
static bool is_first_model(struct tx *tx, const char *name, struct err *e)
{
    struct nearest near = nearest_of(slice_str(name));
    char known[MODEL_NAME_MAX + 1] = "";
    size_t n = 0;
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(tx_db(tx), &sql_models, NULL, 0, &r, e))
        return false;
    for (; rows_next(&r, e); n++) {
        unsigned before = near.distance;
        nearest_offer(&near, rows_text(&r, 0));
        if (near.distance < before) {
            snprintf(known, sizeof known, "%s", rows_text(&r, 0)); /* the row's own text goes with the next row */
            near.best = known;
        }
    }
    if (e->code || n == 0)
        return e->code == ERR_NONE;
    err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(slice_str(name)));
    err_why(e, "only a platform's first model is made along with a device");
    return nearest_word(&near) ? err_try(e, "did you mean \"%s\"? If not: kith model add \"%s\"", known, name)
                               : err_try(e, "kith model add \"%s\"", name);
}

static const struct sql sql_exists = {"SELECT id, state FROM device WHERE model = $1 AND serial = $2"};

/* *new_model: the device's model has to be made first. */
static bool check_new(struct tx *tx, struct device_new *d, bool *new_model, struct err *e)
{
    const struct value model = value_text(d->model), both[] = {model, value_text(d->serial)};
    AUTO(rows_close) struct rows m = {0}, r = {0};
    err_clear(e);
    *new_model = false;
    if (!row_read(tx_db(tx), &table_model, &model, &m, e)) {
        if (e->code || !is_first_model(tx, d->model, e))
            return false;
        *new_model = d->model_may_be_new;
        if (*new_model)
            return true;
        err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(model.s));
        err_why(e, "only devices of one model make the platform's first model along with them");
        return err_try(e, "kith model add \"%s\"", d->model);
    }
    if (db_query_row(tx_db(tx), &sql_exists, both, 2, &r, e)) {
        err_set(e, ERR_CONFLICT, "%s %s exists already: %s", d->model, d->serial, rows_text(&r, 0));
        err_why(e, "a model's serial number is one device's");
        if (device_state_is_permanent((enum device_state)rows_int(&r, 1))) {
            d->gone = true;
            err_why(e, "it is %s, for good; a serial number serves once",
                    device_state_name((enum device_state)rows_int(&r, 1)));
            return err_try(e, "a serial number of its own for the new device");
        }
        return err_try(e, "kith device token %s, for a new claim", d->serial);
    }
    return e->code == ERR_NONE;
}

static bool record_device(struct tx *tx, const struct device_new *d, const char *who, struct err *e)
{
    uint8_t fields[4096];
    struct event ev;
    int64_t now = tx_now_ms(tx) / 1000;
    struct event_draft draft = event_draft_of(EVENT_DEVICE_ADDED);
    struct value tags = {.type = d->tags.n ? VALUE_TEXT : VALUE_NULL, .s = d->tags};
    event_set_text(&draft, "who", who);
    event_set_text(&draft, "device", d->id);
    event_set_text(&draft, "model", d->model);
    event_set_text(&draft, "serial", d->serial);
    event_set_text(&draft, "state", device_state_name(DEVICE_CLAIMED));
    event_set_text(&draft, "owner", d->owner);
    event_set_slice(&draft, "tags", d->tags);
    struct value cols[DEVICE_COLS] = {
        [DEVICE_ID] = value_text(d->id),         [DEVICE_MODEL] = value_text(d->model),
        [DEVICE_SERIAL] = value_text(d->serial), [DEVICE_STATE] = value_int(DEVICE_CLAIMED),
        [DEVICE_OWNER] = value_text(d->owner),   [DEVICE_CREATED_AT] = value_int(now),
        [DEVICE_UPDATED_AT] = value_int(now),    [DEVICE_TAGS] = tags,
    };
    if (d->claim_wanted)
        put_claim(d, cols);
    const struct change change = {.table = &table_device, .cols = cols, .insert = true};
    return event_make(&draft, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

struct add_job {
    struct job job;
    struct device_new *d;
    size_t n;
    const char *who;
    struct err *each;
};

/* Those that cannot be added are told one by one; the others are added all the same. */
static bool run_add(struct tx *tx, struct job *job, struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    for (size_t i = 0; i < j->n; i++) {
        struct device_new *d = &j->d[i];
        d->model_made = d->gone = false;
        if (j->each[i].code || !check_new(tx, d, &d->model_made, &j->each[i]))
            continue;
        if (d->model_made && !record_model(tx, d->model, j->who, e))
            return false;
        if (!record_device(tx, d, j->who, e) || (d->claim_wanted && !record_claim(tx, d, j->who, NULL, e)))
            return false;
    }
    return true;
}

bool device_add(struct app *app, struct device_new *d, size_t n, const char *who, struct err *each, struct err *e)
{
    struct add_job j = {.job = {.run = run_add}, .d = d, .n = n, .who = who, .each = each};
    return commit_run(app->commit, &j.job, e);
}

static bool run_claim(struct tx *tx, struct job *job, struct err *e)
{
    struct add_job *j = (struct add_job *)job;
    struct device_row dev;
    struct value cols[DEVICE_COLS];
    const struct value key = value_text(j->d->id);
    const struct change change = {.table = &table_device, .cols = cols};
    AUTO(rows_close) struct rows r = {0};
    if (!device_row_read(tx_db(tx), j->d->id, &dev, e))
        return false;
    if (device_state_is_permanent(dev.state))
        return device_refuse_gone(dev.id, dev.state, e);
    if (!row_read(tx_db(tx), &table_device, &key, &r, e))
        return false;
    row_values(&r, &table_device, cols);
    put_claim(j->d, cols);
    return record_claim(tx, j->d, j->who, &change, e);
}

bool device_claim(struct app *app, struct device_new *d, const char *who, struct err *e)
{
    struct add_job j = {.job = {.run = run_claim}, .d = d, .who = who};
    return ask_claim(app, d, e) && commit_run(app->commit, &j.job, e);
}
