/* What is remembered of a PIN file that a token refused: which file it was (inode, size, time of its last change), and nothing of
 * what stands in it.  Processes that share a token and a mark file try a refused PIN once in all, over restarts, until the PIN
 * file is another one.  The file stays open: a sandbox that is entered later does not take it away. */
#ifndef KITH_KEYS_PIN_MARK_H
#define KITH_KEYS_PIN_MARK_H

#include "core/err.h"

#define PIN_MARK_MAX 128

struct pin_mark {
    int fd;                      /* -1: nothing is remembered */
    char pin[PIN_MARK_MAX];      /* which PIN file this process has read */
    char path[PIN_MARK_MAX * 2]; /* of the PIN file, for messages */
};

/* Which file it is, as text; "" if there is none. */
void pin_mark_of(const char *pin_file, char out[PIN_MARK_MAX]);
/* To be called before the PIN is read.  Errors: io. */
MUST_USE bool pin_mark_open(const char *mark_file, const char *pin_file, struct pin_mark *out, struct err *e);
/* Around a login: takes the lock that other processes wait for.  True if this PIN file was refused before. */
MUST_USE bool pin_mark_begin(struct pin_mark *m);
void pin_mark_end(struct pin_mark *m, bool tried, bool refused);
void pin_mark_close(struct pin_mark *m);

#endif
