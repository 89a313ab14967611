/* Configuration files: `[section]` lines, `key = value`, '#' comments.  A value is the rest of the line without outer
 * blanks, or "quoted" with \" \\ \n \t \xNN inside.  Nothing is expanded.  A word that is unknown or comes twice is an
 * error with file, line, column and the nearest word. */
#ifndef KITH_BASE_CONFIG_H
#define KITH_BASE_CONFIG_H

#include "base/opt.h"

#define CONFIG_MAX (256 << 10)

/* The reader by itself, for files whose words are not fixed.  Return false to stop with *e set; the place is added. */
struct config_line {
    const char *section; /* "" before the first section */
    struct slice key, value;
    unsigned line, column; /* of the key, from 1 */
};
typedef bool config_fn(void *ctx, const struct config_line *line, struct err *e);
/* section lines come as a line with an empty key.  Errors: config, and what fn sets. */
MUST_USE bool config_scan(const char *file, struct slice text, config_fn *fn, void *ctx, struct err *e);

/* Reads a whole file into target by the rows: defaults first, then the text, then what is required must be there.
 * `file` only names it in errors. */
MUST_USE bool config_read(const char *file, struct slice text, const struct opt *rows, size_t n, struct arena *a,
                          void *target, struct err *e);
/* The line that sets a word, 0 if none does: for errors that show only when the whole is read. */
unsigned config_line_of(struct slice text, const char *section, const char *key);
/* A value as a file has it, quoted if it must be: what is read back is the same bytes. */
void config_put_value(struct buf *b, struct slice value);

#endif
