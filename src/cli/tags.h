/* Tags on the command line, and the verb `device tags`, whose row stands with the others of devices (device.c). */
#ifndef KITH_CLI_TAGS_H
#define KITH_CLI_TAGS_H

#include "cli/cli.h"

/* {"A": "B", ...} as the member "tags"; `n` may be 0.  Errors: option (no '=', a name that comes twice). */
MUST_USE bool tags_put(struct json_out *o, const char *const *words, size_t n, struct arena *a, struct err *e);

/* One more NAME=VALUE for tags_put(), or all of "A=B;C=D": a comma serves as well, spaces around a tag are none of it.
 * Errors: limit. */
MUST_USE bool tags_add(const char *word, struct arena *a, struct opt_list *l, struct err *e);
MUST_USE bool tags_split(const char *text, struct arena *a, struct opt_list *l, struct err *e);

struct tags_opts {
    struct opt_list remove;
};

#define TAGS_ROWS 1
extern const struct opt tags_rows[TAGS_ROWS];
bool tags_run(void *ctx, const void *opts, const struct args_words *words, struct err *e);

#endif
