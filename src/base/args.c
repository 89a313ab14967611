#include "base/args.h"

#include <stdio.h>

#include "base/nearest.h"

struct reading {
    const struct opt *rows;
    size_t n;
    int argc, at;
    char *const *argv;
    struct arena *a;
    void *target;
    bool seen[OPT_ROWS_MAX];
};

static bool unknown(const struct reading *r, struct slice name, struct err *e)
{
    struct nearest near = nearest_of(name);
    for (size_t i = 0; i < r->n; i++)
        if (!r->rows[i].section && !r->rows[i].hidden)
            nearest_offer(&near, r->rows[i].name);
    err_set(e, ERR_OPTION, "there is no option --%s", ERR_QUOTE(name));
    const char *word = nearest_word(&near);
    return word ? err_try(e, "did you mean --%s?", word) : err_try(e, "--help lists the options");
}

/* The value comes with '=', or is the next argument. */
static bool take(struct reading *r, const struct opt *row, const char *value, bool negated, struct err *e)
{
    size_t i = (size_t)(row - r->rows);
    if (r->seen[i] && row->type != OPT_BOOL)
        return err_set(e, ERR_OPTION, "--%s comes twice", row->name);
    r->seen[i] = true;
    if (row->type == OPT_BOOL && !value)
        return opt_set(row, slice_str(negated ? "no" : "yes"), r->a, r->target, e);
    if (!value) {
        if (r->at >= r->argc) {
            err_set(e, ERR_OPTION, "--%s needs a value", row->name);
            return err_try(e, "--%s %s", row->name, opt_arg_name(row));
        }
        value = r->argv[r->at++];
    }
    return opt_set(row, slice_str(value), r->a, r->target, e) || err_ctx(e, "option");
}

static bool take_long(struct reading *r, const char *arg, bool *help, struct err *e)
{
    const char *eq = strchr(arg, '=');
    struct slice name = slice_of(arg, eq ? (size_t)(eq - arg) : strlen(arg));
    const struct opt *row = opt_find(r->rows, r->n, NULL, name);
    if (!row && help && slice_eq(name, SLICE_LIT("help"))) {
        *help = true;
        return true;
    }
    bool negated = !row && name.n > 3 && memcmp(name.p, "no-", 3) == 0;
    if (negated)
        row = opt_find(r->rows, r->n, NULL, slice_of(name.p + 3, name.n - 3));
    if (!row || (negated && (row->type != OPT_BOOL || eq)))
        return unknown(r, name, e);
    return take(r, row, eq ? eq + 1 : NULL, negated, e);
}

static bool take_letters(struct reading *r, const char *p, bool *help, struct err *e)
{
    for (; *p; p++) {
        const struct opt *row = NULL;
        for (size_t i = 0; i < r->n && !row; i++)
            if (!r->rows[i].section && r->rows[i].letter == *p)
                row = &r->rows[i];
        if (!row && help && *p == 'h') {
            *help = true;
            return true;
        }
        if (!row) {
            err_set(e, ERR_OPTION, "there is no option -%s", ERR_QUOTE(slice_of(p, 1)));
            return err_try(e, "--help lists the options");
        }
        if (row->type != OPT_BOOL)
            return take(r, row, p[1] ? p + 1 : NULL, false, e);
        if (!take(r, row, NULL, false, e))
            return false;
    }
    return true;
}

static bool check_required(const struct reading *r, struct err *e)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->rows[i].required && !r->rows[i].section && !r->seen[i]) {
            err_set(e, ERR_OPTION, "--%s is missing", r->rows[i].name);
            err_why(e, "there is no default for it");
            return err_try(e, "--%s %s", r->rows[i].name, opt_arg_name(&r->rows[i]));
        }
    return true;
}

static bool check_clashes(const struct reading *r, struct err *e)
{
    bool given[OPT_ROWS_MAX] = {0};
    struct opt_clash clash;
    for (size_t i = 0; i < r->n; i++) /* --no-token is not given */
        given[i] = r->seen[i] && (r->rows[i].type != OPT_BOOL || *((const bool *)r->target + r->rows[i].offset));
    return !opt_find_clash(r->rows, r->n, given, &clash) || opt_refuse_clash(&clash, e);
}

static bool read_all(struct reading *r, bool stop_at_word, struct args_words *words, bool *help, struct err *e)
{
    bool options = true;
    while (r->at < r->argc) {
        const char *arg = r->argv[r->at++];
        if (!options || arg[0] != '-' || !arg[1]) { /* "-" alone is a word: standard input */
            words->v[words->n++] = arg;
            options = options && !stop_at_word;
        } else if (strcmp(arg, "--") == 0) {
            options = false;
        } else if (!(arg[1] == '-' ? take_long(r, arg + 2, help, e) : take_letters(r, arg + 1, help, e))) {
            return false;
        }
        if (help && *help)
            return true;
    }
    return check_required(r, e) && check_clashes(r, e);
}

