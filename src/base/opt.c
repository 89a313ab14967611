#include "base/opt.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/host.h"
#include "base/nearest.h"

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit units_none[] = {{"", 1}, {NULL, 0}};
static const struct unit units_s[] = {{"", 1},     {"s", 1},     {"m", 60},     {"min", 60},
                                      {"h", 3600}, {"d", 86400}, {"w", 604800}, {NULL, 0}};
static const struct unit units_ms[] = {{"", 1},        {"ms", 1},      {"s", 1000}, {"m", 60000},
                                       {"min", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit units_bytes[] = {{"", 1},        {"k", 1 << 10},   {"K", 1 << 10}, {"M", 1 << 20},
                                          {"G", 1 << 30}, {"T", 1LL << 40}, {NULL, 0}};

static const struct {
    const struct unit *units;
    const char *unit, *arg, *form;
} numbers[] = {
    [OPT_INT] = {units_none, "", "N", "a whole number"},
    [OPT_SECONDS] = {units_s, " s", "TIME", "a time such as 90s, 15m, 2h, 7d"},
    [OPT_MS] = {units_ms, " ms", "TIME", "a time such as 250ms, 2s"},
    [OPT_BYTES] = {units_bytes, " bytes", "SIZE", "a size such as 512, 64k, 8M, 1G"},
};

static bool is_number(enum opt_type t)
{
    return t == OPT_INT || t == OPT_SECONDS || t == OPT_MS || t == OPT_BYTES;
}

static bool number_of(struct slice s, const struct unit *units, int64_t *out)
{
    size_t i = 0;
    bool minus = s.n && s.p[0] == '-';
    int64_t v = 0;
    size_t first = i += minus;
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.p[i] - '0', &v))
            return false;
    if (i == first)
        return false;
    struct slice suffix = slice_of(s.p + i, s.n - i);
    for (; units->suffix; units++)
        if (slice_eq(suffix, slice_str(units->suffix))) {
            if (__builtin_mul_overflow(minus ? -v : v, units->factor, &v))
                return false;
            *out = v;
            return true;
        }
    return false;
}

bool opt_parse_seconds(struct slice text, int64_t *out, struct err *e)
{
    *out = 0;
    return number_of(text, units_s, out) ||
           err_set(e, ERR_OPTION, "\"%s\" is not %s", ERR_QUOTE(text), numbers[OPT_SECONDS].form);
}

bool opt_parse_bytes(struct slice text, int64_t *out, struct err *e)
{
    *out = 0;
    return number_of(text, units_bytes, out) ||
           err_set(e, ERR_OPTION, "\"%s\" is not %s", ERR_QUOTE(text), numbers[OPT_BYTES].form);
}

bool opt_parse_int(const char *name, struct slice text, int64_t min, int64_t max, int64_t *out, struct err *e)
{
    *out = 0;
    int64_t v;
    if (number_of(text, units_none, &v) && v >= min && v <= max) {
        *out = v;
        return true;
    }
    if (max == INT64_MAX)
        err_set(e, ERR_USAGE, "%s \"%s\" is no number of at least %" PRId64, name, ERR_QUOTE(text), min);
    else
        err_set(e, ERR_USAGE, "%s \"%s\" is no number from %" PRId64 " to %" PRId64, name, ERR_QUOTE(text), min, max);
    return err_why(e, "a whole number in plain decimal");
}

const char *const opt_http[] = {"http", NULL}, *const opt_https[] = {"https", NULL};

const char *opt_arg_name(const struct opt *row)
{
    static const char *const names[] = {[OPT_TEXT] = "TEXT", [OPT_PATH] = "PATH", [OPT_LIST] = "A,B",
                                        [OPT_ENUM] = "WORD", [OPT_URL] = "URL",   [OPT_ADDRESS] = "ADDRESS:PORT"};
    if (row->type == OPT_BOOL)
        return "";
    if (row->arg)
        return row->arg;
    return is_number(row->type) ? numbers[row->type].arg : names[row->type];
}

