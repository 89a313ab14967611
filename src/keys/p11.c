#include "keys/p11.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "keys/p11_impl.h"
#include "keys/secret.h"

#define SESSIONS_LIMIT 128
#define MECHANISMS_MAX 512
#define SLOTS_MAX      256
#define FAULTS_TO_DOWN 3
#define TRIAL_MAX_MS   10000

/* Locks, outer first: recovering (one thread repairs), module (shared: calls are in the module; exclusive: it is being
 * reloaded), lock (the fields below it).  A thread that waits for a session holds `module` shared; those who have the
 * sessions do too, so they come back. */
struct p11 {
    char *label, *serial;
    struct secret *pin;
    struct p11_config cfg;
    CK_FUNCTION_LIST *f;
    pid_t pid;
    CK_MECHANISM_TYPE *mechanisms;
    unsigned mechanisms_n;

    pthread_mutex_t recovering;
    pthread_rwlock_t module;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE anchor; /* keeps the login; with a token of one session it is the pool, too */
    bool anchor_ok, solo;
    uint64_t gen;
    CK_SESSION_HANDLE idle[SESSIONS_LIMIT];
    unsigned idle_n, open_n, max;
    enum p11_state state;
    bool pin_refused;
    unsigned faults;
    int64_t trial_at_ms, trial_ms, reload_at_ms;
    struct p11_health seen; /* counters and the token's names */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct timespec deadline(unsigned wait_ms)
{
    int64_t ms = now_ms() + wait_ms;
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static void fault_text(char *dst, size_t cap, const char *at, CK_RV rv)
{
    const char *name = p11_rv_name(rv);
    if (name)
        snprintf(dst, cap, "%s: %s", at, name);
    else
        snprintf(dst, cap, "%s: return value 0x%lx", at, rv);
}

static bool fail_rv(struct p11 *p, const char *at, CK_RV rv, struct err *e)
{
    static const enum err_code codes[] = {
        [P11_OK] = ERR_INTERNAL,      [P11_REQUEST] = ERR_P11_REFUSED, [P11_SESSION] = ERR_P11_TOKEN,
        [P11_OBJECT] = ERR_P11_TOKEN, [P11_TOKEN] = ERR_P11_TOKEN,     [P11_DEVICE] = ERR_P11_DEVICE,
        [P11_PIN] = ERR_P11_PIN,      [P11_FATAL] = ERR_P11_MODULE,
    };
    if (rv == P11_RV_SET)
        return false;
    if (rv == P11_RV_BUSY) {
        err_set(e, ERR_P11_BUSY, "token \"%s\": no session free within %u ms", ERR_QUOTE(slice_str(p->label)),
                p->cfg.wait_ms);
        return err_try(e, "allow more sessions, or ask again later");
    }
    char text[96];
    fault_text(text, sizeof text, at, rv);
    err_set(e, codes[p11_class_of(rv)], "token \"%s\": %s", ERR_QUOTE(slice_str(p->label)), text);
    if (p11_class_of(rv) == P11_PIN)
        err_try(e, "correct the PIN file and restart; check with the token's own tool how many tries are left");
    return false;
}

/* --- finding the token --- */

static void unpad(char *dst, const unsigned char *src, size_t n)
{
    while (n > 0 && (src[n - 1] == ' ' || src[n - 1] == 0))
        n--;
    memcpy(dst, src, n);
    dst[n] = 0;
}

static bool wanted(const struct p11 *p, const struct p11_health *t)
{
    return (!p->label[0] || strcmp(p->label, t->label) == 0) && (!p->serial || strcmp(p->serial, t->serial) == 0);
}

/* *rv: CKR_OK, or why there is none.  Two tokens that fit are an error, not a choice. */
static CK_RV find_slot(struct p11 *p, CK_SLOT_ID *slot, CK_TOKEN_INFO *info, const char **at)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    unsigned found = 0;
    *at = "C_GetSlotList";
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK)
        return rv;
    for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
        CK_TOKEN_INFO ti;
        struct p11_health t = {0};
        if (p->f->C_GetTokenInfo(slots[i], &ti) != CKR_OK || !(ti.flags & CKF_TOKEN_INITIALIZED))
            continue;
        unpad(t.label, ti.label, sizeof ti.label);
        unpad(t.serial, ti.serialNumber, sizeof ti.serialNumber);
        if (!wanted(p, &t))
            continue;
        found++;
        *slot = slots[i];
        *info = ti;
    }
    *at = found > 1 ? "several tokens fit" : "no token of that name";
    return found == 1 ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