bool args_read(const struct opt *rows, size_t n, int argc, char *const *argv, bool stop_at_word, struct arena *a,
               void *target, struct args_words *words, bool *help, struct err *e)
{
    struct reading r = {.rows = rows, .n = n, .argc = argc, .argv = argv, .a = a, .target = target};
    *words = (struct args_words){0};
    if (help)
        *help = false;
    if (n > OPT_ROWS_MAX || argc < 0)
        return err_set(e, ERR_INTERNAL, "%zu option rows", n);
    struct args_words w = {.v = arena_array(a, (size_t)argc + 1, sizeof *w.v)};
    if (!w.v)
        return arena_ok(a, e);
    if (!opt_set_defaults(rows, n, a, target, e) || !read_all(&r, stop_at_word, &w, help, e))
        return false;
    *words = w;
    return true;
}

bool args_ask_version(int argc, char *const *argv, bool *json)
{
    bool version = false;
    *json = false;
    for (int i = 0; i < argc; i++) {
        bool is_version = strcmp(argv[i], "--version") == 0, is_json = strcmp(argv[i], "--json") == 0;
        if (!is_version && !is_json)
            return false;
        version = version || is_version;
        *json = *json || is_json;
    }
    return version;
}

/* How many words of argv the verb's name takes; 0 if it is not this verb. */
static int match(const char *name, int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        size_t n = strlen(argv[i]);
        if (n == 0 || strncmp(name, argv[i], n) != 0 || (name[n] != ' ' && name[n] != 0))
            return 0;
        if (name[n] == 0)
            return i + 1;
        name += n + 1;
    }
    return 0;
}

/* "device" of "device add". */
static const char *second_word(const char *name, const char *group)
{
    size_t n = strlen(group);
    return n && strncmp(name, group, n) == 0 && name[n] == ' ' ? name + n + 1 : NULL;
}

bool args_is_group(const struct verb *verbs, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (second_word(verbs[i].name, word))
            return true;
    return false;
}

static void try_group(const struct verb *verbs, size_t n, const char *group, struct err *e)
{
    char words[ERR_TRY_MAX - 40] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof words; i++) {
        const char *word = second_word(verbs[i].name, group);
        if (word)
            used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used ? ", " : "", word);
    }
    err_try(e, "one of these behind it: %s", words);
}

static bool unknown_verb(const struct verb *verbs, size_t n, int argc, char *const *argv, struct err *e)
{
    struct buf said;
    buf_init(&said, 100);
    for (int i = 0; i < argc && i < 2 && argv[i][0] != '-'; i++)
        buf_printf(&said, "%s%s", i ? " " : "", argv[i]);
    struct nearest near = nearest_of(buf_slice(&said));
    for (size_t i = 0; i < n; i++)
        nearest_offer(&near, verbs[i].name);
    if (said.n)
        err_set(e, ERR_OPTION, "there is no command \"%s\"", ERR_QUOTE(buf_slice(&said)));
    else
        err_set(e, ERR_OPTION, "a command is missing");
    /* Of a group all that there is; "device" alone is near to "device ls", but no slip. */
    if (argc == 1 && args_is_group(verbs, n, argv[0])) {
        err_set(e, ERR_OPTION, "\"%s\" is the beginning of several commands", ERR_QUOTE(slice_str(argv[0])));
        try_group(verbs, n, argv[0], e);
    } else if (nearest_word(&near)) {
        err_try(e, "did you mean \"%s\"?", nearest_word(&near));
    } else if (argc > 0 && args_is_group(verbs, n, argv[0])) {
        try_group(verbs, n, argv[0], e);
    } else {
        err_try(e, "--help lists the commands");
    }
    buf_clear(&said);
    return false;
}

bool args_find_verb(const struct verb *verbs, size_t n, int argc, char *const *argv, const struct verb **out, int *used,
                    struct err *e)
{
    *out = NULL;
    *used = 0;
    for (size_t i = 0; i < n; i++) {
        int m = match(verbs[i].name, argc, argv);
        if (m > *used) {
            *out = &verbs[i];
            *used = m;
        }
    }
    return *out || unknown_verb(verbs, n, argc, argv, e);
}

bool args_run_verb(const struct verb *v, int argc, char *const *argv, struct arena *a, void *ctx, bool *help,
                   struct err *e)
{
    struct args_words words;
    void *opts = arena_alloc(a, v->opts_size);
    *help = false;
    if (!opts)
        return arena_ok(a, e);
    if (!args_read(v->rows, v->rows_n, argc, argv, false, a, opts, &words, help, e))
        return false;
    if (*help)
        return true;
    for (size_t i = 0; i < words.n; i++)
        if (!words.v[i][0]) { /* a variable of the shell that is not set: never meant */
            err_set(e, ERR_OPTION, "%s: word %zu is empty", v->name, i + 1);
            return err_try(e, "%s %s", v->name, v->args ? v->args : "");
        }
    if (words.n >= v->words_min && words.n <= v->words_max)
        return v->run(ctx, opts, &words, e);
    if (words.n < v->words_min)
        err_set(e, ERR_OPTION, "%s: something is missing", v->name);
    else
        err_set(e, ERR_OPTION, "%s: \"%s\" is too much", v->name, ERR_QUOTE(slice_str(words.v[v->words_max])));
    return v->args && *v->args ? err_try(e, "%s %s", v->name, v->args) : err_try(e, "%s --help", v->name);
}
