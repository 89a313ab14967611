/* The tokens of many devices in one file that nobody else reads: a line "ID<tab>SERIAL<tab>TOKEN" for each device, on disk before
 * the next devices are asked for.  A run that was cut off goes on where the file ends: whole lines count, half a line is cut. */
#ifndef KITH_CLI_TOKEN_FILE_H
#define KITH_CLI_TOKEN_FILE_H

#include "base/buf.h"

struct token_file {
    int fd;           /* -1: none */
    struct buf text;  /* what was there */
    const char **ids; /* into text, sorted */
    size_t n;
};

/* Makes it with mode 0600, or goes on with one that is private and of this form; no other run may write it.
 * Errors: file-mode, locked, syntax, io. */
MUST_USE bool token_file_open(const char *path, struct token_file *out, struct err *e);
/* Whether a run before has written a token of this device. */
bool token_file_has(const struct token_file *f, const char *id);
MUST_USE bool token_file_append(struct token_file *f, struct slice lines, struct err *e);
void token_file_close(struct token_file *f);

#endif
