#include "base/problem.h"

/* What came from a command line may steer the terminal, or begin a line of its own. */
static void put_line(FILE *f, const char *text)
{
    for (; *text; text++)
        fprintf(f, (unsigned char)*text < ' ' || *text == 0x7f ? "\\x%02x" : "%c", (unsigned char)*text);
    fputc('\n', f);
}

void problem_print(FILE *f, const char *word, const struct err *e)
{
    fprintf(f, "%s[%s]: ", word, err_slug(e->code));
    put_line(f, e->what);
    if (e->why[0]) {
        fputs("why: ", f);
        put_line(f, e->why);
    }
    if (e->hint[0]) {
        fputs("try: ", f);
        put_line(f, e->hint);
    }
}

void problem_print_json(FILE *f, const struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 8192);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_map(&o, "error");
    json_out_text(&o, "code", err_slug(e->code));
    json_out_text(&o, "what", e->what);
    json_out_text(&o, "why", e->why[0] ? e->why : NULL);
    json_out_text(&o, "try", e->hint[0] ? e->hint : NULL);
    json_out_end(&o);
    json_out_end(&o);
    fprintf(f, "%s\n", buf_str(&b));
}

/* The line behind `mark` where it stands at the text's beginning; the text goes on behind it. */
static bool take_line(struct slice *text, const char *mark, struct slice *line)
{
    struct slice rest = *text, l;
    size_t n = strlen(mark);
    if (!slice_take_ended_line(&rest, &l) || l.n < n || memcmp(l.p, mark, n) != 0)
        return false;
    *line = slice_of(l.p + n, l.n - n);
    *text = rest;
    return true;
}

bool problem_read(struct slice *text, const char *word, struct err *out)
{
    char slug[64], mark[32];
    struct slice line, what;
    snprintf(mark, sizeof mark, "%s[", word);
    while (!take_line(text, mark, &line)) /* other talk */
        if (!take_line(text, "", &line))
            return false;
    const uint8_t *end = memmem(line.p, line.n, "]: ", 3);
    if (!end)
        return false;
    snprintf(slug, sizeof slug, "%.*s", (int)(end - line.p), (const char *)line.p);
    what = slice_of(end + 3, line.n - (size_t)(end + 3 - line.p));
    err_set(out, err_from_slug(slug), "%.*s", (int)what.n, (const char *)what.p);
    if (take_line(text, "why: ", &line))
        err_why(out, "%.*s", (int)line.n, (const char *)line.p);
    if (take_line(text, "try: ", &line))
        err_try(out, "%.*s", (int)line.n, (const char *)line.p);
    return true;
}
