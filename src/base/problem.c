#include "base/problem.h"

void problem_print(FILE *f, const char *word, const struct err *e)
{
    fprintf(f, "%s[%s]: %s\n", word, err_slug(e->code), e->what);
    if (e->why[0])
        fprintf(f, "why: %s\n", e->why);
    if (e->hint[0])
        fprintf(f, "try: %s\n", e->hint);
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
