#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/manual.h"
#include "base/program.h"

static const char *const formats[] = {"pem", "der", NULL};

struct global {
    const char *dir;
    bool json;
    int64_t timeout_s;
};

#define AT(type, field) .offset = OPT_TARGET(struct type, field)
static const struct opt globals[] = {
    {.name = "dir", .type = OPT_PATH, .arg = "DIR", .help = "the platform's directory", .letter = 'd', AT(global, dir)},
    {.name = "json", .type = OPT_BOOL, .def = "no", .help = "answer in JSON", .letter = 'j', AT(global, json)},
    {.name = "timeout",
     .type = OPT_SECONDS,
     .min = 1,
     .max = 60,
     .def = "5s",
     .help = "how long to wait",
     AT(global, timeout_s)},
};

struct add {
    const char *model, *serial, *from, *failures;
    bool token;
    int format;
};

static const struct opt add_rows[] = {
    {.name = "model", .type = OPT_TEXT, .required = true, .help = "its model", AT(add, model)},
    {.name = "serial", .type = OPT_TEXT, .help = "its serial number", AT(add, serial)},
    {.name = "token", .type = OPT_BOOL, .def = "no", .help = "print a token", AT(add, token)},
    {.name = "from", .type = OPT_PATH, .arg = "FILE", .help = "many", .not_with = "serial", AT(add, from)},
    {.name = "failures", .type = OPT_PATH, .help = "what failed", .needs = "from token", AT(add, failures)},
    {.name = "format", .type = OPT_ENUM, .words = formats, .def = "pem", .help = "how to write it", AT(add, format)},
};

struct ran {
    struct add opts;
    size_t words;
    const char *first;
};

static bool run_add(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct ran *r = ctx;
    (void)e;
    r->opts = *(const struct add *)opts;
    r->words = words->n;
    r->first = words->n ? words->v[0] : NULL;
    return true;
}

static const struct verb verbs[] = {
    {.name = "status", .help = "say how the platform is", .run = run_add, .opts_size = sizeof(struct add)},
    {.name = "device add",
     .args = "[FILE]",
     .help = "register a device\nA FILE has one a line.",
     .rows = add_rows,
     .rows_n = ARRAY_LEN(add_rows),
     .opts_size = sizeof(struct add),
     .words_max = 1,
     .run = run_add},
    {.name = "device ls", .help = "list devices", .run = run_add, .opts_size = sizeof(struct add)},
    {.name = "explain",
     .args = "CODE",
     .help = "explain an error",
     .words_min = 1,
     .words_max = 1,
     .run = run_add,
     .opts_size = sizeof(struct add)},
};

static const struct manual_program program = {.name = "kith",
                                              .synopsis = "[options] VERB ...",
                                              .about = "Those who are known to you.",
                                              .rows = globals,
                                              .rows_n = ARRAY_LEN(globals),
                                              .verbs = verbs,
                                              .verbs_n = ARRAY_LEN(verbs)};

#define ARGV(...) (char *[]){__VA_ARGS__}, (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *))

struct parsed {
    struct global g;
    struct args_words words;
    struct arena a;
    bool help;
};

static bool parse(char **argv, int argc, bool stop, struct parsed *p, struct err *e)
{
    *p = (struct parsed){0};
    arena_init(&p->a, 10000);
    return args_read(globals, ARRAY_LEN(globals), argc, argv, stop, &p->a, &p->g, &p->words, &p->help, e);
}

static void reads_options_in_each_form(void **state)
{
    (void)state;
    struct err e = {0};
    struct parsed p;
    assert_ok(parse(ARGV("--dir", "/d", "--json", "--timeout=10", "word", "-"), false, &p, &e), e);
    assert_string_equal(p.g.dir, "/d");
    assert_true(p.g.json);
    assert_int_equal(p.g.timeout_s, 10);
    assert_int_equal(p.words.n, 2);
    assert_string_equal(p.words.v[1], "-");
    arena_clear(&p.a);
    assert_ok(parse(ARGV("a", "-jd/d", "--no-json", "--", "--json"), false, &p, &e), e);
    assert_string_equal(p.g.dir, "/d");
    assert_false(p.g.json);
    assert_int_equal(p.g.timeout_s, 5);
    assert_int_equal(p.words.n, 2);
    assert_string_equal(p.words.v[1], "--json");
    arena_clear(&p.a);
    assert_ok(parse(ARGV("-d", "/d", "device", "--json", "--unknown"), true, &p, &e), e);
    assert_false(p.g.json);
    assert_int_equal(p.words.n, 3);
    assert_string_equal(p.words.v[0], "device");
    arena_clear(&p.a);
    assert_ok(parse(ARGV("--help", "--nonsense"), false, &p, &e), e);
    assert_true(p.help);
    arena_clear(&p.a);
    assert_ok(parse(ARGV("-jh"), false, &p, &e), e);
    assert_true(p.help);
    arena_clear(&p.a);
    assert_ok(parse(NULL, 0, false, &p, &e), e);
    assert_int_equal(p.words.n, 0);
    arena_clear(&p.a);
}