void opt_put_range(struct buf *b, const struct opt *row)
{
    if (row->type == OPT_ENUM) {
        buf_put_str(b, "one of ");
        for (size_t i = 0; row->words[i]; i++)
            buf_printf(b, "%s%s", i ? ", " : "", row->words[i]);
        return;
    }
    if (row->type == OPT_URL)
        for (size_t i = 0; row->words[i]; i++)
            buf_printf(b, "%s%s://...", i ? " or " : "", row->words[i]);
    if (row->type == OPT_BOOL || (row->min == 0 && row->max == 0))
        return;
    const char *unit = is_number(row->type)       ? numbers[row->type].unit
                       : row->type == OPT_LIST    ? " words"
                       : row->type == OPT_ADDRESS ? ""
                                                  : " characters";
    buf_put_str(b, row->type == OPT_URL ? ", " : row->type == OPT_ADDRESS ? "port " : "");
    if (row->max == 0 || row->max == INT64_MAX)
        buf_printf(b, "at least %" PRId64 "%s", row->min, unit);
    else
        buf_printf(b, "%" PRId64 " to %" PRId64 "%s", row->min, row->max, unit);
    if (row->less_than)
        buf_printf(b, ", less than %s", row->less_than);
}

bool opt_try(const struct opt *row, struct err *e)
{
    const char *like = row->def && *row->def ? row->def : row->type == OPT_BOOL ? "yes" : opt_arg_name(row);
    const char *rest = row->type == OPT_URL ? "://HOST" : "";
    if ((row->type == OPT_URL || row->type == OPT_ENUM) && !row->def)
        like = row->words[0];
    if (row->section)
        return err_try(e, "%s = %s%s", row->name, like, rest);
    return row->type == OPT_BOOL ? err_try(e, "--%s or --no-%s", row->name, row->name)
                                 : err_try(e, "--%s %s%s", row->name, like, rest);
}

static bool bad_value(const struct opt *row, struct slice text, const char *form, struct err *e)
{
    char range[200];
    struct buf b;
    buf_init(&b, sizeof range - 1);
    opt_put_range(&b, row);
    snprintf(range, sizeof range, "%s", buf_str(&b));
    buf_clear(&b);
    err_set(e, ERR_OPTION, "%s: \"%s\" is not %s", row->name, ERR_QUOTE(text), form);
    err_why(e, "allowed: %s", range[0] ? range : form);
    return opt_try(row, e);
}

static bool in_range(const struct opt *row, int64_t v)
{
    bool open_end = row->max == 0 && !is_number(row->type);
    return (row->min == 0 && row->max == 0) || (v >= row->min && (open_end || v <= row->max));
}

static bool set_bool(const struct opt *row, struct slice text, bool *out, struct err *e)
{
    static const struct {
        const char *word;
        bool v;
    } rows[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true}, {"off", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_eq(text, slice_str(rows[i].word))) {
            *out = rows[i].v;
            return true;
        }
    return bad_value(row, text, "yes or no", e);
}

static bool set_enum(const struct opt *row, struct slice text, int *out, struct err *e)
{
    for (int i = 0; row->words[i]; i++)
        if (slice_eq(text, slice_str(row->words[i]))) {
            *out = i + !row->def;
            return true;
        }
    bad_value(row, text, "a word that is known here", e);
    const char *near = nearest_in(text, row->words);
    return near ? err_try(e, "did you mean \"%s\"?", near) : false;
}

static bool set_text(const struct opt *row, struct slice text, struct arena *a, const char **out, struct err *e)
{
    if (memchr(text.n ? text.p : (const uint8_t *)"", 0, text.n))
        return bad_value(row, text, "text without NUL", e);
    if (row->type == OPT_PATH && text.n == 0)
        return bad_value(row, text, "a path", e);
    if (row->type == OPT_TEXT && !in_range(row, (int64_t)text.n))
        return bad_value(row, text, "text of a length that is allowed", e);
    *out = arena_str(a, text);
    return arena_ok(a, e);
}

