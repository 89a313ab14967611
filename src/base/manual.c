#include "base/manual.h"

#include "base/json_out.h"
#include "base/program.h"

#define HELP_COLUMN 30

/* "--name ARG" as it stands in the left column. */
static void put_usage(struct buf *b, const struct opt *row)
{
    if (row->letter)
        buf_printf(b, "-%c, ", row->letter);
    const char *arg = opt_arg_name(row);
    buf_printf(b, "--%s%s%s", row->name, *arg ? " " : "", arg);
}

static void put_padded(struct buf *b, size_t start)
{
    size_t used = b->n - start;
    if (used >= HELP_COLUMN) {
        buf_put_char(b, '\n');
        used = 0;
    }
    buf_printf(b, "%*s", (int)(HELP_COLUMN - used), "");
}

/* "from token" -> "(with --from, --token)" */
static void put_company(struct buf *b, const char *before, const struct opt *row, const char *names, const char *behind)
{
    for (const char *s = names; s && *s; s += strcspn(s, " "), s += strspn(s, " "))
        buf_printf(b, "%s%s%.*s", s == names ? before : ", ", row->section ? "" : "--", (int)strcspn(s, " "), s);
    buf_put_str(b, names ? behind : "");
}

static void put_options(struct buf *b, const struct opt *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].section || rows[i].hidden)
            continue;
        size_t start = b->n;
        buf_put_str(b, "  ");
        put_usage(b, &rows[i]);
        put_padded(b, start);
        buf_put_str(b, rows[i].help ? rows[i].help : "");
        if (rows[i].def && *rows[i].def && rows[i].type != OPT_BOOL)
            buf_printf(b, " (default: %s)", rows[i].def);
        put_company(b, " (with ", &rows[i], rows[i].needs, ")");
        put_company(b, " (not with ", &rows[i], rows[i].not_with, ")");
        buf_put_char(b, '\n');
    }
}

static struct slice first_line(const char *s)
{
    return slice_of(s, strcspn(s, "\n"));
}

static size_t shown_options(const struct opt *rows, size_t n)
{
    size_t shown = 0;
    for (size_t i = 0; i < n; i++)
        shown += !rows[i].section && !rows[i].hidden;
    return shown;
}

void manual_put_help(struct buf *b, const struct manual_program *p)
{
    buf_printf(b, "usage: %s %s\n%s\n", p->name, p->synopsis, p->about);
    if (p->verbs_n)
        buf_put_str(b, "\ncommands:\n");
    for (size_t i = 0; i < p->verbs_n; i++) {
        size_t start = b->n;
        buf_printf(b, "  %s%s%s", p->verbs[i].name, p->verbs[i].args ? " " : "",
                   p->verbs[i].args ? p->verbs[i].args : "");
        put_padded(b, start);
        buf_put(b, first_line(p->verbs[i].help));
        buf_put_char(b, '\n');
    }
    if (shown_options(p->rows, p->rows_n))
        buf_put_str(b, "\noptions:\n");
    put_options(b, p->rows, p->rows_n);
}

void manual_put_version(struct buf *b, const char *program, bool json)
{
    if (!json) {
        buf_printf(b, "%s " KITH_VERSION "\n", program);
        return;
    }
    struct json_out o = json_out_of(b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_text(&o, "program", program);
    json_out_text(&o, "version", KITH_VERSION);
    json_out_end(&o);
    buf_put_char(b, '\n');
}

bool manual_read_args(const struct manual_program *p, int argc, char *const *argv, struct arena *a, void *target,
                      struct buf *said, struct err *e)
{
    struct args_words words;
    bool help, json;
    buf_init(said, 8192);
    if (args_ask_version(argc, argv, &json)) {
        manual_put_version(said, p->name, json);
        return true;
    }
    if (!args_read(p->rows, p->rows_n, argc, argv, false, a, target, &words, &help, e))
        return false;
    if (help)
        manual_put_help(said, p);
    return !words.n || err_set(e, ERR_USAGE, "%s takes no words: \"%s\"", p->name, ERR_QUOTE(slice_str(words.v[0])));
}

void manual_put_verb_help(struct buf *b, const struct manual_program *p, const struct verb *v)
{
    bool options = shown_options(v->rows, v->rows_n) > 0;
    const char *words = v->args ? v->args : "";
    buf_printf(b, "usage: %s %s%s%s%s\n%s\n", p->name, v->name, options ? " [options]" : "", *words ? " " : "", words,
               v->help);
    if (options)
        buf_put_str(b, "\noptions:\n");
    put_options(b, v->rows, v->rows_n);
}

/* A name as part of a shell function's name. */
static void put_identifier(struct buf *b, const char *s)
{
    for (; *s; s++)
        buf_put_char(b, *s == '-' || *s == ' ' ? '_' : *s);
}

static void put_option_names(struct buf *b, const struct opt *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!rows[i].section && !rows[i].hidden)
            buf_printf(b, " --%s", rows[i].name);
}

