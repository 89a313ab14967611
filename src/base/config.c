#include "base/config.h"

#include "base/nearest.h"

#define SECTION_MAX 64
#define KEY_MAX     64
#define VALUE_MAX   4096

struct cursor {
    const char *file;
    struct slice text; /* of this line */
    unsigned line;
    size_t at;
};

static bool complain(const struct cursor *c, size_t at, struct err *e, const char *what)
{
    return err_set(e, ERR_CONFIG, "%s:%u:%zu: %s", c->file, c->line, at + 1, what);
}

static uint8_t peek(const struct cursor *c)
{
    return c->at < c->text.n ? c->text.p[c->at] : 0;
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->text.n && (peek(c) == ' ' || peek(c) == '\t'))
        c->at++;
}

static bool is_word_char(uint8_t ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-' || ch == '.';
}

static struct slice word(struct cursor *c)
{
    size_t start = c->at;
    while (c->at < c->text.n && is_word_char(peek(c)))
        c->at++;
    return slice_of(c->text.p + start, c->at - start);
}

static bool at_end(struct cursor *c)
{
    skip_blanks(c);
    return c->at == c->text.n || peek(c) == '#';
}

static bool read_section(struct cursor *c, char section[SECTION_MAX], struct err *e)
{
    c->at++; /* '[' */
    skip_blanks(c);
    struct slice w = word(c);
    if (w.n == 0 || w.n >= SECTION_MAX)
        return complain(c, c->at, e, "a section's name is expected: [name]");
    skip_blanks(c);
    if (peek(c) != ']')
        return complain(c, c->at, e, "']' is expected");
    c->at++;
    if (!at_end(c))
        return complain(c, c->at, e, "nothing but a comment may follow ']'");
    memcpy(section, w.p, w.n);
    section[w.n] = 0;
    return true;
}