static unsigned session_limit(const struct p11 *p, const CK_TOKEN_INFO *ti)
{
    unsigned long limit = p->cfg.sessions_max;
    const unsigned long theirs[] = {ti->ulMaxSessionCount, ti->ulMaxRwSessionCount};
    for (size_t i = 0; i < 2; i++)
        if (theirs[i] != CK_UNAVAILABLE_INFORMATION && theirs[i] != CK_EFFECTIVELY_INFINITE && theirs[i] < limit)
            limit = theirs[i];
    return limit < 1 ? 1 : (unsigned)limit;
}

static void anchor_set(struct p11 *p, bool ok)
{
    pthread_mutex_lock(&p->lock);
    p->anchor_ok = ok;
    pthread_mutex_unlock(&p->lock);
}

/* --- logging in; by the recovering thread or before the first request --- */

static CK_RV open_session(struct p11 *p, CK_SESSION_HANDLE *out)
{
    CK_RV rv = p->f->C_OpenSession(p->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out);
    if (rv == CKR_TOKEN_WRITE_PROTECTED)
        rv = p->f->C_OpenSession(p->slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    return rv;
}

/* The token counts wrong PINs: when it warns, we do not try. */
static CK_RV log_in(struct p11 *p, const CK_TOKEN_INFO *ti, const char **at)
{
    bool pad = ti->flags & CKF_PROTECTED_AUTHENTICATION_PATH;
    if (!p->pin && !pad)
        return CKR_OK;
    *at = "token flags";
    if (ti->flags & CKF_USER_PIN_LOCKED)
        return CKR_PIN_LOCKED;
    if (ti->flags & CKF_USER_PIN_FINAL_TRY) {
        *at = "one try is left, not used";
        return CKR_PIN_INCORRECT;
    }
    struct slice pin = secret_get0(p->pin);
    *at = "C_Login";
    CK_RV rv = p->f->C_Login(p->anchor, CKU_USER, pin.n ? (CK_UTF8CHAR_PTR)(uintptr_t)pin.p : NULL, pin.n);
    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

static void forget_sessions(struct p11 *p)
{
    CK_SESSION_HANDLE old[SESSIONS_LIMIT];
    pthread_mutex_lock(&p->lock);
    unsigned n = p->idle_n;
    memcpy(old, p->idle, n * sizeof *old);
    p->idle_n = 0;
    p->open_n -= n;
    p->gen++;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < n; i++)
        if (old[i] != p->anchor)
            (void)p->f->C_CloseSession(old[i]);
}

static CK_RV attach(struct p11 *p, const char **at)
{
    CK_TOKEN_INFO ti;
    CK_SLOT_ID slot = 0;
    forget_sessions(p);
    if (p->anchor_ok)
        (void)p->f->C_CloseSession(p->anchor);
    anchor_set(p, false);
    CK_RV rv = find_slot(p, &slot, &ti, at);
    if (rv != CKR_OK)
        return rv;
    p->slot = slot;
    *at = "C_OpenSession";
    CK_SESSION_HANDLE anchor;
    if ((rv = open_session(p, &anchor)) != CKR_OK)
        return rv;
    p->anchor = anchor;
    if ((rv = log_in(p, &ti, at)) != CKR_OK) {
        (void)p->f->C_CloseSession(anchor);
        return rv;
    }
    unsigned limit = session_limit(p, &ti);
    pthread_mutex_lock(&p->lock);
    p->anchor_ok = true;
    p->gen++; /* who asked in between sees that this is done */
    p->solo = limit == 1;
    p->max = limit == 1 ? 1 : limit - 1;
    if (p->solo) {
        p->idle[p->idle_n++] = anchor;
        p->open_n++;
    }
    unpad(p->seen.label, ti.label, sizeof ti.label);
    unpad(p->seen.serial, ti.serialNumber, sizeof ti.serialNumber);
    unpad(p->seen.model, ti.model, sizeof ti.model);
    unpad(p->seen.manufacturer, ti.manufacturerID, sizeof ti.manufacturerID);
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
    return CKR_OK;
}

static CK_RV initialize(struct p11 *p)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = p->f->C_Initialize(&args);
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

/* --- recovery --- */

static bool anchor_lives(struct p11 *p)
{
    CK_SESSION_INFO si;
    if (!p->anchor_ok || p->f->C_GetSessionInfo(p->anchor, &si) != CKR_OK)
        return false;
    return !p->pin || si.state == CKS_RW_USER_FUNCTIONS || si.state == CKS_RO_USER_FUNCTIONS;
}

static void latch_pin(struct p11 *p, CK_RV rv)
{
    if (p11_class_of(rv) != P11_PIN)
        return;
    pthread_mutex_lock(&p->lock);
    p->pin_refused = true;
    pthread_mutex_unlock(&p->lock);
}

/* C_Finalize and C_Initialize: some modules see a token that came back, or new objects, only then. */
static CK_RV reload(struct p11 *p, const char **at)
{
    int64_t now = now_ms();
    if (now < p->reload_at_ms) {
        *at = "the module was reloaded just before";
        return CKR_TOKEN_NOT_PRESENT;
    }
    p->reload_at_ms = now + p->cfg.reload_min_ms;
    struct timespec until = deadline(p->cfg.wait_ms);
    *at = "calls hang in the module";
    if (pthread_rwlock_clockwrlock(&p->module, CLOCK_MONOTONIC, &until) != 0)
        return CKR_DEVICE_ERROR;
    anchor_set(p, false);
    (void)p->f->C_Finalize(NULL);
    *at = "C_Initialize";
    CK_RV rv = initialize(p);
    if (rv == CKR_OK)
        rv = attach(p, at);
    pthread_rwlock_unlock(&p->module);
    pthread_mutex_lock(&p->lock);
    p->seen.reloads++;
    pthread_mutex_unlock(&p->lock);
    return rv;
}

/* After a failed call: gen is what the failed call had.  True: it is worth a second try. */
static bool recover(struct p11 *p, uint64_t gen, CK_RV why, struct err *e)
{
    const char *at = "recovery";
    CK_RV rv = CKR_OK;
    pthread_mutex_lock(&p->recovering);
    pthread_mutex_lock(&p->lock);
    bool done = p->gen != gen && p->anchor_ok, refused = p->pin_refused;
    pthread_mutex_unlock(&p->lock);
    if (refused) {
        rv = CKR_PIN_INCORRECT;
    } else if (!done) {
        enum p11_class class = p11_class_of(why);
        pthread_rwlock_rdlock(&p->module);
        bool light = (class == P11_SESSION || class == P11_DEVICE || class == P11_OBJECT) && anchor_lives(p);
        if (light && p->solo) /* its one session may be what is broken */
            light = class != P11_SESSION;
        if (light && !p->solo && class != P11_OBJECT)
            forget_sessions(p);
        else if (!light && why != P11_RV_GONE)
            rv = attach(p, &at);
        pthread_rwlock_unlock(&p->module);
        latch_pin(p, rv);
        if (why == P11_RV_GONE || (rv != CKR_OK && p11_class_of(rv) != P11_PIN))
            rv = reload(p, &at);
        latch_pin(p, rv);
        if (rv == CKR_OK && !light) {
            pthread_mutex_lock(&p->lock);
            p->seen.relogins++;
            pthread_mutex_unlock(&p->lock);
        }
    }
    pthread_mutex_unlock(&p->recovering);
    return rv == CKR_OK || fail_rv(p, at, rv, e);
}

/* --- the breaker --- */

static bool admit(struct p11 *p, struct err *e)
{
    if (getpid() != p->pid) {
        err_set(e, ERR_P11_MODULE, "token \"%s\": used after fork()", ERR_QUOTE(slice_str(p->label)));
        return err_why(e, "PKCS#11 v2.40 section 5.4: a child must initialise the module itself");
    }
    int64_t now = now_ms();
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
        return err_try(e, "correct the PIN file and restart");
    }
    if (!closed)
        return true;
    err_set(e, ERR_P11_CLOSED, "token \"%s\" is down; next trial in %lld ms", ERR_QUOTE(slice_str(p->label)),
            (long long)left);
    return err_why(e, "%s", why);
}

