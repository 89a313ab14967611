/* kith-agent run: keeps the credential renewed. */
#include "agent/hook.h"
#include "agent/mend.h"
#include "agent/verbs.h"
#include "base/log.h"
#include "base/notify.h"
#include "keys/pin_mark.h"

#define TICK_MS        60000 /* the wall clock may jump; look at it that often */
#define PROOFS_MAX     10    /* refusals of a new certificate before it is given up */
#define HOOK_FAILS_MAX 8
#define CLOCK_OFF_S    300
#define PIN_LOOK_MS    1000 /* at the PIN file */

/* In the order of their turns: what fails further down may only follow from what failed above. */
enum task_id { TOKEN, OBTAIN, FILES, HOOK, HELLO, TASKS };

struct run {
    struct program *p;
    struct session *s;
    struct report report;
    struct {
        struct retry retry;
        struct err error; /* of its last turn */
    } task[TASKS];
    bool force;       /* renew now, whatever the time */
    unsigned refused; /* proofs of `next` that the platform refused */
};

/* The first that stands, of this code or any (0); NULL: none. */
static const struct err *first_error(const struct run *r, enum err_code code)
{
    for (size_t i = 0; i < TASKS; i++)
        if (r->task[i].error.code && (!code || r->task[i].error.code == code))
            return &r->task[i].error;
    return NULL;
}

static void tell(struct run *r)
{
    const struct err *e = first_error(r, ERR_NONE);
    r->report.error = e ? *e : (struct err){0};
    if (!agent_is_retired(&r->s->agent) || e)
        report_write(&r->s->state, &r->p->env, &r->report);
}

static void failed(struct run *r, enum task_id id, const char *what, const struct err *e)
{
    r->task[id].error = *e;
    r->report.failed_at = env_now_s(&r->p->env);
    LOG(&r->p->env, WARN, "agent", what, log_err(e));
    tell(r);
}

static void done(struct run *r, enum task_id id)
{
    bool with_platform = id == OBTAIN || id == HELLO, had_failed = r->task[id].error.code;
    retry_done(&r->task[id].retry);
    r->task[id].error = (struct err){0};
    if (with_platform)
        r->report.ok_at = env_now_s(&r->p->env);
    if (with_platform || had_failed)
        tell(r);
}

/* When the current certificate is to be renewed, and how long it holds; false if there is none that can be read. */
static bool look(const struct run *r, int64_t *renew_at, int64_t *ends_at)
{
    struct credential c;
    struct err e;
    unsigned slot = state_slot(&r->s->state, STATE_CURRENT);
    *renew_at = *ends_at = 0;
    if (!slot)
        return false;
    if (!credential_peek(&r->s->state, slot, &c, &e)) {
        LOG(&r->p->env, ERROR, "agent", "the current certificate cannot be read", log_err(&e));
        return true;
    }
    if (c.chain_n) {
        *ends_at = c.cert.not_after;
        *renew_at = credential_renew_at(&c, r->s->conf.at_percent);
    }
    credential_clear(&c);
    return true;
}

static void after_refusal(struct run *r, const struct err *e)
{
    char path[STATE_PATH_MAX];
    struct err dropped;
    enum err_class c = err_class_of(e->code);
    unsigned next = state_slot(&r->s->state, STATE_NEXT);
    if (!next || !file_exists(state_slot_path(&r->s->state, next, "cert.pem", path)) ||
        (c != ERR_CLASS_AUTH && c != ERR_CLASS_POLICY) || ++r->refused < PROOFS_MAX)
        return;
    r->refused = 0;
    LOG(&r->p->env, WARN, "agent", "the new certificate is refused; another one will be asked for");
    if (!agent_drop_next(&r->s->agent, &dropped))
        LOG(&r->p->env, ERROR, "agent", "it cannot be given up", log_err(&dropped));
}

