/* Entries of the ledger for people: a table; for programs JSON lines, {"v":1,...} each, written as they come. */
#ifndef KITH_CLI_ENTRY_LIST_H
#define KITH_CLI_ENTRY_LIST_H

#include "cli/cli.h"

struct entry_list {
    struct cli *cli;
    struct buf rows;
    struct json_out o;
    size_t n;   /* in rows */
    bool began; /* a table was written */
};

void entry_list_init(struct entry_list *l, struct cli *cli);
/* One as the server shows it (ledger/entry_print.h). */
MUST_USE bool entry_list_put(struct entry_list *l, const struct json *entry, struct err *e);
/* What was put and not written yet, and the end. */
MUST_USE bool entry_list_end(struct entry_list *l, struct err *e);
void entry_list_clear(struct entry_list *l);
/* A whole list for people. */
MUST_USE bool entry_list_table(struct cli *cli, const struct json *list, struct err *e);

#endif