#define FILES "COMPREPLY=($(compgen -f -- \"$cur\"));"

static void put_choices(struct buf *b, const char *const *words)
{
    buf_put_str(b, "COMPREPLY=($(compgen -W '");
    for (size_t k = 0; words[k]; k++)
        buf_printf(b, "%s%s", k ? " " : "", words[k]);
    buf_put_str(b, "' -- \"$cur\"));");
}

/* What may stand behind an option that takes a value. */
static void put_values(struct buf *b, const struct opt *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct opt *r = &rows[i];
        if (r->section || r->hidden || r->type == OPT_BOOL)
            continue;
        buf_printf(b, "    --%s) ", r->name);
        if (r->words)
            put_choices(b, r->words);
        else if (r->type == OPT_PATH)
            buf_put_str(b, FILES);
        buf_put_str(b, " return;;\n");
    }
}

/* The options behind which a value stands, as a pattern of the shell. */
static void put_valued(struct buf *b, const struct opt *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!rows[i].section && !rows[i].hidden && rows[i].type != OPT_BOOL)
            buf_printf(b, "|--%s", rows[i].name);
}

/* What the words behind the verb are: files, or one of those that the program knows. */
static void put_words_of(struct buf *b, const struct manual_program *p, const struct verb *v)
{
    if (!v->args)
        return;
    for (size_t i = 0; p->choices && p->choices[i].arg; i++)
        if (strcmp(v->args, p->choices[i].arg) == 0) {
            buf_put_str(b, " [[ $cur == -* ]] || { ");
            put_choices(b, p->choices[i].words);
            buf_put_str(b, " return; };");
            return;
        }
    if (strstr(v->args, "FILE"))
        buf_put_str(b, " [[ $cur == -* ]] || { " FILES " return; };");
}

/* The verbs' first words, then for each first word its second ones. */
static void put_verb_words(struct buf *b, const struct manual_program *p)
{
    buf_put_str(b, "    '')  words+=' ");
    for (size_t i = 0; i < p->verbs_n; i++) {
        size_t n = strcspn(p->verbs[i].name, " ");
        if (i == 0 || strncmp(p->verbs[i - 1].name, p->verbs[i].name, n) != 0 || !strchr(" ", p->verbs[i - 1].name[n]))
            buf_printf(b, "%.*s ", (int)n, p->verbs[i].name);
    }
    buf_put_str(b, "';;\n");
    for (size_t i = 0; i < p->verbs_n; i++) {
        const char *second = strchr(p->verbs[i].name, ' ');
        if (!second)
            continue;
        size_t n = (size_t)(second - p->verbs[i].name);
        if (i && strncmp(p->verbs[i - 1].name, p->verbs[i].name, n + 1) == 0)
            continue;
        buf_printf(b, "    '%.*s') words+='", (int)n, p->verbs[i].name);
        for (size_t k = i; k < p->verbs_n && strncmp(p->verbs[k].name, p->verbs[i].name, n + 1) == 0; k++)
            buf_printf(b, " %s", p->verbs[k].name + n + 1);
        buf_put_str(b, "';;\n");
    }
    for (size_t i = 0; i < p->verbs_n; i++) {
        buf_printf(b, "    '%s'|'%s '*) words+='", p->verbs[i].name, p->verbs[i].name);
        put_option_names(b, p->verbs[i].rows, p->verbs[i].rows_n);
        buf_put_str(b, "';");
        put_words_of(b, p, &p->verbs[i]);
        buf_put_str(b, ";\n");
    }
}

