/* Inside src/keys/p11*.c only: what they share of one token.
 *
 * Locks, outer first: recovering (one thread repairs), module (shared: calls are in the module; exclusive: it is being
 * reloaded), lock (the fields below it).  A thread that waits for a session holds `module` shared; those who have the
 * sessions do too, so they come back. */
#ifndef KITH_KEYS_P11_TOKEN_H
#define KITH_KEYS_P11_TOKEN_H

#include <pthread.h>
#include <unistd.h>

#include "keys/p11_impl.h"
#include "keys/pin_mark.h"

#define SESSIONS_LIMIT 128

struct p11 {
    char *label, *serial;
    struct secret *pin;
    struct pin_mark mark;
    struct p11_config cfg;
    struct p11_template template;
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

/* Says what rv from the function `at` means; returns false. */
bool p11_fail(struct p11 *p, const char *at, CK_RV rv, struct err *e);
bool p11_pin_hint(const struct p11 *p, struct err *e); /* what to do about a refused PIN; returns false */
void p11_fault_text(char *dst, size_t cap, const char *at, CK_RV rv);

/* p11_login.c: by the recovering thread, or before the first request.  *at: the function that failed. */
CK_RV p11_initialize(struct p11 *p);
CK_RV p11_attach(struct p11 *p, const char **at); /* finds the token, opens the anchor session, logs in */
CK_RV p11_open_session(struct p11 *p, CK_SESSION_HANDLE *out);
void p11_anchor_set(struct p11 *p, bool ok);
bool p11_anchor_lives(struct p11 *p);
void p11_forget_sessions(struct p11 *p);

/* p11_recover.c */
/* C_Finalize and C_Initialize: some modules see a token that came back, or new objects, only then. */
CK_RV p11_reload(struct p11 *p, const char **at);
void p11_latch_pin(struct p11 *p, CK_RV rv); /* a PIN that was refused is never tried again */
/* After a failed call: gen is what the failed call had.  CKR_OK: it is worth a second try. */
CK_RV p11_recover(struct p11 *p, uint64_t gen, CK_RV why, const char **at);

#endif
