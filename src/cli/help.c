/* kith explain, completion, manual: what the program says about itself. */
#include "base/manual.h"
#include "base/nearest.h"
#include "cli/cli.h"
#include "ledger/verify.h"

static const char *class_text(enum err_class c)
{
    static const char *const names[] = {"none",      "usage",    "syntax", "policy",      "auth",
                                        "not found", "conflict", "rate",   "unavailable", "io",
                                        "crypto",    "internal", "size",   "forbidden"};
    return c < ARRAY_LEN(names) ? names[c] : "internal";
}

static bool explain_finding(struct cli *cli, const char *name, const char *says, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 4096);
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "finding", name);
        json_out_text(&o, "explanation", says);
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "%s\n%s\na finding of kith ledger verify\n", name, says);
    }
    return cli_write(cli, &b, e);
}

static bool run_explain(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    AUTO(buf_clear) struct buf b = {0};
    (void)opts;
    buf_init(&b, 16384);
    enum err_code code = err_from_slug(words->v[0]);
    const char *finding = finding_explain(words->v[0]);
    if (code == ERR_NONE && finding)
        return explain_finding(cli, words->v[0], finding, e);
    if (code == ERR_NONE) {
        struct nearest near = nearest_of(slice_str(words->v[0]));
#define ERR_ROW(id, class, number, slug, explain) nearest_offer(&near, slug);
#include "core/err_codes.h"
#undef ERR_ROW
        err_set(e, ERR_NOTFOUND, "there is no error code \"%s\"", ERR_QUOTE(slice_str(words->v[0])));
        const char *word = nearest_word(&near);
        /* A short word is near to anything: only one letter may be wrong. */
        if (word && (near.distance <= 1 || near.word.n > 5))
            return err_try(e, "kith explain %s", word);
        return err_try(e, "the code that stands in error[CODE], or a finding's name");
    }
    if (cli->g.json) {
        struct json_out o = json_out_of(&b);
        json_out_map(&o, NULL);
        json_out_int(&o, "v", 1);
        json_out_text(&o, "code", err_slug(code));
        json_out_text(&o, "class", class_text(err_class_of(code)));
        json_out_int(&o, "http_status", err_http_status(code));
        json_out_int(&o, "exit_code", err_exit_code(code));
        json_out_text(&o, "explanation", err_explain(code));
        json_out_end(&o);
        buf_put_char(&b, '\n');
    } else {
        buf_printf(&b, "%s\n%s\nclass %s, HTTP status %d, exit code %d\n", err_slug(code), err_explain(code),
                   class_text(err_class_of(code)), err_http_status(code), err_exit_code(code));
    }
    return cli_write(cli, &b, e);
}

static bool put(struct cli *cli, void (*what)(struct buf *, const struct manual_program *), struct err *e)
{
    struct manual_program p;
    const struct verb *verbs;
    size_t n;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1 << 20);
    if (!cli_verbs(&cli->arena, &verbs, &n, e))
        return false;
    cli_manual(&p, verbs, n);
    what(&b, &p);
    return cli_write_document(cli, NULL, &b, e);
}

static bool run_completion(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    if (strcmp(words->v[0], "bash") != 0) {
        err_set(e, ERR_OPTION, "no completion for %s", ERR_QUOTE(slice_str(words->v[0])));
        return err_try(e, "kith completion bash");
    }
    return put(ctx, manual_put_completion, e);
}

void cli_put_manual(struct buf *b, const struct manual_program *p)
{
    buf_put_str(b,
                ".Dd November 23, 2026\n.Dt KITH 1\n.Os\n.Sh NAME\n.Nm kith\n.Nd know every device of a fleet\n"
                ".Sh SYNOPSIS\n.Nm\n.Op Fl \\-dir Ar DIR | Fl \\-url Ar URL Fl \\-cert Ar FILE Fl \\-key Ar FILE\n"
                ".Op Fl \\-json\n.Ar COMMAND ...\n.Sh DESCRIPTION\n"
                "The command line of the Kith trust platform: it makes an installation, talks to it over its local\n"
                "socket or over HTTPS with an operator's certificate, and looks at certificates, ledgers and files.\n"
                "Options of all commands may stand before or behind the command:\n");
    manual_put_mdoc_options(b, p->rows, p->rows_n);
    buf_put_str(b, ".Sh COMMANDS\n");
    manual_put_mdoc_verbs(b, p->verbs, p->verbs_n);
    buf_put_str(
        b, ".Sh EXIT STATUS\n0 done; 1 failed; 2 usage; 3 not found; 4 not authorised; 5 conflict; 6 verification\n"
           "or policy refused; 7 unreachable; 8 partly done.\n.Sh DIAGNOSTICS\nData goes to standard output, talk"
           " to standard error.\nErrors read\n.Ql error[CODE]: what ,\nthen\n.Ql why:\nand\n.Ql try: ;\n"
           ".Nm\n.Cm explain Ar CODE\nsays more.\n"
           ".Sh EXAMPLES\n.Bd -literal\nkith init --dir /srv/kith --name Acme\nkithd --config /srv/kith/kith.conf &\n"
           "kith --dir /srv/kith device add --model meter --serial 0001 --token\n.Ed\n"
           ".Sh SEE ALSO\n.Xr kith-agent 1 ,\n.Xr kith.conf 5 ,\n.Xr kithd 8\n");
}

