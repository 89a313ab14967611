#include "cli/tags.h"

#include "cli/client.h"
#include "cli/show.h"

#define WORDS_MAX 128 /* each takes 8 bytes of the 1024 that the server keeps */

const struct opt tags_rows[TAGS_ROWS] = {
    {NULL, "remove", OPT_LIST, .arg = "NAME,...", .help = "these are taken off",
     .offset = offsetof(struct tags_opts, remove)},
};

/* The length of the name in "NAME=VALUE"; 0 if it is no such. */
static size_t name_length(const char *word)
{
    const char *eq = strchr(word, '=');
    return eq ? (size_t)(eq - word) : 0;
}

static bool same_name(const char *word, const char *other)
{
    size_t n = name_length(word);
    return n == name_length(other) && memcmp(word, other, n) == 0;
}

static bool put_each(struct json_out *o, const char *const *words, size_t n, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = name_length(words[i]);
        if (len == 0) {
            err_set(e, ERR_OPTION, "tag \"%s\" is not NAME=VALUE", ERR_QUOTE(slice_str(words[i])));
            return err_try(e, "NAME=VALUE, such as site=berlin");
        }
        const char *name = arena_str(a, slice_of(words[i], len));
        for (size_t k = 0; k < i; k++)
            if (same_name(words[i], words[k]))
                return err_set(e, ERR_OPTION, "tag \"%s\" comes twice", ERR_QUOTE(slice_str(name))) ||
                       err_try(e, "each tag once: NAME=VALUE,NAME=VALUE");
        json_out_text(o, name, words[i] + len + 1);
    }
    return true;
}

bool tags_put(struct json_out *o, const char *const *words, size_t n, struct arena *a, struct err *e)
{
    json_out_map(o, "tags");
    bool ok = put_each(o, words, n, a, e);
    json_out_end(o);
    return ok;
}

bool tags_add(const char *word, struct arena *a, struct opt_list *l, struct err *e)
{
    if (l->n == WORDS_MAX)
        return err_set(e, ERR_LIMIT, "more than %d tags", WORDS_MAX);
    l->v = l->v ? l->v : arena_array(a, WORDS_MAX, sizeof *l->v);
    if (!arena_ok(a, e))
        return false;
    l->v[l->n++] = word;
    return true;
}

bool tags_split(const char *text, struct arena *a, struct opt_list *l, struct err *e)
{
    static const char between[] = ";, ";
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t used = strcspn(text, ";,"), n = used;
        while (text[n - 1] == ' ')
            n--;
        if (!tags_add(arena_str(a, slice_of(text, n)), a, l, e))
            return false;
        text += used;
    }
    return true;
}

static bool is_changed(const char *name, const struct tags_opts *o, const struct args_words *words)
{
    for (size_t i = 0; i < o->remove.n; i++)
        if (strcmp(o->remove.v[i], name) == 0)
            return true;
    for (size_t i = 1; i < words->n; i++)
        if (name_length(words->v[i]) == strlen(name) && memcmp(words->v[i], name, strlen(name)) == 0)
            return true;
    return false;
}

static bool check_removed(const struct tags_opts *o, const struct json *before, const char *device, struct err *e)
{
    for (size_t i = 0; i < o->remove.n; i++)
        if (!json_is_map(before) || !json_has(before, o->remove.v[i])) {
            err_set(e, ERR_NOTFOUND, "%s has no tag \"%s\"", device, ERR_QUOTE(slice_str(o->remove.v[i])));
            return err_try(e, "kith device tags %s, which lists them", device);
        }
    return true;
}

static bool show_tags(struct cli *cli, const struct json *j, const struct buf *reply, struct err *e)
{
    const struct json *tags = show_find(j, "tags");
    if (cli->g.json)
        return show_raw(cli, reply, e);
    if (tags && json_is_map(tags) && json_count(tags))
        return show_map(cli, tags, e);
    fputs("none\n", cli->talk);
    return true;
}

/* The server takes all tags at once: those that are not named stay. */
bool tags_run(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct tags_opts *o = opts;
    AUTO(json_free_auto) struct json *was = NULL, *is = NULL;
    AUTO(buf_clear) struct buf body = {0}, reply = {0};
    buf_init(&body, 65536);
    buf_init(&reply, CLI_ANSWER_MAX);
    if (!cli_call_json(cli, "GET", cli_path(cli, "/v1/devices/", words->v[0], ""), NULL, 0, &reply, &was, e))
        return false;
    if (words->n == 1 && o->remove.n == 0)
        return show_tags(cli, was, &reply, e);
    const struct json *before = show_find(was, "tags");
    if (!check_removed(o, before, words->v[0], e))
        return false;
    struct json_out jo = json_out_of(&body);
    json_out_map(&jo, NULL);
    json_out_map(&jo, "tags");
    for (size_t i = 0; json_is_map(before) && i < json_count(before); i++)
        if (!is_changed(json_key(before, i), o, words))
            json_put(&jo, json_key(before, i), json_value(before, i));
    if (!put_each(&jo, words->v + 1, words->n - 1, &cli->arena, e))
        return false;
    json_out_end(&jo);
    json_out_end(&jo);
    return cli_call_json(cli, "POST", cli_path(cli, "/v1/devices/", words->v[0], "/tags"), &body, 0, &reply, &is, e) &&
           show_tags(cli, is, &reply, e);
}
