#include "cli/show.h"

#include "cli/client.h"

#define COLUMNS_MAX 12
#define CELL_MAX    1024

const struct json *show_find(const struct json *j, const char *member)
{
    size_t n = strcspn(member, ".");
    for (size_t i = 0; json_is_map(j) && i < json_count(j); i++) {
        const char *key = json_key(j, i);
        if (strlen(key) == n && memcmp(key, member, n) == 0)
            return member[n] ? show_find(json_value(j, i), member + n + 1) : json_value(j, i);
    }
    return NULL;
}

/* Control characters of a stranger's text do not reach the terminal. */
static void put_plain(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_put_char(b, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
}

/* Text of several lines, as PEM is: as it is, but for other control characters. */
static void put_lines(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_put_char(b, ((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f ? '?' : *s);
    if (b->n && b->p[b->n - 1] != '\n')
        buf_put_char(b, '\n');
}

static bool has_lines(const struct json *j)
{
    return json_text(j) && strchr(json_text(j), '\n');
}

void show_put_value(struct buf *b, const struct json *j)
{
    int64_t v;
    if (!j)
        return;
    if (json_text(j)) {
        put_plain(b, json_text(j));
    } else if (json_int(j, &v)) {
        buf_printf(b, "%lld", (long long)v);
    } else if (json_is_list(j)) {
        for (size_t i = 0; i < json_count(j); i++) {
            buf_put_str(b, i ? ", " : "");
            show_put_value(b, json_item(j, i));
        }
    } else if (json_is_map(j)) {
        for (size_t i = 0; i < json_count(j); i++) {
            buf_printf(b, "%s", i ? " " : "");
            put_plain(b, json_key(j, i));
            buf_put_char(b, '=');
            show_put_value(b, json_value(j, i));
        }
    } else {
        /* true, false, null: the writer knows which; null is nothing. */
        size_t start = b->n;
        struct json_out o = json_out_of(b);
        json_put(&o, NULL, j);
        if (b->n - start == 4 && memcmp(b->p + start, "null", 4) == 0)
            buf_cut(b, start);
    }
}

static size_t width_of(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += (s.p[i] & 0xc0) != 0x80;
    return n;
}

static void put_cell(struct buf *b, const struct json *row, const char *member)
{
    size_t start = b->n;
    show_put_value(b, show_find(row, member));
    if (b->n == start)
        buf_put_char(b, '-');
}

static void put_padding(struct buf *b, size_t start, size_t width)
{
    for (size_t have = width_of(slice_of(b->p + start, b->n - start)); have < width; have++)
        buf_put_char(b, ' ');
}

/* titled: it is no page behind another. */
static bool put_table(struct cli *cli, const struct json *list, const struct show_column *columns, size_t n,
                      bool titled, struct err *e)
{
    size_t width[COLUMNS_MAX] = {0};
    AUTO(buf_clear) struct buf b = {0}, cell = {0};
    buf_init(&b, 64u << 20);
    buf_init(&cell, 1 << 20);
    n = n < COLUMNS_MAX ? n : COLUMNS_MAX;
    for (size_t c = 0; c < n; c++)
        width[c] = strlen(columns[c].title);
    for (size_t r = 0; r < json_count(list); r++)
        for (size_t c = 0; c + 1 < n; c++) {
            buf_reset(&cell);
            put_cell(&cell, json_item(list, r), columns[c].member);
            size_t w = width_of(buf_slice(&cell));
            width[c] = w > width[c] ? w : width[c];
        }
    for (size_t c = 0; titled && c + 1 < n; c++)
        buf_printf(&b, "%-*s  ", (int)width[c], columns[c].title);
    if (titled)
        buf_printf(&b, "%s\n", columns[n - 1].title);
    for (size_t r = 0; r < json_count(list); r++)
        for (size_t c = 0; c < n; c++) {
            size_t start = b.n;
            put_cell(&b, json_item(list, r), columns[c].member);
            if (c + 1 < n)
                put_padding(&b, start, width[c] + 2);
            else
                buf_put_char(&b, '\n');
        }
    if (json_count(list) == 0) {
        fputs("none\n", cli->talk);
        return true;
    }
    return cli_write(cli, &b, e);
}

bool show_table(struct cli *cli, const struct json *list, const struct show_column *columns, size_t n, struct err *e)
{
    return put_table(cli, list, columns, n, true, e);
}

bool show_list(struct cli *cli, const struct json *map, const struct show_column *columns, size_t n, struct err *e)
{
    size_t width = 0;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1 << 20);
    for (size_t c = 0; c < n; c++)
        if (strlen(columns[c].title) > width && show_find(map, columns[c].member))
            width = strlen(columns[c].title);
    for (size_t c = 0; c < n; c++) {
        const struct json *v = show_find(map, columns[c].member);
        if (!v)
            continue;
        buf_printf(&b, "%-*s  ", (int)width, columns[c].title);
        put_cell(&b, map, columns[c].member);
        buf_put_char(&b, '\n');
    }
    return cli_write(cli, &b, e);
}

bool show_map(struct cli *cli, const struct json *map, struct err *e)
{
    size_t width = 0;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < json_count(map); i++)
        if (strlen(json_key(map, i)) > width)
            width = strlen(json_key(map, i));
    for (size_t i = 0; i < json_count(map); i++) {
        if (strcmp(json_key(map, i), "v") == 0 || has_lines(json_value(map, i)))
            continue;
        buf_printf(&b, "%-*s  ", (int)width, json_key(map, i));
        show_put_value(&b, json_value(map, i));
        buf_put_char(&b, '\n');
    }
    for (size_t i = 0; i < json_count(map); i++)
        if (has_lines(json_value(map, i)))
            put_lines(&b, json_text(json_value(map, i)));
    return cli_write(cli, &b, e);
}

bool show_raw(struct cli *cli, const struct buf *reply, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, CLI_FILE_MAX);
    buf_put(&b, buf_slice(reply));
    if (b.n && b.p[b.n - 1] != '\n')
        buf_put_char(&b, '\n');
    return cli_write(cli, &b, e);
}

