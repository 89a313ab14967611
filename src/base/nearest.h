/* "Did you mean ...": the candidate with the smallest edit distance (insert, delete, replace, swap neighbours), if it is
 * near enough to be a slip. */
#ifndef KITH_BASE_NEAREST_H
#define KITH_BASE_NEAREST_H

#include "core/cc.h"
#include "core/err.h"
#include "core/slice.h"

struct nearest {
    struct slice word;
    const char *best;
    unsigned distance;
};

struct nearest nearest_of(struct slice word);
void nearest_offer(struct nearest *n, const char *candidate);
const char *nearest_word(const struct nearest *n); /* NULL if nothing is near */
unsigned nearest_distance(struct slice a, struct slice b);
/* From a NULL-terminated list. */
const char *nearest_in(struct slice word, const char *const *list);
/* The list has the word.  If not: "x" is no `what`, what there is, and the one that may have been meant. */
MUST_USE bool nearest_check(enum err_code code, const char *what, const char *word, const char *const *list,
                            struct err *e);

#endif