static int hex_value(uint8_t ch)
{
    return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* Behind a backslash; the result goes to *out. */
static bool read_escape(struct cursor *c, char *out, struct err *e)
{
    static const char from[] = "\"\\nt", to[] = "\"\\\n\t";
    uint8_t ch = peek(c);
    const char *p = ch ? strchr(from, ch) : NULL;
    if (p) {
        *out = to[p - from];
        c->at++;
        return true;
    }
    if (ch == 'x' && c->at + 2 < c->text.n) {
        int hi = hex_value(c->text.p[c->at + 1]), lo = hex_value(c->text.p[c->at + 2]);
        if (hi >= 0 && lo >= 0 && (hi | lo)) {
            *out = (char)(hi << 4 | lo);
            c->at += 3;
            return true;
        }
    }
    return complain(c, c->at - 1, e, "an escape is one of \\\" \\\\ \\n \\t \\xNN");
}

static bool read_quoted(struct cursor *c, char value[VALUE_MAX], struct slice *out, struct err *e)
{
    size_t start = c->at++, n = 0;
    for (;;) {
        if (c->at >= c->text.n)
            return complain(c, start, e, "the quote is not closed on this line");
        if (n >= VALUE_MAX)
            return complain(c, start, e, "the value is too long");
        uint8_t ch = c->text.p[c->at++];
        if (ch == '"')
            break;
        value[n] = (char)ch;
        if (ch == '\\' && !read_escape(c, &value[n], e))
            return false;
        n++;
    }
    *out = slice_of(value, n);
    return at_end(c) || complain(c, c->at, e, "nothing but a comment may follow the value");
}

/* An unquoted value ends at " #"; a '#' within a word belongs to it. */
static bool read_plain(struct cursor *c, struct slice *out, struct err *e)
{
    size_t start = c->at, end = start;
    for (; c->at < c->text.n; c->at++) {
        uint8_t ch = peek(c);
        bool blank = ch == ' ' || ch == '\t';
        if (ch == '"')
            return complain(c, c->at, e, "a quote must stand around the whole value");
        if (ch == '#' && (c->at == start || c->at > end))
            break;
        if (!blank)
            end = c->at + 1;
    }
    *out = slice_of(c->text.p + start, end - start);
    if (out->n >= VALUE_MAX)
        return complain(c, start, e, "the value is too long");
    if (out->n)
        return true;
    complain(c, start, e, "a value is missing");
    return err_try(e, "write \"\" for an empty text, or remove the line for the default");
}

static bool read_pair(struct cursor *c, char value[VALUE_MAX], struct config_line *line, struct err *e)
{
    size_t start = c->at;
    line->column = (unsigned)start + 1;
    line->key = word(c);
    if (line->key.n == 0 || line->key.n >= KEY_MAX)
        return complain(c, start, e, "a key in lower case or a [section] is expected");
    skip_blanks(c);
    if (peek(c) != '=')
        return complain(c, c->at, e, "'=' is expected");
    c->at++;
    skip_blanks(c);
    return peek(c) == '"' ? read_quoted(c, value, &line->value, e) : read_plain(c, &line->value, e);
}

static bool check_bytes(const struct cursor *c, struct err *e)
{
    for (size_t i = 0; i < c->text.n; i++)
        if ((c->text.p[i] < 0x20 && c->text.p[i] != '\t') || c->text.p[i] == 0x7f)
            return complain(c, i, e, "a control character");
    return true;
}

static bool scan_line(struct cursor *c, char section[SECTION_MAX], config_fn *fn, void *ctx, struct err *e)
{
    char value[VALUE_MAX];
    if (!check_bytes(c, e))
        return false;
    if (at_end(c))
        return true;
    struct config_line line = {.section = section, .line = c->line, .column = (unsigned)c->at + 1};
    if (peek(c) == '[') {
        if (!read_section(c, section, e))
            return false;
    } else if (!read_pair(c, value, &line, e)) {
        return false;
    }
    if (fn(ctx, &line, e))
        return true;
    if (e)
        e->code = ERR_CONFIG;
    return err_ctx(e, "%s:%u:%u", c->file, line.line, line.column);
}

bool config_scan(const char *file, struct slice text, config_fn *fn, void *ctx, struct err *e)
{
    char section[SECTION_MAX] = "";
    if (text.n > CONFIG_MAX)
        return err_set(e, ERR_TOO_BIG, "%s has %zu bytes, more than %d", file, text.n, CONFIG_MAX);
    for (unsigned no = 1; text.n; no++) {
        struct cursor c = {.file = file, .line = no, .text = slice_take_line(&text)};
        if (c.text.n && c.text.p[c.text.n - 1] == '\r')
            c.text.n--;
        if (!scan_line(&c, section, fn, ctx, e))
            return false;
    }
    return true;
}

struct reading {
    const struct opt *rows;
    size_t n;
    struct arena *a;
    void *target;
    unsigned line_of[OPT_ROWS_MAX];    /* where it was set; 0: not yet */
    const char *text_of[OPT_ROWS_MAX]; /* and to what */
};

static bool take_section(const struct reading *r, const char *section, struct err *e)
{
    struct nearest near = nearest_of(slice_str(section));
    for (size_t i = 0; i < r->n; i++) {
        if (!r->rows[i].section)
            continue;
        if (strcmp(r->rows[i].section, section) == 0)
            return true;
        nearest_offer(&near, r->rows[i].section);
    }
    err_set(e, ERR_CONFIG, "there is no section [%s]", section);
    const char *word_near = nearest_word(&near);
    return word_near ? err_try(e, "did you mean [%s]?", word_near) : false;
}

static bool unknown_key(const struct reading *r, const struct config_line *line, struct err *e)
{
    struct nearest near = nearest_of(line->key);
    for (size_t i = 0; i < r->n; i++) {
        if (!r->rows[i].section)
            continue;
        if (slice_eq(line->key, slice_str(r->rows[i].name))) {
            err_set(e, ERR_CONFIG, "section [%s] has no \"%s\"", line->section, r->rows[i].name);
            return err_try(e, "it belongs into section [%s]", r->rows[i].section);
        }
        if (strcmp(r->rows[i].section, line->section) == 0)
            nearest_offer(&near, r->rows[i].name);
    }
    err_set(e, ERR_CONFIG, "section [%s] has no \"%s\"", line->section, ERR_QUOTE(line->key));
    const char *word_near = nearest_word(&near);
    return word_near ? err_try(e, "did you mean \"%s\"?", word_near) : false;
}

static bool take_line(void *ctx, const struct config_line *line, struct err *e)
{
    struct reading *r = ctx;
    if (line->key.n == 0)
        return take_section(r, line->section, e);
    const struct opt *row = opt_find(r->rows, r->n, line->section, line->key);
    if (!row)
        return unknown_key(r, line, e);
    unsigned *set = &r->line_of[row - r->rows];
    if (*set) {
        err_set(e, ERR_CONFIG, "\"%s\" was set on line %u already", row->name, *set);
        return err_why(e, "a word that comes twice has no clear value");
    }
    *set = line->line;
    r->text_of[row - r->rows] = arena_str(r->a, line->value);
    return opt_set(row, line->value, r->a, r->target, e);
}

/* Two words that fit by themselves and not together; the place is where the one of them was set that may have been meant. */
static bool check_pair(const struct reading *r, const char *file, size_t i, struct err *e)
{
    const struct opt *row = &r->rows[i], *other = opt_find(r->rows, r->n, row->section, slice_str(row->less_than));
    int64_t v[2];
    if (!other)
        return err_set(e, ERR_INTERNAL, "option %s has nothing to be less than", row->name);
    size_t k = (size_t)(other - r->rows);
    memcpy(&v[0], (const char *)r->target + row->offset, sizeof v[0]);
    memcpy(&v[1], (const char *)r->target + other->offset, sizeof v[1]);
    if (v[0] < v[1])
        return true;
    const char *text = r->text_of[i] ? r->text_of[i] : row->def, *than = r->text_of[k] ? r->text_of[k] : other->def;
    err_set(e, ERR_CONFIG, "%s:%u: %s: \"%s\" is not less than %s, which is \"%s\"", file,
            r->line_of[i] ? r->line_of[i] : r->line_of[k], row->name, ERR_QUOTE(slice_str(text)), other->name,
            ERR_QUOTE(slice_str(than)));
    err_why(e, "what is made anew that seldom would be too old by then");
    return err_try(e, "the defaults are %s = %s, %s = %s", row->name, row->def, other->name, other->def);
}

static bool check_clashes(const struct reading *r, const char *file, struct err *e)
{
    bool given[OPT_ROWS_MAX] = {0};
    struct opt_clash clash;
    for (size_t i = 0; i < r->n; i++)
        given[i] = r->line_of[i];
    if (!opt_find_clash(r->rows, r->n, given, &clash))
        return true;
    (void)opt_refuse_clash(&clash, e);
    e->code = ERR_CONFIG;
    return err_ctx(e, "%s:%u: [%s]", file, r->line_of[clash.row - r->rows], clash.row->section);
}

bool config_read(const char *file, struct slice text, const struct opt *rows, size_t n, struct arena *a, void *target,
                 struct err *e)
{
    struct reading r = {.rows = rows, .n = n, .a = a, .target = target};
    if (n > OPT_ROWS_MAX)
        return err_set(e, ERR_INTERNAL, "%zu option rows", n);
    if (!opt_set_defaults(rows, n, a, target, e) || !config_scan(file, text, take_line, &r, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (rows[i].required && rows[i].section && !r.line_of[i]) {
            err_set(e, ERR_CONFIG, "%s: \"%s\" is missing in section [%s]", file, rows[i].name, rows[i].section);
            return err_try(e, "add %s = %s", rows[i].name, opt_arg_name(&rows[i]));
        }
    if (!check_clashes(&r, file, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (rows[i].less_than && !check_pair(&r, file, i, e))
            return false;
    return arena_ok(a, e);
}

struct looking {
    const char *section, *key;
    unsigned line;
};

static bool look_at(void *ctx, const struct config_line *line, struct err *e)
{
    struct looking *l = ctx;
    (void)e;
    if (strcmp(line->section, l->section) == 0 && slice_eq(line->key, slice_str(l->key)))
        l->line = line->line;
    return true;
}

unsigned config_line_of(struct slice text, const char *section, const char *key)
{
    struct looking l = {.section = section, .key = key};
    struct err ignored;
    return config_scan("", text, look_at, &l, &ignored) ? l.line : 0;
}

void config_put_value(struct buf *b, struct slice v)
{
    bool plain = v.n > 0;
    for (size_t i = 0; i < v.n; i++)
        plain = plain && v.p[i] > ' ' && v.p[i] != 0x7f && !strchr("\"#\\", v.p[i]);
    if (plain) {
        buf_put(b, v);
        return;
    }
    buf_put_char(b, '"');
    for (size_t i = 0; i < v.n; i++) {
        uint8_t ch = v.p[i];
        if (ch == '"' || ch == '\\')
            buf_printf(b, "\\%c", ch);
        else if (ch < ' ' || ch == 0x7f)
            buf_printf(b, "\\x%02x", ch);
        else
            buf_put_char(b, (char)ch);
    }
    buf_put_char(b, '"');
}
