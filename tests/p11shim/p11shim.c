/* A PKCS#11 module for tests: forwards to a real one and does to its caller what real tokens do and SoftHSM2 does not.
 *
 * The file named by $P11SHIM_CONTROL is read at each call; a test replaces it (by rename) at any time.  Lines `word=value`:
 *   module=PATH        the real module; read at C_Initialize
 *   log=PATH           a line for each C_Login ("login RV", "context RV"), C_Initialize, C_Finalize and call in a child after
 *                      fork ("forked") is appended
 *   drop=N             whenever N changes, all sessions are lost (and the login with them)
 *   logout=N           whenever N changes, the user is logged out, as by the token's own timer; the sessions live on
 *   drop_every=N       all sessions are lost at every N-th C_Sign
 *   forget=N           whenever N changes, all object handles become invalid
 *   delay_ms=N         each C_Sign takes so much longer
 *   absent=1           no token in its slot; sessions answer CKR_DEVICE_REMOVED
 *   sticky=1           an absent token comes back only after C_Finalize and C_Initialize
 *   blank=N            whenever N changes, the token is blank the next N times that somebody looks; 1000 + N: cannot be read
 *   unset=N            whenever N changes, the next N logins answer CKR_USER_PIN_NOT_INITIALIZED
 *   late=N             whenever N changes, no token is seen from the next C_Initialize to the one after it
 *   hidden=1           private objects are not found (an HSM that loads its keys later)
 *   fail_every=N       every N-th C_Sign answers fail_rv=RV (hexadecimal)
 *   refuse=function    C_GenerateKeyPair and C_CreateObject: CKR_FUNCTION_NOT_SUPPORTED, as an nShield pool does
 *   forbid=TYPE        CKR_TEMPLATE_INCONSISTENT if a generated private key's template has this attribute (hexadecimal)
 *   need=TYPE          CKR_TEMPLATE_INCOMPLETE if it has not, or not as true;  need_public=TYPE: for the public key
 *   idle_ms=N          a session that nobody used for so long is lost; with the last one, the login
 *   refuse=template    ... CKR_TEMPLATE_INCONSISTENT;  refuse=private: only if CKA_PRIVATE or CKA_DECRYPT is in the template
 *   weak=1             generated private keys get CKA_EXTRACTABLE true, whatever was asked
 *   max_sessions=N     CKR_SESSION_COUNT beyond; also in the token's information
 *   no_eddsa=1         the mechanism is not offered
 *   pin_lock=1         three wrong PINs lock the token (SoftHSM2 never locks), and the flags warn before
 *   new_pin=1          the PIN that the caller knows is wrong from now on */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX 1024
#define OBJECT_SHIFT 24 /* handle = epoch << 24 | the real one */

struct plan {
    char module[256], log[256], refuse[16];
    long drop, drop_every, forget, delay_ms, absent, sticky, hidden, fail_every, fail_rv, weak, max_sessions, no_eddsa,
        pin_lock, new_pin, forbid, need, need_public, idle_ms, logout, blank, late, unset;
};

static CK_FUNCTION_LIST *real;
/* Shared: a call is in the real module; exclusive: its sessions are being taken away. */
static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, planning = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool used, alive;
    CK_SESSION_HANDLE real;
    long used_ms;
} sessions[SESSIONS_MAX];
static long seen_drop, seen_forget, seen_logout, seen_blank, seen_late, seen_unset, blanks, unsets, inits, signs,
    wrong_pins;
static unsigned long object_epoch = 1;
static bool gone, inited;
static CK_SLOT_ID last_slot;
static pid_t owner;

/* --- the plan --- */

