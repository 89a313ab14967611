/* One token behind one PKCS#11 module: sessions, login, recovery.  Keys on it are opened through keys/key.h.
 *
 * What a user of real tokens wants: one C_Login when it is opened; a pool of sessions no larger than the token allows; key
 * handles looked up once and again after a session was lost, each request replayed once; the token may vanish and return,
 * even its module may need C_Finalize and C_Initialize, without a restart of the process; a PIN that the token refused is
 * never tried again; after repeated failures requests are refused at once (circuit breaker) but for a trial now and then.
 *
 * Rules for the process.  A module is used only by the process that loaded it: after fork() every call fails (SoftHSM2 hides
 * such faults, other modules corrupt the token's state).  Leave the process by _exit(): destructors of modules run after
 * those of OpenSSL and crash; nothing here registers an atexit handler, and a module is never unloaded.  One process, one
 * `struct p11` a module.
 *
 * Time for waiting and rate limits is CLOCK_MONOTONIC: it decides nothing that is recorded. */
#ifndef KITH_KEYS_P11_H
#define KITH_KEYS_P11_H

#include "core/err.h"
#include "keys/key.h"

struct p11;

/* hsm_template: what a token is asked to make of a key.  "generic", or a device's name (keys/p11_template.c), then changes, as in
 * "luna, modifiable=no, derive=omit". */
struct p11_config {
    const char *template; /* NULL: generic */
    const char *serial;   /* the token's serial number, when labels are not unique; NULL: any */
    const char
        *mark_file; /* remembers over restarts that a PIN file was refused (keys/pin_mark.h); NULL: nothing does */
    unsigned sessions_max;  /* 0: 32; the token's own limit wins */
    unsigned wait_ms;       /* for a free session; 0: 5000 */
    unsigned reload_min_ms; /* least time between two reloads of the module and between trials; 0: 1000 */
};

/* Whether p11_open() would take this template; for checks of a configuration. */
MUST_USE bool p11_template_check(const char *text, struct err *e);

/* Loads the module, finds the token by label, logs in.  pin_file NULL: no login (or the token has its own PIN pad).  A token
 * whose flags say that one try is left, or none, is not logged in to.
 * Errors: unavailable (ERR_P11_MODULE, ERR_P11_TOKEN), auth (ERR_P11_PIN), those of secret_read_file(). */
MUST_USE bool p11_open(const char *module, const char *token_label, const char *pin_file, const struct p11_config *cfg,
                       struct p11 **out, struct err *e);
/* The same with the token's label out of a key's URI, for programs whose users name key and module by themselves.
 * mark_file: as in struct p11_config; without one, each call is a try of the PIN.
 * Errors: ERR_KEY_REF (not a URI, no label in it, no module). */
MUST_USE bool p11_open_for(const char *uri, const char *module, const char *pin_file, const char *mark_file,
                           struct p11 **out, struct err *e);
/* Logs out and finalises the module.  Keys opened with it must be freed before. */
void p11_free(struct p11 *p);
AUTO_FREE_FN(struct p11 *, p11_free);

enum p11_state {
    P11_HEALTHY,  /* the last request was answered */
    P11_DEGRADED, /* the last request failed by the token's fault */
    P11_DOWN,     /* several did: refused at once until a trial succeeds */
};

/* For doctor, /readyz and metrics. */
struct p11_health {
    enum p11_state state;
    bool pin_refused; /* latched: reopen with the right PIN */
    unsigned sessions, sessions_max;
    uint64_t requests, replays, relogins, reloads, failures;
    uint32_t trial_in_ms; /* DOWN: the next request that is let through */
    char last_fault[96];  /* "C_Sign: CKR_DEVICE_REMOVED", or empty */
    char label[33], serial[17], model[17], manufacturer[33];
};
void p11_health(struct p11 *p, struct p11_health *out);
const char *p11_state_name(enum p11_state s); /* "healthy", "degraded", "down" */

/* Asks the token for a sign of life, recovering as a request would.  Called every few seconds it keeps sessions from idling
 * out and finds a lost token before a request does. */
MUST_USE bool p11_check(struct p11 *p, struct err *e);

/* What the token says it does. */
struct p11_caps {
    unsigned mechanisms;
    bool ecdsa, eddsa, rsa_pkcs, rsa_pss, ec_keygen, eddsa_keygen, rsa_keygen;
};
void p11_caps(struct p11 *p, struct p11_caps *out);
bool p11_can_sign(struct p11 *p, enum key_type type); /* has EdDSA?  Else the ledger key is a sealed file */
bool p11_can_generate(struct p11 *p, enum key_type type);

#endif
