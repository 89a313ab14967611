/* kithd: starts, watches and ends the processes of one installation.  It holds no key, speaks no protocol and parses nothing
 * but kith.conf. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_out.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/problem.h"
#include "base/program.h"
#include "model/settings_check.h"
#include "supervisor/check.h"
#include "supervisor/options.h"
#include "supervisor/rehearse.h"
#include "supervisor/supervise.h"

#define ARENA_MAX    (1u << 20)
#define FILES_BESIDE 1024 /* what a server needs beside its connections */

/* --- -t --- */

struct findings {
    struct err first;
    size_t fatal, warnings;
    bool json;
    struct buf text; /* of json */
    struct json_out out;
};

static void on_problem(void *ctx, const struct err *problem, bool fatal)
{
    struct findings *f = ctx;
    if (fatal && f->fatal++ == 0)
        f->first = *problem;
    f->warnings += !fatal;
    if (!f->json) {
        problem_print(stderr, fatal ? "error" : "warning", problem);
        return;
    }
    json_out_map(&f->out, NULL);
    json_out_text(&f->out, "level", fatal ? "error" : "warning");
    json_out_text(&f->out, "code", err_slug(problem->code));
    json_out_text(&f->out, "what", problem->what);
    json_out_text(&f->out, "why", problem->why[0] ? problem->why : NULL);
    json_out_text(&f->out, "try", problem->hint[0] ? problem->hint : NULL);
    json_out_end(&f->out);
}

static void start_json(struct findings *f, const struct options *o)
{
    f->json = true;
    buf_init(&f->text, 1 << 20);
    f->out = json_out_of(&f->text);
    json_out_map(&f->out, NULL);
    json_out_int(&f->out, "v", 1);
    json_out_text(&f->out, "config", o->config);
    json_out_list(&f->out, "problems");
}

static void finish_json(struct findings *f, int exit)
{
    json_out_end(&f->out);
    json_out_bool(&f->out, "ok", exit == 0);
    json_out_int(&f->out, "errors", (int64_t)f->fatal);
    json_out_int(&f->out, "warnings", (int64_t)f->warnings);
    json_out_end(&f->out);
    printf("%s\n", buf_str(&f->text));
    buf_clear(&f->text);
}

static int finish_test(const struct options *o, struct findings *f, int exit)
{
    if (f->json)
        finish_json(f, exit);
    else if (exit)
        fprintf(stderr, "%s: %zu problem%s\n", o->config, f->fatal, f->fatal == 1 ? "" : "s");
    else
        printf("%s: ok%s\n", o->config, f->warnings ? ", with warnings" : "");
    return exit;
}

static int test_setup(const struct options *o, struct arena *a)
{
    struct findings f = {0};
    struct settings s;
    struct err e;
    struct rehearsal r = {.config = o->config, .settings = &s, .environ = environ};
    const struct {
        const char *name, **path;
    } programs[] = {{"kith-server", &r.server}, {"kith-signer", &r.signer}};
    if (o->json) {
        start_json(&f, o);
        r.found = on_problem;
        r.ctx = &f;
    }
    for (size_t i = 0; i < ARRAY_LEN(programs); i++)
        if (!program_find(o->libexec, programs[i].name, a, programs[i].path, &e))
            on_problem(&f, &e, true);
    if (!settings_read(o->config, a, &s, &e)) {
        on_problem(&f, &e, true);
    } else {
        struct check c = {.settings = &s, .config = o->config, .found = on_problem, .ctx = &f};
        c.credentials = getenv("CREDENTIALS_DIRECTORY"); /* banned: read once, at the start of the program */
        check_all(&c, a);
        r.signers = f.fatal == 0 && (c.credentials || !settings_is_credential(&s));
        fflush(stderr); /* they write there too */
        bool told = f.first.code;
        int exit = rehearse(&r, a, &f.fatal);
        if (exit && !told)
            return finish_test(o, &f, exit);
    }
    return finish_test(o, &f, f.fatal ? err_exit_code(f.first.code) : 0);
}

/* --- running --- */

static void log_problem(void *ctx, const struct err *problem, bool fatal)
{
    const struct env *env = ctx;
    (void)fatal;
    LOG(env, WARN, "kithd", "check", log_err(problem));
    if (problem->hint[0])
        LOG(env, WARN, "kithd", "try", log_str("command", problem->hint));
}

/* sd_journal_stream: $JOURNAL_STREAM is "DEVICE:INODE" of what systemd made our stderr; it may have been redirected since. */
static bool is_journal(const char *stream)
{
    struct stat st;
    unsigned long long dev, ino;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

/* A login shell gives 1024 descriptors; each connection is one. */
static void allow_connections(const struct settings *s)
{
    struct rlimit r;
    rlim_t want = (rlim_t)s->connections_max + FILES_BESIDE;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= want)
        return;
    r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r); /* refused: the server says so when it comes to that */
}

static bool run(const struct options *o, struct arena *a, struct env *env, struct err *e)
{
    struct settings settings;
    struct supervise s = {.env = env, .settings = &settings, .config = o->config, .environ = environ};
    /* What only people can put right is refused; a process that is started again would not find it any better. */
    if (!settings_load(o->config, a, &settings, e) || !settings_are_private(&settings, a, e) ||
        !settings_check_socket(&settings, a, e) || !program_find(o->libexec, "kith-signer", a, &s.signer, e) ||
        !program_find(o->libexec, "kith-server", a, &s.server, e))
        return false;
    s.notify_socket = getenv("NOTIFY_SOCKET");                            /* banned: read once, at the start */
    s.watchdog_ms = notify_watchdog_interval_ms(getenv("WATCHDOG_USEC")); /* banned: the same */
    s.stop_ms = o->stop_ms;
    s.accept_clock = o->accept_clock;
    /* Said, but no reason not to start: a disk or a token may still come, and the children try again. */
    struct check c = {.settings = &settings, .config = o->config, .found = log_problem, .ctx = env};
    c.credentials = getenv("CREDENTIALS_DIRECTORY"); /* banned: the same */
    check_all(&c, a);
    allow_connections(&settings);
    return supervise_run(&s, e);
}

int main(int argc, char **argv)
{
    AUTO(arena_clear) struct arena a;
    struct options o = {0};
    AUTO(buf_clear) struct buf said = {0};
    struct log log;
    struct env env;
    struct err e = {0};
    arena_init(&a, ARENA_MAX);
    umask(077);
    bool ok = manual_read_args(&options_program, argc - 1, argv + 1, &a, &o, &said, &e);
    if (ok && said.n)
        return fputs(buf_str(&said), stdout) < 0;
    if (ok && o.test)
        return test_setup(&o, &a);
    log_init_fd(&log, STDERR_FILENO, LOG_LEVEL_INFO, is_journal(getenv("JOURNAL_STREAM"))); /* banned: as above */
    log.unlimited = true; /* restarts have their own limit, the back-off */
    env_init_real(&env, &log);
    ok = ok && run(&o, &a, &env, &e);
    if (ok)
        return 0;
    problem_print(stderr, "error", &e);
    return err_exit_code(e.code);
}
