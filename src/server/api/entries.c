/* The ledger's entries for auditors: a list with filters, and one with all that its proof needs.  An entry of a certificate says
 * which one it is and what happened; the rest is told from the certificate itself. */
#include "server/api/entries.h"

#include <inttypes.h>

#include "keys/crypto.h"
#include "keys/key.h"
#include "ledger/entry_print.h"
#include "server/der_store.h"
#include "server/records.h"

#define READ_MAX 65536 /* entries that one answer is made from: about a tenth of a second */

static const struct sql sql_cert = {"SELECT base, der, subject, subject_kind, profile FROM certificate WHERE id = $1"};

static bool lacks(const struct entry_found *f, const char *field)
{
    return event_get_text(f->type, f->payload.fields, field).n == 0;
}

static void put_issued(struct call *c, const struct entry_found *f, const struct rows *r, const struct cert *cert)
{
    uint8_t hash[SHA256_SIZE];
    sha256(cert->spki, hash);
    json_out_text(&c->out, "subject_kind", cert_subject_name((enum cert_subject)rows_int(r, 3)));
    json_out_text(&c->out, "profile", rows_text(r, 4));
    json_out_bytes(&c->out, "spki", CODEC_HEX, SLICE_ARRAY(hash));
    json_out_text(&c->out, "algorithm", key_type_name(key_type_of_spki(cert->spki)));
    if (lacks(f, "storage"))
        json_out_text(&c->out, "storage", "unknown");
    if (lacks(f, "evidence"))
        json_out_text(&c->out, "evidence", "none");
    json_out_int(&c->out, "not_before", cert->not_before);
    json_out_int(&c->out, "not_after", cert->not_after);
}

/* What an entry need not repeat, for the certificate's row says it.  A row that was damaged is told, and hides no entry. */
static bool put_cert(struct call *c, const struct entry_found *f, int64_t id, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value args[] = {value_int(id)};
    uint8_t der[DER_STORE_MAX], hash[SHA256_SIZE];
    size_t n;
    struct cert cert;
    err_clear(e);
    if (!db_query_row(c->db, &sql_cert, args, 1, &r, e))
        return e->code == ERR_NONE;
    if (lacks(f, "subject"))
        json_out_text(&c->out, "subject", rows_text(&r, 2));
    if (!der_store_unpack(c->app->ders, c->db, &r, 0, 1, der, &n, e) || !cert_read(slice_of(der, n), &cert, e)) {
        if (err_class_of(e->code) == ERR_CLASS_UNAVAILABLE)
            return false;
        json_out_text(&c->out, "unreadable", e->what);
        return true;
    }
    json_out_bytes(&c->out, "serial", CODEC_HEX, cert.serial);
    sha256(cert.der, hash);
    json_out_bytes(&c->out, "digest", CODEC_HEX, SLICE_ARRAY(hash));
    if (f->type == EVENT_CERT_ISSUED || f->type == EVENT_CERT_RENEWED)
        put_issued(c, f, &r, &cert);
    return true;
}

static bool put(struct call *c, const char *key, const struct entry_found *f, struct err *e)
{
    int64_t cert = entry_cert(f);
    entry_print_begin(&c->out, key, f);
    bool ok = !cert || put_cert(c, f, cert, e);
    entry_print_end(&c->out, f);
    return ok;
}

bool entry_list_put(struct entry_list *l, const struct entry_found *f)
{
    l->failed = !put(l->c, NULL, f, &l->e);
    return !l->failed && ++l->n < l->max;
}

bool entry_list_ok(const struct entry_list *l, struct err *e)
{
    if (l->failed)
        *e = l->e;
    return !l->failed;
}

/* ---- the list ---- */

struct asking {
    struct entry_query q;
    int64_t now_ms;
};

static bool set_param(void *ctx, const char *name, const char *value, struct err *e)
{
    struct asking *a = ctx;
    return entry_query_set(&a->q, name, value, a->now_ms, e);
}

/* A serial number becomes the id by which entries name the device. */
static bool find_device(struct call *c, struct entry_query *q, struct err *e)
{
    struct device_row d;
    if (!q->device[0])
        return true;
    if (!device_find(c->db, q->device, NULL, NULL, &d, e))
        return false;
    memcpy(q->device, d.id, sizeof d.id);
    return true;
}

static bool put_entry(void *ctx, const struct entry_found *f)
{
    return entry_list_put(ctx, f);
}

static bool list(struct call *c, struct err *e)
{
    struct asking a = {.now_ms = env_now_ms(&c->app->env)};
    uint64_t next;
    entry_query_init(&a.q);
    if (!http_query_each(c->req, set_param, &a, e) || !find_device(c, &a.q, e))
        return false;
    struct entry_list l = {.c = c, .max = (size_t)a.q.limit};
    json_out_list(&c->out, "entries");
    if (!entry_filter_scan(c->app, c->db, &a.q, READ_MAX, put_entry, &l, &next, e) || !entry_list_ok(&l, e))
        return false;
    json_out_end(&c->out);
    if (next != ENTRY_SEQ_NONE)
        json_out_int(&c->out, "next", (int64_t)next);
    return true;
}

/* ---- one ---- */

static const struct sql sql_entry = {"SELECT time_ms, type, salt, payload FROM entry WHERE pos = $1"};

static void put_kept(struct call *c, const char *name, const struct rows *r, int col)
{
    if (rows_is_null(r, col))
        json_out_null(&c->out, name);
    else
        json_out_bytes(&c->out, name, CODEC_BASE64, rows_blob(r, col));
}

/* With salt and payload, from which whoever has the proof (GET /v1/ledger/prove) makes the commitment. */
static bool show(struct call *c, struct err *e)
{
    struct entry_query q;
    uint64_t size = tree_size(c->app->tree);
    const char *number = http_param(c->req, "entry");
    struct err form;
    entry_query_init(&q);
    if (!entry_query_set(&q, "from", number, 0, &form)) {
        err_set(e, ERR_USAGE, "\"%s\" is no entry's number", ERR_QUOTE(slice_str(number)));
        return err_try(e, "GET /v1/ledger/entries shows the numbers");
    }
    const struct value args[] = {value_int(entry_pos((uint8_t)c->app->settings.node, q.from))};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!db_query_row(c->db, &sql_entry, args, 1, &r, e)) {
        if (e->code)
            return false;
        err_set(e, ERR_NOTFOUND, "there is no entry %" PRIu64 "; the ledger has %" PRIu64, q.from, size);
        return err_try(e, "kith ledger ls shows the newest");
    }
    struct entry_found f = {
        .seq = q.from, .time_ms = rows_int(&r, 0), .type = (unsigned)rows_int(&r, 1), .erased = rows_is_null(&r, 3)};
    if (!f.erased && !entry_read_payload(rows_blob(&r, 3), &f.payload, e))
        return false;
    put_kept(c, "salt", &r, 2);
    put_kept(c, "payload", &r, 3);
    return put(c, "entry", &f, e);
}

const struct api_row api_entries[] = {
    {"GET", "/v1/ledger/entries", list, ACCESS_READ | API_QUERY, NULL},
    {"GET", "/v1/ledger/entries/{entry}", show, ACCESS_READ, NULL},
};
const size_t api_entries_n = ARRAY_LEN(api_entries);
