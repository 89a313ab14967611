/* How programs tell people what went wrong: error[CODE]: what, why: (the rule), try: (the next step). */
#ifndef KITH_BASE_PROBLEM_H
#define KITH_BASE_PROBLEM_H

#include <stdio.h>

#include "base/json.h"
#include "core/err.h"

/* `word`: "error", or "warning" for what can be lived with. */
void problem_print(FILE *f, const char *word, const struct err *e);
/* The same for programs: {"v":1,"error":{"code":..., "what":..., "why":..., "try":...}} and a line end. */
void problem_print_json(FILE *f, const struct err *e);
/* The next problem with that word in what problem_print() wrote; *text goes behind it.  False if there is none. */
bool problem_read(struct slice *text, const char *word, struct err *out);

#endif
