#include "base/nearest.h"

#include <limits.h>
#include <stdio.h>

#define WORD_MAX 48 /* longer words are compared by their beginning */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned nearest_distance(struct slice a, struct slice b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t an = a.n < WORD_MAX ? a.n : WORD_MAX, bn = b.n < WORD_MAX ? b.n : WORD_MAX;
    for (size_t k = 0; k <= bn; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= an; i++) {
        unsigned *now = rows[i % 3];
        const unsigned *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t k = 1; k <= bn; k++) {
            now[k] = min3(last[k] + 1, now[k - 1] + 1, last[k - 1] + (a.p[i - 1] != b.p[k - 1]));
            if (i > 1 && k > 1 && a.p[i - 1] == b.p[k - 2] && a.p[i - 2] == b.p[k - 1] && before[k - 2] + 1 < now[k])
                now[k] = before[k - 2] + 1;
        }
    }
    return rows[an % 3][bn];
}

struct nearest nearest_of(struct slice word)
{
    return (struct nearest){.word = word, .distance = UINT_MAX};
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    unsigned d = nearest_distance(n->word, slice_str(candidate));
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}

const char *nearest_word(const struct nearest *n)
{
    /* A slip changes about a third of a word, and not all of a short one. */
    size_t slip = n->word.n / 3 + 1;
    return n->best && n->distance <= slip && n->distance < n->word.n ? n->best : NULL;
}

const char *nearest_in(struct slice word, const char *const *list)
{
    struct nearest n = nearest_of(word);
    for (; *list; list++)
        nearest_offer(&n, *list);
    return nearest_word(&n);
}

bool nearest_check(enum err_code code, const char *what, const char *word, const char *const *list, struct err *e)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    char all[ERR_WHY_MAX - 20] = "";
    size_t n = 0;
    for (size_t i = 0; list[i] && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", list[i]);
    const char *near = nearest_in(slice_str(word), list);
    err_set(e, code, "\"%s\" is no %s", ERR_QUOTE(slice_str(word)), what);
    err_why(e, "there are %s", all);
    return near ? err_try(e, "did you mean \"%s\"?", near) : err_try(e, "one of these, such as %s", list[0]);
}
