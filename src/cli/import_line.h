/* One line of a file of devices, CSV or JSON, as the JSON line that the server takes. */
#ifndef KITH_CLI_IMPORT_LINE_H
#define KITH_CLI_IMPORT_LINE_H

#include "cli/import.h"

#define IMPORT_LINE_MAX (1u << 20)

/* Known are model, serial, owner, tags (A=B;C=D) and tag:NAME.  Errors: syntax. */
MUST_USE bool import_line_check_title(const char *title, struct err *e);
/* A record of CSV.  Errors: of titles and tags. */
MUST_USE bool import_line_of_csv(const char *const *titles, const char *const *fields, size_t n,
                                 const struct import_opts *o, struct arena *a, struct buf *out, struct err *e);
/* A line of JSON gets what the command line says for all.  Errors: json. */
MUST_USE bool import_line_of_json(struct slice line, const struct import_opts *o, struct buf *out, struct err *e);

#endif
