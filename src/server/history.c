/* What the ledger says of one device. */
#include "model/event_print.h"
#include "server/entry_filter.h"
#include "server/gateways.h"
#include "server/records.h"

#define HISTORY_MAX 500

struct history {
    struct call *c;
    const char *owner; /* asks; NULL: somebody who may see everything */
    size_t n;
};

/* An owner does not read what happened before the device was its own, nor whose it was. */
static bool is_beginning(const struct history *h, const struct entry_found *f)
{
    return h->owner && (f->type == EVENT_DEVICE_OWNER || f->type == EVENT_DEVICE_CLAIMED);
}

static bool put_entry(void *ctx, const struct entry_found *f)
{
    struct history *h = ctx;
    struct json_out *o = &h->c->out;
    if (is_beginning(h, f))
        return false;
    json_out_map(o, NULL);
    json_out_int(o, "seq", (int64_t)f->seq);
    json_out_time(o, "time", f->time_ms / 1000);
    json_out_text(o, "type", event_name(f->type));
    event_print_json(o, "fields", f->type, f->fields);
    json_out_end(o);
    return ++h->n < HISTORY_MAX;
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
    json_out_end(&c->out);
    return true;
}
