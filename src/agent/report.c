#include "agent/report.h"

#include "base/json.h"
#include "base/log.h"
#include "base/rfc3339.h"

#define NAME       "status.json"
#define REPORT_MAX 4096

static int64_t time_of(const struct json *j, const char *name)
{
    const char *text;
    int64_t at;
    return json_has(j, name) && json_get_text(j, name, RFC3339_MAX, &text, NULL) && rfc3339_parse(text, &at, NULL) ? at
                                                                                                                   : 0;
}

static void read_error(const struct json *j, struct err *out)
{
    const struct json *x;
    const char *text;
    if (!json_has(j, "error") || !json_get_map(j, "error", &x, NULL) || !json_get_text(x, "code", 64, &text, NULL))
        return;
    enum err_code code = err_from_slug(text);
    if (!json_get_text(x, "what", ERR_WHAT_MAX, &text, NULL))
        return;
    err_set(out, code ? code : ERR_INTERNAL, "%s", text);
    if (json_has(x, "why") && json_get_text(x, "why", ERR_WHY_MAX, &text, NULL))
        err_why(out, "%s", text);
    if (json_has(x, "try") && json_get_text(x, "try", ERR_TRY_MAX, &text, NULL))
        err_try(out, "%s", text);
}

void report_read(const struct state *s, struct report *out)
{
    char path[STATE_PATH_MAX];
    struct buf text;
    AUTO(json_free_auto) struct json *j = NULL;
    *out = (struct report){0};
    buf_init(&text, REPORT_MAX);
    state_path(s, NAME, path);
    if (file_exists(path) && file_read(path, REPORT_MAX, &text, NULL) &&
        json_read(buf_slice(&text), REPORT_MAX, &j, NULL)) {
        out->ok_at = time_of(j, "ok_at");
        out->failed_at = time_of(j, "failed_at");
        read_error(j, &out->error);
    }
    buf_clear(&text);
}

static void put_time(struct json_out *o, const char *name, int64_t at)
{
    if (at)
        json_out_time(o, name, at);
}

void report_write(const struct state *s, const struct env *env, const struct report *r)
{
    char path[STATE_PATH_MAX];
    struct buf b;
    struct err e;
    buf_init(&b, REPORT_MAX);
    struct json_out o = json_out_of(&b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    put_time(&o, "ok_at", r->ok_at);
    put_time(&o, "failed_at", r->failed_at);
    if (r->error.code) {
        json_out_map(&o, "error");
        json_out_text(&o, "code", err_slug(r->error.code));
        json_out_text(&o, "what", r->error.what);
        if (r->error.why[0])
            json_out_text(&o, "why", r->error.why);
        if (r->error.hint[0])
            json_out_text(&o, "try", r->error.hint);
        json_out_end(&o);
    }
    json_out_end(&o);
    if (!file_write_atomic(state_path(s, NAME, path), 0600, buf_slice(&b), &e))
        LOG(env, WARN, "agent", "status.json is not written", log_err(&e));
    buf_clear(&b);
}
