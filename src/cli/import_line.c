#include "cli/import_line.h"

#include "base/nearest.h"
#include "cli/tags.h"

static void put_common(struct json_out *o, const struct import_opts *io, bool has_model, bool has_owner)
{
    if (io->model && !has_model)
        json_out_text(o, "model", io->model);
    if (io->owner && !has_owner)
        json_out_text(o, "owner", io->owner);
    if (io->token)
        json_out_bool(o, "token", true);
    if (io->token && io->expires_s)
        json_out_int(o, "expires_s", io->expires_s);
}

static bool is_tag(const char *title)
{
    return strncmp(title, "tag:", 4) == 0;
}

bool import_line_check_title(const char *title, struct err *e)
{
    static const char *const titles[] = {"model", "serial", "owner", "tags", "tag:NAME", NULL};
    return is_tag(title) || nearest_check(ERR_SYNTAX, "column", title, titles, e);
}

bool import_line_of_csv(const char *const *titles, const char *const *fields, size_t n, const struct import_opts *io,
                        struct arena *a, struct buf *line, struct err *e)
{
    bool model = false, owner = false;
    struct opt_list tags = {0};
    struct json_out o = json_out_of(line);
    json_out_map(&o, NULL);
    for (size_t i = 0; i < n; i++) {
        if (!fields[i][0])
            continue;
        if (strcmp(titles[i], "tags") == 0) {
            if (!tags_split(fields[i], a, &tags, e))
                return false;
        } else if (is_tag(titles[i])) {
            if (!tags_add(arena_printf(a, "%s=%s", titles[i] + 4, fields[i]), a, &tags, e))
                return false;
        } else {
            model = model || strcmp(titles[i], "model") == 0;
            owner = owner || strcmp(titles[i], "owner") == 0;
            json_out_text(&o, titles[i], fields[i]);
        }
    }
    if (tags.n && !tags_put(&o, tags.v, tags.n, a, e))
        return false;
    put_common(&o, io, model, owner);
    json_out_end(&o);
    return true;
}

bool import_line_of_json(struct slice line, const struct import_opts *io, struct buf *out, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    if (!json_read(line, IMPORT_LINE_MAX, &j, e))
        return false;
    if (!json_is_map(j))
        return err_set(e, ERR_JSON, "the line is no JSON map");
    struct json_out o = json_out_of(out);
    json_out_map(&o, NULL);
    for (size_t i = 0; i < json_count(j); i++)
        if (strcmp(json_key(j, i), "token") != 0 && strcmp(json_key(j, i), "expires_s") != 0)
            json_put(&o, json_key(j, i), json_value(j, i));
    put_common(&o, io, json_has(j, "model"), json_has(j, "owner"));
    json_out_end(&o);
    return true;
}
