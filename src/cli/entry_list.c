#include "cli/entry_list.h"

#include "cli/show.h"

#define ROWS_MAX 500 /* of one table, whose columns are as wide as they need */
#define TEXT_MAX (64u << 20)

static const struct show_column columns[] = {
    {"ENTRY", "seq"}, {"TIME", "time"}, {"WHAT", "type"}, {"WHO", "who"}, {"", "said"}};

void entry_list_init(struct entry_list *l, struct cli *cli)
{
    *l = (struct entry_list){.cli = cli};
    buf_init(&l->rows, TEXT_MAX);
    l->o = json_out_of(&l->rows);
}

void entry_list_clear(struct entry_list *l)
{
    buf_clear(&l->rows);
}

/* What the entry says beside who: name=value, one after the other. */
static void put_said(struct json_out *o, const struct json *entry)
{
    const struct json *fields = show_find(entry, "fields");
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1 << 20);
    if (json_has(entry, "erased"))
        buf_put_str(&b, "(erased)");
    for (size_t i = 0; fields && i < json_count(fields); i++) {
        if (strcmp(json_key(fields, i), "who") == 0)
            continue;
        buf_printf(&b, "%s%s=", b.n ? " " : "", json_key(fields, i));
        show_put_value(&b, json_value(fields, i));
    }
    json_out_slice(o, "said", buf_slice(&b));
}

static void put_row(struct entry_list *l, const struct json *entry)
{
    static const char *const same[] = {"seq", "time", "type"};
    const struct json *who = show_find(entry, "fields.who");
    if (l->n == 0)
        json_out_list(&l->o, NULL);
    json_out_map(&l->o, NULL);
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        if (json_has(entry, same[i]))
            json_put(&l->o, same[i], show_find(entry, same[i]));
    if (who)
        json_put(&l->o, "who", who);
    put_said(&l->o, entry);
    json_out_end(&l->o);
}

static bool write_table(struct entry_list *l, struct err *e)
{
    AUTO(json_free_auto) struct json *rows = NULL;
    struct slice text;
    if (l->n)
        json_out_end(&l->o);
    else
        buf_put_str(&l->rows, "[]");
    bool ok = buf_done(&l->rows, &text, e) && json_read(text, TEXT_MAX, &rows, e) &&
              show_table(l->cli, rows, columns, ARRAY_LEN(columns), e);
    buf_reset(&l->rows);
    l->o = json_out_of(&l->rows);
    l->n = 0;
    l->began = true;
    return ok;
}

static bool write_lines(struct entry_list *l, struct err *e)
{
    bool ok = cli_write(l->cli, &l->rows, e);
    buf_reset(&l->rows);
    l->n = 0;
    return ok;
}

static void put_line(struct entry_list *l, const struct json *entry)
{
    struct json_out o = json_out_of(&l->rows);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    for (size_t i = 0; i < json_count(entry); i++)
        json_put(&o, json_key(entry, i), json_value(entry, i));
    json_out_end(&o);
    buf_put_char(&l->rows, '\n');
}

bool entry_list_put(struct entry_list *l, const struct json *entry, struct err *e)
{
    if (l->cli->g.json)
        put_line(l, entry);
    else
        put_row(l, entry);
    if (++l->n < ROWS_MAX)
        return true;
    return l->cli->g.json ? write_lines(l, e) : write_table(l, e);
}

bool entry_list_end(struct entry_list *l, struct err *e)
{
    if (l->cli->g.json)
        return write_lines(l, e);
    return (l->n == 0 && l->began) || write_table(l, e);
}

bool entry_list_table(struct cli *cli, const struct json *list, struct err *e)
{
    struct entry_list l;
    bool ok = true;
    entry_list_init(&l, cli);
    for (size_t i = 0; ok && i < json_count(list); i++)
        ok = entry_list_put(&l, json_item(list, i), e);
    ok = ok && entry_list_end(&l, e);
    entry_list_clear(&l);
    return ok;
}
