/* One token: finding it, logging in. */
#include <string.h>
#include <time.h>

#include "keys/p11_token.h"
#include "keys/secret.h"

#define SLOTS_MAX   256
#define LOOKS       5
#define LOOK_GAP_NS 20000000

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

/* Two tokens that fit are an error, not a choice.  *again: there are tokens, and none fits. */
static CK_RV look(struct p11 *p, CK_SLOT_ID *slot, CK_TOKEN_INFO *info, const char **at, bool *again)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    unsigned found = 0, unread = 0;
    *at = "C_GetSlotList";
    *again = false;
    CK_RV rv = p->f->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK)
        return rv;
    for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
        CK_TOKEN_INFO ti;
        struct p11_health t = {0};
        if (p->f->C_GetTokenInfo(slots[i], &ti) != CKR_OK) {
            unread++;
            continue;
        }
        if (!(ti.flags & CKF_TOKEN_INITIALIZED))
            continue;
        unpad(t.label, ti.label, sizeof ti.label);
        unpad(t.serial, ti.serialNumber, sizeof ti.serialNumber);
        if (!wanted(p, &t))
            continue;
        found++;
        *slot = slots[i];
        *info = ti;
    }
    *again = n > 0 && found == 0;
    *at = found > 1 ? "several tokens fit"
          : unread  ? "no token of that name, and one that cannot be read"
                    : "no token of that name";
    return found == 1 ? CKR_OK : CKR_TOKEN_NOT_PRESENT;
}

/* While another process changes what its token stores (each login does), a module may fail to read it, or take it for blank
 * (SoftHSM2 does): a token is not away before it was looked for again. */
static CK_RV find_slot(struct p11 *p, CK_SLOT_ID *slot, CK_TOKEN_INFO *info, const char **at)
{
    for (int i = 1;; i++) {
        bool again;
        CK_RV rv = look(p, slot, info, at, &again);
        if (!again || i == LOOKS)
            return rv;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_GAP_NS}, NULL);
    }
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

void p11_anchor_set(struct p11 *p, bool ok)
{
    pthread_mutex_lock(&p->lock);
    p->anchor_ok = ok;
    pthread_mutex_unlock(&p->lock);
}

/* --- logging in; by the recovering thread or before the first request --- */

CK_RV p11_open_session(struct p11 *p, CK_SESSION_HANDLE *out)
{
    pthread_mutex_lock(&p->lock);
    CK_SLOT_ID slot = p->slot; /* another one after the token was moved */
    pthread_mutex_unlock(&p->lock);
    CK_RV rv = p->f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, out);
    if (rv == CKR_TOKEN_WRITE_PROTECTED)
        rv = p->f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, out);
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
    *at = "C_Login of this PIN file was refused before, not tried again";
    if (pin_mark_begin(&p->mark)) {
        pin_mark_end(&p->mark, false, true);
        return CKR_PIN_INCORRECT;
    }
    *at = "C_Login";
    CK_RV rv = p->f->C_Login(p->anchor, CKU_USER, pin.n ? (CK_UTF8CHAR_PTR)(uintptr_t)pin.p : NULL, pin.n);
    bool refused = p11_class_of(rv) == P11_PIN;
    pin_mark_end(&p->mark, refused || rv == CKR_OK, refused);
    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

CK_RV p11_login_context(struct p11 *p, struct p11_call *c)
{
    struct slice pin = secret_get0(p->pin);
    c->at = "C_Login for one signature";
    return p->f->C_Login(c->session, CKU_CONTEXT_SPECIFIC, pin.n ? (CK_UTF8CHAR_PTR)(uintptr_t)pin.p : NULL, pin.n);
}

void p11_forget_sessions(struct p11 *p)
{
    CK_SESSION_HANDLE old[SESSIONS_LIMIT];
    pthread_mutex_lock(&p->lock);
    unsigned n = p->idle_n;
    memcpy(old, p->idle, n * sizeof *old);
    p->idle_n = 0;
    p->gen++;
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < n; i++)
        if (old[i] != p->anchor)
            (void)p->f->C_CloseSession(old[i]);
    pthread_mutex_lock(&p->lock);
    p->open_n -= n;
    pthread_cond_broadcast(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

/* Whoever gives a token's only session back may say that it is gone. */
static bool has_anchor(struct p11 *p)
{
    pthread_mutex_lock(&p->lock);
    bool ok = p->anchor_ok;
    pthread_mutex_unlock(&p->lock);
    return ok;
}

CK_RV p11_attach(struct p11 *p, const char **at)
{
    CK_TOKEN_INFO ti;
    CK_SLOT_ID slot = 0;
    p11_forget_sessions(p);
    if (has_anchor(p))
        (void)p->f->C_CloseSession(p->anchor);
    p11_anchor_set(p, false);
    CK_RV rv = find_slot(p, &slot, &ti, at);
    if (rv != CKR_OK)
        return rv;
    pthread_mutex_lock(&p->lock);
    p->slot = slot;
    pthread_mutex_unlock(&p->lock);
    *at = "C_OpenSession";
    CK_SESSION_HANDLE anchor;
    if ((rv = p11_open_session(p, &anchor)) != CKR_OK)
        return rv;
    pthread_mutex_lock(&p->lock);
    p->anchor = anchor;
    pthread_mutex_unlock(&p->lock);
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

CK_RV p11_initialize(struct p11 *p)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = p->f->C_Initialize(&args);
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

bool p11_anchor_lives(struct p11 *p)
{
    CK_SESSION_INFO si;
    if (!has_anchor(p) || p->f->C_GetSessionInfo(p->anchor, &si) != CKR_OK)
        return false;
    return !p->pin || si.state == CKS_RW_USER_FUNCTIONS || si.state == CKS_RO_USER_FUNCTIONS;
}