static struct plan plan_read(void)
{
    struct plan p = {0};
    const char *path = getenv("P11SHIM_CONTROL");
    FILE *f = path ? fopen(path, "re") : NULL;
    char line[320];
    static const struct {
        const char *word;
        size_t at;
    } numbers[] = {
#define N(w) {#w "=", offsetof(struct plan, w)}
        N(drop),        N(drop_every), N(forget),       N(delay_ms), N(absent),   N(sticky),  N(hidden), N(weak),
        N(fail_every),  N(fail_rv),    N(max_sessions), N(no_eddsa), N(pin_lock), N(new_pin), N(forbid), N(need),
        N(need_public), N(idle_ms),    N(logout),       N(blank),    N(late),     N(unset),
#undef N
    };
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (strncmp(line, numbers[i].word, strlen(numbers[i].word)) == 0) {
                long v = strtol(line + strlen(numbers[i].word), NULL, 0);
                memcpy((char *)&p + numbers[i].at, &v, sizeof v);
            }
        if (strncmp(line, "module=", 7) == 0)
            snprintf(p.module, sizeof p.module, "%.255s", line + 7);
        if (strncmp(line, "log=", 4) == 0)
            snprintf(p.log, sizeof p.log, "%.255s", line + 4);
        if (strncmp(line, "refuse=", 7) == 0)
            snprintf(p.refuse, sizeof p.refuse, "%.15s", line + 7);
    }
    if (f)
        fclose(f);
    return p;
}

static void log_line(const struct plan *p, const char *what, CK_RV rv)
{
    FILE *f = p->log[0] ? fopen(p->log, "ae") : NULL;
    if (!f)
        return;
    fprintf(f, "%s %lx\n", what, rv);
    fclose(f);
}

/* With `gate` held exclusively. */
static void lose_sessions(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        sessions[i].alive = false;
    pthread_mutex_unlock(&lock);
    (void)real->C_CloseAllSessions(last_slot);
}

/* Likewise. */
static void log_out(void)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        if (sessions[i].alive) {
            (void)real->C_Logout(sessions[i].real);
            return;
        }
}

static bool changes(const struct plan *p)
{
    bool away = p->absent || (gone && p->sticky);
    return p->drop != seen_drop || p->forget != seen_forget || p->logout != seen_logout || away != gone;
}

/* With `gate` held exclusively. */
static void apply(const struct plan *p)
{
    bool away = p->absent || (gone && p->sticky);
    if (real && inited && (p->drop != seen_drop || (away && !gone)))
        lose_sessions();
    else if (real && inited && p->logout != seen_logout)
        log_out();
    object_epoch += p->forget != seen_forget;
    seen_drop = p->drop;
    seen_forget = p->forget;
    seen_logout = p->logout;
    gone = away;
}

/* Applies what changed in the plan, then lets the call in.  CKR_OK: `gate` is held shared. */
static CK_RV enter(struct plan *p)
{
    pthread_mutex_lock(&planning); /* an older plan must not be applied after a newer one */
    *p = plan_read();
    if (changes(p)) {
        pthread_rwlock_wrlock(&gate);
        apply(p);
        pthread_rwlock_unlock(&gate);
    }
    pthread_mutex_unlock(&planning);
    pthread_rwlock_rdlock(&gate);
    if (inited && getpid() != owner)
        log_line(p, "forked", CKR_CRYPTOKI_NOT_INITIALIZED);
    else if (inited)
        return CKR_OK;
    pthread_rwlock_unlock(&gate);
    return CKR_CRYPTOKI_NOT_INITIALIZED;
}

static CK_RV leave(CK_RV rv)
{
    pthread_rwlock_unlock(&gate);
    return rv;
}

/* --- handles --- */

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* With `lock` held.  The real module forgets the login with its last session. */
static void lose_idle(long idle_ms)
{
    long now = now_ms();
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (sessions[i].alive && now - sessions[i].used_ms > idle_ms) {
            sessions[i].alive = false;
            (void)real->C_CloseSession(sessions[i].real);
        }
    }
}

static CK_RV session_real(const struct plan *p, CK_SESSION_HANDLE h, CK_SESSION_HANDLE *out)
{
    if (gone)
        return CKR_DEVICE_REMOVED;
    pthread_mutex_lock(&lock);
    if (p->idle_ms)
        lose_idle(p->idle_ms);
    bool ok = h > 0 && h <= SESSIONS_MAX && sessions[h - 1].used && sessions[h - 1].alive;
    *out = ok ? sessions[h - 1].real : 0;
    if (ok)
        sessions[h - 1].used_ms = now_ms();
    pthread_mutex_unlock(&lock);
    return ok ? CKR_OK : CKR_SESSION_HANDLE_INVALID;
}