static void do_obtain(struct run *r)
{
    struct err e = {0};
    int64_t renew_at, ends_at, now = env_now_s(&r->p->env);
    bool has_current = look(r, &renew_at, &ends_at);
    if (has_current && now < renew_at && !r->force && !agent_is_half_way(&r->s->agent)) {
        r->task[OBTAIN].error = (struct err){0}; /* what failed was given up */
        return;
    }
    if (!retry_is_due(&r->task[OBTAIN].retry, &r->p->env))
        return;
    if (agent_obtain(&r->s->agent, &e)) {
        retry_done(&r->task[HOOK].retry);
        r->force = false;
        r->refused = 0;
        done(r, OBTAIN);
        LOG(&r->p->env, NOTICE, "agent", "a new certificate is in use", log_str("device", r->s->conf.device));
        return;
    }
    after_refusal(r, &e);
    retry_later(&r->task[OBTAIN].retry, &r->p->env, r->s->agent.retry_after_s, ends_at > now ? ends_at - now : 0);
    failed(r, OBTAIN, "no new certificate yet", &e);
}

/* A clock that is wrong makes certificates look expired, or not valid yet. */
static void look_at_clock(const struct run *r)
{
    int64_t theirs = r->s->agent.hello.server_time, ours = env_now_s(&r->p->env);
    if (theirs && (theirs > ours + CLOCK_OFF_S || theirs < ours - CLOCK_OFF_S))
        LOG(&r->p->env, WARN, "agent", "this device's clock is off", log_int("seconds", ours - theirs));
}

static void do_hello(struct run *r)
{
    struct err e = {0};
    struct retry *again = &r->task[HELLO].retry;
    if (!state_slot(&r->s->state, STATE_CURRENT) || !retry_is_due(again, &r->p->env))
        return;
    if (!agent_say_hello(&r->s->agent, &e)) {
        retry_later(again, &r->p->env, r->s->agent.retry_after_s, 0);
        failed(r, HELLO, "the platform did not take our hello", &e);
        return;
    }
    done(r, HELLO);
    retry_later(again, &r->p->env, r->s->conf.hello_s, 0);
    again->failures = 0;
    look_at_clock(r);
}

/* True if they are as they should be. */
static bool do_files(struct run *r)
{
    struct err e = {0};
    if (!retry_is_due(&r->task[FILES].retry, &r->p->env))
        return false;
    if (mend_files(&r->s->agent, &e)) {
        done(r, FILES);
        return true;
    }
    retry_later(&r->task[FILES].retry, &r->p->env, r->s->agent.retry_after_s, 0);
    failed(r, FILES, "a file for other programs is not made anew", &e);
    return false;
}

static void do_hook(struct run *r)
{
    struct err e = {0};
    struct retry *again = &r->task[HOOK].retry;
    if (!hook_is_due(&r->s->state, &r->s->conf) || again->failures >= HOOK_FAILS_MAX ||
        !retry_is_due(again, &r->p->env))
        return;
    if (hook_run(&r->s->state, &r->s->conf, &e)) {
        done(r, HOOK);
        return;
    }
    retry_later(again, &r->p->env, 0, 0);
    failed(r, HOOK, "the hook failed", &e);
}

static void do_what_is_due(struct run *r)
{
    do_obtain(r);
    /* The hook hands on what the files are. */
    if (!agent_is_retired(&r->s->agent) && do_files(r))
        do_hook(r);
    if (!agent_is_retired(&r->s->agent))
        do_hello(r);
}

static bool retired(struct run *r, struct err *e)
{
    struct err left;
    if (!agent_tidy(&r->s->agent, &left))
        LOG(&r->p->env, ERROR, "agent", "not everything is wiped", log_err(&left));
    err_set(e, ERR_AGENT_RETIRED, "%s was retired by its platform",
            r->s->conf.device ? r->s->conf.device : r->s->state.dir);
    return err_try(e, "a new identity needs a new --dir and a token for a new device");
}

static int64_t next_wait(const struct run *r, int64_t watchdog_ms)
{
    int64_t renew_at, ends_at, now = env_mono_ms(&r->p->env), wait = TICK_MS;
    for (size_t i = 0; i < TASKS; i++)
        if (r->task[i].retry.at_ms > now && r->task[i].retry.at_ms - now < wait)
            wait = r->task[i].retry.at_ms - now;
    if (look(r, &renew_at, &ends_at)) {
        int64_t left = renew_at * 1000 - env_now_ms(&r->p->env);
        if (left > 0 && left < wait)
            wait = left;
    }
    return watchdog_ms && watchdog_ms < wait ? watchdog_ms : wait;
}