void manual_put_completion(struct buf *b, const struct manual_program *p)
{
    buf_put_char(b, '_');
    put_identifier(b, p->name);
    buf_put_str(b,
                "()\n{\n  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} said='' words='--help'"
                " i\n"
                "  [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n  [[ $cur == = ]] && cur=\n"
                "  case $prev in\n");
    put_values(b, p->rows, p->rows_n);
    for (size_t i = 0; i < p->verbs_n; i++)
        put_values(b, p->verbs[i].rows, p->verbs[i].rows_n);
    buf_put_str(b, "  esac\n  for ((i = 1; i < COMP_CWORD; i++)); do\n    case ${COMP_WORDS[i]} in\n    ''");
    put_valued(b, p->rows, p->rows_n);
    for (size_t i = 0; i < p->verbs_n; i++)
        put_valued(b, p->verbs[i].rows, p->verbs[i].rows_n);
    buf_put_str(b, ") i=$((i + 1)); [[ ${COMP_WORDS[i]} == = ]] && i=$((i + 1));;\n    -*) ;;\n"
                   "    *) said+=${said:+ }${COMP_WORDS[i]};;\n    esac\n  done\n");
    buf_put_str(b, "  words+='");
    put_option_names(b, p->rows, p->rows_n);
    buf_put_str(b, "'\n");
    if (p->verbs_n) {
        buf_put_str(b, "  case $said in\n");
        put_verb_words(b, p);
        buf_put_str(b, "  esac\n");
    }
    buf_put_str(b, "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -o default -F _");
    put_identifier(b, p->name);
    buf_printf(b, " %s\n", p->name);
}

/* Text for mdoc(7): a backslash is an escape, and a line must not begin with a dot or an apostrophe. */
static void put_roff(struct buf *b, const char *s)
{
    bool start = true;
    for (; *s; s++) {
        if (start && (*s == '.' || *s == '\''))
            buf_put_str(b, "\\&");
        if (*s == '\\')
            buf_put_str(b, "\\e");
        else if (*s == '-')
            buf_put_str(b, "\\-");
        else
            buf_put_char(b, *s);
        start = *s == '\n';
    }
    buf_put_char(b, '\n');
}

static void put_sentence(struct buf *b, const char *before, const struct opt *row, const char *names)
{
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, 400);
    put_company(&text, before, row, names, ".");
    if (text.n)
        put_roff(b, buf_str(&text));
}

static void put_row_text(struct buf *b, const struct opt *row)
{
    put_roff(b, row->help ? row->help : "");
    size_t before = b->n;
    buf_put_str(b, "Allowed: ");
    size_t label = b->n;
    opt_put_range(b, row);
    if (b->n > label)
        buf_put_str(b, ".\n");
    else
        buf_cut(b, before);
    put_sentence(b, "Only with ", row, row->needs);
    put_sentence(b, "Not with ", row, row->not_with);
    if (row->required)
        buf_put_str(b, "It must be given.\n");
    else if (row->def && *row->def && row->type != OPT_BOOL)
        buf_printf(b, "The default is\n.Ql %s .\n", row->def);
    else if (row->def && row->type == OPT_BOOL)
        buf_printf(b, "The default is %s.\n", row->def);
}

void manual_put_mdoc_options(struct buf *b, const struct opt *rows, size_t n)
{
    buf_put_str(b, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        if (rows[i].section || rows[i].hidden)
            continue;
        buf_put_str(b, ".It");
        if (rows[i].letter)
            buf_printf(b, " Fl %c ,", rows[i].letter);
        buf_printf(b, " Fl \\-%s", rows[i].name);
        if (*opt_arg_name(&rows[i]))
            buf_printf(b, " Ar %s", opt_arg_name(&rows[i]));
        buf_put_char(b, '\n');
        put_row_text(b, &rows[i]);
    }
    buf_put_str(b, ".El\n");
}

void manual_put_mdoc_verbs(struct buf *b, const struct verb *verbs, size_t n)
{
    buf_put_str(b, ".Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        buf_printf(b, ".It Cm %s", verbs[i].name);
        if (verbs[i].args)
            buf_printf(b, " Ar %s", verbs[i].args);
        buf_put_char(b, '\n');
        put_roff(b, verbs[i].help);
        if (shown_options(verbs[i].rows, verbs[i].rows_n))
            manual_put_mdoc_options(b, verbs[i].rows, verbs[i].rows_n);
    }
    buf_put_str(b, ".El\n");
}

void manual_put_mdoc_config(struct buf *b, const struct opt *rows, size_t n)
{
    const char *section = "";
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].section || rows[i].hidden)
            continue;
        if (strcmp(section, rows[i].section) != 0) {
            buf_printf(b, "%s.Ss [%s]\n.Bl -tag -width Ds\n", *section ? ".El\n" : "", rows[i].section);
            section = rows[i].section;
        }
        buf_printf(b, ".It Ic %s = Ar %s\n", rows[i].name,
                   rows[i].type == OPT_BOOL ? "yes | no" : opt_arg_name(&rows[i]));
        put_row_text(b, &rows[i]);
    }
    if (*section)
        buf_put_str(b, ".El\n");
}
