/* A growing run of bytes that is born with its maximum.  Errors are sticky: put as much as you like, ask buf_done() or
 * buf_ok() once.  The content is always followed by a NUL that does not count.  One owner, one thread. */
#ifndef KITH_BASE_BUF_H
#define KITH_BASE_BUF_H

#include "core/err.h"
#include "core/slice.h"

struct buf {
    char *p;
    size_t n, cap, max;
    bool bad;
};

void buf_init(struct buf *b, size_t max); /* allocates nothing yet */
void buf_clear(struct buf *b);            /* frees; the maximum stays, so it can be filled again */
void buf_reset(struct buf *b);            /* empties, keeps the storage */
void buf_wipe(struct buf *b);             /* overwrites what it holds, then frees */

void buf_put(struct buf *b, struct slice s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Room for n more bytes behind the content, to be counted with buf_added(); NULL on failure. */
char *buf_space(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
void buf_drop(struct buf *b, size_t n); /* the first n bytes */
void buf_cut(struct buf *b, size_t n);  /* all but the first n bytes */

bool buf_ok(const struct buf *b);
struct slice buf_slice(const struct buf *b); /* borrowed until the next change */
const char *buf_str(const struct buf *b);    /* never NULL */
/* Errors: limit (with the maximum), out-of-memory. */
MUST_USE bool buf_done(const struct buf *b, struct slice *out, struct err *e);

#endif