bool show_get(struct cli *cli, const char *path, const char *list, const struct show_column *columns, size_t n,
              struct err *e)
{
    const struct json *l;
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf reply = {0};
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_call_json(cli, "GET", path, NULL, 0, &reply, &j, e))
        return false;
    if (cli->g.json)
        return show_raw(cli, &reply, e);
    if (!list)
        return columns ? show_list(cli, j, columns, n, e) : show_map(cli, j, e);
    return json_get_list(j, list, &l, e) && show_table(cli, l, columns, n, e);
}

#define PAGE 500

/* *next: what "after" has to be for the page behind this one; empty if there is none. */
static bool get_page(struct cli *cli, const char *path, int64_t left, struct buf *next, struct buf *reply,
                     struct json **out, struct err *e)
{
    AUTO(buf_clear) struct buf at = {0};
    struct slice more;
    char limit[24];
    snprintf(limit, sizeof limit, "%lld", (long long)(left < PAGE ? left : PAGE));
    buf_init(&at, 8192);
    buf_put_str(&at, path);
    cli_put_query(&at, "limit", limit);
    cli_put_query(&at, "after", next->n ? buf_str(next) : NULL);
    if (!cli_call_json(cli, "GET", buf_str(&at), NULL, 0, reply, out, e))
        return false;
    buf_reset(next);
    if (json_has(*out, "next"))
        show_put_value(next, show_find(*out, "next"));
    return buf_done(next, &more, e) || err_ctx(e, "%s: where its next page begins", path);
}

bool show_pages(struct cli *cli, const char *path, const char *list, const struct show_column *columns, size_t n,
                int64_t limit, struct err *e)
{
    AUTO(buf_clear) struct buf reply = {0}, all = {0}, next = {0};
    int64_t left = limit ? limit : INT64_MAX;
    bool first = true;
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&all, 1u << 30);
    buf_init(&next, 64);
    struct json_out jo = json_out_of(&all);
    json_out_map(&jo, NULL);
    json_out_int(&jo, "v", 1);
    json_out_list(&jo, list);
    for (; first || (left > 0 && next.n); first = false) {
        AUTO(json_free_auto) struct json *j = NULL;
        const struct json *l;
        if (!get_page(cli, path, left, &next, &reply, &j, e) || !json_get_list(j, list, &l, e))
            return false;
        left -= (int64_t)json_count(l);
        if (cli->g.json)
            for (size_t i = 0; i < json_count(l); i++)
                json_put(&jo, NULL, json_item(l, i));
        else if ((first || json_count(l)) && !put_table(cli, l, columns, n, first, e))
            return false;
    }
    if (!cli->g.json)
        return true;
    json_out_end(&jo);
    json_out_end(&jo);
    buf_put_char(&all, '\n');
    return cli_write(cli, &all, e);
}

bool show_post(struct cli *cli, const char *path, const char *member, const char *text, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0};
    buf_init(&body, 4096);
    buf_init(&reply, CLI_ANSWER_MAX);
    struct json_out o = json_out_of(&body);
    json_out_map(&o, NULL);
    if (text)
        json_out_text(&o, member, text);
    json_out_end(&o);
    if (!cli_call_json(cli, "POST", path, &body, 0, &reply, &j, e))
        return false;
    return cli->g.json ? show_raw(cli, &reply, e) : show_map(cli, j, e);
}
