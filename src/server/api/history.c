/* What the ledger says of one device. */
#include "server/api/api.h"
#include "server/api/entries.h"
#include "server/records.h"

#define HISTORY_MAX 500

struct history {
    struct entry_list list;
    const char *owner; /* asks; NULL: somebody who may see everything */
};

/* An owner does not read what happened before the device was its own, nor whose it was. */
static bool put_entry(void *ctx, const struct entry_found *f)
{
    struct history *h = ctx;
    bool beginning = h->owner && (f->type == EVENT_DEVICE_OWNER || f->type == EVENT_DEVICE_CLAIMED);
    return !beginning && entry_list_put(&h->list, f);
}

bool history_show(struct call *c, struct err *e)
{
    struct device_row d;
    struct entry_query q;
    uint64_t next;
    if (!call_device(c, &d, e))
        return false;
    struct history h = {.list = {.c = c, .max = HISTORY_MAX}, .owner = call_owner(c)};
    entry_query_of_device(&q, d.id, (d.created_at - 1) * 1000);
    json_out_text(&c->out, "id", d.id);
    json_out_list(&c->out, "entries");
    if (!entry_filter_scan(c->app, c->db, &q, 0, put_entry, &h, &next, e))
        return false;
    json_out_end(&c->out);
    return entry_list_ok(&h.list, e);
}