static void notify(const struct run *r, bool (*send)(const char *, struct err *))
{
    struct err e;
    if (!send(r->p->notify_socket, &e))
        LOG(&r->p->env, WARN, "agent", "systemd is not told", log_err(&e));
}

static bool loop(struct run *r, bool once, struct err *e)
{
    const int64_t watchdog_ms = notify_watchdog_interval_ms(r->p->watchdog_usec);
    notify(r, notify_ready);
    while (!r->p->stopped()) {
        do_what_is_due(r);
        if (agent_is_retired(&r->s->agent))
            return retired(r, e);
        const struct err *last = first_error(r, once ? ERR_NONE : ERR_P11_PIN);
        if (last)
            *e = *last;
        if (once || last)
            return !last;
        notify(r, notify_watchdog);
        r->p->wait_ms(next_wait(r, watchdog_ms));
    }
    notify(r, notify_stopping);
    LOG(&r->p->env, INFO, "agent", "stopped");
    return true;
}

/* Looks at what is there before anything is done with it. */
static bool start(struct run *r, struct err *e)
{
    struct session *s = r->s;
    struct err left;
    if (!agent_tidy(&s->agent, &left))
        LOG(&r->p->env, WARN, "agent", "leftovers of an earlier run stay", log_err(&left));
    if (!state_slot(&s->state, STATE_CURRENT) && !agent_is_half_way(&s->agent)) {
        err_set(e, ERR_AGENT_NOT_ENROLLED, "%s has neither a credential nor a claim", s->state.dir);
        return err_try(e, "kith-agent enroll --dir %s, with a token of `kith device add --token`", s->state.dir);
    }
    return conf_check(&s->conf, s->state.dir, e);
}

/* False if the agent is to stop before. */
static bool another_pin_file(struct run *r, const char refused[PIN_MARK_MAX])
{
    const int64_t watchdog_ms = notify_watchdog_interval_ms(r->p->watchdog_usec);
    char now[PIN_MARK_MAX], before[PIN_MARK_MAX] = {0};
    while (!r->p->stopped()) {
        pin_mark_of(r->s->conf.pin_file, now);
        /* Twice the same: nobody is writing it just now. */
        if (now[0] && memcmp(now, refused, sizeof now) != 0 && memcmp(now, before, sizeof now) == 0)
            return true;
        memcpy(before, now, sizeof before);
        notify(r, notify_watchdog);
        r->p->wait_ms(watchdog_ms && watchdog_ms < PIN_LOOK_MS ? watchdog_ms : PIN_LOOK_MS);
    }
    return false;
}

/* A restart would not help against a refused PIN, and harm where the PIN file is a credential of systemd, which is a new
 * file at each start: so the agent stays, and waits for another PIN file. */
static bool live(struct run *r, bool once, struct err *e)
{
    char pin[PIN_MARK_MAX];
    for (;;) {
        pin_mark_of(r->s->conf.pin_file, pin);
        bool ok = session_ready(r->s, r->p, e);
        if (ok && agent_is_retired(&r->s->agent))
            return retired(r, e);
        if (ok && start(r, e) && loop(r, once, e))
            return true;
        if (once || e->code != ERR_P11_PIN || !r->s->conf.pin_file)
            return false;
        failed(r, TOKEN, "the token refused the PIN: another PIN file is waited for", e);
        notify(r, notify_ready);
        session_leave_token(r->s);
        if (!another_pin_file(r, pin))
            return true;
        LOG(&r->p->env, NOTICE, "agent", "another PIN file: tried");
        for (size_t i = 0; i < TASKS; i++) {
            r->task[i].error = (struct err){0};
            if (i != HOOK) /* it uses no token */
                retry_done(&r->task[i].retry);
        }
    }
}

bool run_verb(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    const struct run_opts *o = opts;
    struct session s = {.state.lock = -1};
    struct run r = {.p = ctx, .s = &s, .force = o->renew};
    (void)words;
    bool ok = state_open(o->dir, false, &s.state, e) && session_read_conf(&s, e);
    if (ok) {
        report_read(&s.state, &r.report);
        ok = live(&r, o->once, e);
    }
    session_close(&s);
    return ok && o->json ? status_tell(ctx, o->dir, e) : ok;
}