static void record(struct p11 *p, const char *at, CK_RV rv, bool final)
{
    enum p11_class class = p11_class_of(rv);
    bool fault = class != P11_OK && class != P11_REQUEST;
    pthread_mutex_lock(&p->lock);
    if (fault)
        fault_text(p->seen.last_fault, sizeof p->seen.last_fault, at, rv);
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
            p->trial_at_ms = now_ms() + p->trial_ms;
    } else {
        p->seen.replays++;
    }
    pthread_mutex_unlock(&p->lock);
}

/* --- sessions --- */

/* Waits for its turn; with `module` held shared.  *fresh: the turn is there, the session is to be opened. */
static CK_RV turn_take(struct p11 *p, CK_SESSION_HANDLE *out, uint64_t *gen, bool *fresh)
{
    struct timespec until = deadline(p->cfg.wait_ms);
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
        if (!fresh || (rv = open_session(p, out)) == CKR_OK)
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

static void session_give(struct p11 *p, CK_SESSION_HANDLE s, uint64_t gen, bool keep)
{
    pthread_mutex_lock(&p->lock);
    bool is_anchor = p->solo && gen == p->gen && s == p->anchor;
    keep = keep && gen == p->gen && p->idle_n < SESSIONS_LIMIT;
    if (keep)
        p->idle[p->idle_n++] = s;
    else
        p->open_n--;
    if (!keep && is_anchor)
        p->anchor_ok = false;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
    if (!keep)
        (void)p->f->C_CloseSession(s);
}

static CK_RV try_once(struct p11 *p, p11_op op, void *ctx, struct p11_call *c)
{
    struct timespec until = deadline(p->cfg.wait_ms);
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
        latch_pin(p, rv);
        record(p, c.at, rv, over);
        if (over)
            return rv == CKR_OK || fail_rv(p, c.at, rv, e);
        if (!recover(p, c.gen, rv, e)) {
            record(p, c.at, rv, true);
            return false;
        }
    }
}

