#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct row {
    enum err_code code;
    const char *slug, *explain;
} rows[] = {
#define ERR_ROW(id, class, number, slug, explain) {id, slug, explain},
#include "core/err_codes.h"
#undef ERR_ROW
};

static const struct {
    int http, exit;
} classes[] = {
    [ERR_CLASS_NONE] = {200, 0},     [ERR_CLASS_USAGE] = {400, 2},     [ERR_CLASS_SYNTAX] = {400, 6},
    [ERR_CLASS_POLICY] = {403, 6},   [ERR_CLASS_AUTH] = {401, 4},      [ERR_CLASS_NOTFOUND] = {404, 3},
    [ERR_CLASS_CONFLICT] = {409, 5}, [ERR_CLASS_RATE] = {429, 1},      [ERR_CLASS_UNAVAILABLE] = {503, 7},
    [ERR_CLASS_IO] = {500, 1},       [ERR_CLASS_CRYPTO] = {400, 6},    [ERR_CLASS_INTERNAL] = {500, 1},
    [ERR_CLASS_SIZE] = {413, 1},     [ERR_CLASS_FORBIDDEN] = {403, 4},
};

static const struct row *row_of(enum err_code code)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].code == code)
            return &rows[i];
    return NULL;
}

/* What does not fit says so: a command that ends in the middle would be run as it stands. */
static void PRINTF_LIKE(3, 0) put(char *dst, size_t cap, const char *fmt, va_list ap)
{
    int n = vsnprintf(dst, cap, fmt, ap);
    if (n >= 0 && (size_t)n >= cap)
        memcpy(dst + cap - 4, "...", 4);
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e)
        return false;
    err_clear(e);
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    put(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    return false;
}

bool err_why(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    va_list ap;
    va_start(ap, fmt);
    put(e->why, sizeof e->why, fmt, ap);
    va_end(ap);
    return false;
}

bool err_try(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    va_list ap;
    va_start(ap, fmt);
    put(e->hint, sizeof e->hint, fmt, ap);
    va_end(ap);
    return false;
}

bool err_ctx(struct err *e, const char *fmt, ...)
{
    if (!e)
        return false;
    char old[ERR_WHAT_MAX];
    memcpy(old, e->what, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->what, sizeof e->what, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->what)
        snprintf(e->what + n, sizeof e->what - (size_t)n, ": %s", old);
    return false;
}

void err_clear(struct err *e)
{
    if (!e)
        return;
    e->code = ERR_NONE;
    e->what[0] = e->why[0] = e->hint[0] = 0;
}

enum err_class err_class_of(enum err_code code)
{
    unsigned c = (unsigned)code >> ERR_CLASS_SHIFT;
    return c < ARRAY_LEN(classes) ? (enum err_class)c : ERR_CLASS_INTERNAL;
}

int err_http_status(enum err_code code)
{
    return classes[err_class_of(code)].http;
}

int err_exit_code(enum err_code code)
{
    return classes[err_class_of(code)].exit;
}

const char *err_slug(enum err_code code)
{
    const struct row *r = row_of(code);
    return r ? r->slug : "none";
}

const char *err_explain(enum err_code code)
{
    const struct row *r = row_of(code);
    return r ? r->explain : "";
}

enum err_code err_from_slug(const char *slug)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(rows[i].slug, slug) == 0)
            return rows[i].code;
    return ERR_NONE;
}

char *err_quote(struct slice s, char *dst, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
        if (n + 4 + 4 > cap) {
            snprintf(dst + n, cap - n, "...");
            return dst;
        }
        n += (size_t)snprintf(dst + n, cap - n, plain ? "%c" : "\\x%02x", c);
    }
    if (cap > n)
        dst[n] = 0;
    return dst;
}