static CK_OBJECT_HANDLE object_out(CK_OBJECT_HANDLE h)
{
    return h | object_epoch << OBJECT_SHIFT;
}

static bool object_in(CK_OBJECT_HANDLE h, CK_OBJECT_HANDLE *out)
{
    *out = h & ((1UL << OBJECT_SHIFT) - 1);
    return h >> OBJECT_SHIFT == object_epoch;
}

#define ENTER_SESSION(h)                                                                                               \
    struct plan plan;                                                                                                  \
    CK_SESSION_HANDLE s;                                                                                               \
    CK_RV rv = enter(&plan);                                                                                           \
    if (rv != CKR_OK)                                                                                                  \
        return rv;                                                                                                     \
    if ((rv = session_real(&plan, (h), &s)) != CKR_OK)                                                                 \
    return leave(rv)

/* --- module, slots, tokens --- */

static CK_RV shim_initialize(void *args)
{
    pthread_mutex_lock(&planning);
    struct plan p = plan_read();
    pthread_rwlock_wrlock(&gate);
    if (!real) {
        void *dl = dlopen(p.module, RTLD_NOW | RTLD_LOCAL);
        CK_C_GetFunctionList get = NULL;
        if (dl)
            *(void **)&get = dlsym(dl, "C_GetFunctionList");
        if (!get || get(&real) != CKR_OK)
            real = NULL;
    }
    seen_drop = p.drop;
    gone = p.absent;
    pthread_mutex_unlock(&planning);
    CK_RV rv = !real ? CKR_GENERAL_ERROR : inited ? CKR_CRYPTOKI_ALREADY_INITIALIZED : real->C_Initialize(args);
    inits = p.late == seen_late ? inits + 1 : 1;
    seen_late = p.late;
    inited = inited || rv == CKR_OK;
    owner = getpid();
    log_line(&p, "initialize", rv);
    return leave(rv);
}

static CK_RV shim_finalize(void *reserved)
{
    struct plan p = plan_read();
    pthread_rwlock_wrlock(&gate);
    CK_RV rv = inited ? real->C_Finalize(reserved) : CKR_CRYPTOKI_NOT_INITIALIZED;
    inited = false;
    memset(sessions, 0, sizeof sessions);
    log_line(&p, "finalize", rv);
    return leave(rv);
}

static CK_RV shim_get_info(CK_INFO *info)
{
    struct plan p;
    CK_RV rv = enter(&p);
    return rv != CKR_OK ? rv : leave(real->C_GetInfo(info));
}

static CK_RV shim_get_slot_list(unsigned char present, CK_SLOT_ID *slots, unsigned long *n)
{
    struct plan p;
    CK_RV rv = enter(&p);
    if (rv != CKR_OK)
        return rv;
    if (!(gone || (p.late && inits < 2)) || !present)
        return leave(real->C_GetSlotList(present, slots, n));
    *n = 0;
    return leave(CKR_OK);
}

static CK_RV shim_get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    struct plan p;
    CK_RV rv = enter(&p);
    return rv != CKR_OK ? rv : leave(real->C_GetSlotInfo(slot, info));
}

static CK_RV shim_get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    struct plan p;
    CK_RV rv = enter(&p);
    if (rv != CKR_OK)
        return rv;
    rv = gone ? CKR_TOKEN_NOT_PRESENT : real->C_GetTokenInfo(slot, info);
    pthread_mutex_lock(&lock);
    if (p.blank != seen_blank)
        blanks = p.blank % 1000;
    seen_blank = p.blank;
    bool blank = blanks > 0 && blanks--;
    pthread_mutex_unlock(&lock);
    if (blank && p.blank > 1000)
        rv = CKR_GENERAL_ERROR;
    else if (blank)
        info->flags &= ~CKF_TOKEN_INITIALIZED;
    if (rv == CKR_OK && p.max_sessions)
        info->ulMaxSessionCount = info->ulMaxRwSessionCount = (unsigned long)p.max_sessions;
    if (rv == CKR_OK && p.pin_lock) {
        info->flags &= ~(CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_COUNT_LOW);
        info->flags |= wrong_pins >= 3 ? CKF_USER_PIN_LOCKED : wrong_pins == 2 ? CKF_USER_PIN_FINAL_TRY : 0;
    }
    return leave(rv);
}

