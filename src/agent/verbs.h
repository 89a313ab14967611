/* The verbs of kith-agent and what they share. */
#ifndef KITH_AGENT_VERBS_H
#define KITH_AGENT_VERBS_H

#include "agent/est.h"
#include "agent/report.h"
#include "agent/retry.h"
#include "agent/steps.h"
#include "base/args.h"

/* What main() hands to a verb. */
struct program {
    struct env env;
    const char *notify_socket, *watchdog_usec;
    bool (*stopped)(void);       /* SIGTERM or SIGINT came */
    void (*wait_ms)(int64_t ms); /* shorter when one comes */
};

/* A state directory, opened with all that belongs to it. */
struct session {
    struct arena arena;
    struct state state;
    struct conf conf;
    struct p11 *p11;
    struct est est;
    struct agent agent;
};

/* Points agent to all of it and opens the key store that conf names; conf has been read.  Errors: those of p11_open(). */
MUST_USE bool session_ready(struct session *s, const struct program *p, struct err *e);
void session_leave_token(struct session *s); /* session_ready() opens it again */
/* After agent.conf has changed: where the platform is. */
void session_aim(struct session *s);
void session_close(struct session *s);
/* agent.conf of the state that is open. */
MUST_USE bool session_read_conf(struct session *s, struct err *e);

struct enroll_opts {
    const char *dir, *token_file, *key, *module, *pin_file, *passphrase_file;
    int key_type; /* 0: as agent.conf has it */
    int64_t wait_s;
    bool again, json;
};
struct run_opts {
    const char *dir;
    bool once, renew, json;
};
struct status_opts {
    const char *dir;
    bool json;
};

/* What --json has enroll and run answer with: the status behind it. */
MUST_USE bool status_tell(void *ctx, const char *dir, struct err *e);
bool enroll_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e);
bool run_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e);
bool status_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e);

extern const struct verb agent_verbs[];
extern const size_t agent_verbs_n;

#endif