static bool run_manual(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    (void)words;
    return put(ctx, cli_put_manual, e);
}

static void put_json_options(struct json_out *o, const struct opt *rows, size_t n)
{
    json_out_list(o, "options");
    for (size_t i = 0; i < n; i++) {
        if (rows[i].hidden)
            continue;
        json_out_map(o, NULL);
        json_out_text(o, "name", rows[i].name);
        json_out_text(o, "value", *opt_arg_name(&rows[i]) ? opt_arg_name(&rows[i]) : NULL);
        json_out_text(o, "help", rows[i].help);
        json_out_end(o);
    }
    json_out_end(o);
}

static void put_json(struct buf *b, const struct manual_program *p)
{
    struct json_out o = json_out_of(b);
    json_out_map(&o, NULL);
    json_out_int(&o, "v", 1);
    json_out_list(&o, "commands");
    for (size_t i = 0; i < p->verbs_n; i++) {
        json_out_map(&o, NULL);
        json_out_text(&o, "name", p->verbs[i].name);
        json_out_text(&o, "words", p->verbs[i].args);
        json_out_text(&o, "help", p->verbs[i].help);
        put_json_options(&o, p->verbs[i].rows, p->verbs[i].rows_n);
        json_out_end(&o);
    }
    json_out_end(&o);
    put_json_options(&o, p->rows, p->rows_n);
    json_out_end(&o);
    buf_put_char(b, '\n');
}

/* The verbs of one group stand together. */
static void only_group(struct manual_program *p, const char *group)
{
    size_t n = 0, len = strlen(group);
    while (strncmp(p->verbs->name, group, len) != 0 || p->verbs->name[len] != ' ') {
        p->verbs++;
        p->verbs_n--;
    }
    while (n < p->verbs_n && strncmp(p->verbs[n].name, group, len) == 0 && p->verbs[n].name[len] == ' ')
        n++;
    p->verbs_n = n;
}

bool cli_help(struct cli *cli, char *const *words, int n, struct err *e)
{
    struct manual_program p;
    const struct verb *verbs, *one = NULL;
    size_t verbs_n;
    int used;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1 << 20);
    if (!cli_verbs(&cli->arena, &verbs, &verbs_n, e))
        return false;
    cli_manual(&p, verbs, verbs_n);
    if (n == 1 && args_is_group(verbs, verbs_n, words[0])) {
        only_group(&p, words[0]);
    } else if (n > 0) {
        if (!args_find_verb(verbs, verbs_n, n, words, &one, &used, e))
            return false;
        p.verbs = one;
        p.verbs_n = 1;
    }
    if (cli->g.json)
        put_json(&b, &p);
    else if (one)
        manual_put_verb_help(&b, &p, one);
    else
        manual_put_help(&b, &p);
    return cli_write(cli, &b, e);
}

static bool run_help(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    (void)opts;
    return cli_help(ctx, (char *const *)words->v, (int)words->n, e);
}

#define NO_ROWS NULL, 0, 1
const struct verb help_verbs[] = {
    {"help", "[COMMAND]", "what there is, or one command", NO_ROWS, 0, 2, run_help},
    {"explain", "CODE", "what an error code means, or a finding of ledger verify", NO_ROWS, 1, 1, run_explain},
    {"completion", "bash", "completion for the shell: eval \"$(kith completion bash)\"", NO_ROWS, 1, 1, run_completion},
    {"manual", NULL, "this program's manual page (mdoc)", NO_ROWS, 0, 0, run_manual},
};
const size_t help_verbs_n = ARRAY_LEN(help_verbs);