static CK_RV shim_get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, unsigned long *n)
{
    struct plan p;
    CK_RV rv = enter(&p);
    if (rv != CKR_OK)
        return rv;
    rv = real->C_GetMechanismList(slot, list, n);
    for (unsigned long i = 0; rv == CKR_OK && list && p.no_eddsa && i < *n;) {
        if (list[i] == CKM_EDDSA || list[i] == CKM_EC_EDWARDS_KEY_PAIR_GEN)
            list[i] = list[--*n];
        else
            i++;
    }
    return leave(rv);
}

static CK_RV shim_get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    struct plan p;
    CK_RV rv = enter(&p);
    return rv != CKR_OK ? rv : leave(real->C_GetMechanismInfo(slot, type, info));
}

/* --- sessions --- */

static CK_RV shim_open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify, CK_SESSION_HANDLE *out)
{
    struct plan p;
    CK_RV rv = enter(&p);
    if (rv != CKR_OK)
        return rv;
    if (gone)
        return leave(CKR_TOKEN_NOT_PRESENT);
    pthread_mutex_lock(&lock);
    last_slot = slot;
    long alive = 0;
    size_t at = SESSIONS_MAX;
    for (size_t i = SESSIONS_MAX; i-- > 0;) {
        alive += sessions[i].used && sessions[i].alive;
        if (!sessions[i].used)
            at = i;
    }
    rv = at == SESSIONS_MAX || (p.max_sessions && alive >= p.max_sessions) ? CKR_SESSION_COUNT : CKR_OK;
    if (rv == CKR_OK)
        rv = real->C_OpenSession(slot, flags, app, notify, &sessions[at].real);
    if (rv == CKR_OK) {
        sessions[at].used = sessions[at].alive = true;
        sessions[at].used_ms = now_ms();
        *out = at + 1;
    }
    pthread_mutex_unlock(&lock);
    return leave(rv);
}

static CK_RV shim_close_session(CK_SESSION_HANDLE h)
{
    struct plan p;
    CK_RV rv = enter(&p);
    if (rv != CKR_OK)
        return rv;
    pthread_mutex_lock(&lock);
    rv = CKR_SESSION_HANDLE_INVALID;
    if (h > 0 && h <= SESSIONS_MAX && sessions[h - 1].used) {
        if (sessions[h - 1].alive)
            rv = real->C_CloseSession(sessions[h - 1].real);
        sessions[h - 1].used = sessions[h - 1].alive = false;
    }
    pthread_mutex_unlock(&lock);
    return leave(rv);
}

static CK_RV shim_close_all_sessions(CK_SLOT_ID slot)
{
    pthread_rwlock_wrlock(&gate);
    CK_RV rv = inited ? real->C_CloseAllSessions(slot) : CKR_CRYPTOKI_NOT_INITIALIZED;
    memset(sessions, 0, sizeof sessions);
    return leave(rv);
}

static CK_RV shim_get_session_info(CK_SESSION_HANDLE h, CK_SESSION_INFO *info)
{
    ENTER_SESSION(h);
    return leave(real->C_GetSessionInfo(s, info));
}

static CK_RV shim_login(CK_SESSION_HANDLE h, CK_USER_TYPE user, unsigned char *pin, unsigned long n)
{
    ENTER_SESSION(h);
    pthread_mutex_lock(&lock);
    bool locked = plan.pin_lock && wrong_pins >= 3;
    if (plan.unset != seen_unset)
        unsets = plan.unset;
    seen_unset = plan.unset;
    bool unset = unsets > 0 && unsets--;
    pthread_mutex_unlock(&lock);
    rv = unset          ? CKR_USER_PIN_NOT_INITIALIZED
         : locked       ? CKR_PIN_LOCKED
         : plan.new_pin ? CKR_PIN_INCORRECT
                        : real->C_Login(s, user, pin, n);
    pthread_mutex_lock(&lock);
    if (rv == CKR_PIN_INCORRECT)
        wrong_pins++;
    else if (rv == CKR_OK)
        wrong_pins = 0;
    log_line(&plan, user == CKU_CONTEXT_SPECIFIC ? "context" : "login", rv);
    pthread_mutex_unlock(&lock);
    return leave(rv);
}

