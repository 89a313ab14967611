/* One request on a token: the breaker, a session of the pool, and the replay. */
#include <errno.h>
#include <string.h>

#include "keys/p11_token.h"

#include "base/mono.h"

#define FAULTS_TO_DOWN 3
#define TRIAL_MAX_MS   10000

/* --- the breaker --- */

static bool admit(struct p11 *p, struct err *e)
{
    if (getpid() != p->pid) {
        err_set(e, ERR_P11_MODULE, "token \"%s\": used after fork()", ERR_QUOTE(slice_str(p->label)));
        return err_why(e, "PKCS#11 v2.40 section 5.4: a child must initialise the module itself");
    }
    int64_t now = mono_ms();
    pthread_mutex_lock(&p->lock);
    p->seen.requests++;
    bool refused = p->pin_refused, closed = p->state == P11_DOWN && now < p->trial_at_ms;
    int64_t left = p->trial_at_ms - now;
    if (!closed && p->state == P11_DOWN)
        p->trial_at_ms = now + p->trial_ms; /* this request is the trial */
    char why[sizeof p->seen.last_fault];
    memcpy(why, p->seen.last_fault, sizeof why);
    pthread_mutex_unlock(&p->lock);
    if (refused) {
        err_set(e, ERR_P11_PIN, "token \"%s\" refused the PIN; it is not tried again", ERR_QUOTE(slice_str(p->label)));
        return p11_pin_hint(p, e);
    }
    if (!closed)
        return true;
    err_set(e, ERR_P11_CLOSED, "token \"%s\" is down; next trial in %lld ms", ERR_QUOTE(slice_str(p->label)),
            (long long)left);
    err_why(e, "%s", why);
    return err_try(e, "see with the token's own tool that it is there; what waits for it goes on by itself");
}

static void record(struct p11 *p, const char *at, CK_RV rv, bool final)
{
    enum p11_class class = p11_class_of(rv);
    bool fault = class != P11_OK && class != P11_REQUEST;
    pthread_mutex_lock(&p->lock);
    if (fault)
        p11_fault_text(p->seen.last_fault, sizeof p->seen.last_fault, at, rv);
    if (!fault) {
        p->state = P11_HEALTHY;
        p->faults = 0;
        p->trial_ms = p->cfg.reload_min_ms;
    } else if (final) {
        p->seen.failures++;
        p->faults++;
        bool was_down = p->state == P11_DOWN;
        p->state = class == P11_FATAL || p->faults >= FAULTS_TO_DOWN ? P11_DOWN : P11_DEGRADED;
        if (was_down && (p->trial_ms *= 2) > TRIAL_MAX_MS)
            p->trial_ms = TRIAL_MAX_MS;
        if (p->state == P11_DOWN)
            p->trial_at_ms = mono_ms() + p->trial_ms;
    } else {
        p->seen.replays++;
    }
    pthread_mutex_unlock(&p->lock);
}

/* --- sessions --- */

/* Waits for its turn; with `module` held shared.  *fresh: the turn is there, the session is to be opened. */
static CK_RV turn_take(struct p11 *p, CK_SESSION_HANDLE *out, uint64_t *gen, bool *fresh)
{
    struct timespec until = mono_end(p->cfg.wait_ms);
    CK_RV rv = CKR_OK;
    *fresh = false;
    pthread_mutex_lock(&p->lock);
    while (p->anchor_ok && p->idle_n == 0 && p->open_n >= p->max && rv == CKR_OK)
        if (pthread_cond_clockwait(&p->freed, &p->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            rv = P11_RV_BUSY;
    *gen = p->gen;
    if (!p->anchor_ok) {
        rv = P11_RV_AWAY;
    } else if (p->idle_n > 0) {
        *out = p->idle[--p->idle_n];
        rv = CKR_OK;
    } else if (rv == CKR_OK) {
        p->open_n++;
        *fresh = true;
    }
    pthread_mutex_unlock(&p->lock);
    return rv;
}

static CK_RV session_take(struct p11 *p, CK_SESSION_HANDLE *out, uint64_t *gen)
{
    for (;;) {
        bool fresh;
        CK_RV rv = turn_take(p, out, gen, &fresh);
        if (!fresh || (rv = p11_open_session(p, out)) == CKR_OK)
            return rv;
        pthread_mutex_lock(&p->lock);
        p->open_n--;
        bool wait = rv == CKR_SESSION_COUNT && p->open_n > 0;
        if (wait) /* other programs use the token, too: be content with what we have */
            p->max = p->open_n;
        pthread_cond_signal(&p->freed);
        pthread_mutex_unlock(&p->lock);
        if (!wait)
            return rv;
    }
}

/* A session that is not kept is closed before its turn is free: else the next one would find the token full. */
static void session_give(struct p11 *p, CK_SESSION_HANDLE s, uint64_t gen, bool keep)
{
    pthread_mutex_lock(&p->lock);
    bool is_anchor = p->solo && gen == p->gen && s == p->anchor;
    keep = keep && gen == p->gen && p->idle_n < SESSIONS_LIMIT;
    if (keep)
        p->idle[p->idle_n++] = s;
    else if (is_anchor)
        p->anchor_ok = false;
    if (keep)
        pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
    if (keep)
        return;
    (void)p->f->C_CloseSession(s);
    pthread_mutex_lock(&p->lock);
    p->open_n--;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

static CK_RV try_once(struct p11 *p, p11_op op, void *ctx, struct p11_call *c)
{
    struct timespec until = mono_end(p->cfg.wait_ms);
    c->at = "waiting for the module";
    if (pthread_rwlock_clockrdlock(&p->module, CLOCK_MONOTONIC, &until) != 0)
        return CKR_DEVICE_ERROR;
    c->at = "C_OpenSession";
    CK_RV rv = session_take(p, &c->session, &c->gen);
    if (rv == CKR_OK) {
        rv = op(c, ctx);
        enum p11_class class = p11_class_of(rv);
        session_give(p, c->session, c->gen, class == P11_OK || class == P11_REQUEST || class == P11_OBJECT);
    }
    pthread_rwlock_unlock(&p->module);
    return rv;
}

/* One replay; a second one if session or handle were lost, since a loss comes in pieces (first the handle fails, then the
 * session that looks it up again).  Finding that another thread is repairing does not count as a try. */
bool p11_run(struct p11 *p, p11_op op, void *ctx, struct err *e)
{
    if (!admit(p, e))
        return false;
    for (int tries = 0, rounds = 0;; rounds++) {
        struct p11_call c = {.f = p->f, .e = e};
        CK_RV rv = try_once(p, op, ctx, &c);
        enum p11_class class = p11_class_of(rv);
        tries += rv != P11_RV_AWAY;
        int tries_max = class == P11_SESSION || class == P11_OBJECT ? 3 : 2;
        bool over = tries >= tries_max || rounds > 4 || class == P11_OK || class == P11_REQUEST || class == P11_PIN ||
                    class == P11_FATAL;
        p11_latch_pin(p, rv);
        record(p, c.at, rv, over);
        if (over)
            return rv == CKR_OK || p11_fail(p, c.at, rv, e);
        const char *at;
        CK_RV back = p11_recover(p, c.gen, rv, &at);
        if (back != CKR_OK) {
            bool pin = p11_class_of(back) == P11_PIN; /* tells more than the fault that led to it */
            record(p, pin ? at : c.at, pin ? back : rv, true);
            return p11_fail(p, at, back, e);
        }
    }
}
