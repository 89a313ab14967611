/* Runs command lines in this process and keeps what they printed.  Each test has a directory of its own. */
#ifndef KITH_TESTS_UNIT_CLI_FIXTURE_H
#define KITH_TESTS_UNIT_CLI_FIXTURE_H

#include "../test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"

struct ran {
    int status;
    char *out, *talk;
    size_t out_n, talk_n;
};

static char fixture_dir[64];
static const char *fixture_libexec = LIBEXEC;

static inline const char *at(const char *name)
{
    static char ring[8][256];
    static unsigned i;
    char *p = ring[i++ % 8];
    snprintf(p, sizeof ring[0], "%s/%s", fixture_dir, name);
    return p;
}

/* shift_s: how far the clock is off. */
static int64_t fixture_shift_s;
static inline int64_t fixture_now_ms(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return ((int64_t)t.tv_sec + fixture_shift_s) * 1000;
}

static inline void ran_clear(struct ran *r)
{
    free(r->out);
    free(r->talk);
    *r = (struct ran){0};
}

/* Arguments end with NULL. */
static inline struct ran run(const char *first, ...)
{
    char *argv[32];
    int argc = 0;
    struct ran r = {0};
    va_list ap;
    va_start(ap, first);
    for (const char *s = first; s && argc < 31; s = va_arg(ap, const char *))
        argv[argc++] = (char *)(uintptr_t)s;
    va_end(ap);
    argv[argc] = NULL;
    struct cli cli = {.out = open_memstream(&r.out, &r.out_n),
                      .talk = open_memstream(&r.talk, &r.talk_n),
                      .program = "kith",
                      .libexec = fixture_libexec};
    env_init_real(&cli.env, NULL);
    cli.env.now_ms = fixture_now_ms;
    r.status = cli_run(&cli, argc, argv);
    fclose(cli.out);
    fclose(cli.talk);
    return r;
}

#define assert_run(want, ...)                                                                                          \
    do {                                                                                                               \
        struct ran ran_ = run(__VA_ARGS__, NULL);                                                                      \
        if (ran_.status != (want))                                                                                     \
            fail_msg("exit code %d, not %d\n%s%s", ran_.status, (want), ran_.out, ran_.talk);                          \
        ran_clear(&ran_);                                                                                              \
    } while (0)

/* Also: one of the streams has this text in it. */
#define assert_says(want, text, ...)                                                                                   \
    do {                                                                                                               \
        struct ran ran_ = run(__VA_ARGS__, NULL);                                                                      \
        if (ran_.status != (want) || (!strstr(ran_.out, text) && !strstr(ran_.talk, text)))                            \
            fail_msg("exit code %d, not %d with \"%s\"\n%s%s", ran_.status, (want), text, ran_.out, ran_.talk);        \
        ran_clear(&ran_);                                                                                              \
    } while (0)

static inline int fixture_up(void **state)
{
    (void)state;
    strcpy(fixture_dir, "/tmp/kith-cli-XXXXXX");
    return mkdtemp(fixture_dir) ? 0 : -1;
}

static inline int fixture_down(void **state)
{
    char cmd[128];
    (void)state;
    fixture_shift_s = 0;
    fixture_libexec = LIBEXEC;
    snprintf(cmd, sizeof cmd, "rm -rf %s", fixture_dir);
    return system(cmd);
}

/* True if the shell command succeeds; it runs in the test's directory. */
static inline bool shell(const char *command)
{
    char cmd[1024];
    snprintf(cmd, sizeof cmd, "cd %s && { %s; } >/dev/null 2>&1", fixture_dir, command);
    return system(cmd) == 0;
}

static inline void write_file(const char *name, struct slice s, mode_t mode)
{
    struct err e;
    assert_ok(file_write_atomic(at(name), mode, s, &e), e);
}

#endif
