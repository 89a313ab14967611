/* Options as rows of a table.  One row serves the configuration file (base/config.h), the command line (base/args.h), the
 * help text, the man page and the shell completion (base/manual.h).
 *
 * A value lands in the caller's struct at `offset`: bool for OPT_BOOL; int64_t for the numbers; int (index into words) for
 * OPT_ENUM, counted from 1 if the row has no default, so that 0 is one that was not given; const char * for OPT_TEXT, OPT_PATH, OPT_ADDRESS and OPT_URL; struct opt_list for OPT_LIST.  Text lives in the arena. */
#ifndef KITH_BASE_OPT_H
#define KITH_BASE_OPT_H

#include "base/arena.h"
#include "base/buf.h"

enum opt_type {
    OPT_BOOL,    /* yes/no, true/false, on/off; on the command line --name and --no-name */
    OPT_INT,     /* plain decimal */
    OPT_SECONDS, /* 90, 90s, 15m, 2h, 7d, 4w -> seconds */
    OPT_MS,      /* 250ms, 2s, 1m -> milliseconds; a bare number is milliseconds */
    OPT_BYTES,   /* 512, 64k, 8M, 1G (powers of 1024) */
    OPT_TEXT,    /* min and max are its length, max 0 for any */
    OPT_PATH,
    OPT_LIST,    /* words separated by commas or white space; min and max are their number, max 0 for any */
    OPT_ENUM,    /* one of words */
    OPT_ADDRESS, /* ADDRESS:PORT, IPv6 as [ADDRESS]:PORT, ADDRESS may be empty; min and max are the port's */
    OPT_URL, /* SCHEME://HOST[:PORT][/PATH] without '/' at its end; words are the schemes; min and max are its length */
};

struct opt_list {
    const char **v;
    size_t n;
};

struct opt {
    const char *section; /* of the configuration file; NULL on command lines */
    const char *name;    /* lower case, words joined by '-' or '_' as the file format has it */
    enum opt_type type;
    int64_t min, max; /* both 0: no range */
    const char *def;  /* as it would be written; NULL: zero, or missing if required */
    const char *const
        *words; /* NULL-terminated; OPT_ENUM: one of these; OPT_URL: schemes; else what the shell completes */
    const char *less_than; /* a number of the same section that this one has to stay below */
    const char *needs;     /* others that have to be there too, "from token": without them it would do nothing */
    const char *not_with;  /* others in whose place it stands, or that do nothing beside it */
    const char *arg;       /* how help names the value: "DIR" */
    const char *help;
    size_t offset;
    char letter; /* -x, or 0 */
    bool required;
    bool hidden; /* not in help */
};

extern const char *const opt_http[], *const opt_https[]; /* schemes of OPT_URL */

#define OPT_TARGET(type, field) offsetof(type, field)
#define OPT_ROWS_MAX            128

/* Sets one option of `target` from text.  Errors: option (what is wrong with the value, the range, the nearest word). */
MUST_USE bool opt_set(const struct opt *row, struct slice text, struct arena *a, void *target, struct err *e);
/* Sets all that have a default; the others stay as they are. */
MUST_USE bool opt_set_defaults(const struct opt *rows, size_t n, struct arena *a, void *target, struct err *e);
const struct opt *opt_find(const struct opt *rows, size_t n, const char *section, struct slice name);
/* "1 to 3600 s", "one of file, pkcs11": for help and errors; empty if anything goes. */
void opt_put_range(struct buf *b, const struct opt *row);
const char *opt_arg_name(const struct opt *row);
/* How a value is given, for "try:": "listen = ADDRESS:PORT" or "--limit N", with the default where there is one. */
bool opt_try(const struct opt *row, struct err *e);

/* Two rows of which one is given without the other that it needs, or with one that it excludes. */
struct opt_clash {
    const struct opt *row, *other;
    bool excluded;
};
/* True if there is one: given[i] says whether rows[i] was set. */
bool opt_find_clash(const struct opt *rows, size_t n, const bool *given, struct opt_clash *out);
/* What is wrong with it, as it is said of a command line or of a configuration file.  Always false. */
bool opt_refuse_clash(const struct opt_clash *c, struct err *e);

/* One value as text, read and written the way options are (also used by profiles and policies). */
MUST_USE bool opt_parse_seconds(struct slice text, int64_t *out, struct err *e);
MUST_USE bool opt_parse_bytes(struct slice text, int64_t *out, struct err *e);
/* A whole number of a request or of a file, plain decimal.  Errors: usage, with the range. */
MUST_USE bool opt_parse_int(const char *name, struct slice text, int64_t min, int64_t max, int64_t *out, struct err *e);
/* The two parts of an OPT_ADDRESS; false if it is none, or the host does not fit. */
MUST_USE bool opt_split_address(struct slice text, char *host, size_t cap, uint16_t *port);

#endif
