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

struct run {
    struct program *p;
    struct session *s;
    struct report report;
    struct retry obtain, files, hello, hook;
    bool force;       /* renew now, whatever the time */
    unsigned refused; /* proofs of `next` that the platform refused */
    struct err last;  /* for --once, and a PIN that the token refused */
};

static void note(struct run *r, const char *what, const struct err *e)
{
    int64_t now = env_now_s(&r->p->env);
    if (!e) {
        r->report.ok_at = now;
        r->report.error = (struct err){0};
    } else {
        r->report.failed_at = now;
        r->report.error = r->last = *e;
        LOG(&r->p->env, WARN, "agent", what, log_err(e));
    }
    if (!agent_is_retired(&r->s->agent) || e)
        report_write(&r->s->state, &r->p->env, &r->report);
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
    if (has_current && now < renew_at && !r->force && !agent_is_half_way(&r->s->agent))
        return;
    if (!retry_is_due(&r->obtain, &r->p->env))
        return;
    if (agent_obtain(&r->s->agent, &e)) {
        retry_done(&r->obtain);
        retry_done(&r->hook);
        r->force = false;
        r->refused = 0;
        note(r, NULL, NULL);
        LOG(&r->p->env, NOTICE, "agent", "a new certificate is in use", log_str("device", r->s->conf.device));
        return;
    }
    after_refusal(r, &e);
    retry_later(&r->obtain, &r->p->env, r->s->agent.retry_after_s, ends_at > now ? ends_at - now : 0);
    note(r, "no new certificate yet", &e);
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
    if (!state_slot(&r->s->state, STATE_CURRENT) || !retry_is_due(&r->hello, &r->p->env))
        return;
    if (!agent_say_hello(&r->s->agent, &e)) {
        retry_later(&r->hello, &r->p->env, r->s->agent.retry_after_s, 0);
        /* Of an expired certificate the renewal's refusal says what to do; this one follows from it. */
        if (r->obtain.failures)
            LOG(&r->p->env, WARN, "agent", "the platform did not take our hello", log_err(&e));
        else
            note(r, "the platform did not take our hello", &e);
        return;
    }
    retry_done(&r->hello);
    retry_later(&r->hello, &r->p->env, r->s->conf.hello_s, 0);
    r->hello.failures = 0;
    look_at_clock(r);
    note(r, NULL, NULL);
}

/* True if they are as they should be. */
static bool do_files(struct run *r)
{
    struct err e = {0};
    if (!retry_is_due(&r->files, &r->p->env))
        return false;
    if (mend_files(&r->s->agent, &e)) {
        retry_done(&r->files);
        return true;
    }
    retry_later(&r->files, &r->p->env, r->s->agent.retry_after_s, 0);
    note(r, "a file for other programs is not made anew", &e);
    return false;
}

static void do_hook(struct run *r)
{
    struct err e = {0};
    if (!hook_is_due(&r->s->state, &r->s->conf) || r->hook.failures >= HOOK_FAILS_MAX ||
        !retry_is_due(&r->hook, &r->p->env))
        return;
    if (hook_run(&r->s->state, &r->s->conf, &e)) {
        retry_done(&r->hook);
        return;
    }
    retry_later(&r->hook, &r->p->env, 0, 0);
    note(r, "the hook failed", &e);
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
    const struct retry *all[] = {&r->obtain, &r->files, &r->hello, &r->hook};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (all[i]->at_ms > now && all[i]->at_ms - now < wait)
            wait = all[i]->at_ms - now;
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
        if (once || r->last.code == ERR_P11_PIN) {
            *e = r->last;
            return e->code == ERR_NONE;
        }
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
        r->last = (struct err){0};
        bool ok = session_ready(r->s, r->p, e);
        if (ok && agent_is_retired(&r->s->agent))
            return retired(r, e);
        if (ok && start(r, e) && loop(r, once, e))
            return true;
        if (once || e->code != ERR_P11_PIN || !r->s->conf.pin_file)
            return false;
        note(r, "the token refused the PIN: another PIN file is waited for", e);
        notify(r, notify_ready);
        session_leave_token(r->s);
        if (!another_pin_file(r, pin))
            return true;
        LOG(&r->p->env, NOTICE, "agent", "another PIN file: tried");
        retry_done(&r->obtain);
        retry_done(&r->files);
        retry_done(&r->hello);
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
