/* How answers look to people: tables and lists of what stands in the server's JSON.  With --json the answer goes out as it
 * came. */
#ifndef KITH_CLI_SHOW_H
#define KITH_CLI_SHOW_H

#include "cli/cli.h"

struct show_column {
    const char *title;  /* "STATE" in a table, "state" in a list */
    const char *member; /* may go down: "ledger.size" */
};

/* The rows of list `name` of j, aligned, with a line of titles; "none" on stderr if there are none. */
MUST_USE bool show_table(struct cli *cli, const struct json *list, const struct show_column *columns, size_t n,
                         struct err *e);
/* "title  value" for each column that is there. */
MUST_USE bool show_list(struct cli *cli, const struct json *map, const struct show_column *columns, size_t n,
                        struct err *e);
/* Everything that is in the map, by name. */
MUST_USE bool show_map(struct cli *cli, const struct json *map, struct err *e);
/* The answer's text as it came, with a line end. */
MUST_USE bool show_raw(struct cli *cli, const struct buf *reply, struct err *e);
/* GETs a path and shows the answer: its list of that name as a table, without one the columns as a list, without either all of
 * it. */
MUST_USE bool show_get(struct cli *cli, const char *path, const char *list, const struct show_column *columns, size_t n,
                       struct err *e);
/* GETs a list page by page (limit=, after= the `next` before) up to `limit`, 0 for all of it; in JSON all pages are one. */
#define SHOW_LIMIT_ROW(type)                                                                                           \
    {                                                                                                                  \
        NULL, "limit", OPT_INT, 1, 100000000, .arg = "N", .help = "at most so many", .offset = offsetof(type, limit)   \
    }
MUST_USE bool show_pages(struct cli *cli, const char *path, const char *list, const struct show_column *columns,
                         size_t n, int64_t limit, struct err *e);
/* POSTs {member: text}, or {} without text, and shows all of the answer. */
MUST_USE bool show_post(struct cli *cli, const char *path, const char *member, const char *text, struct err *e);
/* One value as text: lists joined by commas, maps as name=value. */
void show_put_value(struct buf *b, const struct json *j);
const struct json *show_find(const struct json *j, const char *member);

#endif
