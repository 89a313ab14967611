/* Inside src/keys only: how key_p11.c runs work on a token. */
#ifndef KITH_KEYS_P11_IMPL_H
#define KITH_KEYS_P11_IMPL_H

#include <p11-kit/pkcs11.h>

#include "keys/p11.h"
#include "keys/p11_template.h"

/* What a return value means for session, login and module (DESIGN: errors of tokens). */
enum p11_class {
    P11_OK,
    P11_REQUEST, /* this request is not possible; the token is fine */
    P11_SESSION, /* session or login lost */
    P11_OBJECT,  /* the object's handle is no longer good */
    P11_TOKEN,   /* token or module state lost */
    P11_DEVICE,  /* a fault inside the device or module, perhaps passing */
    P11_PIN,     /* never try again */
    P11_FATAL,   /* this module cannot work here */
};
enum p11_class p11_class_of(CK_RV rv);
const char *p11_rv_name(CK_RV rv);

/* Return values of an operation beside the module's. */
#define P11_RV_SET  (CKR_VENDOR_DEFINED | 0x4b490001UL) /* the error is set already; the token is fine */
#define P11_RV_BUSY (CKR_VENDOR_DEFINED | 0x4b490003UL) /* no session became free */
#define P11_RV_AWAY (CKR_VENDOR_DEFINED | 0x4b490004UL) /* not logged in at the moment */
#define P11_RV_GONE (CKR_VENDOR_DEFINED | 0x4b490002UL) /* a key that was there is not visible: reload the module */

/* One call: functions, a session of its own, and the generation of handles (it changes whenever sessions were lost). */
struct p11_call {
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    uint64_t gen;
    const char *at; /* set before each call into the module: the function's name */
    struct err *e;
};

typedef CK_RV (*p11_op)(struct p11_call *c, void *ctx);

/* Runs op with a session, at most twice. */
MUST_USE bool p11_run(struct p11 *p, p11_op op, void *ctx, struct err *e);
bool p11_has(const struct p11 *p, CK_MECHANISM_TYPE m);
const struct p11_template *p11_template(const struct p11 *p);
/* For a key with CKA_ALWAYS_AUTHENTICATE: the PIN again, between C_SignInit and C_Sign (PKCS#11 v2.40 section 5.11). */
CK_RV p11_login_context(struct p11 *p, struct p11_call *c);
const char *p11_label(const struct p11 *p);
/* True if the RFC 7512 attributes (NULL: not given) describe this token. */
bool p11_matches(struct p11 *p, const char *token, const char *serial, const char *manufacturer, const char *model);

#endif
