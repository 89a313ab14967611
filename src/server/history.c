/* What the ledger says of one device.  Entries are found by the certificates and the device's own rows: the log has no index
 * by device, so the time of the device's life bounds the search. */
#include "ledger/entry.h"
#include "model/event.h"
#include "model/event_print.h"
#include "server/gateways.h"
#include "server/records.h"

#define HISTORY_MAX 500

static const struct sql sql_entries = {"SELECT pos, time_ms, type, payload FROM entry WHERE pos >= $1 AND pos < $2 AND "
                                       "time_ms >= $3 AND payload IS NOT NULL "
                                       "ORDER BY pos DESC"};

static bool concerns(unsigned type, struct slice fields, const char *device)
{
    struct slice id = slice_str(device), who = event_get_text(type, fields, "who");
    bool acts = who.n == id.n + 7 && memcmp(who.p, "device:", 7) == 0 && memcmp(who.p + 7, id.p, id.n) == 0;
    return acts || slice_eq(event_get_text(type, fields, "device"), id) ||
           slice_eq(event_get_text(type, fields, "subject"), id);
}

static void put_entry(struct call *c, const struct rows *r, struct slice fields)
{
    unsigned type = (unsigned)rows_int(r, 2);
    json_out_map(&c->out, NULL);
    json_out_int(&c->out, "seq", (int64_t)entry_seq(rows_int(r, 0)));
    json_out_time(&c->out, "time", rows_int(r, 1) / 1000);
    json_out_text(&c->out, "type", event_name(type));
    event_print_json(&c->out, "fields", type, fields);
    json_out_end(&c->out);
}

bool history_show(struct call *c, struct err *e)
{
    struct device_row d;
    if (!device_find(c->db, http_param(c->req, "id"), NULL, &d, e))
        return false;
    uint8_t node = (uint8_t)c->app->settings.node;
    const struct value args[] = {value_int(entry_pos(node, 0)), value_int(entry_pos((uint8_t)(node + 1), 0)),
                                 value_int((d.created_at - 1) * 1000)};
    AUTO(rows_close) struct rows r = {0};
    size_t n = 0;
    if (!db_query(c->db, &sql_entries, args, ARRAY_LEN(args), &r, e))
        return false;
    json_out_text(&c->out, "id", d.id);
    json_out_list(&c->out, "entries");
    while (n < HISTORY_MAX && rows_next(&r, e)) {
        struct entry_payload p;
        if (!entry_read_payload(rows_blob(&r, 3), &p, e) || !concerns((unsigned)rows_int(&r, 2), p.fields, d.id))
            continue;
        put_entry(c, &r, p.fields);
        n++;
    }
    json_out_end(&c->out);
    err_clear(e); /* an entry of another version is passed over */
    return true;
}
