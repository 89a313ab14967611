/* Command lines by option rows: --name value, --name=value, --flag, --no-flag, -x, -x value, "--" ends the options.
 * Verbs are rows too: {"device add", ...}; the longest name that matches wins. */
#ifndef KITH_BASE_ARGS_H
#define KITH_BASE_ARGS_H

#include "base/opt.h"

struct args_words { /* what is left, borrowed from argv */
    const char **v;
    size_t n;
};

/* Reads argv[0..argc) (without the program's name).  With stop_at_word the first word that is no option ends it, and
 * everything from there on is left in *words; else options and words may be mixed.  *help is set by --help or -h, which
 * ends the reading without an error; it may be NULL if rows have their own.  Errors: option. */
MUST_USE bool args_read(const struct opt *rows, size_t n, int argc, char *const *argv, bool stop_at_word,
                        struct arena *a, void *target, struct args_words *words, bool *help, struct err *e);

/* The whole command line asks which version this is: --version, with --json or without. */
bool args_ask_version(int argc, char *const *argv, bool *json);

struct verb {
    const char *name; /* "device add": one or two words */
    const char *args; /* "SERIAL [FILE]": for help */
    const char *help; /* one line; what else there is to say follows behind a newline */
    const struct opt *rows;
    size_t rows_n;
    size_t opts_size; /* of the struct that rows fill; allocated in the arena, zeroed, defaults set */
    size_t words_min, words_max;
    bool (*run)(void *ctx, const void *opts, const struct args_words *words, struct err *e);
};

/* Finds the verb that argv begins with; *used is how many words its name took.  Errors: option (nearest verb). */
MUST_USE bool args_find_verb(const struct verb *verbs, size_t n, int argc, char *const *argv, const struct verb **out,
                             int *used, struct err *e);
/* True if `word` is what several verbs begin with: "device". */
bool args_is_group(const struct verb *verbs, size_t n, const char *word);
/* Reads the verb's options and words and runs it.  *help: --help was asked for, nothing ran. */
MUST_USE bool args_run_verb(const struct verb *v, int argc, char *const *argv, struct arena *a, void *ctx, bool *help,
                            struct err *e);

#endif
