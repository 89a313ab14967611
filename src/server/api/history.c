/* What the ledger says of one device.  An entry of a certificate says which one it is and what happened; the rest is told from
 * the certificate itself. */
#include "keys/crypto.h"
#include "keys/key.h"
#include "model/event_print.h"
#include "server/api/api.h"
#include "server/der_store.h"
#include "server/entry_filter.h"
#include "server/records.h"

#define HISTORY_MAX 500

struct history {
    struct call *c;
    const char *owner; /* asks; NULL: somebody who may see everything */
    size_t n;
    struct err e; /* of a certificate that cannot be read */
};

/* An owner does not read what happened before the device was its own, nor whose it was. */
static bool is_beginning(const struct history *h, const struct entry_found *f)
{
    return h->owner && (f->type == EVENT_DEVICE_OWNER || f->type == EVENT_DEVICE_CLAIMED);
}

static const struct sql sql_cert = {"SELECT base, der, subject, subject_kind, profile FROM certificate WHERE id = $1"};

/* The number of the certificate whose row the entry changed; 0: none. */
static int64_t cert_of(const struct entry_found *f)
{
    struct entry_change ch;
    for (struct reader r = entry_changes(f->payload); entry_change_next(&r, &ch);) {
        struct reader keys = reader_of(ch.keys);
        cbor_get_array_n(&keys, 1);
        int64_t id = cbor_get_int(&keys);
        if (ch.table == table_certificate.number && reader_end(&keys))
            return id;
    }
    return 0;
}

/* What an entry need not repeat, for the certificate's row says it. */
static bool put_cert(struct call *c, const struct entry_found *f, int64_t id, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value args[] = {value_int(id)};
    uint8_t der[DER_STORE_MAX], hash[SHA256_SIZE];
    size_t n;
    struct cert cert;
    bool issued = f->type == EVENT_CERT_ISSUED || f->type == EVENT_CERT_RENEWED;
    json_out_int(&c->out, "cert", id);
    err_clear(e);
    if (!db_query_row(c->db, &sql_cert, args, 1, &r, e))
        return e->code == ERR_NONE;
    if (!der_store_unpack(c->app->ders, c->db, &r, 0, 1, der, &n, e) || !cert_read(slice_of(der, n), &cert, e))
        return false;
    if (event_get_text(f->type, f->fields, "subject").n == 0)
        json_out_text(&c->out, "subject", rows_text(&r, 2));
    json_out_bytes(&c->out, "serial", CODEC_HEX, cert.serial);
    sha256(cert.der, hash);
    json_out_bytes(&c->out, "digest", CODEC_HEX, SLICE_ARRAY(hash));
    if (!issued)
        return true;
    sha256(cert.spki, hash);
    json_out_text(&c->out, "subject_kind", cert_subject_name((enum cert_subject)rows_int(&r, 3)));
    json_out_text(&c->out, "profile", rows_text(&r, 4));
    json_out_bytes(&c->out, "spki", CODEC_HEX, SLICE_ARRAY(hash));
    json_out_text(&c->out, "algorithm", key_type_name(key_type_of_spki(cert.spki)));
    if (event_get_text(f->type, f->fields, "storage").n == 0)
        json_out_text(&c->out, "storage", "unknown");
    if (event_get_text(f->type, f->fields, "evidence").n == 0)
        json_out_text(&c->out, "evidence", "none");
    json_out_int(&c->out, "not_before", cert.not_before);
    json_out_int(&c->out, "not_after", cert.not_after);
    return true;
}

static bool put_entry(void *ctx, const struct entry_found *f)
{
    struct history *h = ctx;
    struct json_out *o = &h->c->out;
    bool of_cert = f->type >= EVENT_CERT_ISSUED && f->type <= EVENT_CERT_DELIVERED;
    int64_t cert = of_cert ? cert_of(f) : 0;
    if (is_beginning(h, f))
        return false;
    json_out_map(o, NULL);
    json_out_int(o, "seq", (int64_t)f->seq);
    json_out_time(o, "time", f->time_ms / 1000);
    json_out_text(o, "type", event_name(f->type));
    json_out_map(o, "fields");
    event_print_json(o, f->type, f->fields);
    bool ok = !cert || put_cert(h->c, f, cert, &h->e);
    json_out_end(o);
    json_out_end(o);
    return ok && ++h->n < HISTORY_MAX;
}

bool history_show(struct call *c, struct err *e)
{
    struct device_row d;
    if (!call_device(c, &d, e))
        return false;
    struct history h = {.c = c, .owner = call_owner(c)};
    json_out_text(&c->out, "id", d.id);
    json_out_list(&c->out, "entries");
    if (!entry_filter_scan(c->app, c->db, d.id, (d.created_at - 1) * 1000, put_entry, &h, e))
        return false;
    if (h.e.code) {
        *e = h.e;
        return false;
    }
    json_out_end(&c->out);
    return true;
}