/* --- opening and closing --- */

static bool load(const char *module, CK_FUNCTION_LIST **f, struct err *e)
{
    void *dl = dlopen(module, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!dl) {
        err_set(e, ERR_P11_MODULE, "module %s: %s", ERR_QUOTE(slice_str(module)), dlerror());
        return err_try(e, "name the PKCS#11 library of the token's vendor");
    }
    CK_C_GetFunctionList get;
    *(void **)&get = dlsym(dl, "C_GetFunctionList");
    if (!get || get(f) != CKR_OK || !*f)
        return err_set(e, ERR_P11_MODULE, "module %s: no PKCS#11 functions in it", ERR_QUOTE(slice_str(module)));
    return true;
}

static CK_RV read_mechanisms(struct p11 *p)
{
    CK_ULONG n = MECHANISMS_MAX;
    p->mechanisms = calloc(MECHANISMS_MAX, sizeof *p->mechanisms);
    if (!p->mechanisms)
        return CKR_HOST_MEMORY;
    CK_RV rv = p->f->C_GetMechanismList(p->slot, p->mechanisms, &n);
    p->mechanisms_n = rv == CKR_OK ? (unsigned)n : 0;
    return rv;
}

static void config_default(struct p11 *p, const struct p11_config *cfg)
{
    p->cfg = cfg ? *cfg : (struct p11_config){0};
    if (p->cfg.sessions_max == 0)
        p->cfg.sessions_max = 32;
    if (p->cfg.sessions_max > SESSIONS_LIMIT)
        p->cfg.sessions_max = SESSIONS_LIMIT;
    if (p->cfg.wait_ms == 0)
        p->cfg.wait_ms = 5000;
    if (p->cfg.reload_min_ms == 0)
        p->cfg.reload_min_ms = 1000;
    p->trial_ms = p->cfg.reload_min_ms;
}

static void locks_init(struct p11 *p)
{
    pthread_rwlockattr_t a;
    pthread_rwlockattr_init(&a);
    pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&p->module, &a);
    pthread_rwlockattr_destroy(&a);
    pthread_mutex_init(&p->recovering, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->freed, NULL);
}

static void release(struct p11 *p)
{
    secret_free(p->pin);
    pthread_rwlock_destroy(&p->module);
    pthread_mutex_destroy(&p->recovering);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->freed);
    free(p->mechanisms);
    free(p->label);
    free(p->serial);
    free(p);
}

bool p11_open(const char *module, const char *token_label, const char *pin_file, const struct p11_config *cfg,
              struct p11 **out, struct err *e)
{
    *out = NULL;
    struct p11 *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(e, ERR_NOMEM, "token");
    locks_init(p);
    config_default(p, cfg);
    p->pid = getpid();
    p->label = strdup(token_label ? token_label : "");
    p->serial = p->cfg.serial ? strdup(p->cfg.serial) : NULL;
    p->cfg.serial = NULL;
    if (!p->label || (pin_file && !secret_read_file(pin_file, &p->pin, e)) || !load(module, &p->f, e)) {
        release(p);
        return false;
    }
    const char *at = "C_Initialize";
    CK_RV rv = initialize(p);
    if (rv != CKR_OK) {
        fail_rv(p, at, rv, e);
        release(p);
        return false;
    }
    rv = attach(p, &at);
    if (rv == CKR_OK) {
        at = "C_GetMechanismList";
        rv = read_mechanisms(p);
    }
    if (rv != CKR_OK) {
        fail_rv(p, at, rv, e);
        p11_free(p);
        return false;
    }
    *out = p;
    return true;
}

