/* What people read, made of the rows that the program runs on: help texts, bash completion, mdoc. */
#ifndef KITH_BASE_MANUAL_H
#define KITH_BASE_MANUAL_H

#include "base/args.h"

/* What the shell completes the words of a command with, whose args read so: {"CODE", all codes}. */
struct manual_choices {
    const char *arg;
    const char *const *words; /* NULL-terminated */
};

struct manual_program {
    const char *name;     /* "kith" */
    const char *synopsis; /* behind the name: "[options] VERB ..." */
    const char *about;    /* one line */
    const struct opt *rows;
    size_t rows_n;
    const struct verb *verbs; /* may be NULL */
    size_t verbs_n;
    const struct manual_choices *choices; /* ends with {NULL, NULL}; may be NULL */
};

void manual_put_help(struct buf *b, const struct manual_program *p);
/* "kith 0.1.0", or an object. */
void manual_put_version(struct buf *b, const char *program, bool json);
/* The command line of a program that has no verbs.  Asked for --help or --version it leaves in *said what is to be printed, and nothing else
 * is to be done: then `target` has not what is required.  Else *said is empty.  Errors: option, usage. */
MUST_USE bool manual_read_args(const struct manual_program *p, int argc, char *const *argv, struct arena *a,
                               void *target, struct buf *said, struct err *e);
void manual_put_verb_help(struct buf *b, const struct manual_program *p, const struct verb *v);
void manual_put_completion(struct buf *b, const struct manual_program *p); /* bash */
/* mdoc(7) lists: the body of an OPTIONS or COMMANDS section, and of the sections of a configuration file. */
void manual_put_mdoc_options(struct buf *b, const struct opt *rows, size_t n);
void manual_put_mdoc_verbs(struct buf *b, const struct verb *verbs, size_t n);
void manual_put_mdoc_config(struct buf *b, const struct opt *rows, size_t n);

#endif