static CK_RV shim_logout(CK_SESSION_HANDLE h)
{
    ENTER_SESSION(h);
    return leave(real->C_Logout(s));
}

/* --- objects --- */

static CK_RV shim_create_object(CK_SESSION_HANDLE h, CK_ATTRIBUTE *t, unsigned long n, CK_OBJECT_HANDLE *out)
{
    ENTER_SESSION(h);
    if (plan.refuse[0])
        return leave(plan.refuse[0] == 'f' ? CKR_FUNCTION_NOT_SUPPORTED : CKR_TEMPLATE_INCONSISTENT);
    rv = real->C_CreateObject(s, t, n, out);
    *out = object_out(*out);
    return leave(rv);
}

static CK_RV shim_destroy_object(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE o)
{
    ENTER_SESSION(h);
    return leave(object_in(o, &o) ? real->C_DestroyObject(s, o) : CKR_OBJECT_HANDLE_INVALID);
}

static CK_RV shim_get_attribute_value(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE o, CK_ATTRIBUTE *t, unsigned long n)
{
    ENTER_SESSION(h);
    return leave(object_in(o, &o) ? real->C_GetAttributeValue(s, o, t, n) : CKR_OBJECT_HANDLE_INVALID);
}

static CK_RV shim_find_objects_init(CK_SESSION_HANDLE h, CK_ATTRIBUTE *t, unsigned long n)
{
    ENTER_SESSION(h);
    return leave(real->C_FindObjectsInit(s, t, n));
}

static CK_RV shim_find_objects(CK_SESSION_HANDLE h, CK_OBJECT_HANDLE *out, unsigned long max, unsigned long *n)
{
    ENTER_SESSION(h);
    rv = real->C_FindObjects(s, out, max, n);
    if (plan.hidden)
        *n = 0;
    for (unsigned long i = 0; rv == CKR_OK && i < *n; i++)
        out[i] = object_out(out[i]);
    return leave(rv);
}

static CK_RV shim_find_objects_final(CK_SESSION_HANDLE h)
{
    ENTER_SESSION(h);
    return leave(real->C_FindObjectsFinal(s));
}

static bool is_true(const CK_ATTRIBUTE *t, unsigned long n, CK_ATTRIBUTE_TYPE type)
{
    for (unsigned long i = 0; i < n; i++)
        if (t[i].type == type)
            return *(const CK_BBOOL *)t[i].pValue == CK_TRUE;
    return false;
}

static bool has(const CK_ATTRIBUTE *t, unsigned long n, CK_ATTRIBUTE_TYPE type)
{
    for (unsigned long i = 0; i < n; i++)
        if (t[i].type == type)
            return true;
    return false;
}

static CK_RV shim_generate_key_pair(CK_SESSION_HANDLE h, CK_MECHANISM *m, CK_ATTRIBUTE *pub, unsigned long pub_n,
                                    CK_ATTRIBUTE *priv, unsigned long priv_n, CK_OBJECT_HANDLE *pub_out,
                                    CK_OBJECT_HANDLE *priv_out)
{
    ENTER_SESSION(h);
    if (plan.refuse[0] == 'f')
        return leave(CKR_FUNCTION_NOT_SUPPORTED);
    if (plan.refuse[0] == 't' ||
        (plan.refuse[0] == 'p' && (has(priv, priv_n, CKA_PRIVATE) || has(priv, priv_n, CKA_DECRYPT))))
        return leave(CKR_TEMPLATE_INCONSISTENT);
    if (plan.forbid && has(priv, priv_n, (CK_ATTRIBUTE_TYPE)plan.forbid))
        return leave(CKR_TEMPLATE_INCONSISTENT);
    if ((plan.need && !is_true(priv, priv_n, (CK_ATTRIBUTE_TYPE)plan.need)) ||
        (plan.need_public && !is_true(pub, pub_n, (CK_ATTRIBUTE_TYPE)plan.need_public)))
        return leave(CKR_TEMPLATE_INCOMPLETE);
    CK_BBOOL yes = CK_TRUE;
    for (unsigned long i = 0; plan.weak && i < priv_n; i++)
        if (priv[i].type == CKA_EXTRACTABLE)
            priv[i].pValue = &yes;
    rv = real->C_GenerateKeyPair(s, m, pub, pub_n, priv, priv_n, pub_out, priv_out);
    if (rv == CKR_OK) {
        *pub_out = object_out(*pub_out);
        *priv_out = object_out(*priv_out);
    }
    return leave(rv);
}