static void refuses_wrong_command_lines(void **state)
{
    (void)state;
    static const struct {
        char *argv[3];
        int argc;
        const char *what, *hint;
    } table[] = {
        {{"--jsno"}, 1, "there is no option --jsno", "did you mean --json?"},
        {{"--zzz"}, 1, "there is no option --zzz", "--help lists the options"},
        {{"-x"}, 1, "there is no option -x", "--help lists the options"},
        {{"--dir"}, 1, "--dir needs a value", "--dir DIR"},
        {{"-d"}, 1, "--dir needs a value", "--dir DIR"},
        {{"--no-dir"}, 1, "there is no option --no-dir", "did you mean --dir?"},
        {{"--no-json=yes"}, 1, "there is no option --no-json", "did you mean --json?"},
        {{"--dir=a", "--dir=b"}, 2, "--dir comes twice", ""},
        {{"--timeout=0"}, 1, "option: timeout: \"0\" is not in the range", "--timeout 5s"},
        {{"--dir="}, 1, "option: dir: \"\" is not a path", "--dir DIR"},
        {{"--json=perhaps"}, 1, "option: json: \"perhaps\" is not yes or no", "--json or --no-json"},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err e = {0};
        struct parsed p;
        if (parse((char **)(uintptr_t)table[i].argv, table[i].argc, false, &p, &e))
            fail_msg("taken: %s", table[i].argv[0]);
        assert_int_equal(e.code, ERR_OPTION);
        assert_string_equal(e.what, table[i].what);
        assert_string_equal(e.hint, table[i].hint);
        arena_clear(&p.a);
    }
}

static bool run(char **argv, int argc, struct ran *r, bool *help, struct err *e)
{
    const struct verb *v;
    struct arena a;
    int used;
    *help = false;
    arena_init(&a, 10000);
    bool ok = args_find_verb(verbs, ARRAY_LEN(verbs), argc, argv, &v, &used, e) &&
              args_run_verb(v, argc - used, argv + used, &a, r, help, e);
    arena_clear(&a);
    return ok;
}