void p11_free(struct p11 *p)
{
    if (!p)
        return;
    if (getpid() == p->pid) {
        forget_sessions(p);
        (void)p->f->C_Finalize(NULL);
    }
    release(p);
}

/* --- what others ask --- */

void p11_health(struct p11 *p, struct p11_health *out)
{
    int64_t now = now_ms();
    pthread_mutex_lock(&p->lock);
    *out = p->seen;
    out->state = p->pin_refused ? P11_DOWN : p->state;
    out->pin_refused = p->pin_refused;
    out->sessions = p->open_n;
    out->sessions_max = p->max;
    out->trial_in_ms = p->state == P11_DOWN && p->trial_at_ms > now ? (uint32_t)(p->trial_at_ms - now) : 0;
    pthread_mutex_unlock(&p->lock);
}

const char *p11_state_name(enum p11_state s)
{
    return s == P11_HEALTHY ? "healthy" : s == P11_DEGRADED ? "degraded" : "down";
}

static CK_RV sign_of_life(struct p11_call *c, void *ctx)
{
    struct p11 *p = ctx;
    CK_SESSION_INFO si;
    c->at = "C_GetSessionInfo";
    CK_RV rv = c->f->C_GetSessionInfo(c->session, &si);
    if (rv != CKR_OK)
        return rv;
    CK_TOKEN_INFO ti;
    c->at = "C_GetTokenInfo";
    if ((rv = c->f->C_GetTokenInfo(p->slot, &ti)) != CKR_OK)
        return rv;
    return anchor_lives(p) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
}

bool p11_check(struct p11 *p, struct err *e)
{
    return p11_run(p, sign_of_life, p, e);
}

bool p11_has(const struct p11 *p, CK_MECHANISM_TYPE m)
{
    for (unsigned i = 0; i < p->mechanisms_n; i++)
        if (p->mechanisms[i] == m)
            return true;
    return false;
}

const char *p11_label(const struct p11 *p)
{
    return p->label;
}

bool p11_matches(struct p11 *p, const char *token, const char *serial, const char *manufacturer, const char *model)
{
    struct p11_health h;
    p11_health(p, &h);
    return (!token || strcmp(token, h.label) == 0) && (!serial || strcmp(serial, h.serial) == 0) &&
           (!manufacturer || strcmp(manufacturer, h.manufacturer) == 0) && (!model || strcmp(model, h.model) == 0);
}

void p11_caps(struct p11 *p, struct p11_caps *out)
{
    *out = (struct p11_caps){
        .mechanisms = p->mechanisms_n,
        .ecdsa = p11_has(p, CKM_ECDSA),
        .eddsa = p11_has(p, CKM_EDDSA),
        .rsa_pkcs = p11_has(p, CKM_RSA_PKCS) || p11_has(p, CKM_SHA256_RSA_PKCS),
        .rsa_pss = p11_has(p, CKM_RSA_PKCS_PSS) || p11_has(p, CKM_SHA256_RSA_PKCS_PSS),
        .ec_keygen = p11_has(p, CKM_EC_KEY_PAIR_GEN),
        .eddsa_keygen = p11_has(p, CKM_EC_EDWARDS_KEY_PAIR_GEN),
        .rsa_keygen = p11_has(p, CKM_RSA_PKCS_KEY_PAIR_GEN),
    };
}

bool p11_can_sign(struct p11 *p, enum key_type type)
{
    struct p11_caps c;
    p11_caps(p, &c);
    return type == KEY_P256 || type == KEY_P384 ? c.ecdsa
           : type == KEY_ED25519                ? c.eddsa
                                                : type != KEY_NONE && c.rsa_pss;
}

bool p11_can_generate(struct p11 *p, enum key_type type)
{
    struct p11_caps c;
    p11_caps(p, &c);
    bool gen = type == KEY_P256 || type == KEY_P384 ? c.ec_keygen : type == KEY_ED25519 ? c.eddsa_keygen : c.rsa_keygen;
    return gen && p11_can_sign(p, type);
}