/* --- signing --- */

static CK_RV shim_sign_init(CK_SESSION_HANDLE h, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
    ENTER_SESSION(h);
    return leave(object_in(key, &key) ? real->C_SignInit(s, m, key) : CKR_KEY_HANDLE_INVALID);
}

static CK_RV shim_sign(CK_SESSION_HANDLE h, unsigned char *data, unsigned long n, unsigned char *sig,
                       unsigned long *sig_n)
{
    ENTER_SESSION(h);
    long nth = __atomic_add_fetch(&signs, 1, __ATOMIC_RELAXED);
    if (plan.drop_every && nth % plan.drop_every == 0) {
        leave(CKR_OK);
        pthread_rwlock_wrlock(&gate);
        lose_sessions();
        return leave(CKR_SESSION_HANDLE_INVALID);
    }
    if (plan.delay_ms)
        usleep((useconds_t)plan.delay_ms * 1000);
    if (plan.fail_every && nth % plan.fail_every == 0) {
        (void)real->C_Sign(s, data, n, sig, sig_n);
        return leave((CK_RV)plan.fail_rv);
    }
    return leave(real->C_Sign(s, data, n, sig, sig_n));
}

static CK_RV shim_generate_random(CK_SESSION_HANDLE h, unsigned char *p, unsigned long n)
{
    ENTER_SESSION(h);
    return leave(real->C_GenerateRandom(s, p, n));
}

static CK_RV not_supported(void)
{
    return CKR_FUNCTION_NOT_SUPPORTED;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out);

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
    static CK_FUNCTION_LIST list;
    static void *(*const stub) = (void *)not_supported;
    /* Everything that is not forwarded answers the same: handles of ours must not reach the real module. */
    for (size_t at = offsetof(CK_FUNCTION_LIST, C_Initialize); at + sizeof stub <= sizeof list; at += sizeof stub)
        memcpy((char *)&list + at, &stub, sizeof stub);
    list.version.major = 2;
    list.version.minor = 40;
    list.C_Initialize = shim_initialize;
    list.C_Finalize = shim_finalize;
    list.C_GetInfo = shim_get_info;
    list.C_GetFunctionList = C_GetFunctionList;
    list.C_GetSlotList = shim_get_slot_list;
    list.C_GetSlotInfo = shim_get_slot_info;
    list.C_GetTokenInfo = shim_get_token_info;
    list.C_GetMechanismList = shim_get_mechanism_list;
    list.C_GetMechanismInfo = shim_get_mechanism_info;
    list.C_OpenSession = shim_open_session;
    list.C_CloseSession = shim_close_session;
    list.C_CloseAllSessions = shim_close_all_sessions;
    list.C_GetSessionInfo = shim_get_session_info;
    list.C_Login = shim_login;
    list.C_Logout = shim_logout;
    list.C_CreateObject = shim_create_object;
    list.C_DestroyObject = shim_destroy_object;
    list.C_GetAttributeValue = shim_get_attribute_value;
    list.C_FindObjectsInit = shim_find_objects_init;
    list.C_FindObjects = shim_find_objects;
    list.C_FindObjectsFinal = shim_find_objects_final;
    list.C_GenerateKeyPair = shim_generate_key_pair;
    list.C_SignInit = shim_sign_init;
    list.C_Sign = shim_sign;
    list.C_GenerateRandom = shim_generate_random;
    *out = &list;
    return CKR_OK;
}