static bool digits_of(struct slice s, int64_t *out)
{
    return s.n > 0 && s.n <= 5 && s.p[0] != '-' && number_of(s, units_none, out);
}

bool opt_split_address(struct slice text, char *host, size_t cap, uint16_t *port)
{
    int64_t n;
    size_t at = text.n;
    while (at > 0 && text.p[at - 1] != ':')
        at--;
    if (at == 0 || !digits_of(slice_of(text.p + at, text.n - at), &n) || n > UINT16_MAX)
        return false;
    struct slice h = slice_of(text.p, at - 1);
    bool v6 = h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']';
    if (v6)
        h = slice_of(h.p + 1, h.n - 2);
    if (h.n >= cap || (!v6 && h.n && memchr(h.p, ':', h.n)))
        return false;
    memcpy(host, h.n ? h.p : (const uint8_t *)"", h.n);
    host[h.n] = 0;
    *port = (uint16_t)n;
    return true;
}

static bool set_address(const struct opt *row, struct slice text, struct arena *a, const char **out, struct err *e)
{
    char host[256];
    uint16_t port;
    if (!opt_split_address(text, host, sizeof host, &port))
        return bad_value(row, text, "ADDRESS:PORT", e);
    if (!in_range(row, port))
        return bad_value(row, text, "in the range", e);
    *out = arena_str(a, text);
    return arena_ok(a, e);
}

/* What stands behind the scheme, empty if it is none of them. */
static struct slice behind_scheme(const struct opt *row, struct slice text)
{
    for (size_t i = 0; row->words[i]; i++) {
        size_t n = strlen(row->words[i]);
        if (text.n > n + 3 && memcmp(text.p, row->words[i], n) == 0 && memcmp(text.p + n, "://", 3) == 0)
            return slice_of(text.p + n + 3, text.n - n - 3);
    }
    return (struct slice){0};
}

/* What may stand behind the host. */
static bool is_port(struct slice s)
{
    int64_t n;
    return !s.n || (s.p[0] == ':' && digits_of(slice_of(s.p + 1, s.n - 1), &n) && n > 0 && n <= UINT16_MAX);
}

/* Paths are put behind it, and it stands in tokens (model/token.h). */
static bool is_url(const struct opt *row, struct slice text)
{
    struct slice rest = behind_scheme(row, text);
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] <= ' ' || rest.p[i] >= 0x7f || strchr("\"<>\\^`{|}@?#", rest.p[i]))
            return false;
    return rest.n && rest.p[rest.n - 1] != '/';
}

static bool set_url(const struct opt *row, struct slice text, struct arena *a, const char **out, struct err *e)
{
    struct err why;
    if (!in_range(row, (int64_t)text.n))
        return bad_value(row, text, "a URL of a length that is allowed", e);
    if (!is_url(row, text))
        return bad_value(row, text, "a URL that serves here, without '/' at its end", e);
    const char *url = arena_str(a, text);
    if (!arena_ok(a, e))
        return false;
    struct slice host = host_of_url(url);
    const char *behind = (const char *)host.p + host.n;
    bool closed = host.p[-1] != '[' || *behind++ == ']';
    if (!closed || !is_port(slice_of(behind, strcspn(behind, "/"))))
        return bad_value(row, text, "a URL that serves here", e);
    if (!host_check(host, &why)) {
        bad_value(row, text, "a URL with a host's name or address", e);
        return err_why(e, "%s", why.why);
    }
    *out = url;
    return true;
}

static bool is_separator(uint8_t c)
{
    return c == ',' || c == ' ' || c == '\t';
}

/* The next word from *at on; empty at the end. */
static struct slice next_word(struct slice text, size_t *at)
{
    while (*at < text.n && is_separator(text.p[*at]))
        ++*at;
    size_t start = *at;
    while (*at < text.n && !is_separator(text.p[*at]))
        ++*at;
    return slice_of(text.n ? text.p + start : text.p, *at - start);
}

