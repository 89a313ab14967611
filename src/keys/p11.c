#include "keys/p11.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mono.h"
#include "keys/p11_token.h"
#include "keys/p11_uri.h"
#include "keys/secret.h"

#define MECHANISMS_MAX 512

void p11_fault_text(char *dst, size_t cap, const char *at, CK_RV rv)
{
    const char *name = p11_rv_name(rv);
    if (name)
        snprintf(dst, cap, "%s: %s", at, name);
    else
        snprintf(dst, cap, "%s: return value 0x%lx", at, rv);
}

bool p11_pin_hint(const struct p11 *p, struct err *e)
{
    if (p->mark.fd < 0)
        return err_try(e, "look with the token's own tool how many tries are left, and correct the PIN first: each "
                          "call is one try");
    err_why(e, "tokens lock after a few wrong PINs: one PIN file is tried once, by all processes, over restarts");
    return err_try(e,
                   "look with the token's own tool how many tries are left; then write the right PIN to \"%s\" (or "
                   "touch it, if it is right by now)",
                   ERR_QUOTE(slice_str(p->mark.path)));
}

bool p11_fail(struct p11 *p, const char *at, CK_RV rv, struct err *e)
{
    static const enum err_code codes[] = {
        [P11_OK] = ERR_INTERNAL,      [P11_REQUEST] = ERR_P11_REFUSED, [P11_SESSION] = ERR_P11_TOKEN,
        [P11_OBJECT] = ERR_P11_TOKEN, [P11_TOKEN] = ERR_P11_TOKEN,     [P11_DEVICE] = ERR_P11_DEVICE,
        [P11_PIN] = ERR_P11_PIN,      [P11_FATAL] = ERR_P11_MODULE,
    };
    /* Agents, gateways and offline roots come here, too, where there is no platform to ask. */
    static const char away[] = "see with the token's own tool that it is there; a platform's also: kith doctor token";
    static const char log[] = "look into the logs of the token and of its module; a platform's also: kith doctor token";
    static const char *const hints[] = {
        [P11_OK] = log,
        [P11_REQUEST] = "see with the token's own tool what it can do and its policy forbids; a platform's also: kith "
                        "doctor token",
        [P11_SESSION] = away,
        [P11_OBJECT] = away,
        [P11_TOKEN] = away,
        [P11_DEVICE] = log,
        [P11_PIN] = log,
        [P11_FATAL] = log,
    };
    if (rv == P11_RV_SET)
        return false;
    if (rv == P11_RV_BUSY) {
        err_set(e, ERR_P11_BUSY, "token \"%s\": no session free within %u ms", ERR_QUOTE(slice_str(p->label)),
                p->cfg.wait_ms);
        err_why(e, "others have them all: so many go to the token at once");
        return err_try(e, "ask again later; a platform has more with hsm_sessions in [keys] of kith.conf");
    }
    char text[96];
    p11_fault_text(text, sizeof text, at, rv);
    err_set(e, codes[p11_class_of(rv)], "token \"%s\": %s", ERR_QUOTE(slice_str(p->label)), text);
    if (p11_class_of(rv) == P11_PIN)
        return p11_pin_hint(p, e);
    err_why(e, "PKCS#11: that is what the module answered");
    return err_try(e, "%s", hints[p11_class_of(rv)]);
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
    if (get && get(f) == CKR_OK && *f)
        return true;
    err_set(e, ERR_P11_MODULE, "module %s: no PKCS#11 functions in it", ERR_QUOTE(slice_str(module)));
    return err_try(e, "name the PKCS#11 library of the token's vendor");
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
    pin_mark_close(&p->mark);
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
    p->mark.fd = -1;
    config_default(p, cfg);
    p->pid = getpid();
    p->label = strdup(token_label ? token_label : "");
    p->serial = p->cfg.serial ? strdup(p->cfg.serial) : NULL;
    p->cfg.serial = NULL;
    if (!p->label || !pin_mark_open(p->cfg.mark_file, pin_file, &p->mark, e) ||
        !p11_template_read(p->cfg.template, &p->template, e) || (pin_file && !secret_read_file(pin_file, &p->pin, e)) ||
        !load(module, &p->f, e)) {
        release(p);
        return false;
    }
    const char *at = "C_Initialize";
    CK_RV rv = p11_initialize(p);
    if (rv != CKR_OK) {
        p11_fail(p, at, rv, e);
        release(p);
        return false;
    }
    rv = p11_attach(p, &at);
    if (p11_class_of(rv) == P11_TOKEN) /* that was being changed when the module looked (p11_login.c) */
        rv = p11_reload(p, &at);
    if (rv == CKR_OK) {
        at = "C_GetMechanismList";
        rv = read_mechanisms(p);
    }
    if (rv != CKR_OK) {
        p11_fail(p, at, rv, e);
        p11_free(p);
        return false;
    }
    *out = p;
    return true;
}

bool p11_open_for(const char *uri, const char *module, const char *pin_file, const char *mark_file, struct p11 **out,
                  struct err *e)
{
    struct p11_uri u;
    *out = NULL;
    if (!p11_uri_read(uri, &u, e))
        return false;
    if (!module || !u.token.given) {
        err_set(e, ERR_KEY_REF, "a key on a token needs its module, and the token's label in its URI");
        return err_try(e, "--module /usr/lib/....so --pin-file FILE --key 'pkcs11:token=LABEL;object=NAME'");
    }
    const struct p11_config cfg = {.serial = p11_uri_text(&u.serial), .mark_file = mark_file};
    return p11_open(module, p11_uri_text(&u.token), pin_file, &cfg, out, e);
}

void p11_free(struct p11 *p)
{
    if (!p)
        return;
    if (getpid() == p->pid) {
        p11_forget_sessions(p);
        (void)p->f->C_Finalize(NULL);
    }
    release(p);
}

/* --- what others ask --- */

void p11_health(struct p11 *p, struct p11_health *out)
{
    int64_t now = mono_ms();
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
    return p11_anchor_lives(p) ? CKR_OK : CKR_USER_NOT_LOGGED_IN;
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

const struct p11_template *p11_template(const struct p11 *p)
{
    return &p->template;
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