static void runs_the_verb_that_is_named(void **state)
{
    (void)state;
    struct err e = {0};
    struct ran r = {0};
    bool help;
    assert_ok(run(ARGV("device", "add", "file", "--model", "m", "--format=der"), &r, &help, &e), e);
    assert_int_equal(r.opts.format, 1);
    assert_int_equal(r.words, 1);
    assert_string_equal(r.first, "file");
    assert_ok(run(ARGV("device", "add", "--help"), &r, &help, &e), e);
    assert_true(help);
    assert_err(run(ARGV("device", "add"), &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.what, "--model is missing");
    assert_err(run(ARGV("device", "add", "a", "b", "--model=m"), &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.what, "device add: \"b\" is too much");
    assert_err(run(ARGV("explain"), &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.hint, "explain CODE");
    assert_err(run(ARGV("device", "ad"), &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.hint, "did you mean \"device add\"?");
    assert_err(run(ARGV("device"), &r, &help, &e), e, ERR_OPTION);
    assert_err(run(ARGV("stat"), &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.hint, "did you mean \"status\"?");
    assert_err(run(NULL, 0, &r, &help, &e), e, ERR_OPTION);
    assert_string_equal(e.what, "a command is missing");
}

/* An option that could do nothing is a slip, never silence. */
static void refuses_options_that_do_not_go_together(void **state)
{
    (void)state;
    static const struct {
        char *argv[8];
        int argc;
        const char *what, *hint;
    } table[] = {
        {{"device", "add", "--model=m", "--failures=f"},
         4,
         "--failures needs --from",
         "add --from FILE, or leave --failures out"},
        {{"device", "add", "--model=m", "--failures=f", "--from=x"},
         5,
         "--failures needs --token",
         "add --token, or leave --failures out"},
        {{"device", "add", "--model=m", "--failures=f", "--from=x", "--no-token"},
         6,
         "--failures needs --token",
         "add --token, or leave --failures out"},
        {{"device", "add", "--model=m", "--from=x", "--serial=s"},
         5,
         "--from and --serial exclude each other",
         "leave one of them out"},
    };
    struct ran r = {0};
    struct err e = {0};
    bool help;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_err(run((char **)(uintptr_t)table[i].argv, table[i].argc, &r, &help, &e), e, ERR_OPTION);
        assert_string_equal(e.what, table[i].what);
        assert_string_equal(e.hint, table[i].hint);
        assert_true(e.why[0]);
    }
    assert_ok(run(ARGV("device", "add", "--model=m", "--failures=f", "--from=x", "--token"), &r, &help, &e), e);
    assert_ok(run(ARGV("device", "add", "--model=m", "--serial=s"), &r, &help, &e), e);
}

static void prints_help_from_the_rows(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10000);
    manual_put_help(&b, &program);
    assert_string_equal(buf_str(&b), "usage: kith [options] VERB ...\n"
                                     "Those who are known to you.\n"
                                     "\n"
                                     "commands:\n"
                                     "  status                      say how the platform is\n"
                                     "  device add [FILE]           register a device\n"
                                     "  device ls                   list devices\n"
                                     "  explain CODE                explain an error\n"
                                     "\n"
                                     "options:\n"
                                     "  -d, --dir DIR               the platform's directory\n"
                                     "  -j, --json                  answer in JSON\n"
                                     "  --timeout TIME              how long to wait (default: 5s)\n");
    buf_reset(&b);
    manual_put_verb_help(&b, &program, &verbs[1]);
    assert_string_equal(buf_str(&b), "usage: kith device add [options] [FILE]\n"
                                     "register a device\n"
                                     "A FILE has one a line.\n"
                                     "\n"
                                     "options:\n"
                                     "  --model TEXT                its model\n"
                                     "  --serial TEXT               its serial number\n"
                                     "  --token                     print a token\n"
                                     "  --from FILE                 many (not with --serial)\n"
                                     "  --failures PATH             what failed (with --from, --token)\n"
                                     "  --format WORD               how to write it (default: pem)\n");
    buf_clear(&b);
}

static void writes_the_manual_from_the_rows(void **state)
{
    (void)state;
    static const struct opt config[] = {
        {.section = "server",
         .name = "listen",
         .type = OPT_TEXT,
         .def = "127.0.0.1:1",
         .help = ".Where it listens\\here."},
        {.section = "server",
         .name = "node",
         .type = OPT_INT,
         .min = 1,
         .max = 127,
         .required = true,
         .help = "Its number."},
        {.section = "ca", .name = "on", .type = OPT_BOOL, .def = "yes", .help = "Whether."},
    };
    struct buf b;
    buf_init(&b, 10000);
    manual_put_mdoc_config(&b, config, ARRAY_LEN(config));
    assert_string_equal(buf_str(&b),
                        ".Ss [server]\n.Bl -tag -width Ds\n"
                        ".It Ic listen = Ar TEXT\n\\&.Where it listens\\ehere.\nThe default is\n.Ql 127.0.0.1:1 .\n"
                        ".It Ic node = Ar N\nIts number.\nAllowed: 1 to 127.\nIt must be given.\n"
                        ".El\n.Ss [ca]\n.Bl -tag -width Ds\n"
                        ".It Ic on = Ar yes | no\nWhether.\nThe default is yes.\n.El\n");
    buf_reset(&b);
    manual_put_mdoc_verbs(&b, verbs, ARRAY_LEN(verbs));
    assert_non_null(strstr(buf_str(&b), ".It Cm device add Ar [FILE]\nregister a device\n"));
    assert_non_null(strstr(buf_str(&b), ".It Fl \\-format Ar WORD\nhow to write it\nAllowed: one of pem, der.\n"));
    buf_clear(&b);
}

/* Asks bash itself what it would offer. */
static void offers_words_in_the_shell(void **state)
{
    (void)state;
    static const struct {
        const char *words, *offers;
    } table[] = {
        {"kith st", "status"},
        {"kith dev", "device"},
        {"kith device ''", "--help --dir --json --timeout add ls"},
        {"kith device add --mo", "--model"},
        {"kith status --mo", ""},
        {"kith device add --format d", "der"},
        {"kith --js", "--json"},
        {"kith --dir P dev", "device"},
        {"kith --dir=P dev", "device"},
        {"kith --dir = P dev", "device"},
        {"kith --dir P device a", "add"},
        {"kith --timeout 3 device add --mo", "--model"},
        {"kith device add --model ''", ""},
    };
    struct buf b, out;
    struct err e = {0};
    char file[] = "/tmp/kith-args-XXXXXX", result[] = "/tmp/kith-args-XXXXXX", cmd[400];
    close(mkstemp(file));
    close(mkstemp(result));
    buf_init(&b, 10000);
    buf_init(&out, 1000);
    manual_put_completion(&b, &program);
    assert_ok(file_write_atomic(file, 0600, buf_slice(&b), &e), e);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        snprintf(cmd, sizeof cmd,
                 "/bin/bash -c \"source %s; COMP_WORDS=(%s); COMP_CWORD=\\$((\\${#COMP_WORDS[@]}-1)); _kith; "
                 "printf '%%s' \\\"\\${COMPREPLY[*]}\\\"\" > %s",
                 file, table[i].words, result);
        assert_int_equal(system(cmd), 0);
        buf_reset(&out);
        assert_ok(file_read(result, 1000, &out, &e), e);
        assert_string_equal(buf_str(&out), table[i].offers);
    }
    unlink(file);
    unlink(result);
    buf_clear(&b);
    buf_clear(&out);
}

/* Required or not: who asks what a program is gets no half-read options to run on. */
static void a_program_without_verbs_says_what_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *said, *what, *hint; /* said NULL: refused; "": it is to run */
    } table[] = {
        {{"--help"}, "usage: kith-x --model TEXT\n", NULL, NULL},
        {{"-h"}, "usage: kith-x --model TEXT\n", NULL, NULL},
        {{"--version"}, "kith-x " KITH_VERSION "\n", NULL, NULL},
        {{"--json", "--version"}, "{\"v\":1,\"program\":\"kith-x\",\"version\":\"" KITH_VERSION "\"}\n", NULL, NULL},
        {{"--version", "--json"}, "{\"v\":1,\"program\":\"kith-x\",\"version\":\"" KITH_VERSION "\"}\n", NULL, NULL},
        {{"--model", "m"}, "", NULL, NULL},
        {{"--model", "m", "w"}, NULL, "kith-x takes no words: \"w\"", ""},
        {{"--token"}, NULL, "--model is missing", "--model TEXT"},
        {{"--model", "m", "--version"}, NULL, "there is no option --version", ""},
        {{"--json"}, NULL, "there is no option --json", ""},
    };
    const struct manual_program x = {.name = "kith-x",
                                     .synopsis = "--model TEXT",
                                     .about = "a program",
                                     .rows = add_rows,
                                     .rows_n = ARRAY_LEN(add_rows)};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        AUTO(buf_clear) struct buf said = {0};
        AUTO(arena_clear) struct arena a;
        struct add opts = {0};
        struct err e = {0};
        int argc = 0;
        char *argv[4] = {0};
        for (; argc < 3 && table[i].words[argc]; argc++)
            argv[argc] = (char *)(uintptr_t)table[i].words[argc];
        arena_init(&a, 65536);
        bool ok = manual_read_args(&x, argc, argv, &a, &opts, &said, &e);
        assert_int_equal(ok, table[i].said != NULL);
        if (ok)
            assert_true(*table[i].said ? strstr(buf_str(&said), table[i].said) == buf_str(&said) : said.n == 0);
        else
            assert_string_equal(e.what, table[i].what);
        if (!ok && *table[i].hint)
            assert_string_equal(e.hint, table[i].hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_without_verbs_says_what_it_is),
        cmocka_unit_test(reads_options_in_each_form),
        cmocka_unit_test(refuses_wrong_command_lines),
        cmocka_unit_test(refuses_options_that_do_not_go_together),
        cmocka_unit_test(runs_the_verb_that_is_named),
        cmocka_unit_test(prints_help_from_the_rows),
        cmocka_unit_test(writes_the_manual_from_the_rows),
        cmocka_unit_test(offers_words_in_the_shell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
