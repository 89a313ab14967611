/* kith-agent: keeps one device's identity, from the token to the last renewal. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/verbs.h"
#include "base/log.h"
#include "base/manual.h"
#include "base/problem.h"
#include "keys/crypto.h"
#include "keys/secret.h"

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
    est_cancel();
}

static bool stopped(void)
{
    return stop;
}

/* A signal between the look and the sleep would be slept over, so it is let in by ppoll only. */
static void wait_ms(int64_t ms)
{
    sigset_t hold, before;
    const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigemptyset(&hold);
    sigaddset(&hold, SIGTERM);
    sigaddset(&hold, SIGINT);
    sigprocmask(SIG_BLOCK, &hold, &before);
    if (!stop && ms > 0)
        ppoll(NULL, 0, &ts, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Also of command lines that are not understood. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static const struct manual_program manual = {.name = "kith-agent",
                                             .synopsis = "VERB [options]",
                                             .about =
                                                 "keeps the identity of a device: enrols it and renews its certificate",
                                             .verbs = agent_verbs};

static void print_help(const struct verb *v)
{
    struct buf b;
    struct manual_program m = manual;
    m.verbs_n = agent_verbs_n;
    buf_init(&b, 64 << 10);
    if (v)
        manual_put_verb_help(&b, &m, v);
    else
        manual_put_help(&b, &m);
    fputs(buf_str(&b), stdout);
    buf_clear(&b);
}

static void print_version(bool json)
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 256);
    manual_put_version(&b, manual.name, json);
    fputs(buf_str(&b), stdout);
}

static bool run(struct program *p, int argc, char **argv, struct err *e)
{
    const struct verb *verb;
    struct arena a;
    int used = 0;
    bool help = false, json;
    if (args_ask_version(argc - 1, argv + 1, &json)) {
        print_version(json);
        return true;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(NULL);
        return argc >= 2 || err_set(e, ERR_USAGE, "no verb was given");
    }
    if (strcmp(argv[1], "help") == 0) {
        if (argc > 2 && !args_find_verb(agent_verbs, agent_verbs_n, argc - 2, argv + 2, &verb, &used, e))
            return false;
        print_help(argc > 2 ? verb : NULL);
        return true;
    }
    if (!args_find_verb(agent_verbs, agent_verbs_n, argc - 1, argv + 1, &verb, &used, e))
        return false;
    arena_init(&a, 64 << 10);
    bool ok = args_run_verb(verb, argc - 1 - used, argv + 1 + used, &a, p, &help, e);
    if (help)
        print_help(verb);
    arena_clear(&a);
    return ok;
}

int main(int argc, char **argv)
{
    struct log log;
    struct err e = {0};
    struct program p = {.notify_socket = getenv("NOTIFY_SOCKET"), /* banned: systemd's way */
                        .watchdog_usec = getenv("WATCHDOG_USEC"), /* banned: systemd's way */
                        .stopped = stopped,
                        .wait_ms = wait_ms};
    log_init_fd(&log, STDERR_FILENO, LOG_LEVEL_INFO, getenv("JOURNAL_STREAM") != NULL); /* banned: systemd's way */
    env_init_real(&p.env, &log);
    const struct sigaction act = {.sa_handler = on_signal};
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (!secret_harden_process(&e))
        LOG(&p.env, WARN, "agent", "core dumps are not off", log_err(&e));
    bool ok = crypto_init(&e) && run(&p, argc, argv, &e);
    if (!ok && wants_json(argc, argv))
        problem_print_json(stderr, &e);
    else if (!ok)
        problem_print(stderr, "error", &e);
    fflush(NULL);
    /* PKCS#11 modules crash in their exit handlers (keys/p11.h). */
    _exit(ok ? 0 : err_exit_code(e.code));
}
