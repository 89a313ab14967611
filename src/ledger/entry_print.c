#include "ledger/entry_print.h"

#include <stdio.h>

#include "model/event_print.h"
#include "store/tables.h"

int64_t entry_cert(const struct entry_found *f)
{
    struct entry_change ch;
    if (f->type < EVENT_CERT_ISSUED || f->type > EVENT_CERT_DELIVERED)
        return 0;
    for (struct reader r = entry_changes(&f->payload); entry_change_next(&r, &ch);) {
        struct reader keys = reader_of(ch.keys);
        cbor_get_array_n(&keys, 1);
        int64_t id = cbor_get_int(&keys);
        if (ch.table == table_certificate.number && reader_end(&keys))
            return id;
    }
    return 0;
}

void entry_print_begin(struct json_out *o, const char *key, const struct entry_found *f)
{
    int64_t cert = entry_cert(f);
    char number[24];
    snprintf(number, sizeof number, "event-%u", f->type);
    json_out_map(o, key);
    json_out_int(o, "seq", (int64_t)f->seq);
    json_out_time(o, "time", f->time_ms / 1000);
    json_out_text(o, "type", event_kind_of(f->type) ? event_name(f->type) : number);
    json_out_map(o, "fields");
    event_print_json(o, f->type, f->payload.fields);
    if (cert)
        json_out_int(o, "cert", cert);
}

static void put_change(struct json_out *o, const struct entry_change *ch)
{
    const struct table *t = table_by_number(ch->table);
    struct reader r = reader_of(ch->keys);
    char number[16];
    snprintf(number, sizeof number, "table-%u", ch->table);
    json_out_map(o, NULL);
    json_out_text(o, "table", t ? t->name : number);
    json_out_list(o, "key");
    for (size_t n = cbor_get_array(&r); n && reader_ok(&r); n--)
        event_print_value(o, NULL, &r);
    json_out_end(o);
    if (!ch->rowhash)
        json_out_bool(o, "removed", true);
    json_out_end(o);
}

void entry_print_end(struct json_out *o, const struct entry_found *f)
{
    struct entry_change ch;
    json_out_end(o);
    json_out_list(o, "changes");
    for (struct reader r = entry_changes(&f->payload); entry_change_next(&r, &ch);)
        put_change(o, &ch);
    json_out_end(o);
    if (f->erased)
        json_out_bool(o, "erased", true);
    json_out_end(o);
}
