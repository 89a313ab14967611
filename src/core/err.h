/* One error: a stable code, what happened, why (rule or RFC section), what to try.  The caller owns the struct; nothing
 * here allocates.  Text that came from outside is escaped when it goes in, so an error is safe to print anywhere.
 *
 * A code carries its class in the high bits.  err_codes.h is the one table of all codes; from it come the HTTP status, the
 * exit code, the log level and what `kith explain` says. */
#ifndef KITH_CORE_ERR_H
#define KITH_CORE_ERR_H

#include "core/cc.h"
#include "core/slice.h"

enum err_class {
    ERR_CLASS_NONE,
    ERR_CLASS_USAGE,       /* HTTP 400, exit 2 */
    ERR_CLASS_SYNTAX,      /* HTTP 400, exit 6: bytes that are not what they should be */
    ERR_CLASS_POLICY,      /* HTTP 403, exit 6 */
    ERR_CLASS_AUTH,        /* HTTP 401, exit 4 */
    ERR_CLASS_NOTFOUND,    /* HTTP 404, exit 3 */
    ERR_CLASS_CONFLICT,    /* HTTP 409, exit 5 */
    ERR_CLASS_RATE,        /* HTTP 429, exit 1: the same again may pass later */
    ERR_CLASS_UNAVAILABLE, /* HTTP 503, exit 7 */
    ERR_CLASS_IO,          /* HTTP 500, exit 1 */
    ERR_CLASS_CRYPTO,      /* HTTP 400, exit 6: a signature or seal that does not verify */
    ERR_CLASS_INTERNAL,    /* HTTP 500, exit 1 */
    ERR_CLASS_SIZE,        /* HTTP 413, exit 1: the same again never passes */
    ERR_CLASS_FORBIDDEN,   /* HTTP 403, exit 4: who asks is known, and may not */
};

#define ERR_CLASS_SHIFT 16

enum err_code {
    ERR_NONE = 0,
#define ERR_ROW(id, class, number, slug, explain) id = ERR_CLASS_##class << ERR_CLASS_SHIFT | number,
#include "core/err_codes.h"
#undef ERR_ROW
};

#define ERR_WHAT_MAX 320
#define ERR_WHY_MAX  200
#define ERR_TRY_MAX  200

struct err {
    enum err_code code;
    char what[ERR_WHAT_MAX];
    char why[ERR_WHY_MAX];
    char hint[ERR_TRY_MAX]; /* printed as `try:` */
};

/* Sets the error and returns false, so that `return err_set(...)` is how a function fails.  `e` may be NULL. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Adds the rule that was broken, or the next step; both return false. */
bool err_why(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool err_try(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Puts context before `what`: "device dev_x: csr: bad signature".  Returns false. */
bool err_ctx(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *e);

enum err_class err_class_of(enum err_code code);
int err_http_status(enum err_code code);
int err_exit_code(enum err_code code);
const char *err_slug(enum err_code code);    /* stable, for machines: "csr-pop" */
const char *err_explain(enum err_code code); /* a paragraph for people */
enum err_code err_from_slug(const char *slug);

/* Quotes bytes from outside into dst (always NUL-terminated, "..." at the cut) so that they can stand in a message:
 * printable ASCII as it is, the rest as \xNN.  Returns dst. */
char *err_quote(struct slice s, char *dst, size_t cap);
#define ERR_QUOTE(s) err_quote((s), (char[96]){0}, 96)
/* For a path in a command that is to be run: whole, or cut where it shows. */
#define ERR_QUOTE_PATH(s) err_quote((s), (char[192]){0}, 192)

#endif