static bool set_list(const struct opt *row, struct slice text, struct arena *a, struct opt_list *out, struct err *e)
{
    size_t n = 0, at = 0;
    while (next_word(text, &at).n)
        n++;
    if (!in_range(row, (int64_t)n))
        return bad_value(row, text, "a list of a length that is allowed", e);
    struct opt_list l = {.v = arena_array(a, n, sizeof *l.v), .n = n};
    at = 0;
    for (size_t i = 0; arena_ok(a, NULL) && i < n; i++)
        l.v[i] = arena_str(a, next_word(text, &at));
    if (!arena_ok(a, e))
        return false;
    *out = l;
    return true;
}

bool opt_set(const struct opt *row, struct slice text, struct arena *a, void *target, struct err *e)
{
    void *at = (char *)target + row->offset;
    int64_t v;
    switch (row->type) {
    case OPT_BOOL:
        return set_bool(row, text, at, e);
    case OPT_INT:
    case OPT_SECONDS:
    case OPT_MS:
    case OPT_BYTES:
        if (!number_of(text, numbers[row->type].units, &v))
            return bad_value(row, text, numbers[row->type].form, e);
        if (!in_range(row, v))
            return bad_value(row, text, "in the range", e);
        *(int64_t *)at = v;
        return true;
    case OPT_TEXT:
    case OPT_PATH:
        return set_text(row, text, a, at, e);
    case OPT_LIST:
        return set_list(row, text, a, at, e);
    case OPT_ENUM:
        return set_enum(row, text, at, e);
    case OPT_ADDRESS:
        return set_address(row, text, a, at, e);
    case OPT_URL:
        return set_url(row, text, a, at, e);
    }
    return err_set(e, ERR_INTERNAL, "option %s has no type", row->name);
}

bool opt_set_defaults(const struct opt *rows, size_t n, struct arena *a, void *target, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].def && !opt_set(&rows[i], slice_str(rows[i].def), a, target, e))
            return err_ctx(e, "default");
    return true;
}

static bool same_section(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const struct opt *opt_find(const struct opt *rows, size_t n, const char *section, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (same_section(rows[i].section, section) && slice_eq(name, slice_str(rows[i].name)))
            return &rows[i];
    return NULL;
}

/* The first of those that are named which is given, or is not. */
static const struct opt *named(const struct opt *rows, size_t n, const struct opt *of, const char *names,
                               const bool *given, bool wanted)
{
    struct slice all = slice_str(names ? names : "");
    size_t at = 0;
    for (struct slice w = next_word(all, &at); w.n; w = next_word(all, &at)) {
        const struct opt *row = opt_find(rows, n, of->section, w);
        if (row && given[row - rows] == wanted)
            return row;
    }
    return NULL;
}

bool opt_find_clash(const struct opt *rows, size_t n, const bool *given, struct opt_clash *out)
{
    *out = (struct opt_clash){0};
    for (size_t i = 0; i < n && !out->other; i++) {
        if (!given[i])
            continue;
        *out = (struct opt_clash){&rows[i], named(rows, n, &rows[i], rows[i].needs, given, false), false};
        if (!out->other)
            *out = (struct opt_clash){&rows[i], named(rows, n, &rows[i], rows[i].not_with, given, true), true};
    }
    return out->other;
}

bool opt_refuse_clash(const struct opt_clash *c, struct err *e)
{
    const char *dashes = c->row->section ? "" : "--", *a = c->row->name, *b = c->other->name;
    const char *value = c->row->section ? "" : opt_arg_name(c->other);
    if (c->excluded) {
        err_set(e, ERR_OPTION, "%s%s and %s%s exclude each other", dashes, a, dashes, b);
        err_why(e, "beside the one the other would do nothing");
        return err_try(e, "leave one of them out");
    }
    err_set(e, ERR_OPTION, "%s%s needs %s%s", dashes, a, dashes, b);
    err_why(e, "without that it would do nothing");
    return err_try(e, "add %s%s%s%s, or leave %s%s out", dashes, b, *value ? " " : "", value, dashes, a);
}
