/* Repairing what was lost: sessions, the login, the module's own state. */
#include "keys/p11_token.h"

#include "base/mono.h"

void p11_latch_pin(struct p11 *p, CK_RV rv)
{
    if (p11_class_of(rv) != P11_PIN)
        return;
    pthread_mutex_lock(&p->lock);
    p->pin_refused = true;
    pthread_mutex_unlock(&p->lock);
}

CK_RV p11_reload(struct p11 *p, const char **at)
{
    int64_t now = mono_ms();
    if (now < p->reload_at_ms) {
        *at = "the module was reloaded just before";
        return CKR_TOKEN_NOT_PRESENT;
    }
    p->reload_at_ms = now + p->cfg.reload_min_ms;
    struct timespec until = mono_end(p->cfg.wait_ms);
    *at = "calls hang in the module";
    if (pthread_rwlock_clockwrlock(&p->module, CLOCK_MONOTONIC, &until) != 0)
        return CKR_DEVICE_ERROR;
    p11_anchor_set(p, false);
    (void)p->f->C_Finalize(NULL);
    *at = "C_Initialize";
    CK_RV rv = p11_initialize(p);
    if (rv == CKR_OK)
        rv = p11_attach(p, at);
    pthread_rwlock_unlock(&p->module);
    pthread_mutex_lock(&p->lock);
    p->seen.reloads++;
    pthread_mutex_unlock(&p->lock);
    return rv;
}

CK_RV p11_recover(struct p11 *p, uint64_t gen, CK_RV why, const char **at)
{
    *at = "recovery";
    CK_RV rv = CKR_OK;
    pthread_mutex_lock(&p->recovering);
    pthread_mutex_lock(&p->lock);
    bool done = p->gen != gen && p->anchor_ok, refused = p->pin_refused, down = p->state == P11_DOWN;
    pthread_mutex_unlock(&p->lock);
    if (refused) {
        *at = "C_Login";
        rv = CKR_PIN_INCORRECT;
    } else if (!done) {
        enum p11_class class = p11_class_of(why);
        pthread_rwlock_rdlock(&p->module);
        /* New sessions are enough for a fault now and then.  If they were not, the module's picture of the token is stale
         * (SoftHSM2: every session lives, C_GetTokenInfo fails for ever). */
        bool light =
            (class == P11_SESSION || (class == P11_DEVICE && !down) || class == P11_OBJECT) && p11_anchor_lives(p);
        if (light && p->solo) /* its one session may be what is broken */
            light = class != P11_SESSION;
        if (light && !p->solo && class != P11_OBJECT)
            p11_forget_sessions(p);
        else if (!light && why != P11_RV_GONE)
            rv = p11_attach(p, at);
        pthread_rwlock_unlock(&p->module);
        p11_latch_pin(p, rv);
        if (why == P11_RV_GONE || (rv != CKR_OK && p11_class_of(rv) != P11_PIN))
            rv = p11_reload(p, at);
        p11_latch_pin(p, rv);
        if (rv == CKR_OK && !light) {
            pthread_mutex_lock(&p->lock);
            p->seen.relogins++;
            pthread_mutex_unlock(&p->lock);
        }
    }
    pthread_mutex_unlock(&p->recovering);
    return rv;
}
